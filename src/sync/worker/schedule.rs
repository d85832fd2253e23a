//! When to do what next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::{Command, Pace};
use crate::domain::AppName;
use crate::ports::{ChangeHints, Hint, Remote};
use crate::sync::engine::Look;

/// How often there is time for tidying up.
const TIDY_EVERY: Duration = Duration::from_mins(10);
/// The stat cache and the like are written this long after the start.
const FIRST_TIDY: Duration = Duration::from_secs(30);
/// After trouble with the disk, everything is looked at again this soon.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
/// Apps whose looks are due so close to each other are looked at together.
const TOGETHER: Duration = Duration::from_millis(30);
const LONGEST_TOGETHER: Duration = Duration::from_millis(200);
/// How long after an install the hints that it caused may come.
const ECHO: Duration = Duration::from_millis(300);
/// While a long work goes on, what it writes itself is hinted at all the time: looks are this far from each other.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// More apps than this at once are looked at in one walk of the folder.
const MOST_APPS: usize = 500;

/// What a pass is to do.
#[derive(Debug, Default)]
pub(super) struct Wake {
    pub(super) look: Option<Look>,
    pub(super) poll: bool,
    pub(super) tidy: bool,
    pub(super) command: Option<Command>,
}

/// When to do what next.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    rescan_every: Duration,
    poll_at: Instant,
    rescan_at: Instant,
    tidy_at: Instant,
    /// Apps to look at, and when.
    look_at: BTreeMap<AppName, Instant>,
    /// The last pass left work that can go on at once.
    unfinished: bool,
    looked_at: Instant,
    /// Until then changes are taken for our own.
    echo_until: Instant,
    /// Somebody knows that the branch moved.
    poll_hint: Arc<Notify>,
}

impl Schedule {
    pub(super) fn new(pace: Pace, rescan_every: Duration) -> Self {
        let now = Instant::now();
        Self {
            pace,
            rescan_every,
            poll_at: now,
            rescan_at: now,
            tidy_at: now + FIRST_TIDY,
            look_at: BTreeMap::new(),
            unfinished: false,
            looked_at: now,
            echo_until: now,
            poll_hint: Arc::default(),
        }
    }

    /// Wakes [`next`](Self::next) for a poll; several hints before it are one.
    pub(super) fn poll_hint(&self) -> Arc<Notify> {
        Arc::clone(&self.poll_hint)
    }

    /// What is due, with a command that came before.
    pub(super) fn with(&mut self, command: Command, hints: &dyn ChangeHints) -> Wake {
        Wake { command: Some(command), ..self.due(hints) }
    }

    /// Waits for the next thing to do. When that will likely be a push, `pushes_to` may get ready for it meanwhile.
    pub(super) async fn next(
        &mut self,
        hints: &mut dyn ChangeHints,
        commands: &mut mpsc::Receiver<Command>,
        pushes_to: Option<&dyn Remote>,
    ) -> Wake {
        loop {
            let alarm = self.alarm();
            tokio::select! {
                Some(command) = commands.recv() => return self.with(command, hints),
                hint = hints.next() => {
                    if let Some(remote) = pushes_to && self.tells_of_an_edit(&hint) {
                        remote.prepare_push().await; // it only begins to
                    }
                    self.take_hint(hint);
                }
                () = self.poll_hint.notified() => self.poll_at = Instant::now(),
                () = tokio::time::sleep_until(alarm) => return self.due(hints),
            }
        }
    }

    /// The next pass is due at once.
    pub(super) fn go_on(&mut self) {
        self.unfinished = true;
    }

    fn alarm(&self) -> Instant {
        if self.unfinished {
            return Instant::now();
        }
        let first = self.poll_at.min(self.rescan_at).min(self.tidy_at);
        self.next_look().map_or(first, |look| first.min(look))
    }

