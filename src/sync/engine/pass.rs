//! One pass: a look at the disk, a planning, and the carrying out of what it found.

use std::collections::BTreeSet;
use std::time::Duration;

use super::finding::Finding;
use super::{Engine, Knowledge, Now};
use crate::domain::{AppName, Failure};
use crate::ports::FolderOnDisk;

/// What [`Engine::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something waits to be pushed: see [`Engine::outgoing`].
    Push,
    /// Something moved; call again.
    Moved,
    /// Nothing more to do now.
    Rest,
}

/// What to look at on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Every app.
    All,
    /// These apps.
    Apps(BTreeSet<AppName>),
}

impl Engine {
    /// Looks at the disk.
    ///
    /// # Errors
    /// Disk.
    pub fn look(&mut self, look: &Look, now: Now) -> Result<(), Failure> {
        match look {
            Look::All => {
                self.follow_all()?;
                let mut folder = self.workspace.look_at_all()?;
                if let FolderOnDisk::Apps { apps, .. } = &mut folder {
                    apps.retain(|(app, _)| self.settings.filter.takes(app));
                }
                self.disk.take_all(folder, now);
            }
            Look::Apps(apps) => apps.iter().try_for_each(|app| self.look_at(app, now))?,
        }
        self.take_arrived(now) // a look ends installs that an error interrupted
    }

    pub(super) fn look_at(&mut self, app: &AppName, now: Now) -> Result<(), Failure> {
        if self.settings.filter.takes(app) {
            self.follow(app)?;
            let found = self.workspace.look_at(app)?;
            self.disk.take_one(app, found, now);
        }
        Ok(())
    }

    /// How long until a look at the disk may find more: an app that is being written, or a folder that is gone and soon
    /// counts as removed. Each app that shall be looked at again comes with its wait.
    #[must_use]
    pub fn waits(&self, now: Now) -> Vec<(AppName, Duration)> {
        self.disk.waits(&self.settings, now)
    }

    /// Plans every app and carries out what can be: commits first; when nothing waits to be pushed (or it `can_push` not),
    /// installs.
    ///
    /// # Errors
    /// Disk or internal. What was not done is planned again.
    pub fn advance(&mut self, can_push: bool, now: Now) -> Result<Progress, Failure> {
        if self.disk.not_looked() || matches!(self.remote.knowledge, Knowledge::Nothing | Knowledge::Absent(_)) {
            return Ok(Progress::Rest);
        }
        if self.is_at_rest() {
            self.prepare_tag()?;
            let waits = can_push && !self.outgoing(now).is_empty();
            return Ok(if waits { Progress::Push } else { Progress::Rest });
        }
        self.rest = None;
        self.find_all(now)?;
        let adopted = self.adopt_agreed();
        let committed = self.commit_found(now)? | self.propose_directly(now)?;
        self.prepare_tag()?;
        if can_push && !self.outgoing(now).is_empty() {
            return Ok(Progress::Push);
        }
        let installed = self.install_found(now)?;
        if adopted || committed || installed {
            return Ok(Progress::Moved);
        }
        self.come_to_rest(now);
        Ok(Progress::Rest)
    }

    /// Makes the state durable.
    ///
    /// # Errors
    /// Disk: the former state stays.
    pub fn save(&mut self, now: Now) -> Result<(), Failure> {
        if self.mending {
            return Ok(());
        }
        self.write_state(now)?;
        if self.untaken.is_empty() {
            self.workspace.note_arrived()?;
            self.journals_removed = true;
        }
        Ok(())
    }

    /// As [`save`](Self::save), but what the workspace keeps until then may stay where it is.
    pub(super) fn write_state(&mut self, now: Now) -> Result<(), Failure> {
        let signature = self.committer(now);
        self.state_file.save(&*self.repo, &self.state, signature)
    }

    /// Work for quiet times: the stat cache, packing, and forgetting what was kept aside long ago.
    ///
    /// # Errors
    /// Disk.
    pub fn tidy(&mut self, now: Now) -> Result<(), Failure> {
        if self.mending {
            return Ok(());
        }
        self.workspace.save_cache()?;
        self.expire_kept(now)?;
        self.repo.maintain().map(|_| ())
    }

    /// Records the bases of apps whose sides agree. Answers whether there were any.
    fn adopt_agreed(&mut self) -> bool {
        let agreed: Vec<AppName> = self.findings_of(|finding| matches!(finding, Finding::Adopt));
        for app in &agreed {
            self.note_adopted(app);
            self.set_base(app, self.remote.apps.get(app).copied());
            self.state.notes.wordings.remove(app);
            self.state.notes.wanted.remove(app);
            self.state.notes.confirmed.remove(app);
            self.state.notes.accepted.remove(app);
        }
        !agreed.is_empty()
    }
}
