//! SSH over russh: warm sessions, strict host keys, commands. Only this module sees russh.
//!
//! From the outside in: [`Sessions`] keeps one session for each target and class of work; a session is made by dialling
//! (`dial`), shaking hands (`link`), proving the host key ([`HostKeys`]) and logging in (`login`); commands run on its
//! channels (`process`).

mod cut;
mod dial;
mod failures;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod host_keys;
mod host_pattern;
mod known_hosts;
mod link;
mod login;
mod pool;
mod process;
mod process_io;
mod session;
mod settings;
mod verdict;

pub use host_keys::HostKeys;
pub use pool::Sessions;
pub use settings::Settings;
