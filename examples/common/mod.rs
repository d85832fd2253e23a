//! What the examples share: a bare repository in a temporary folder, and instances that sync with it.

#![allow(dead_code, unreachable_pub, reason = "each example uses a part of it")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use appferry::config::{Config, DiskFiles, Environment};
use appferry::daemon::Daemon;
use appferry::domain::status::RepositoryStatus;
use tempfile::TempDir;

/// A folder with a bare repository; it goes when this is dropped.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// Makes it.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let place = Self { folder };
        git2::Repository::init_bare(place.repository()).context("no bare repository")?;
        Ok(place)
    }

    /// Where the repository lies.
    pub fn repository(&self) -> PathBuf {
        self.folder.path().join("apps.git")
    }

    /// An instance that may do everything by itself, configured as people do it: by variables.
    pub fn instance(&self, name: &str) -> anyhow::Result<Instance> {
        let home = self.folder.path().join(name);
        let apps = home.join("apps");
        std::fs::create_dir_all(&apps)?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let environment = Environment::of([
            ("GIT_SYNC", "true".to_owned()),
            ("GIT_SYNC_REPOSITORY_URL", text(self.repository())),
            ("GIT_SYNC_BRANCH_NAME", "main".to_owned()),
            ("GIT_SYNC_AUTO_SAVE", "true".to_owned()),
            ("GIT_SYNC_AUTO_ADD_NEW_RESOURCES", "true".to_owned()),
            ("APPFERRY_ALLOW_PATH_REMOTE", "true".to_owned()),
            ("APPFERRY_DATA_DIR", text(home.join("data"))),
            ("APPFERRY_APPS_DIR", text(apps.clone())),
            ("APPFERRY_INSTANCE", name.to_owned()),
            ("APPFERRY_LISTEN", "127.0.0.1:0".to_owned()),
            ("APPFERRY_POLL_INTERVAL", "200ms".to_owned()),
            ("APPFERRY_DEBOUNCE", "100ms".to_owned()),
        ]);
        let config =
            Config::from_environment(&environment, &DiskFiles).map_err(|errors| anyhow::anyhow!("{errors}"))?;
        Ok(Instance { name: name.to_owned(), apps, config })
    }

    /// The subjects of `main`, newest first.
    pub fn subjects(&self) -> anyhow::Result<Vec<String>> {
        let repository = git2::Repository::open_bare(self.repository())?;
        let mut walk = repository.revwalk()?;
        walk.push_ref("refs/heads/main")?;
        let subject = |id| anyhow::Ok(first_line(repository.find_commit(id)?.message_bytes()));
        walk.map(|id| subject(id?)).collect()
    }

    /// The short names of all branches.
    pub fn branches(&self) -> anyhow::Result<Vec<String>> {
        let repository = git2::Repository::open_bare(self.repository())?;
        let branches = repository.branches(Some(git2::BranchType::Local))?;
        branches.map(|branch| Ok(String::from_utf8_lossy(branch?.0.name_bytes()?).into_owned())).collect()
    }
}

fn first_line(message: &[u8]) -> String {
    String::from_utf8_lossy(message).lines().next().unwrap_or_default().to_owned()
}

/// An instance that can be started.
pub struct Instance {
    name: String,
    /// The folder that a builder would write.
    pub apps: PathBuf,
    config: Config,
}

impl Instance {
    /// Starts it.
    pub async fn start(&self) -> anyhow::Result<Daemon> {
        println!("{}: starts", self.name);
        Daemon::start(self.config.clone()).await
    }

    /// Saves a file of an app, as a builder would.
    pub fn save(&self, path: &str, content: &str) -> anyhow::Result<()> {
        println!("{}: saves {path}", self.name);
        let path = self.apps.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        Ok(std::fs::write(path, content)?)
    }

    /// Reads a file of an app; empty if it is not there.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.apps.join(path)).unwrap_or_default()
    }
}

/// Waits until the repository's status is as `wanted` says.
pub async fn until(daemon: &Daemon, what: &str, wanted: impl Fn(&RepositoryStatus) -> bool) -> anyhow::Result<()> {
    let mut changes = daemon.changes();
    let seen = changes.wait_for(|status| status.repositories.first().is_some_and(&wanted));
    let seen = tokio::time::timeout(Duration::from_secs(30), seen).await;
    seen.with_context(|| format!("waited in vain until {what}: {:#?}", daemon.status()))??;
    println!("     … {what}");
    Ok(())
}

/// Waits until both sides of every app are equal, and `extra` holds.
pub async fn until_in_sync(daemon: &Daemon, what: &str, extra: impl Fn() -> bool) -> anyhow::Result<()> {
    use appferry::domain::status::{AppState, RepositoryState};
    until(daemon, what, |repository| {
        let apps_agree = repository.apps.iter().all(|app| app.state == AppState::InSync);
        repository.state == RepositoryState::InSync && !repository.apps.is_empty() && apps_agree && extra()
    })
    .await
}
