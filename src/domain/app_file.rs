//! A file of an app, wherever its content is.

use super::{EntryKind, ObjectId};

/// One file of an app: where it lies, what it is, and the object that holds its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppFile {
    /// Inside the app's folder, `/` between components.
    pub path: String,
    /// A file of either kind.
    pub kind: EntryKind,
    /// Its content.
    pub id: ObjectId,
}
