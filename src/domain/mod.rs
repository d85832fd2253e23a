//! Pure types and decisions. No input, no output, no clock.

pub mod app_file;
pub mod app_name;
pub mod author;
pub mod backoff;
pub mod branch_name;
pub mod conflict_view;
pub mod event;
pub mod failure;
pub mod input;
pub mod key_name;
pub mod merge;
pub mod object;
pub mod patterns;
pub mod plan;
pub mod refusal;
pub mod repo_url;
pub mod shell;
pub mod status;
pub mod tag_name;
pub mod tunnel;
pub mod unified;
pub mod words;

pub use app_file::AppFile;
pub use app_name::{AppName, AppNameError};
pub use author::{Author, AuthorError};
pub use backoff::Backoff;
pub use branch_name::{BranchName, BranchNameError};
pub use failure::{Failure, FailureClass};
pub use key_name::{KeyName, KeyNameError};
pub use object::{EntryKind, ObjectId, TreeEntry};
pub use refusal::{OnProtected, RefusalKind};
pub use repo_url::{RepoUrl, RepoUrlError};
pub use tag_name::{TagName, TagNameError};
