//! Git Sync: the disk and the branch follow each other.
//!
//! [`engine`] decides and works, one repository each; [`worker`] drives it, talks to the remote and keeps the status.

pub mod action;
pub mod bases;
pub mod compare;
pub mod elsewhere;
pub mod engine;
pub mod file_edits;
pub mod files;
pub mod history;
pub mod hostile;
pub mod kinship;
pub mod ref_names;
pub mod single;
pub mod state;
pub mod trees;
pub mod worker;
