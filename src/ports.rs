//! What the services need from outside. The adapters implement these; tests may too.

mod apps_folder;
mod audit;
mod events;
mod forwarding;
mod host_trust;
mod keyring;
mod records;
mod remote;
mod repository;
mod shell;
mod sources;
mod ssh;
mod tunnel;

pub use apps_folder::{AppOnDisk, Arrived, ChangeHints, FolderOnDisk, Hint, Installed, Workspace};
pub use audit::{AuditEntry, AuditFilter, AuditLog, AuditRow};
pub use events::{EventLog, EventQueue, EventSource, STANDING_FAILURE, Waiting};
pub use forwarding::{Forwarded, Forwarding};
pub use host_trust::{HostTrust, TrustedHostKey};
pub use keyring::{GitService, KeyUse, KeyVersion, Keyring, ResolvedKey};
pub use records::{
    Canary, Changed, Keep, KeyPairs, KeyRecords, KeyRow, MasterKeysInUse, NewKey, PairId, PairRow, SealedKey,
    SealedMaterial, WrappedDataKey,
};
pub use remote::{FoundCommit, PushError, RefOutcome, RefUpdate, Remote, RemoteRef, RemoteTip};
pub use repository::{Commit, LocalRepository, RefEdit, Signature, Tag};
pub use shell::{
    Input, NewRun, Piece, RunFilter, RunRecords, RunRow, ShellChanged, ShellProcess, ShellRecords, ShellSessions, Step,
};
pub use sources::{KeySource, SourceKey, Stamp};
pub use ssh::{Pair, ProcessEnd, RemoteProcess, SessionClass, SshSessions, SshTarget, UsedKey, connection_lost};
pub use tunnel::{
    ClientRead, ClientReader, ClientWriter, Meter, TunnelChannel, TunnelLink, TunnelLinks, TunnelRecords, TunnelRow,
};
