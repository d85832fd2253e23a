//! What the engine knows of the branch at the remote.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::domain::{AppName, ObjectId};
use crate::sync::elsewhere::Elsewhere;

/// What is known of the branch.
#[derive(Clone, Debug, Default)]
pub(super) struct RemoteView {
    pub(super) knowledge: Knowledge,
    /// The apps at the tip.
    pub(super) apps: BTreeMap<AppName, ObjectId>,
    /// Entries of the apps' folder that cannot be apps.
    pub(super) refused_names: Vec<(String, String)>,
    /// Where apps seem to be, when there is none where they are looked for.
    pub(super) elsewhere: Option<Elsewhere>,
    /// Apps whose tree may not be written, and why.
    pub(super) hostile: BTreeMap<AppName, String>,
}

/// How much is known of the branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// Never reached yet.
    #[default]
    Nothing,
    /// The repository has no branch at all, and never had: the first push makes ours.
    Unborn,
    /// The branch is at the tip that the state names.
    Tip,
    /// The branch is not there, but these are; or none although ours was seen before.
    Absent(Vec<String>),
}

/// A refusal by the remote.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) words: String,
    pub(super) local: Option<ObjectId>,
    pub(super) tip: Option<ObjectId>,
    pub(super) retry_at: Instant,
    pub(super) attempts: u32,
}
