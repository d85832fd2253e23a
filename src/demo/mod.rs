//! The demo: two instances and a Git server on one machine.

mod serve_git;
pub mod server;
