//! Room for many repositories: each keeps files open, two at least, and one for each pack of its repository.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that a repository needs, with its packs and connections.
const EACH: u64 = 24;
/// What the service needs without any.
const ITSELF: u64 = 200;

/// Raises the soft limit of open files, as far as this user may, when so many repositories may need more.
pub(super) fn make_room(repositories: usize) {
    let needed = ITSELF + EACH.saturating_mul(u64::try_from(repositories).unwrap_or(u64::MAX));
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    let wanted = maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    if raised.is_err() || wanted < needed {
        let now = getrlimit(Resource::Nofile).current.unwrap_or_default();
        tracing::warn!(
            limit = now,
            needed,
            "so many repositories may need more open files than the limit allows; raise it (`ulimit -n`, LimitNOFILE)"
        );
    }
}
