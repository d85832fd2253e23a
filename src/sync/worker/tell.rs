//! What the worker tells others: rows of the audit log, and events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::Face;
use crate::domain::FailureClass;
use crate::domain::event::{EventRepository, NewEvent, What};
use crate::domain::status::{AppState, RepositoryState, RepositoryStatus};
use crate::ports::{AuditLog, EventLog, STANDING_FAILURE};
use crate::sync::engine::done::Done;

/// Longer than a log that answers takes; syncing does not wait for another one.
const TELL_LIMIT: Duration = Duration::from_secs(2);
/// So many events are kept well within that limit.
const PORTION: usize = 500;

/// Tells, and remembers what was told.
pub(super) struct Teller {
    audit: Arc<dyn AuditLog>,
    events: Arc<dyn EventLog>,
    /// So many of the untold deeds are in the audit log already.
    audited: usize,
    /// `None` until what was told before this start is known.
    told: Option<Told>,
    /// A log that does not work is not news at each pass.
    complained: bool,
}

/// The states as they were told last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    /// Without those in sync.
    apps: BTreeMap<String, AppState>,
    repository: Option<RepositoryState>,
    failure: Option<FailureClass>,
}

impl Teller {
    pub(super) fn new(audit: Arc<dyn AuditLog>, events: Arc<dyn EventLog>) -> Self {
        Self { audit, events, audited: 0, told: None, complained: false }
    }

    /// Tells what was done. Answers how much of it need not be told again.
    pub(super) async fn tell(&mut self, done: Done, face: &Face) -> usize {
        self.note_in_audit_log(&done, face).await;
        let repository = EventRepository {
            name: face.name.clone(),
            url: face.url.clone(),
            branch: face.branch.clone(),
            prefix: face.prefix.clone(),
        };
        let event = |deed: crate::sync::engine::done::Deed| NewEvent {
            origin: Some(deed.id),
            time: deed.time,
            repository: repository.clone(),
            app: deed.app.map(Into::into),
            what: deed.what,
        };
        let told = self.append(done.deeds.into_iter().map(event).collect()).await;
        self.audited = self.audited.saturating_sub(told);
        told
    }

    /// Tells how the states changed since they were told last.
    pub(super) async fn tell_states(&mut self, status: &watch::Sender<RepositoryStatus>) {
        if self.told.is_none() {
            let repository = repository_of(&status.borrow());
            match tokio::time::timeout(TELL_LIMIT, self.events.states(&repository)).await {
                Ok(Ok(before)) => self.told = Some(Told::from_texts(&before)),
                _ => return, // at the next pass
            }
        }
        let Some(told) = &self.told else { return };
        let (news, now) = news(told, &status.borrow());
        // What was kept of them is in the log: it is read again before the rest is told.
        let all = news.len();
        self.told = (self.append(news).await == all).then_some(now);
    }

    /// Answers how many were kept; the first that was not, and all after it, are told later.
    async fn append(&mut self, mut events: Vec<NewEvent>) -> usize {
        let mut kept = 0;
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(PORTION));
            let portion = std::mem::replace(&mut events, rest);
            let count = portion.len();
            let said = match tokio::time::timeout(TELL_LIMIT, self.events.append(portion)).await {
                Ok(Ok(())) => {
                    self.complained = false;
                    kept += count;
                    continue;
                }
                Ok(Err(failure)) => failure.to_string(),
                Err(_) => "the log of events does not answer".to_owned(),
            };
            if !self.complained {
                tracing::warn!(said, "events cannot be kept; syncing goes on, and they are told later");
            }
            self.complained = true;
            break;
        }
        kept
    }

    async fn note_in_audit_log(&mut self, done: &Done, face: &Face) {
        let new = Done { deeds: done.deeds.get(self.audited..).unwrap_or_default().to_vec(), tip: done.tip };
        let rows = new.rows(&format!("{} {}", face.url, face.branch));
        // The log keeps what it took, also when it is not waited for any longer.
        let noting = futures::future::join_all(rows.into_iter().map(|row| self.audit.append(row)));
        for noted in tokio::time::timeout(TELL_LIMIT, noting).await.unwrap_or_default() {
            if let Err(failure) = noted {
                tracing::warn!(%failure, "what was synced could not be noted in the audit log");
            }
        }
        self.audited = done.deeds.len();
    }
}

