//! The live view: what can be seen of the two instances from outside, a line an event.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tokio::sync::watch;

use super::history;
use super::look::{Fingerprints, blobs, fingerprints};
use crate::domain::status::{AppState, AppStatus, RepositoryState, Status};

/// Lines of a commit's body that are shown.
const BODY_LINES: usize = 8;

/// One instance, as the view sees it.
pub(super) struct Watched {
    name: &'static str,
    apps_dir: PathBuf,
    status: watch::Receiver<Status>,
    /// What was last told about its apps.
    told: Fingerprints,
    /// What the last look found; a change is told when two looks agree.
    seen: Fingerprints,
    app_states: BTreeMap<String, (AppState, Option<String>)>,
    repository_state: RepositoryState,
}

impl Watched {
    /// Watches from now on: what is in the folder already is not news.
    pub(super) fn new(name: &'static str, apps_dir: PathBuf, status: watch::Receiver<Status>) -> Self {
        let told = fingerprints(&apps_dir).unwrap_or_default();
        let (seen, app_states) = (told.clone(), BTreeMap::new());
        Self { name, apps_dir, status, told, seen, app_states, repository_state: RepositoryState::Starting }
    }
}

/// The view.
pub(super) struct View {
    repository: PathBuf,
    tip: Option<String>,
    instances: Vec<Watched>,
}

impl View {
    /// Watches `instances` and the bare repository between them, which is empty.
    pub(super) const fn new(repository: PathBuf, instances: Vec<Watched>) -> Self {
        Self { repository, tip: None, instances }
    }

    /// The lines for what happened since the last look.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub(super) async fn look(&mut self) -> anyhow::Result<Vec<String>> {
        let mut lines = self.new_commits().await?;
        let mut files = None;
        for watched in &mut self.instances {
            lines.extend(watched.status_lines());
            for (app, is_there) in watched.changed_apps().await {
                if files.is_none() {
                    files = Some(match &self.tip {
                        Some(tip) => history::files(&self.repository, tip).await?,
                        None => BTreeMap::new(),
                    });
                }
                let in_git = files.as_ref().and_then(|files| files.get(&app));
                let what = match (is_there, in_git) {
                    (false, None) => "deleted",
                    (false, Some(_)) => "deleted here",
                    (true, Some(wanted)) if watched.content(&app).await.as_ref() == Some(wanted) => "installed",
                    (true, _) => "edited",
                };
                lines.push(line(watched.name, &app, what));
            }
        }
        Ok(lines)
    }

    async fn new_commits(&mut self) -> anyhow::Result<Vec<String>> {
        let tip = history::tip(&self.repository).await?;
        let mut lines = Vec::new();
        if let Some(new) = tip.as_ref().filter(|_| tip != self.tip) {
            for commit in history::commits(&self.repository, self.tip.as_deref(), new).await? {
                let what = format!("commit {} {:?}", commit.short, commit.subject);
                lines.push(line(&commit.instance, &commit.apps.join(", "), &what));
                lines.extend(commit.body.iter().take(BODY_LINES).map(|text| format!("{:40}{text}", "")));
            }
        }
        self.tip = tip;
        Ok(lines)
    }
}

impl Watched {
    /// The apps whose folder changed, and has now been still for one look, with whether they are there.
    async fn changed_apps(&mut self) -> Vec<(String, bool)> {
        let apps_dir = self.apps_dir.clone();
        let looked = tokio::task::spawn_blocking(move || fingerprints(&apps_dir)).await;
        let Ok(Ok(now)) = looked else { return Vec::new() }; // something moved under the look: look again later
        let names: BTreeSet<&String> = now.keys().chain(self.told.keys()).collect();
        let is_news = |app: &&&String| now.get(**app) == self.seen.get(**app) && now.get(**app) != self.told.get(**app);
        let news: Vec<_> = names.iter().filter(is_news).map(|app| ((*app).clone(), now.contains_key(*app))).collect();
        for (app, _) in &news {
            match now.get(app) {
                Some(fingerprint) => self.told.insert(app.clone(), *fingerprint),
                None => self.told.remove(app),
            };
        }
        self.seen = now;
        news
    }

    /// The app's files by the names that Git gives them; `None` if they move while being read.
    async fn content(&self, app: &str) -> Option<BTreeMap<String, String>> {
        let folder = self.apps_dir.join(app);
        tokio::task::spawn_blocking(move || blobs(&folder)).await.ok()?.ok()
    }

