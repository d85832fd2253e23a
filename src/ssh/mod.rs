//! SSH over russh: warm sessions, strict host keys, commands. Only this module sees russh.
//!
//! From the outside in: [`Sessions`] keeps one session for each target, class of work and key pair (`pool`, `slots`), and
//! lets nobody hammer a host that failed (`gate`). A session is made (`opening`) by dialling (`dial`), shaking hands
//! (`link`), proving the host key ([`HostKeys`]) and logging in (`login`); commands run on its channels (`process`).

mod channel;
mod cut;
mod dial;
mod failures;
mod gate;
mod handler;
mod host_keys;
mod host_pattern;
mod known_hosts;
mod link;
mod login;
mod opening;
mod pool;
mod process;
mod process_io;
mod session;
mod settings;
mod slots;
mod verdict;
mod versions;

pub use host_keys::HostKeys;
pub use pool::Sessions;
pub use settings::Settings;
