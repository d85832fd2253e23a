//! What can be read of the apps at any time, without asking the engine: it may be busy for seconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::{Engine, Knowledge};
use crate::domain::status::AppState;
use crate::domain::{AppName, ObjectId};
use crate::ports::LocalRepository;

/// The apps as the last look and planning left them.
#[derive(Clone, Default)]
pub struct Shelf {
    /// Where their trees are; `None` only before the engine has begun.
    pub repo: Option<Arc<dyn LocalRepository>>,
    /// The folder of the apps in the repository.
    pub prefix: String,
    /// The branch, by its full name.
    pub branch: String,
    /// Every app that is on this instance or in Git.
    pub apps: Arc<BTreeMap<AppName, Shelved>>,
    /// Whether this instance is locked.
    pub locked: bool,
    /// Why the apps folder cannot be used, if it cannot.
    pub not_mounted: Option<String>,
    /// The app that is being installed just now.
    pub installing: Option<AppName>,
}

/// One app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// The last quiet state of its folder; `None` if it has none.
    pub tree: Option<ObjectId>,
    /// Whether Git has it, or may have it.
    pub in_git: bool,
    /// How its two sides stand.
    pub state: AppState,
    /// Why.
    pub reason: Option<String>,
}

/// Where the engine puts the shelf.
pub(super) struct Shelves(watch::Sender<Shelf>);

impl Default for Shelves {
    fn default() -> Self {
        Self(watch::channel(Shelf::default()).0)
    }
}

impl Shelves {
    /// Tells that an app is being installed, or that it is over.
    pub(super) fn installing(&self, app: Option<&AppName>) {
        self.0.send_modify(|shelf| shelf.installing = app.cloned());
    }
}

impl Engine {
    /// The shelf, and its changes.
    #[must_use]
    pub fn shelf(&self) -> watch::Receiver<Shelf> {
        self.shelves.0.subscribe()
    }

    /// Makes what the engine knows readable.
    pub fn shelve(&self) {
        let before = self.shelves.0.borrow().clone();
        let mut apps = BTreeMap::new();
        for (app, finding) in &self.findings {
            let status = self.app_status(app, finding);
            let earlier = before.apps.get(app).and_then(|shelved| shelved.tree);
            let tree = self.disk.shown(app, earlier);
            let in_git = self.may_be_in_git(app);
            apps.insert(app.clone(), Shelved { tree, in_git, state: status.state, reason: status.reason });
        }
        self.shelves.0.send_replace(Shelf {
            repo: Some(Arc::clone(&self.repo)),
            prefix: self.settings.prefix.clone(),
            branch: self.settings.branch.full_ref(),
            apps: Arc::new(apps),
            locked: self.settings.mode.locked,
            not_mounted: self.disk.not_mounted.clone(),
            installing: None,
        });
    }

    /// As long as nothing is known of the branch, it may have any app.
    pub(super) fn may_be_in_git(&self, app: &AppName) -> bool {
        let unknown = matches!(self.remote.knowledge, Knowledge::Nothing);
        unknown || self.remote.apps.contains_key(app) || self.state.bases.contains_key(app)
    }
}

impl Shelf {
    /// Why the app may not be edited on this instance, if it may not. An app that nobody has yet may be made, unless this
    /// instance is locked and knows nothing of the branch.
    #[must_use]
    pub fn edit_refusal(&self, app: &AppName) -> Option<String> {
        if let Some(reason) = &self.not_mounted {
            return Some(format!("the apps folder cannot be used: {reason}"));
        }
        if self.locked && self.apps.get(app).is_some_and(|shelved| shelved.in_git) {
            return Some(LOCKED.to_owned());
        }
        (self.installing.as_ref() == Some(app)).then(|| "it is being installed just now".to_owned())
    }
}

/// What is said of an app in Git on a locked instance.
pub(super) const LOCKED: &str = "this instance is locked, and the app is in Git: its edits would never reach Git";
