//! Whether an app has been quiet for long enough to be read.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::stamp::{Stamp, now_ns};

/// After this long of constant writing an app is read anyway, if it stays the same around the reading.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a sweep found that is not as it was when it last was read.
#[derive(Default)]
pub(super) struct Fresh {
    fingerprint: DefaultHasher,
    newest_ns: Option<i64>,
    in_future: bool,
}

/// An app that is being waited for.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    fingerprint: u64,
    unchanged_since: Instant,
    busy_since: Instant,
}

/// What to do about an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Read it.
    Quiet,
    /// Look again after this long.
    Wait(Duration),
    /// Read it, but believe the reading only if a second sweep finds the same.
    Insist,
}

impl Fresh {
    /// Notes something that is new or differs from what was remembered.
    pub(super) fn note(&mut self, path: &str, stamp: &Stamp) {
        let now = now_ns();
        (path, stamp).hash(&mut self.fingerprint);
        let changed = stamp.changed_ns(now);
        self.in_future |= changed > now;
        self.newest_ns = self.newest_ns.max(Some(changed));
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.newest_ns.is_none()
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint.finish()
    }

    /// How long ago the newest change was; `None` if the clocks disagree.
    fn age(&self) -> Option<Duration> {
        if self.in_future {
            return None;
        }
        let age = now_ns().saturating_sub(self.newest_ns?);
        u64::try_from(age).ok().map(Duration::from_nanos)
    }
}

/// Decides by the files' times, where their clock can be trusted, and by how long nothing has changed before our own eyes,
/// so that a file from the future does not block for ever.
pub(super) fn judge(
    waiting: &mut Option<Waiting>,
    fresh: &Fresh,
    now: Instant,
    debounce: Duration,
    trust_clock: bool,
) -> Verdict {
    if fresh.is_nothing() {
        *waiting = None;
        return Verdict::Quiet;
    }
    let fingerprint = fresh.fingerprint();
    let seen = waiting.get_or_insert(Waiting { fingerprint, unchanged_since: now, busy_since: now });
    if seen.fingerprint != fingerprint {
        seen.fingerprint = fingerprint;
        seen.unchanged_since = now;
    }
    let by_eye = debounce.saturating_sub(now.saturating_duration_since(seen.unchanged_since));
    let by_clock = match fresh.age() {
        Some(age) if trust_clock => debounce.saturating_sub(age),
        _ => debounce,
    };
    let remaining = by_eye.min(by_clock);
    if remaining.is_zero() {
        Verdict::Quiet
    } else if now.saturating_duration_since(seen.busy_since) >= PATIENCE {
        Verdict::Insist
    } else {
        Verdict::Wait(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBOUNCE: Duration = Duration::from_secs(2);

    fn changed(age: Duration, inode: u64) -> Fresh {
        let at = now_ns() - i64::try_from(age.as_nanos()).unwrap();
        let mut fresh = Fresh::default();
        fresh.note("a", &Stamp { mtime_ns: at, ctime_ns: at, inode, ..Stamp::default() });
        fresh
    }

    fn from_the_future() -> Fresh {
        let at = now_ns() + 3_600_000_000_000;
        let mut fresh = Fresh::default();
        fresh.note("a", &Stamp { mtime_ns: at, ctime_ns: at, ..Stamp::default() });
        fresh
    }

    #[test]
    fn what_is_old_by_the_clock_is_read_at_once_and_what_is_young_waits_for_the_rest() {
        let now = Instant::now();
        let old = changed(Duration::from_secs(3), 1);
        assert_eq!(judge(&mut None, &old, now, DEBOUNCE, true), Verdict::Quiet);
        let young = changed(Duration::from_millis(500), 1);
        let Verdict::Wait(rest) = judge(&mut None, &young, now, DEBOUNCE, true) else { panic!("it is busy") };
        assert!(rest <= Duration::from_millis(1500) && rest > Duration::from_secs(1), "{rest:?}");
    }

    #[test]
    fn a_file_from_the_future_blocks_only_until_it_was_seen_unchanged() {
        let (start, fresh, mut waiting) = (Instant::now(), from_the_future(), None);
        assert_eq!(judge(&mut waiting, &fresh, start, DEBOUNCE, true), Verdict::Wait(DEBOUNCE));
        assert_eq!(judge(&mut waiting, &fresh, start + DEBOUNCE, DEBOUNCE, true), Verdict::Quiet);
    }

    #[test]
    fn a_clock_that_is_not_trusted_is_not_asked() {
        let old = changed(Duration::from_hours(1), 1);
        assert_eq!(judge(&mut None, &old, Instant::now(), DEBOUNCE, false), Verdict::Wait(DEBOUNCE));
    }

    #[test]
    fn constant_writing_is_insisted_on_after_half_a_minute() {
        let (start, mut waiting) = (Instant::now(), None);
        for second in 0..30 {
            let now = start + Duration::from_secs(second);
            let verdict = judge(&mut waiting, &changed(Duration::ZERO, second), now, DEBOUNCE, true);
            assert!(matches!(verdict, Verdict::Wait(_)), "{second}");
        }
        let verdict = judge(&mut waiting, &changed(Duration::ZERO, 99), start + PATIENCE, DEBOUNCE, true);
        assert_eq!(verdict, Verdict::Insist);
    }
}
