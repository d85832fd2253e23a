//! Who waits until when: the target as a whole, and each app whose event failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::Backoff;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(5);
/// An event that is refused is given up at this try.
const LAST_TRY: u32 = 5;
/// So many failures of different apps in a row are the target's.
const ENOUGH: u32 = 3;

/// The waits of one target.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    target: Wait,
    apps: BTreeMap<String, Wait>,
    in_a_row: u32,
}

#[derive(Debug)]
struct Wait {
    backoff: Backoff,
    until: Option<Instant>,
}

impl Default for Wait {
    fn default() -> Self {
        Self { backoff: Backoff::new(FIRST, LONGEST), until: None }
    }
}

impl Wait {
    fn fail(&mut self, at_least: Option<Duration>) -> Duration {
        let wait = self.backoff.after_failure(rand::random()).max(at_least.unwrap_or_default());
        self.until = Some(Instant::now() + wait);
        wait
    }

    fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }
}

impl Lanes {
    pub(super) fn is_target_waiting(&self) -> bool {
        !self.target.is_over()
    }

    /// Whether the next event of a lane may be tried. One that failed earlier in this round may not, however short its wait:
    /// an event behind it would overtake it.
    pub(super) fn may_try(&self, lane: &str) -> bool {
        self.apps.get(lane).is_none_or(Wait::is_over)
    }

    pub(super) fn delivered(&mut self, lane: &str) {
        self.target = Wait::default();
        self.in_a_row = 0;
        self.apps.remove(lane);
    }

    /// The target is down. Answers the wait, and whether that is news.
    pub(super) fn target_failed(&mut self, at_least: Option<Duration>) -> (Duration, bool) {
        let is_news = self.target.backoff.failures() == 0;
        (self.target.fail(at_least), is_news)
    }

    /// One event failed. Answers how often so far, and the wait.
    pub(super) fn failed(&mut self, lane: &str) -> (u32, Duration) {
        let wait = self.apps.entry(lane.to_owned()).or_default();
        let pause = wait.fail(None);
        let tries = wait.backoff.failures();
        self.in_a_row += 1;
        if self.in_a_row >= ENOUGH {
            self.in_a_row = 0;
            self.target.fail(None);
        }
        (tries, pause)
    }

    /// An event is given up: the next of its lane need not wait.
    pub(super) fn given_up(&mut self, lane: &str) {
        self.apps.remove(lane);
    }

    /// Only these still have something that waits.
    pub(super) fn keep(&mut self, lanes: &BTreeSet<String>) {
        self.apps.retain(|lane, _| lanes.contains(lane));
    }

    pub(super) const fn is_last_try(tries: u32) -> bool {
        tries >= LAST_TRY
    }

    /// When something may be tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        if let Some(until) = self.target.until.filter(|_| self.is_target_waiting()) {
            return Some(until);
        }
        self.apps.values().filter_map(|wait| wait.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_waits_alone_and_many_of_them_are_the_target() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.failed("A").0, 1);
        assert!(!lanes.may_try("A") && lanes.may_try("B") && !lanes.is_target_waiting());
        lanes.failed("B");
        lanes.failed("C");
        assert!(lanes.is_target_waiting());
        lanes.delivered("A");
        assert!(!lanes.is_target_waiting() && lanes.may_try("A") && !lanes.may_try("B"));
    }

    #[tokio::test]
    async fn waits_grow_and_a_wish_for_patience_is_granted() {
        let mut lanes = Lanes::default();
        let (first, is_news) = lanes.target_failed(None);
        assert!(first <= FIRST && is_news);
        let (second, is_news) = lanes.target_failed(Some(Duration::from_mins(1)));
        assert!(second == Duration::from_mins(1) && !is_news);
        let left = lanes.next().expect("a time") - Instant::now();
        assert!(left > Duration::from_secs(50) && left <= second, "{left:?}");
    }
}
