//! A server with one repository, and instances that sync with it.

use std::fs;

use super::PATIENCE;
use super::apps::{set_at_once, value};
use super::instance::{Instance, is_in_sync};
use super::remote::RemoteRepo;
use super::sshd::{Setup, Sshd};

/// The key's name that all instances use.
pub const KEY: &str = "MyGitSyncKey";

/// A real OpenSSH server with a real bare repository.
pub struct World {
    pub sshd: Sshd,
    pub repo: RemoteRepo,
}

impl World {
    /// `None` when this machine has no OpenSSH server and need not have one.
    pub fn new() -> Option<Self> {
        Self::with(Setup::default())
    }

    /// With a server set up in a special way.
    pub fn with(setup: Setup) -> Option<Self> {
        let sshd = Sshd::start_with(setup)?;
        let repo = RemoteRepo::init(sshd.folder().join("team/apps.git"));
        Some(Self { sshd, repo })
    }

    /// An instance that may do everything by itself, with a key of its own that the server knows.
    pub fn instance(&self, name: &str) -> Instance {
        let instance = self.stranger(name);
        self.sshd.authorize(&instance.generate_key(KEY));
        instance
    }

    /// As [`instance`](Self::instance), but locked.
    pub fn locked_instance(&self, name: &str) -> Instance {
        let mut instance = self.instance(name);
        instance.set("GIT_SYNC_IS_LOCK_APP_EDIT", "true");
        instance
    }

    /// Waits until nothing moves any more: a last save at each has arrived at the other, and both are at the branch's tip.
    pub fn settle(&self, one: &Instance, other: &Instance) {
        for (from, to, key) in [(one, other, "last-of-one"), (other, one, "last-of-the-other")] {
            let file = "PO App/screens/Screen 2/meta.json";
            set_at_once(&from.apps.join(file), key, "done", &from.aside());
            to.wait(PATIENCE * 2, "the last save of the other", || value(&to.apps.join(file), key).is_some());
        }
        one.wait(PATIENCE * 2, "both in sync at one tip", || {
            let (a, b) = (one.repository(), other.repository());
            let tip = self.repo.tip("main");
            is_in_sync(&a) && is_in_sync(&b) && a.remote_tip == tip && b.remote_tip == tip
        });
    }

    /// An instance that is set up for this repository, but has no key yet.
    pub fn stranger(&self, name: &str) -> Instance {
        stranger(name, &self.sshd.url(self.repo.path()), &(self.sshd.host_key_lines().join("\n") + "\n"))
    }
}

/// An instance that is set up for a repository on any server whose `known_hosts` lines are given, but has no key yet.
pub fn stranger(name: &str, url: &str, known_hosts: &str) -> Instance {
    let mut instance = Instance::new(name);
    let file = instance.aside().join("known_hosts");
    fs::write(&file, known_hosts).expect("write known_hosts");
    instance
        .set("GIT_SYNC_IS_GLOBAL", "true")
        .set("GIT_SYNC_SSH_REPO_URL", url)
        .set("GIT_SYNC_BRANCH_NAME", "main")
        .set("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", KEY)
        .set("GIT_SYNC_IS_AUTO_SAVE", "true")
        .set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "true")
        .set("APPFERRY_KNOWN_HOSTS", file.display().to_string());
    instance
}