    /// When to look next. Apps that were saved together are looked at together, so that they are pushed together: a look waits
    /// for those that follow within a moment, but not for ever.
    fn next_look(&self) -> Option<Instant> {
        let mut times: Vec<Instant> = self.look_at.values().copied().collect();
        times.sort_unstable();
        let first = *times.first()?;
        let together = |at: &Instant, next: &Instant| *next <= *at + TOGETHER && *next <= first + LONGEST_TOGETHER;
        Some(times.windows(2).take_while(|pair| matches!(pair, [at, next] if together(at, next))).count())
            .and_then(|followers| times.get(followers).copied())
    }

    /// Whether somebody else than we seems to have changed an app; "everything" is mostly just the clock.
    fn tells_of_an_edit(&self, hint: &Hint) -> bool {
        matches!(hint, Hint::Apps(_)) && Instant::now() >= self.echo_until
    }

    /// What was installed just now is hinted at, too.
    pub(super) fn expect_echo(&mut self) {
        self.echo_until = Instant::now() + ECHO;
    }

    fn take_hint(&mut self, hint: Hint) {
        let due = Instant::now() + self.pace.debounce;
        match hint {
            Hint::Everything => self.rescan_at = self.rescan_at.min(due),
            // The first hint sets the time; whether the app is quiet by then, the look will tell.
            Hint::Apps(apps) => apps.into_iter().for_each(|app| {
                self.look_at.entry(app).or_insert(due);
            }),
        }
    }

    /// What is due now.
    fn due(&mut self, hints: &dyn ChangeHints) -> Wake {
        let now = Instant::now();
        self.rescan_every = hints.rescan_every();
        let mut wake = Wake { poll: now >= self.poll_at, tidy: now >= self.tidy_at, ..Wake::default() };
        if wake.tidy {
            self.tidy_at = now + TIDY_EVERY;
        }
        let due: BTreeSet<AppName> =
            self.look_at.iter().filter(|(_, at)| **at <= now).map(|(app, _)| app.clone()).collect();
        let goes_on = std::mem::take(&mut self.unfinished);
        if goes_on && now < self.looked_at + BETWEEN_LOOKS {
            return wake;
        }
        self.looked_at = now;
        if now >= self.rescan_at || due.len() > MOST_APPS {
            self.rescan_at = now + self.rescan_every;
            self.look_at.clear();
            wake.look = Some(Look::All);
        } else if !due.is_empty() {
            self.look_at.retain(|_, at| *at > now);
            wake.look = Some(Look::Apps(due));
        }
        wake
    }

    pub(super) fn polled(&mut self) {
        self.poll_after(self.pace.poll_interval);
    }

    pub(super) fn poll_after(&mut self, wait: Duration) {
        self.poll_at = Instant::now() + wait;
    }

    /// Polls after at most `wait`.
    pub(super) fn poll_within(&mut self, wait: Duration) {
        self.poll_at = self.poll_at.min(Instant::now() + wait);
    }

    pub(super) fn look_again(&mut self, waits: Vec<(AppName, Duration)>) {
        let now = Instant::now();
        for (app, wait) in waits {
            // A wait is as of the last look: polls in between must not put the next one off, again and again.
            let at = self.look_at.entry(app).or_insert(now + wait);
            *at = (*at).min(now + wait);
        }
    }

    /// Everything is looked at no sooner than that.
    pub(super) fn look_after(&mut self, wait: Duration) {
        self.rescan_at = Instant::now() + wait;
    }

