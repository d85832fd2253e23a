//! The wall clock may be set at any time, back or forward; what is recorded with it must not suffer.

use std::time::{Duration, Instant};

use super::{Engine, Now};

/// The two clocks may differ by this without anybody having set one.
const SLACK_SECONDS: i64 = 2;
/// Since the state was saved last, or at once: after a longer leap, what the clock says of age is not believed at first.
const LEAP_SECONDS: i64 = 7 * 86_400;
/// For so long nothing expires then. A person who set it wrong has seen it by that time.
const EXPIRY_RESTS: Duration = Duration::from_hours(24);

/// What was seen of the clocks.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Option<Now>,
    no_expiry_before: Option<Instant>,
}

impl Engine {
    /// Notices that the wall clock was set, and moves the times that are counted from along with it.
    pub(super) fn mind_the_clock(&mut self, now: Now) {
        let step = match self.clock.last.replace(now) {
            Some(last) => {
                let passed = now.instant.saturating_duration_since(last.instant).as_secs();
                let by_wall = now.unix_seconds.saturating_sub(last.unix_seconds);
                by_wall.saturating_sub(i64::try_from(passed).unwrap_or(i64::MAX))
            }
            None => 0,
        };
        if step.abs() > SLACK_SECONDS {
            tracing::warn!(seconds = step, "the system's clock was set; times recorded before are counted along");
            let notes = &mut self.state.notes;
            for time in notes.deletions_here.iter_mut().chain(&mut notes.deletions_remote) {
                *time = time.saturating_add(step);
            }
        }
        let recorded = self.state_file.newest();
        let since_saved = if recorded == 0 { 0 } else { now.unix_seconds.saturating_sub(recorded) };
        if step > LEAP_SECONDS || since_saved > LEAP_SECONDS {
            self.clock.no_expiry_before.get_or_insert(now.instant + EXPIRY_RESTS);
        }
    }

    /// `now` as it is recorded: never before what was recorded last, so that names made from times stay in order and nothing
    /// that was kept in the past of a wrong clock is taken for old.
    pub(super) fn recorded(&self, now: Now) -> Now {
        Now { unix_seconds: now.unix_seconds.max(self.state_file.newest()), ..now }
    }

    /// Whether the clock can be believed when it says that something is old.
    pub(super) fn may_expire(&self, now: Now) -> bool {
        self.clock.no_expiry_before.is_none_or(|at| now.instant >= at)
    }
}
