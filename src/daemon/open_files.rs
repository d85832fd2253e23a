//! Room for open files: those of the repositories, and those of the clients of tunnels.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::tunnel::AllClients;

/// What the service needs without any repository or tunnel.
const ITSELF: u64 = 200;
/// What a repository needs: two at least, one for each of its packs, and its connections.
const REPOSITORY: u64 = 24;
/// What a tunnel needs: its place, and connections while one takes over from another.
const TUNNEL: u64 = 4;
/// A client has its connection, and a file where waits what it does not read.
const CLIENT: u64 = 2;
/// Where there is no room even for the rest, clients of tunnels have this part of it all the same.
const LEAST_PART: u64 = 8;

/// What there is to be room for.
#[derive(Clone, Copy, Default)]
struct Needs {
    repositories: usize,
    tunnels: usize,
    clients: usize,
}

/// The limit of open files, and who shares it.
pub(super) struct OpenFiles {
    clients: Arc<AllClients>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    needs: Needs,
    /// What was needed when the log said last that there is not so much.
    told: u64,
}

impl OpenFiles {
    /// Makes room for so many repositories, and for tunnels with so many clients each.
    pub(super) fn new(repositories: usize, tunnels: impl IntoIterator<Item = usize>) -> Arc<Self> {
        let files = Arc::new(Self { clients: Arc::default(), known: Mutex::default() });
        let counted = count(tunnels);
        files.change(|needs| *needs = Needs { repositories, ..counted });
        files
    }

    /// All clients of tunnels, who never are so many that nothing is left for the rest.
    pub(super) fn clients(&self) -> Arc<AllClients> {
        Arc::clone(&self.clients)
    }

    /// There are so many repositories now.
    pub(super) fn are_for_repositories(&self, repositories: usize) {
        self.change(|needs| needs.repositories = repositories);
    }

    /// There are tunnels with so many clients each now.
    pub(super) fn are_for_tunnels(&self, tunnels: impl IntoIterator<Item = usize>) {
        let counted = count(tunnels);
        self.change(|needs| *needs = Needs { repositories: needs.repositories, ..counted });
    }

    fn change(&self, change: impl FnOnce(&mut Needs)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known.needs);
        let needed = known.needs.all();
        let limit = raised_to(needed);
        let clients = known.needs.most_clients(limit);
        self.clients.allow(clients);
        if limit < needed && known.told < needed {
            known.told = needed; // said once, and again when it gets worse
            tracing::warn!(
                limit,
                needed,
                clients_of_tunnels = clients,
                "the limit of open files is too small for all repositories and all clients of tunnels; raise it (`ulimit -n`, LimitNOFILE), or give the tunnels a smaller `limit`"
            );
        }
    }
}

impl Needs {
    /// Without clients.
    fn rest(self) -> u64 {
        ITSELF.saturating_add(times(REPOSITORY, self.repositories)).saturating_add(times(TUNNEL, self.tunnels))
    }

    fn all(self) -> u64 {
        self.rest().saturating_add(times(CLIENT, self.clients))
    }

    /// How many clients all tunnels together may have.
    fn most_clients(self, limit: u64) -> usize {
        let files = limit.saturating_sub(self.rest()).max(limit / LEAST_PART);
        usize::try_from(files / CLIENT).unwrap_or(usize::MAX)
    }
}

fn count(tunnels: impl IntoIterator<Item = usize>) -> Needs {
    let add = |sum: Needs, limit| Needs { tunnels: sum.tunnels + 1, clients: sum.clients.saturating_add(limit), ..sum };
    tunnels.into_iter().fold(Needs::default(), add)
}

fn times(each: u64, number: usize) -> u64 {
    each.saturating_mul(u64::try_from(number).unwrap_or(u64::MAX))
}

/// The soft limit, raised as far as is needed and as this user may.
fn raised_to(needed: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current else { return u64::MAX };
    let wanted = maximum.map_or(needed, |maximum| maximum.min(needed));
    if current >= wanted || setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_err() {
        return current;
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_enough_for_every_client_and_less_leaves_some_for_the_rest() {
        let needs = Needs { repositories: 10, ..count([1_000, 50]) };
        assert_eq!((needs.tunnels, needs.clients, needs.most_clients(needs.all())), (2, 1_050, 1_050));
        assert_eq!(needs.most_clients(1_024), (1_024 - 200 - 240 - 8) / 2);
        assert_eq!(needs.most_clients(256), 16, "some, however little there is");
        assert!(needs.most_clients(u64::MAX) > 1_000_000);
    }
}