impl Told {
    fn from_texts(texts: &BTreeMap<String, String>) -> Self {
        let of_apps = texts.iter().filter(|(app, _)| !app.is_empty() && *app != STANDING_FAILURE);
        Self {
            apps: of_apps.filter_map(|(app, text)| Some((app.clone(), read(text)?))).collect(),
            repository: texts.get("").and_then(|text| read(text)),
            failure: texts.get(STANDING_FAILURE).and_then(|text| read(text)),
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

fn repository_of(status: &RepositoryStatus) -> EventRepository {
    EventRepository {
        name: status.name.clone(),
        url: status.url.clone(),
        branch: status.branch.clone(),
        prefix: status.prefix.clone(),
    }
}

/// The events between what was told and what is now, and what is told after them.
fn news(told: &Told, status: &RepositoryStatus) -> (Vec<NewEvent>, Told) {
    if status.state == RepositoryState::Starting {
        return (Vec::new(), told.clone());
    }
    let mut found = Vec::new();
    let now = Told {
        apps: not_in_sync(status),
        repository: Some(status.state),
        failure: status.last_error.as_ref().map(|error| error.failure.class),
    };
    if let Some(error) = status.last_error.as_ref().filter(|_| now.failure != told.failure) {
        let failure = error.failure.clone();
        found.push((None, What::Failure { class: failure.class, message: failure.message, remedy: failure.remedy }));
    }
    if now.repository != told.repository {
        let summary = status.summary.clone();
        found.push((None, What::RepositoryState { from: told.repository, to: status.state, summary }));
    }
    for app in &status.apps {
        let from = told.apps.get(&app.name).copied().unwrap_or(AppState::InSync);
        if from == app.state {
            continue;
        }
        let what = What::AppState { from, to: Some(app.state), reason: app.reason.clone() };
        found.push((Some(app.name.clone()), what));
        if app.state == AppState::Held {
            let reason = app.reason.clone().unwrap_or_default();
            found.push((Some(app.name.clone()), What::Held { reason }));
        }
    }
    found.extend(
        gone(told, status).map(|(app, from)| (Some(app.clone()), What::AppState { from, to: None, reason: None })),
    );
    (found.into_iter().map(|(app, what)| event(status, app, what)).collect(), now)
}

fn not_in_sync(status: &RepositoryStatus) -> BTreeMap<String, AppState> {
    let others = status.apps.iter().filter(|app| app.state != AppState::InSync);
    others.map(|app| (app.name.clone(), app.state)).collect()
}

fn gone<'a>(told: &'a Told, status: &'a RepositoryStatus) -> impl Iterator<Item = (&'a String, AppState)> {
    let is_there = |name: &String| status.apps.binary_search_by(|app| app.name.cmp(name)).is_ok();
    told.apps.iter().filter(move |(name, _)| !is_there(name)).map(|(name, state)| (name, *state))
}

fn event(status: &RepositoryStatus, app: Option<String>, what: What) -> NewEvent {
    let time = jiff::Timestamp::now().to_string();
    NewEvent { origin: None, time, repository: repository_of(status), app, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::AppStatus;

    fn text(state: impl serde::Serialize) -> String {
        serde_json::to_value(state).unwrap().as_str().unwrap().to_owned()
    }

    fn status(state: RepositoryState, apps: &[(&str, AppState)]) -> RepositoryStatus {
        let app =
            |(name, state): &(&str, AppState)| AppStatus { name: (*name).to_owned(), state: *state, reason: None };
        RepositoryStatus { state, apps: apps.iter().map(app).collect(), ..RepositoryStatus::default() }
    }

    fn kinds(told: &Told, status: &RepositoryStatus) -> (Vec<String>, Told) {
        let (events, now) = news(told, status);
        let kind = |event: &NewEvent| format!("{} {}", event.what.kind(), event.app.clone().unwrap_or_default());
        (events.iter().map(kind).collect(), now)
    }

    #[test]
    fn each_change_of_a_state_is_told_once_and_the_first_pass_is_no_news() {
        let nothing = Told::default();
        assert_eq!(kinds(&nothing, &status(RepositoryState::Starting, &[])).0, Vec::<String>::new());
        let first = status(RepositoryState::AppsWaiting, &[("A", AppState::InSync), ("B", AppState::Held)]);
        let (found, told) = kinds(&nothing, &first);
        assert_eq!(found, ["repository_state ", "app_state B", "held B"]);
        assert_eq!(kinds(&told, &first), (vec![], told.clone()));
        let (found, told) = kinds(&told, &status(RepositoryState::InSync, &[("A", AppState::InSync)]));
        assert_eq!(found, ["repository_state ", "app_state B"]);
        assert_eq!(told.apps, BTreeMap::new());
    }

    #[test]
    fn what_was_told_before_a_restart_is_not_told_again() {
        let texts = BTreeMap::from([
            (String::new(), text(RepositoryState::AppsWaiting)),
            ("B".to_owned(), text(AppState::Held)),
            (STANDING_FAILURE.to_owned(), text(FailureClass::Connect)),
        ]);
        let told = Told::from_texts(&texts);
        assert_eq!(
            kinds(&told, &status(RepositoryState::AppsWaiting, &[("B", AppState::Held)])).0,
            Vec::<String>::new()
        );
        let mut away = status(RepositoryState::Offline, &[("B", AppState::Held)]);
        let failure = crate::domain::Failure::new(FailureClass::Connect, "no", "wait");
        away.last_error = Some(crate::domain::status::ErrorStatus { failure, since: String::new(), next_try: None });
        let told = Told { repository: Some(RepositoryState::Offline), ..told };
        assert_eq!(kinds(&told, &away).0, Vec::<String>::new(), "the failure stands since before the restart");
        assert_eq!(kinds(&Told { failure: None, ..told }, &away).0, ["failure "]);
    }
}
