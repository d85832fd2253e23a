//! Pushing over SSH: the ordinary sequence, and all in one flight where that is safe.
//!
//! The one-flight push sends commands and pack right behind the command line, without waiting for the advertisement. The old
//! value in the command makes the server refuse a lost race by itself. It is tried only when an ordinary push taught us
//! the server's capabilities, the channel is open already, and all fits into what the channel accepts unasked.

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
use super::talk::{Input, Talk};
use crate::domain::{Failure, ObjectId};
use crate::ports::{PushError, RefOutcome, RefUpdate, SessionClass};

/// Larger packs never travel in one flight, in bytes.
const ONE_FLIGHT: usize = 1 << 20;

/// A failure, and whether the server may have moved refs before it.
type Broken = (WireError, bool);

impl SshRemote {
    /// See [`crate::ports::Remote::push`].
    pub(super) async fn push_now(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        if updates.is_empty() {
            return Ok(Vec::new());
        }
        let local = self.local.clone();
        blocking(move || local.flush()).await.map_err(PushError::NotSent)?;
        let (chosen, small) = self.prepare(updates).await.map_err(PushError::NotSent)?;
        let mut talk = self.start().await.map_err(PushError::NotSent)?;
        let mut maybe_done = false;
        if let (Some(chosen), Some(small)) = (&chosen, &small)
            && talk.preopened
        {
            match self.one_flight(talk, updates, chosen, &small.pack).await {
                Flight::Reported(outcomes) => return Ok(outcomes),
                Flight::Grounded(unused) => talk = unused,
                Flight::Unclear { may_have_landed } => {
                    self.memory().push = None; // an ordinary push has to teach us anew
                    maybe_done = may_have_landed;
                    let sorted = if maybe_done { PushError::Unknown } else { PushError::NotSent };
                    talk = self.start().await.map_err(sorted)?;
                }
            }
        }
        self.ordinary(talk, updates, small.filter(|_| !maybe_done)).await.map_err(|error| match error {
            // The flight before may have landed.
            PushError::NotSent(failure) if maybe_done => PushError::Unknown(failure),
            other => other,
        })
    }

    async fn start(&self) -> Result<Talk, Failure> {
        let mut talk = self.talk(SessionClass::Bulk, Asking::Write, false).await?;
        talk.output.set_idle(self.limits.idle);
        Ok(talk)
    }

    /// The capabilities learnt and, if there are some, the pack if it is small.
    async fn prepare(&self, updates: &[RefUpdate]) -> Result<(Option<Chosen>, Option<Small>), Failure> {
        let (chosen, tip) = {
            let memory = self.memory();
            (memory.push.clone(), memory.tip)
        };
        if chosen.is_none() {
            return Ok((None, None));
        }
        let all: Vec<&RefUpdate> = updates.iter().collect();
        let pack = pack::whole(self.plan(&all, tip.into_iter().collect()), ONE_FLIGHT).await?;
        Ok((chosen, pack.map(|pack| Small { pack, rests_on: tip })))
    }

    fn plan(&self, updates: &[&RefUpdate], mut there: Vec<ObjectId>) -> Plan {
        there.extend(updates.iter().filter_map(|update| update.expected));
        let new = updates.iter().map(|update| update.new).collect();
        Plan { repository: self.repository.clone(), new, there, deltas: true }
    }

    async fn one_flight(&self, mut talk: Talk, updates: &[RefUpdate], chosen: &Chosen, pack: &Bytes) -> Flight {
        let all: Vec<&RefUpdate> = updates.iter().collect();
        let Ok(commands) = commands(&all, chosen) else { return Flight::Grounded(talk) };
        if commands.len() + pack.len() >= talk.window as usize {
            return Flight::Grounded(talk);
        }
        let first = [commands.as_slice(), pack].concat();
        let advertised = AtomicBool::new(false);
        let exchanged = self.exchange(&mut talk, first, pack::none(), chosen, Some(&advertised)).await;
        let Ok(report) = exchanged else {
            // A command that ended by itself before it even named its refs has not read ours.
            let refused = talk.end().await.exit_status.is_some() && !advertised.load(Ordering::Relaxed);
            return Flight::Unclear { may_have_landed: !refused };
        };
        let verdicts = updates.iter().map(|update| verdict(&report, update));
        let outcomes = verdicts.map(|verdict| match verdict {
            Verdict::Clear(outcome) => Some(outcome),
            Verdict::LookAgain(_) | Verdict::Incomplete(_) => None,
        });
        match outcomes.collect::<Option<Vec<_>>>() {
            Some(outcomes) => {
                self.remember_accepted(updates, &outcomes);
                Flight::Reported(outcomes)
            }
            None => Flight::Unclear { may_have_landed: true },
        }
    }

