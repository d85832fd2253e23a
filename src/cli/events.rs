//! `appferry events`: what happened, for people or as one JSON object a line.

use std::time::Duration;

use super::args::EventsArgs;
use super::output::{plain, say};
use crate::client::Client;
use crate::domain::event::{Change, Direction, Event, What};
use crate::domain::status::GLOBAL;

const PAGE: u32 = 500;
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Longer reasons are in the JSON.
const SHORT: usize = 8;

/// Prints what the running worker has told, oldest first; with `follow`, also what it will tell.
pub(super) async fn run(args: &EventsArgs, client: &Client) -> anyhow::Result<()> {
    let mut at = args.after.unwrap_or(0);
    loop {
        let page = client.events(at, PAGE).await?;
        for event in &page {
            let line = if args.json { serde_json::to_string(event)? } else { line(event) };
            say(&(line + "\n"))?;
        }
        match page.last() {
            Some(last) => at = last.id,
            None if args.follow => tokio::time::sleep(LOOK_AGAIN).await,
            None => return Ok(()),
        }
    }
}

fn line(event: &Event) -> String {
    let app = event.app.as_ref().map(|app| format!("  '{}'", plain(app))).unwrap_or_default();
    let kind = event.what.kind().replace('_', " ");
    let repository = match event.repository.name.as_str() {
        "" | GLOBAL => String::new(),
        name => format!("  {}:", plain(name)),
    };
    let said = plain(&said(&event.what));
    format!("{:>6}  {}{repository}  {kind}{app}  {said}", event.id, event.time).trim_end().to_owned()
}

fn said(what: &What) -> String {
    let published = |published: bool| if published { ", published" } else { "" };
    match what {
        What::AppState { from, to, reason } => {
            let to = to.map_or_else(|| "gone".to_owned(), |to| word(&to));
            format!("{} -> {to}{}", word(from), reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())
        }
        What::RepositoryState { to, summary, .. } => format!("{}: {summary}", word(to)),
        What::Committed { commit, subject, .. } => format!("{} {subject}", short(commit)),
        What::Pushed { commit, change, published: is } | What::Installed { commit, change, published: is } => {
            let change = match change {
                Change::Added => "added",
                Change::Changed => "changed",
                Change::Removed => "removed",
            };
            format!("{} {change}{}", short(commit), published(*is))
        }
        What::Published { commit, direction: Direction::Out } => format!("{} to Git", short(commit)),
        What::Published { commit, direction: Direction::In } => format!("{} from Git", short(commit)),
        What::Conflict { branch, clashes } => format!("{}; ours is on {branch}", clashes.join("; ")),
        What::ConflictResolved {} => String::new(),
        What::Failure { message, remedy, .. } => format!("{message}; {remedy}"),
        What::Refused { message } => message.clone(),
        What::Held { reason } => reason.clone(),
    }
}

fn word(state: &impl serde::Serialize) -> String {
    let text = serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned));
    text.unwrap_or_default().replace('_', " ")
}

fn short(commit: &str) -> &str {
    commit.get(..SHORT).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventRepository;
    use crate::domain::status::AppState;

    #[test]
    fn a_line_says_what_happened_and_nothing_from_outside_disturbs_it() {
        let event = |what| Event {
            id: 7,
            time: "2026-01-02T03:04:05Z".into(),
            instance: "dev".into(),
            repository: EventRepository::default(),
            app: Some("PO\u{1b}App".into()),
            what,
        };
        let pushed = What::Pushed { commit: "0123456789".into(), change: Change::Changed, published: true };
        let shown = line(&event(pushed));
        assert!(shown.starts_with("     7  2026-01-02T03:04:05Z  pushed  'PO"), "{shown}");
        assert!(shown.ends_with("01234567 changed, published") && !shown.contains('\u{1b}'), "{shown}");
        let state = What::AppState { from: AppState::InSync, to: None, reason: None };
        let mut gone = event(state);
        assert!(line(&gone).ends_with("in sync -> gone"));
        gone.repository.name = "sales".into();
        assert!(line(&gone).contains("05Z  sales:  app state  'PO"), "{}", line(&gone));
    }
}
