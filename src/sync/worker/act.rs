//! Actions and questions of people, through the worker or beside it.

use std::time::Duration;

use super::Handle;
use crate::domain::{AppName, Failure};
use crate::sync::action::{Action, ActionReport};
use crate::sync::history::{AppDiff, Reader};

/// How long an action waits for the files that it is about to be quiet.
const QUIET_LIMIT: Duration = Duration::from_secs(10);

impl Handle {
    /// Does what a person asks for; in a dry run, only says what it would do.
    ///
    /// # Errors
    /// Why nothing of it can be done; that the worker is busy or gone.
    pub async fn act(&self, action: Action, dry_run: bool) -> Result<ActionReport, Failure> {
        self.wait_until_quiet(action.apps()).await?;
        let begin = move |engine: &mut super::Engine, now| engine.begin(action, dry_run, now);
        self.ask_then(begin, |engine, begun| Ok(engine.end(begun))).await
    }

    /// Answers a question from the branch as it is now. The worker goes on meanwhile.
    ///
    /// # Errors
    /// Those of `question`; that the worker is busy or gone.
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let reader = self.glance(|engine| Ok(engine.reader())).await?;
        on_a_thread(move || question(&reader)).await
    }

    /// How the app differs here from Git, or what a commit changed in it.
    ///
    /// # Errors
    /// That the app or the commit is not there, or the worker is busy or gone; disk.
    pub async fn diff(&self, app: AppName, commit: Option<String>) -> Result<AppDiff, Failure> {
        if let Some(commit) = commit {
            let diff = move |reader: &Reader| reader.diff_of_commit(&app, reader.find_commit(&commit)?);
            return self.read(diff).await;
        }
        self.wait_until_quiet(Some(vec![app.clone()])).await?;
        let name = app.clone();
        let sides = move |engine: &mut super::Engine, now| Ok((engine.reader(), engine.difference(&name, now)?));
        let (reader, sides) = self.question(sides).await?;
        on_a_thread(move || reader.diff(&app, [("git", sides.in_git), ("here", sides.here)], sides.words)).await
    }

    /// Whoever asks right after a save means that save, too: waits until it has settled, but not for ever.
    pub(super) async fn wait_until_quiet(&self, apps: Option<Vec<AppName>>) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + QUIET_LIMIT;
        loop {
            let apps = apps.clone();
            let wait = self.question(move |engine, now| engine.busy_for(apps.as_deref(), now)).await?;
            let Some(wait) = wait.filter(|wait| tokio::time::Instant::now() + *wait < deadline) else { return Ok(()) };
            tokio::time::sleep(wait).await;
        }
    }
}

pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Failure::internal("reading the history stopped after a defect")))
}
