//! Pushing over SSH: the ordinary sequence, or only its second half on a process that was prepared ahead.
//!
//! A prepared process may have advertised what is no longer true. The old value in each command is the caller's, so the
//! server's own compare-and-swap decides; where the advertisement contradicts the caller, the ordinary sequence asks anew.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::super::advertisement::Advertisement;
use super::super::blocking;
use super::super::error::{Asking, WireError, stalled};
use super::super::outcome::{Verdict, before_sending, verdict};
use super::super::pack::{self, Pieces, Plan};
use super::super::receive_pack::{Chosen, Report, commands, read_report};
use super::SshRemote;
use super::ahead::Prepared;
use super::talk::{Input, Talk};
use crate::domain::Failure;
use crate::ports::{PushError, RefOutcome, RefUpdate, SessionClass};

impl SshRemote {
    /// See [`crate::ports::Remote::push`].
    pub(super) async fn push_now(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        if updates.is_empty() {
            return Ok(Vec::new());
        }
        let local = self.local.clone();
        let (flushed, prepared) = tokio::join!(blocking(move || local.flush()), self.ahead.take());
        flushed.map_err(PushError::NotSent)?;
        let tried = match prepared {
            Some(prepared) => self.on_prepared(prepared, updates).await?,
            None => Tried::NothingSent,
        };
        let outcomes = match tried {
            Tried::Reported(outcomes) => outcomes,
            Tried::NothingSent => self.ordinary(updates).await?,
            // Asks where the refs are now, and sends again only what did not land.
            Tried::Unclear => self.ordinary(updates).await.map_err(|error| PushError::Unknown(error.into()))?,
        };
        self.remember_accepted(updates, &outcomes);
        self.ahead.open(SessionClass::Bulk);
        Ok(outcomes)
    }

    /// Commands, pack and report on a process that has waited for them.
    async fn on_prepared(&self, prepared: Prepared, updates: &[RefUpdate]) -> Result<Tried, PushError> {
        let agreed = before_sending(&prepared.advertisement, updates).iter().all(Option::is_none);
        if !agreed {
            prepared.give_up().await; // it may only be out of date
            return Ok(Tried::NothingSent);
        }
        let Prepared { talk, advertisement } = prepared;
        match self.send_all(talk, &advertisement, &updates.iter().collect::<Vec<_>>()).await {
            Ok(outcomes) => {
                self.ahead.was_useful();
                Ok(Tried::Reported(outcomes))
            }
            Err(Broken { error: WireError::Ended | WireError::Io(_), all_sent, .. }) => {
                self.ahead.was_ended();
                Ok(if all_sent { Tried::Unclear } else { Tried::NothingSent })
            }
            Err(broken) => Err(broken.explain().await),
        }
    }