    pub(super) fn look_soon(&mut self) {
        self.rescan_at = self.rescan_at.min(Instant::now() + AFTER_TROUBLE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::domain::Failure;
    use crate::ports::{FoundCommit, PushError, RefOutcome, RefUpdate, RemoteRef, RemoteTip};

    #[tokio::test]
    async fn an_edit_lets_the_remote_prepare_while_the_files_settle() {
        assert_eq!(preparations(edit(), true, |_| {}).await, 1);
    }

    #[tokio::test]
    async fn nothing_is_prepared_when_no_push_will_follow() {
        assert_eq!(preparations(edit(), false, |_| {}).await, 0);
        assert_eq!(preparations(Hint::Everything, true, |_| {}).await, 0);
        assert_eq!(preparations(edit(), true, Schedule::expect_echo).await, 0);
    }

    #[tokio::test]
    async fn a_wait_that_is_told_again_does_not_put_the_look_off() {
        let hour = Duration::from_hours(1);
        let mut schedule = Schedule::new(Pace { poll_interval: hour, debounce: hour }, hour);
        let app = AppName::new("PO App").expect("a name");
        schedule.look_again(vec![(app.clone(), hour)]);
        let due = schedule.look_at.get(&app).copied();
        schedule.look_again(vec![(app.clone(), hour)]);
        assert_eq!(schedule.look_at.get(&app).copied(), due);
    }

    #[tokio::test]
    async fn unfinished_work_goes_on_at_once_and_what_it_wrote_itself_is_not_looked_at_each_time() {
        let hour = Duration::from_hours(1);
        let mut schedule = Schedule::new(Pace { poll_interval: hour, debounce: Duration::ZERO }, hour);
        let (sender, mut commands) = mpsc::channel(1);
        let mut hints = Hints(None);
        schedule.due(&hints); // what is due at the start
        schedule.polled();
        schedule.go_on();
        schedule.take_hint(edit());
        let wake = schedule.next(&mut hints, &mut commands, None).await;
        assert!(wake.look.is_none() && wake.command.is_none(), "{wake:?}");
        let wake = schedule.next(&mut hints, &mut commands, None).await;
        assert!(wake.look.is_some(), "when the work is done, the hint counts: {wake:?}");
        // Who asks has a turn.
        schedule.go_on();
        sender.try_send(Command::new(|_, _| {}, super::super::command::Kind::Glance)).expect("room");
        let mut asked = false;
        for _ in 0..100 {
            asked |= schedule.next(&mut hints, &mut commands, None).await.command.is_some();
            schedule.go_on();
        }
        assert!(asked);
    }

    /// How often the remote was asked to prepare before the look that follows `hint`.
    async fn preparations(hint: Hint, pushes: bool, set_up: impl FnOnce(&mut Schedule)) -> usize {
        let hour = Duration::from_hours(1);
        let mut schedule = Schedule::new(Pace { poll_interval: hour, debounce: Duration::from_millis(10) }, hour);
        let (_sender, mut commands) = mpsc::channel(1);
        let (mut hints, remote) = (Hints(Some(hint)), Counting::default());
        let pushes_to = pushes.then_some(&remote as &dyn Remote);
        schedule.due(&hints); // what is due at the start
        schedule.polled();
        set_up(&mut schedule);
        let wake = schedule.next(&mut hints, &mut commands, pushes_to).await;
        assert!(wake.look.is_some());
        remote.0.load(Ordering::Relaxed)
    }

    fn edit() -> Hint {
        Hint::Apps(BTreeSet::from([AppName::new("PO App").expect("a name")]))
    }

    struct Hints(Option<Hint>);

    #[async_trait]
    impl ChangeHints for Hints {
        async fn next(&mut self) -> Hint {
            match self.0.take() {
                Some(hint) => hint,
                None => std::future::pending().await,
            }
        }
        fn rescan_every(&self) -> Duration {
            Duration::from_hours(1)
        }
        fn notice(&self) -> Option<String> {
            None
        }
    }

    #[derive(Default)]
    struct Counting(AtomicUsize);

    #[async_trait]
    impl Remote for Counting {
        async fn poll(&self) -> Result<RemoteTip, Failure> {
            Ok(RemoteTip::Unborn)
        }
        async fn fetch(&self) -> Result<RemoteTip, Failure> {
            Ok(RemoteTip::Unborn)
        }
        async fn refs(&self) -> Result<Vec<RemoteRef>, Failure> {
            Ok(Vec::new())
        }
        async fn fetch_ref(&self, _: &str) -> Result<FoundCommit, Failure> {
            Err(Failure::internal("not asked for"))
        }
        async fn push(&self, _: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
            Ok(Vec::new())
        }
        async fn prepare_push(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        async fn check_write(&self) -> Result<(), Failure> {
            Ok(())
        }
    }
}
