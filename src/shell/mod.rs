//! Runs commands on hosts: saved ones by their names, and for admins any.

mod book;
mod listener;
mod outcome;
mod run;
mod service;
mod watch;

pub use run::{AdHoc, RunRequest, Told, Who};
pub use service::{JudgedCommand, ShellError, ShellService};
