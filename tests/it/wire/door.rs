//! Ways to a server with one repository: the stand-in for SSH, or a real server and a key that it lets in.

use std::sync::Arc;

use appferry::domain::FailureClass;
use appferry::ports::{PushError, RefOutcome, RefUpdate, Remote, SshSessions};
use appferry::ssh::{Sessions, Settings};

use super::double::{Pair, Shell};
use crate::support::host::{Host, Kind};
use crate::support::sshd::{KeyPair, TestKeyring};

/// The name of the repository on a real server.
pub(super) const REPOSITORY: &str = "apps";

/// A way to a server, and the repositories at both ends.
pub(super) struct Door {
    pub(super) pair: Pair,
    way: Way,
}

enum Way {
    StandIn { version_2: bool },
    Real { kind: Kind, host: Box<dyn Host>, sessions: Arc<dyn SshSessions>, key: KeyPair },
}

impl Door {
    /// The stand-in, which takes `GIT_PROTOCOL` or does not.
    pub(super) fn stand_in(version_2: bool) -> Self {
        Self { pair: Pair::new(), way: Way::StandIn { version_2 } }
    }

    /// A real server with an empty repository; the key, named `deploy`, may do everything.
    pub(super) fn real(kind: Kind, key: KeyPair) -> Option<Self> {
        let host = kind.start()?;
        let pair = Pair::with_server(host.repository(REPOSITORY).path());
        host.authorize(&key.public_line);
        let sessions = Sessions::new(TestKeyring::with([&key]), host.trust(), Settings::default());
        Some(Self { pair, way: Way::Real { kind, host, sessions: Arc::new(sessions), key } })
    }

    /// The branch of the server's repository, as somebody sees it who has not asked before.
    pub(super) fn remote(&self, branch: &str) -> Arc<dyn Remote> {
        match &self.way {
            Way::StandIn { version_2 } => {
                self.pair.ssh(Arc::new(Shell { version_2: *version_2, ..Shell::default() }), branch)
            }
            Way::Real { host, sessions, key, .. } => {
                self.pair.through_to(Arc::clone(sessions), host.url(REPOSITORY), branch, &key.name)
            }
        }
    }

    /// The branch `main` of the real server's repository, for somebody with another key.
    pub(super) fn remote_with(&self, sessions: Arc<dyn SshSessions>, key: &KeyPair) -> Arc<dyn Remote> {
        self.pair.through_to(sessions, self.reality().0.url(REPOSITORY), "main", &key.name)
    }

    /// The same server's repository with another, empty one at our end.
    pub(super) fn into_other(self) -> Self {
        Self { pair: self.pair.with_other_local(), way: self.way }
    }

    /// Pushes as the worker does. dropbear 2022.83 ends a whole connection, by an assertion of its own, when a command begins
    /// while another one ends; what it has not got by then is sent again.
    pub(super) async fn push(
        &self,
        remote: &Arc<dyn Remote>,
        updates: &[RefUpdate],
    ) -> Result<Vec<RefOutcome>, PushError> {
        let mut again = if matches!(self.way, Way::Real { kind: Kind::Dropbear, .. }) { 5 } else { 0 };
        loop {
            match remote.push(updates).await {
                Err(PushError::NotSent(failure)) if failure.class == FailureClass::ConnectionLost && again > 0 => {
                    again -= 1;
                }
                pushed => return pushed,
            }
        }
    }

    /// As many bytes as are large for this server.
    pub(super) fn large_bytes(&self) -> usize {
        match self.way {
            Way::StandIn { .. } => 50 << 20,
            Way::Real { .. } => 12 << 20,
        }
    }

    /// The real server, its sessions and the key.
    pub(super) fn reality(&self) -> (&dyn Host, &dyn SshSessions, &KeyPair) {
        match &self.way {
            Way::Real { host, sessions, key, .. } => (host.as_ref(), sessions.as_ref(), key),
            Way::StandIn { .. } => panic!("this case is for real servers"),
        }
    }
}
