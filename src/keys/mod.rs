//! The key store: named SSH keys, sealed at rest.
//!
//! Each key pair is sealed under a data key of its own ([`envelope`]), and each data key under a master key
//! ([`master`]) that lies outside the store. What is read from the store is never kept: a key made by another process is there at
//! the next question.

pub mod backup;
mod backup_file;
mod changes;
mod elsewhere;
pub mod embedded;
pub mod envelope;
mod error;
pub mod import;
pub mod master;
pub mod material;
mod near_miss;
mod open;
mod protection;
mod record;
mod resolve;
mod rewrap;
pub mod ring;
mod seal;
mod service;
pub mod sources;

pub use changes::{Given, NewProtection, Replacement};
pub use error::{KeyError, MasterKeyError, UnknownKey};
pub use material::KeyKind;
pub use near_miss::{Difference, near_miss};
pub use protection::Protection;
pub use record::{KeyRecord, LastUse, PairRecord, PassphraseState, shown_time};
pub use rewrap::Rewrapped;
pub use service::{KeyService, Records};
