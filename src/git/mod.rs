//! Git: the bare repository in the data folder, and the remotes that it talks to. Only here is libgit2 seen.

pub mod local;
pub mod remote;
