//! What a person needs to see of a conflict, to settle it: the shapes of `GET /api/v1/sync/conflict`.

mod budget;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use budget::{Budget, MOST_FILES, MOST_MERGED, MOST_VALUE_BYTES};

/// The conflict of one app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictView {
    /// The app, by the name that both sides knew.
    pub app: String,
    /// Its new name here, if it was renamed here.
    pub renamed_here: Option<String>,
    /// Its new name in Git, if it was renamed there.
    pub renamed_there: Option<String>,
    /// The side that deleted the app, if one did; the files are then those that the other side changed.
    pub deleted_by: Option<ConflictSide>,
    /// What clashes, one sentence each.
    pub clashes: Vec<String>,
    /// Where our side is kept.
    pub ours: OurSide,
    /// Where their side is, and who changed the app there last.
    pub theirs: TheirSide,
    /// The files that clash, by path; at most [`MOST_FILES`].
    pub files: Vec<FileInConflict>,
    /// How many more files clash.
    pub more_files: usize,
    /// Files that a side changed and that merge by themselves, by path; at most [`MOST_MERGED`].
    pub merged: Vec<MergedFile>,
}

/// A side of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictSide {
    /// This instance.
    Ours,
    /// Git.
    Theirs,
}

/// Our side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurSide {
    /// The branch that keeps it on the remote.
    pub branch: String,
    /// The newest commit of that branch.
    pub commit: String,
    /// Whether the remote has that commit.
    pub pushed: bool,
    /// Why the branch could not be pushed, if it could not.
    pub push_error: Option<String>,
}

/// Their side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TheirSide {
    /// The branch that is followed.
    pub branch: String,
    /// The newest change of the app there.
    pub changed_by: Option<ChangedBy>,
}

/// A commit that changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedBy {
    /// Its id.
    pub commit: String,
    /// Its author's name.
    pub author: String,
    /// Its author's address.
    pub email: String,
    /// When it was written (RFC 3339).
    pub time: String,
    /// The first line of its message.
    pub subject: String,
}

/// One file that clashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileInConflict {
    /// Its path in the app's folder.
    pub path: String,
    /// How it clashes.
    pub kind: ClashKind,
    /// Why it cannot be merged, for kinds that are not told by places.
    pub reason: Option<String>,
    /// The side that deleted it, if one did.
    pub deleted_by: Option<ConflictSide>,
    /// The values that clash, of a file that is JSON.
    pub values: Vec<ValueClash>,
    /// The lines that clash, of any other text.
    pub lines: Vec<LinesClash>,
    /// The file in what both sides had in common; `None`: it was not there. The same for the two sides.
    pub base: Option<FileFacts>,
    /// See `base`.
    pub ours: Option<FileFacts>,
    /// See `base`.
    pub theirs: Option<FileFacts>,
    /// Who changed it last in Git.
    pub changed_by: Option<ChangedBy>,
    /// The file with everything else merged. In JSON ours stands at the places that clash; in a text the marks of Git stand
    /// around the versions. `None` where a file can only be taken whole, or is not UTF-8.
    pub candidate: Option<ShownText>,
}

/// How a file clashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClashKind {
    /// Values in JSON, changed by both.
    Json,
    /// Lines of a text, changed by both.
    Text,
    /// A file that is taken whole: binary, or a text that would break.
    Whole,
    /// Deleted by one side and changed by the other.
    Deleted,
    /// A file on one side and a folder on the other.
    FileAndFolder,
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// The blob in Git.
    pub id: String,
    /// Its size.
    pub bytes: usize,
}

/// A value that both sides changed differently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueClash {
    /// Where: a JSON pointer (RFC 6901).
    pub path: String,
    /// The value that both had; `None`: there was none.
    pub base: Option<ShownValue>,
    /// Ours; `None`: we deleted it.
    pub ours: Option<ShownValue>,
    /// Theirs; `None`: they deleted it.
    pub theirs: Option<ShownValue>,
}

/// A value, or the beginning of its text when it is longer than [`MOST_VALUE_BYTES`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownValue {
    /// The whole value.
    Value(Value),
    /// The beginning of its text.
    Cut(ShownText),
}

/// Lines that both sides changed differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesClash {
    /// The lines that both had.
    pub base: Lines,
    /// Ours.
    pub ours: Lines,
    /// Theirs.
    pub theirs: Lines,
}

/// A range of lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The first one, counted from 1.
    pub first: usize,
    /// How many there are; none: it is a place between two lines.
    pub count: usize,
    /// Their text.
    pub text: ShownText,
}

/// A text that may be cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownText {
    /// The text, or its beginning.
    pub text: String,
    /// How long it is, whole.
    pub bytes: usize,
    /// Whether it is cut.
    pub cut: bool,
}

/// A file that merges by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedFile {
    /// Its path in the app's folder.
    pub path: String,
    /// The side that changed it; `None`: both did.
    pub changed_by: Option<ConflictSide>,
}
