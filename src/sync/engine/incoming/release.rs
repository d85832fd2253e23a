//! Installing an app without its release.
//!
//! A builder serves an app's users from its `last_release/`. When that is not to be installed with the rest, the folder on disk stays
//! and a note says which folder of Git it stands for. Planning then reads the disk as if Git's folder were there: ours is neither
//! an edit that is pushed back, nor in the way of anything.

use crate::domain::words::RELEASE;
use crate::domain::{AppName, EntryKind, Failure, FailureClass, ObjectId, TreeEntry};
use crate::ports::{Installed, LocalRepository};
use crate::sync::engine::Engine;
use crate::sync::engine::finding::Sides;
use crate::sync::state::Withheld;
use crate::sync::trees::find_tree;

/// From what to what an app is installed, and what is withheld then.
pub(in crate::sync::engine) type Way = (Option<ObjectId>, Option<ObjectId>, Option<Withheld>);

impl Engine {
    /// A tree on disk as planning sees it.
    pub(in crate::sync::engine) fn with_release_of_git(
        &self,
        app: &AppName,
        tree: Option<ObjectId>,
    ) -> Result<Option<ObjectId>, Failure> {
        let (Some(note), Some(tree)) = (self.state.notes.withheld.get(app), tree) else { return Ok(tree) };
        if self.release_of(Some(tree))? != note.here {
            return Ok(Some(tree)); // published here since: an edit like any other
        }
        with_release(&*self.repo, tree, note.git).map(Some)
    }

    /// The tree that really is on disk, where planning saw `local`.
    pub(in crate::sync::engine) fn on_disk(&self, app: &AppName, local: Option<ObjectId>) -> Option<ObjectId> {
        if self.state.notes.withheld.contains_key(app) { self.disk.settled(app) } else { local }
    }

    /// How an app is to be installed.
    pub(in crate::sync::engine) fn way_to_install(&self, app: &AppName, sides: Sides) -> Result<Way, Failure> {
        let from = self.on_disk(app, sides.local);
        let whole = self.state.notes.accepted.get(app) != Some(&false);
        let Some(remote) = sides.remote.filter(|_| !whole) else { return Ok((from, sides.remote, None)) };
        let now_here = self.release_of(from)?;
        let noted = self.state.notes.withheld.get(app).filter(|note| note.here == now_here);
        // A release that was put here past the lock goes with the rest of the drift.
        let here = match (noted, sides.base) {
            (None, Some(base)) => self.release_of(Some(base))?,
            _ => now_here,
        };
        let git = self.release_of(Some(remote))?;
        if here == git {
            return Ok((from, Some(remote), None));
        }
        let to = with_release(&*self.repo, remote, here)?;
        Ok((from, Some(to), (to != remote).then_some(Withheld { here, git })))
    }

    /// How an app is put back to `git`, its state there: the release that waits goes on waiting.
    pub(in crate::sync::engine) fn way_back(
        &self,
        app: &AppName,
        git: ObjectId,
    ) -> Result<(ObjectId, Option<Withheld>), Failure> {
        let Some(note) = self.state.notes.withheld.get(app) else { return Ok((git, None)) };
        let to = with_release(&*self.repo, git, note.here)?;
        let waits = Withheld { here: note.here, git: self.release_of(Some(git))? };
        Ok((to, (to != git).then_some(waits)))
    }

    pub(in crate::sync::engine) fn note_withheld(&mut self, app: &AppName, withheld: Option<Withheld>) {
        match withheld {
            Some(withheld) => self.state.notes.withheld.insert(app.clone(), withheld),
            None => self.state.notes.withheld.remove(app),
        };
    }

    /// Forgets what is withheld no more: published here, or gone from Git.
    pub(in crate::sync::engine) fn forget_released(&mut self) -> Result<(), Failure> {
        for (app, note) in self.state.notes.withheld.clone() {
            let settled = self.disk.settled(&app);
            let published_here = settled.is_some() && self.release_of(settled)? != note.here;
            if published_here || !self.remote.apps.contains_key(&app) {
                self.state.notes.withheld.remove(&app);
            }
        }
        Ok(())
    }

    /// Installs the release that was withheld from an app that is else in sync.
    pub(super) fn install_withheld(&mut self, app: &AppName) -> Result<(), Failure> {
        let from = self.disk.settled(app);
        let to = self.with_release_of_git(app, from)?;
        match self.workspace.install(app, from, to)? {
            Installed::Done => {
                tracing::info!(%app, "installed its release");
                self.note_withheld(app, None);
                self.disk.installed(app, to);
                self.note_installed(app, from, Sides { base: from, local: from, remote: to });
                self.rest = None;
                Ok(())
            }
            Installed::Disturbed => Err(disturbed(app)),
        }
    }

    pub(super) fn release_of(&self, tree: Option<ObjectId>) -> Result<Option<ObjectId>, Failure> {
        find_tree(&*self.repo, tree, RELEASE)
    }

    /// The end of what is said of an app that was taken in.
    pub(super) fn what_waits_of_release(&self, app: &AppName) -> &'static str {
        match self.state.notes.withheld.get(app) {
            Some(Withheld { git: Some(_), .. }) => "; its release in Git waits for `--release`",
            Some(Withheld { git: None, .. }) => {
                "; it has no release in Git any more, and keeps the one here until `--release`"
            }
            None => "",
        }
    }

    pub(in crate::sync::engine) fn withheld_notices(&self) -> Vec<String> {
        let notice = |(app, note): (&AppName, &Withheld)| {
            let name = app.as_str();
            let (what, does) = match note.git {
                Some(_) => (format!("the release of {name:?} in Git is not installed"), "installs it"),
                None => (format!("{name:?} has no release in Git any more, and still has one here"), "takes it away"),
            };
            format!("{what}; `appferry sync update {name:?} --release` {does}")
        };
        self.state.notes.withheld.iter().map(notice).collect()
    }
}

pub(super) fn disturbed(app: &AppName) -> Failure {
    let message = format!("the app {:?} was written to in the meantime", app.as_str());
    Failure::new(FailureClass::Disk, message, "try again once it is quiet")
}

/// `tree` with this folder as its release, or none. A file of that name is no release, and left alone.
fn with_release(repo: &dyn LocalRepository, tree: ObjectId, release: Option<ObjectId>) -> Result<ObjectId, Failure> {
    let mut kept = repo.tree(tree)?;
    let name = RELEASE.as_bytes();
    if kept.iter().any(|entry| entry.name == name && entry.kind != EntryKind::Tree) {
        return Ok(tree);
    }
    kept.retain(|entry| entry.name != name);
    kept.extend(release.map(|id| TreeEntry { name: name.to_vec(), kind: EntryKind::Tree, id }));
    repo.write_tree(&kept)
}
