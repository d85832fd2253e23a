//! Runs commands on hosts: saved ones by their names, and for admins any.

mod aside;
mod book;
mod error;
mod listener;
mod outcome;
mod run;
mod service;
mod watch;

pub use error::ShellError;
pub use run::{AdHoc, RunRequest, Told, Who};
pub use service::{JudgedCommand, ShellService};
