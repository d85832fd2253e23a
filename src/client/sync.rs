//! The calls below `/sync`.

use reqwest::Method;

use super::{Client, ClientError};
use crate::domain::AppName;
use crate::http::{
    ActionReport, AppDiff, AppRow, AppsRequest, Backup, HistoryPage, PushRequest, Resolution, ResolveRequest,
    RestoreAppRequest, RestoreRequest, Selection, Take,
};

impl Client {
    /// Every app with its state and its last commit.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn apps(&self) -> Result<Vec<AppRow>, ClientError> {
        self.ask(Method::GET, "/api/v1/sync/apps", None::<&()>).await
    }

    /// How an app differs here from Git, or what a commit changed in it.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn diff(&self, app: &AppName, commit: Option<&str>) -> Result<AppDiff, ClientError> {
        let mut query = vec![("app", app.as_str())];
        query.extend(commit.map(|commit| ("commit", commit)));
        self.ask_with(Method::GET, "/api/v1/sync/diff", &query, None::<&()>).await
    }

    /// The newest commits that changed an app, or the newest before the commit `before`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn history(&self, app: &AppName, limit: usize, before: Option<&str>) -> Result<HistoryPage, ClientError> {
        let limit = limit.to_string();
        let mut query = vec![("app", app.as_str()), ("limit", &limit)];
        query.extend(before.map(|before| ("before", before)));
        self.ask_with(Method::GET, "/api/v1/sync/history", &query, None::<&()>).await
    }

    /// Lets held deletions happen.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn confirm(&self, apps: &Selection) -> Result<ActionReport, ClientError> {
        self.act("confirm", apps).await
    }

    /// Commits and pushes local changes.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn push(&self, apps: &Selection) -> Result<ActionReport, ClientError> {
        self.push_with(&apps.clone().into()).await
    }

    /// As [`push`](Self::push), with words, an author and a tag of one's own.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn push_with(&self, request: &PushRequest) -> Result<ActionReport, ClientError> {
        self.act("push", request).await
    }

    /// Adds apps to Git.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn add(&self, apps: Vec<AppName>) -> Result<ActionReport, ClientError> {
        self.act("add", &AppsRequest { apps }).await
    }

    /// Takes apps out of Git; their folders stay.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn remove(&self, apps: Vec<AppName>) -> Result<ActionReport, ClientError> {
        self.act("remove", &AppsRequest { apps }).await
    }

    /// Ends a conflict by taking one side.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn resolve(&self, app: AppName, take: Take) -> Result<ActionReport, ClientError> {
        self.resolve_with(app, Resolution::Side(take)).await
    }

    /// Ends a conflict by one side, or by a merged version.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn resolve_with(&self, app: AppName, resolution: Resolution) -> Result<ActionReport, ClientError> {
        self.act("resolve", &ResolveRequest::new(app, resolution)).await
    }

    /// Puts the folders of apps back to their state in Git.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn revert(&self, apps: Vec<AppName>) -> Result<ActionReport, ClientError> {
        self.act("revert", &AppsRequest { apps }).await
    }

    /// Makes the state that an app had in a commit its newest one.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn restore_app(&self, app: AppName, to: String) -> Result<ActionReport, ClientError> {
        self.act("restore", &RestoreAppRequest { app, to }).await
    }

    /// What was kept aside.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn backups(&self) -> Result<Vec<Backup>, ClientError> {
        self.ask(Method::GET, "/api/v1/sync/backups", None::<&()>).await
    }

    /// Puts back what was kept aside.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn restore(&self, reference: String) -> Result<ActionReport, ClientError> {
        self.act("backups/restore", &RestoreRequest { reference }).await
    }

    async fn act(&self, call: &str, body: &impl serde::Serialize) -> Result<ActionReport, ClientError> {
        let dry_run: &[(&str, &str)] = if self.dry_run { &[("dry_run", "true")] } else { &[] };
        self.ask_with(Method::POST, &format!("/api/v1/sync/{call}"), dry_run, Some(body)).await
    }
}
