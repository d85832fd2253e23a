//! What the services need from outside. The adapters implement these; tests may too.

mod apps_folder;
mod keyring;
mod records;
mod remote;
mod repository;
mod ssh;

pub use apps_folder::{AppOnDisk, ChangeHints, FolderOnDisk, Hint, Installed, Workspace};
pub use keyring::{KeyUse, Keyring, ResolvedKey};
pub use records::{Added, Canary, KeyRecords, KeyRow, MasterKeysInUse, NewKey, SealedKey, SealedMaterial};
pub use remote::{PushError, RefOutcome, RefUpdate, Remote, RemoteTip};
pub use repository::{Commit, LocalRepository, RefEdit, Signature};
pub use ssh::{ProcessEnd, RemoteProcess, SessionClass, SshSessions, SshTarget, connection_lost};
