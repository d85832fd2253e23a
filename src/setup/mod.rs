//! Setting up a server that a stored key shall log in to: the script that does it, running it over an admin's login, and a check
//! that names what does not work.
//!
//! An [`Order`] is what is wanted, checked; [`script`](script::script) turns it into text. [`HostSetup`] is the service: it finds the
//! key, runs the script, and checks a login step by step; `check` holds what reads the causes of a refused login.

mod authorized;
mod check;
mod key_line;
mod login;
mod narrow;
mod order;
mod run;
pub mod script;
mod service;
mod step;

pub use authorized::{KeyOptions, OptionError};
pub use check::{CheckReport, CheckRequest, CheckWords};
pub use key_line::KeyLine;
pub use login::{Login, LoginError, UserName};
pub use narrow::Destination;
pub use order::{Order, OrderError, Platform, RunRequest, SetupRequest};
pub use run::SetupRun;
pub use service::{HostSetup, SetupAnswer};
pub use step::{Outcome, Step};