    /// Advertisement, commands, pack, report.
    async fn ordinary(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        let starting = self.server.with_stand_in(Asking::Write, || self.start());
        let (mut talk, advertisement) = starting.await.map_err(PushError::NotSent)?;
        let mut outcomes = before_sending(&advertisement, updates);
        let open = |(update, outcome): (_, &Option<RefOutcome>)| outcome.is_none().then_some(update);
        let sending: Vec<&RefUpdate> = updates.iter().zip(&outcomes).filter_map(open).collect();
        if sending.is_empty() {
            let _ = talk.input.send(b"0000").await;
            return Ok(outcomes.into_iter().flatten().collect());
        }
        let reported = match self.send_all(talk, &advertisement, &sending).await {
            Ok(reported) => reported,
            Err(broken) => return Err(broken.explain().await),
        };
        let mut reported = reported.into_iter();
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
            *outcome = reported.next();
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Commands, pack, report, to a server that has said what it has.
    async fn send_all(
        &self,
        mut talk: Talk,
        advertisement: &Advertisement,
        updates: &[&RefUpdate],
    ) -> Result<Vec<RefOutcome>, Broken> {
        let agreed = Chosen::from_offered(&advertisement.capabilities)
            .and_then(|chosen| Ok((commands(updates, &chosen)?, chosen)));
        let (commands, chosen) = match agreed {
            Ok(agreed) => agreed,
            Err(error) => return Err(Broken { talk, error, all_sent: false }),
        };
        let pieces = pack::stream(self.plan(updates, advertisement));
        match self.exchange(&mut talk, commands, pieces, &chosen).await {
            Ok(report) => {
                drop(talk); // it may hold the only channel that the server allows
                Ok(self.settle(&report, updates).await)
            }
            Err((error, all_sent)) => Err(Broken { talk, error, all_sent }),
        }
    }

    async fn start(&self) -> Result<(Talk, Advertisement), Failure> {
        self.server.offer(SessionClass::Bulk).await
    }

    fn plan(&self, updates: &[&RefUpdate], advertisement: &Advertisement) -> Plan {
        let advertised = advertisement.refs.iter().map(|known| known.id);
        let there = advertised.chain(updates.iter().filter_map(|update| update.expected)).collect();
        let new = updates.iter().map(|update| update.new).collect();
        let bases = advertisement.bases_for_deltas();
        Plan { repository: self.repository.clone(), new, there, bases, deltas: true }
    }

    /// Sends `first` and the pieces, and reads at the same time, so that neither side waits for the other for ever.
    async fn exchange(
        &self,
        talk: &mut Talk,
        first: Vec<u8>,
        pieces: Pieces,
        chosen: &Chosen,
    ) -> Result<Report, (WireError, bool)> {
        let all_sent = AtomicBool::new(false);
        // While a large pack goes out the server says nothing; the writer watches the time then.
        talk.output.set_idle(std::time::Duration::MAX);
        let Talk { input, output, .. } = talk;
        let mut read = pin!(read_report(output, chosen.side_band));
        let mut write = pin!(send(input, first, pieces, &all_sent));
        let mut late = pin!(tokio::time::sleep(self.limits.report));
        let mut writing = true;
        let result = loop {
            tokio::select! { biased;
                result = &mut read => break result,
                result = &mut write, if writing => {
                    writing = false;
                    late.as_mut().reset(tokio::time::Instant::now() + self.limits.report);
                    match result {
                        // A server that has seen enough closes its input, and says why on its output.
                        Ok(()) | Err(WireError::Io(_)) => {}
                        Err(error) => break Err(error),
                    }
                }
                () = &mut late, if !writing => {
                    break Err(WireError::Ours(stalled(Asking::Write, self.limits.report)));
                }
            }
        };
        result.map_err(|error| (error, all_sent.load(Ordering::Relaxed)))
    }

    /// The outcomes for `sent`; looks at the refs once more where the report leaves room for two.
    async fn settle(&self, report: &Report, sent: &[&RefUpdate]) -> Vec<RefOutcome> {
        let verdicts: Vec<Verdict> = sent.iter().map(|update| verdict(report, update)).collect();
        let unclear = verdicts.iter().any(|verdict| matches!(verdict, Verdict::LookAgain(_)));
        let now = if unclear { self.look().await } else { None };
        verdicts.into_iter().zip(sent).map(|(verdict, update)| verdict.settled(update, now.as_ref())).collect()
    }

    async fn look(&self) -> Option<Advertisement> {
        let (mut talk, advertisement) = self.start().await.ok()?;
        let _ = talk.input.send(b"0000").await;
        Some(advertisement)
    }

    fn remember_accepted(&self, updates: &[RefUpdate], outcomes: &[RefOutcome]) {
        let followed = self.branch.full_ref();
        for (update, outcome) in updates.iter().zip(outcomes) {
            if update.name == followed && *outcome == RefOutcome::Accepted {
                *self.last_tip() = Some(update.new);
            }
        }
    }
}

/// How a push on a prepared process went.
enum Tried {
    /// The server reported on each ref.
    Reported(Vec<RefOutcome>),
    /// The server has not got enough of it to move a ref.
    NothingSent,
    /// No report: only another look at the refs tells.
    Unclear,
}

/// A push without a report.
struct Broken {
    talk: Talk,
    error: WireError,
    /// The server may have moved refs.
    all_sent: bool,
}

impl Broken {
    async fn explain(self) -> PushError {
        let failure = self.talk.explain(self.error).await.failure;
        if self.all_sent { PushError::Unknown(failure) } else { PushError::NotSent(failure) }
    }
}

/// Sends all, and notes when nothing but the last piece is left: from then on the server may have it all.
async fn send(input: &mut Input, first: Vec<u8>, mut pieces: Pieces, all_sent: &AtomicBool) -> Result<(), WireError> {
    let mut waiting = Bytes::from(first);
    while let Some(piece) = pieces.recv().await {
        let piece = piece?;
        input.send(&waiting).await?;
        waiting = piece;
    }
    all_sent.store(true, Ordering::Relaxed);
    input.send(&waiting).await
}