    /// Lines for states that need a person, and for their end.
    fn status_lines(&mut self) -> Vec<String> {
        if !self.status.has_changed().unwrap_or(false) {
            return Vec::new();
        }
        let status = self.status.borrow_and_update().clone();
        let mut lines = Vec::new();
        for repository in &status.repositories {
            let (old, new) = (self.repository_state, repository.state);
            self.repository_state = new;
            if old != new && (is_trouble(old) || is_trouble(new)) {
                lines.push(line(self.name, "", &repository.summary));
            }
            for app in &repository.apps {
                lines.extend(self.app_line(app));
            }
        }
        lines
    }

    fn app_line(&mut self, app: &AppStatus) -> Option<String> {
        let now = (app.state, app.reason.clone());
        let before = self.app_states.insert(app.name.clone(), now.clone())?;
        let news = before != now && (needs_a_person(before.0) || needs_a_person(now.0));
        let reason = app.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        news.then(|| line(self.name, &app.name, &format!("{}{reason}", state_words(app.state))))
    }
}

const fn is_trouble(state: RepositoryState) -> bool {
    !matches!(
        state,
        RepositoryState::Starting | RepositoryState::InSync | RepositoryState::AppsWaiting | RepositoryState::Syncing
    )
}

const fn needs_a_person(state: AppState) -> bool {
    matches!(state, AppState::Untracked | AppState::Held | AppState::Conflict | AppState::Diverged | AppState::Drift)
}

const fn state_words(state: AppState) -> &'static str {
    match state {
        AppState::InSync => "in sync again",
        AppState::Modified => "modified",
        AppState::Untracked => "not in Git",
        AppState::Behind => "behind",
        AppState::Held => "held",
        AppState::Conflict => "conflict",
        AppState::Diverged => "diverged",
        AppState::Drift => "drift",
    }
}

/// `14:02:11  development  PO App        commit 1a2b3c4 "PO App:: Minor app update"`.
fn line(instance: &str, app: &str, what: &str) -> String {
    let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
    let shown: String = format!("{time}  {instance:<12}  {app:<14}  {what}");
    shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::demo::server::{create_bare, git};
    use crate::domain::status::RepositoryStatus;

    /// Looks until nothing new is seen any more; the lines without their times.
    async fn looks(view: &mut View) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..3 {
            lines.extend(view.look().await.unwrap());
        }
        lines.iter().map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect()
    }

    async fn commit(repository: &Path, work: &Path, message: &str) {
        let (repository, work) = (repository.to_str().unwrap(), work.to_str().unwrap());
        let place =
            ["-c", "user.name=T", "-c", "user.email=t@example.org", "--git-dir", repository, "--work-tree", work];
        git(&[&place[4..], &["-c", "core.bare=false", "add", "."]].concat()).await.unwrap();
        git(&[&place[..], &["-c", "core.bare=false", "commit", "--quiet", "-m", message]].concat()).await.unwrap();
    }

    #[tokio::test]
    async fn a_commit_an_install_an_edit_and_a_drift_are_told_as_they_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (repository, work) = (folder.path().join("apps.git"), folder.path().join("work"));
        let (development, production) = (work.join("App"), folder.path().join("production"));
        for dir in [development.join("PO App"), production.clone()] {
            std::fs::create_dir_all(dir).unwrap();
        }
        std::fs::write(development.join("PO App/meta.json"), "{}").unwrap();
        create_bare(&repository).await.unwrap();
        let (status, changes) = watch::channel(Status::default());
        let instances = vec![
            Watched::new("development", development.clone(), watch::channel(Status::default()).1),
            Watched::new("production", production.clone(), changes),
        ];
        let mut view = View::new(repository.clone(), instances);
        assert!(looks(&mut view).await.is_empty());

        let message = "'PO App' App added to git\n\nwith a line\n\nAppferry-Instance: development\n";
        commit(&repository, &work, message).await;
        let lines = looks(&mut view).await;
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("development PO App commit ") && lines[0].ends_with("\"'PO App' App added to git\"")
        );

        std::fs::create_dir(production.join("PO App")).unwrap();
        std::fs::write(production.join("PO App/meta.json"), "{}").unwrap();
        assert_eq!(looks(&mut view).await, ["production PO App installed"]);
        std::fs::write(production.join("PO App/meta.json"), "[1]").unwrap();
        assert_eq!(looks(&mut view).await, ["production PO App edited"]);

        for state in [AppState::InSync, AppState::Drift] {
            let app = AppStatus { name: "PO App".into(), state, reason: None };
            let repository = RepositoryStatus { apps: vec![app], ..RepositoryStatus::default() };
            status.send_replace(Status { repositories: vec![repository], ..Status::default() });
            let lines = looks(&mut view).await;
            assert_eq!(lines, if state == AppState::Drift { vec!["production PO App drift"] } else { Vec::new() });
        }
        std::fs::remove_dir_all(production.join("PO App")).unwrap();
        assert_eq!(looks(&mut view).await, ["production PO App deleted here"]);
    }
}
