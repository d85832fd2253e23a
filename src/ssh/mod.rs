//! SSH over russh: warm sessions, strict host keys, commands. Only this module sees russh.
//!
//! From the outside in: [`Sessions`] keeps one session for each target, class of work and key pair (`pool`, `slots`), and
//! lets nobody hammer a host that failed (`gate`). A session is made (`opening`) by dialling (`dial`), shaking hands
//! (`link`), proving the host key ([`HostKeys`]) and logging in (`login`); commands run on its channels (`process`). A tunnel
//! ([`Tunnels`]) has a connection of its own, through as many hosts as it likes.

mod algorithms;
mod certificate;
mod channel;
mod cut;
mod dial;
mod failures;
mod fingerprint;
mod forwarding;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod greeting;
mod handler;
mod host_keys;
mod host_pattern;
mod keeper;
mod known_file;
mod known_hosts;
mod link;
mod login;
mod opening;
mod pins;
mod pool;
mod process;
mod process_io;
mod prompt;
mod purpose;
mod scan;
mod session;
mod settings;
mod shell_process;
mod slots;
mod trust;
mod tunnel;
mod verdict;
mod versions;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use host_keys::HostKeys;
pub use pins::Source;
pub use pool::Sessions;
pub use purpose::Purpose;
pub use scan::{ScannedKey, scan};
pub use settings::Settings;
pub use trust::{KnownKey, KnownPrint, Standing, TrustError, Trusted};
pub use tunnel::Tunnels;
