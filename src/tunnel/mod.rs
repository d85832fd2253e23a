//! Tunnels: what is wanted is compared with what runs, and the difference is mended.
//!
//! [`Tunnels`] has one `runner` for each tunnel: it listens (`listener`), and each client waits for a channel over the tunnel's
//! connection (`clients`). That connection is made, watched and made again by one task (`connector`), which decides by
//! rule 26 what a client is told while there is none. Tunnels that log in alike share what became of it (`ways`).

mod all_clients;
mod attempts;
mod clients;
mod connector;
mod cut_off;
mod facts;
#[cfg(test)]
mod fake;
mod listener;
mod metrics;
mod runner;
mod supervisor;
mod ways;

pub use all_clients::AllClients;
pub use metrics::metrics;
pub use supervisor::{Tunnels, Wanted};