    /// Advertisement, commands, pack, report.
    async fn ordinary(
        &self,
        mut talk: Talk,
        updates: &[RefUpdate],
        small: Option<Small>,
    ) -> Result<Vec<RefOutcome>, PushError> {
        let advertisement = match Advertisement::read(&mut talk.output).await {
            Ok(advertisement) => advertisement,
            Err(error) => return Err(PushError::NotSent(talk.explain(error).await)),
        };
        let mut outcomes = before_sending(&advertisement, updates);
        let open = |(update, outcome): (_, &Option<RefOutcome>)| outcome.is_none().then_some(update);
        let sending: Vec<&RefUpdate> = updates.iter().zip(&outcomes).filter_map(open).collect();
        if sending.is_empty() {
            let _ = talk.input.send(b"0000").await;
            return Ok(outcomes.into_iter().flatten().collect());
        }
        let usable = |small: &Small| sending.len() == updates.len() && small.is_complete_for(&advertisement);
        let prepared = Chosen::from_offered(&advertisement.capabilities)
            .and_then(|chosen| Ok((commands(&sending, &chosen)?, chosen)));
        let (commands, chosen) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err(PushError::NotSent(talk.explain(error).await)),
        };
        let pieces = match small.filter(usable) {
            Some(small) => pack::ready(small.pack),
            None => pack::stream(self.plan(&sending, advertisement.refs.iter().map(|known| known.id).collect())),
        };
        let report = match self.exchange(&mut talk, commands, pieces, &chosen, None).await {
            Ok(report) => report,
            Err((error, all_sent)) => {
                let failure = talk.explain(error).await;
                return Err(if all_sent { PushError::Unknown(failure) } else { PushError::NotSent(failure) });
            }
        };
        drop(talk);
        self.memory().push = Some(chosen);
        let reported = self.settle(&report, &sending).await;
        let mut reported = reported.into_iter();
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
            *outcome = reported.next();
        }
        let outcomes: Vec<RefOutcome> = outcomes.into_iter().flatten().collect();
        self.remember_accepted(updates, &outcomes);
        Ok(outcomes)
    }

    /// Sends `first` and the pieces, and reads at the same time, so that neither side waits for the other for ever.
    /// With `advertised` the advertisement is still to come, and is noted there.
    async fn exchange(
        &self,
        talk: &mut Talk,
        first: Vec<u8>,
        pieces: Pieces,
        chosen: &Chosen,
        advertised: Option<&AtomicBool>,
    ) -> Result<Report, Broken> {
        let all_sent = AtomicBool::new(false);
        // While a large pack goes out the server says nothing; the writer watches the time then.
        talk.output.set_idle(std::time::Duration::MAX);
        let Talk { input, output, .. } = talk;
        let mut read = pin!(async {
            if let Some(advertised) = advertised {
                let advertisement = Advertisement::read(output).await?;
                advertised.store(true, Ordering::Relaxed);
                if !chosen.fits(&advertisement.capabilities) {
                    return Err(WireError::Unexpected("other capabilities than before".to_owned()));
                }
            }
            read_report(output, chosen.side_band).await
        });
        let mut write = pin!(send(input, first, pieces, &all_sent));
        // Opened while the server is busy with the pack, so that the next push finds it ready.
        let mut ahead = pin!(self.sessions.open_ahead(&self.target, SessionClass::Bulk));
        let mut late = pin!(tokio::time::sleep(self.limits.report));
        let (mut writing, mut opening) = (true, true);
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
                () = &mut ahead, if !writing && opening => opening = false,
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
        let mut talk = self.start().await.ok()?;
        let advertisement = Advertisement::read(&mut talk.output).await.ok()?;
        let _ = talk.input.send(b"0000").await;
        Some(advertisement)
    }

    fn remember_accepted(&self, updates: &[RefUpdate], outcomes: &[RefOutcome]) {
        let followed = self.branch.full_ref();
        for (update, outcome) in updates.iter().zip(outcomes) {
            if update.name == followed && *outcome == RefOutcome::Accepted {
                self.memory().tip = Some(update.new);
            }
        }
    }
}

/// A pack that was made before the server said what it has.
struct Small {
    pack: Bytes,
    /// Made as if the server had this commit.
    rests_on: Option<ObjectId>,
}

impl Small {
    fn is_complete_for(&self, advertisement: &Advertisement) -> bool {
        self.rests_on.is_none_or(|tip| advertisement.refs.iter().any(|known| known.id == tip))
    }
}

/// How a push in one flight ended.
enum Flight {
    /// The server reported on each ref.
    Reported(Vec<RefOutcome>),
    /// It did not fit; nothing was sent.
    Grounded(Talk),
    /// No clear report: only another look tells.
    Unclear {
        /// Whether the server may have moved refs.
        may_have_landed: bool,
    },
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
