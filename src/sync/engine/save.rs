//! A whole app that comes through the API: it is put on the disk, and committed where it may be, as one step.

use super::disk::problem_at;
use super::finding::Finding;
use super::shelf::LOCKED;
use super::{Engine, Knowledge, Look, Now};
use crate::domain::merge::json_problem;
use crate::domain::status::AppState;
use crate::domain::{AppFile, AppName, Author, Failure, FailureClass, ObjectId};
use crate::ports::{AppOnDisk, Installed};
use crate::sync::files::{files_of, tree_of};
use crate::sync::state::Wording;
use crate::sync::trees::changed_files;

/// What is to be saved, and how.
#[derive(Clone, Debug)]
pub struct Save {
    /// The app.
    pub app: AppName,
    /// What it shall be; `None` deletes its folder here.
    pub tree: Option<ObjectId>,
    /// What the caller takes it to be now.
    pub condition: Condition,
    /// Name and address of the author, if not this instance's.
    pub author: Option<(String, String)>,
    /// The message, if not the usual words.
    pub message: Option<String>,
    /// Commit it although that does not happen by itself here.
    pub commit: bool,
}

/// What the caller takes an app to be before a save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever it is.
    None,
    /// It is not there.
    Absent,
    /// It is there.
    Present,
    /// It is one of these trees.
    OneOf(Vec<ObjectId>),
}

/// What became of a save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// What the app is now.
    pub tree: Option<ObjectId>,
    /// The commit that holds it, if it was committed.
    pub commit: Option<ObjectId>,
    /// How it stands.
    pub state: AppState,
    /// Why.
    pub reason: Option<String>,
    /// Files that came with it and are no app content here: they were left out.
    pub ignored: Vec<String>,
}

/// Why nothing was saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveRefusal {
    /// It may not be edited here.
    #[error("{0}; edit it on an instance that may, and pull")]
    Locked(String),
    /// The condition does not hold.
    #[error("the app is not what the caller takes it to be; read it again, and save on top of that")]
    Changed(Option<ObjectId>),
    /// A file cannot be what was meant.
    #[error("{0}; nothing was saved; send the whole file")]
    HalfWritten(String),
    /// Nothing of it is app content.
    #[error("it holds nothing but files that are ignored here; send the app's own files, or change APPFERRY_IGNORE")]
    OnlyIgnored,
    /// Somebody else is writing to its folder.
    #[error("{0}; nothing of it was overwritten; read it again, and save on top of that")]
    Disturbed(String),
    /// There is no such app to delete.
    #[error("there is no such app on this instance; see GET /api/v1/apps")]
    Absent,
    /// The disk or the repository.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Condition {
    fn holds(&self, local: Option<ObjectId>) -> bool {
        match self {
            Self::None => true,
            Self::Absent => local.is_none(),
            Self::Present => local.is_some(),
            Self::OneOf(trees) => local.is_some_and(|local| trees.contains(&local)),
        }
    }

    /// Whether the caller proved that it knows what it replaces.
    fn is_informed(&self) -> bool {
        matches!(self, Self::OneOf(_))
    }
}

impl Engine {
    /// Saves an app. Readers of its folder see whole files; the debounce is not waited for.
    ///
    /// # Errors
    /// A [`SaveRefusal`]: nothing was saved. After one of class disk, an install that had begun is finished by itself.
    pub fn save_app(&mut self, save: &Save, now: Now) -> Result<Saved, SaveRefusal> {
        let app = &save.app;
        self.must_be_followed(app)?;
        let wording = wording_of(save)?;
        if self.settings.mode.locked && self.may_be_in_git(app) {
            return Err(SaveRefusal::Locked(LOCKED.to_owned()));
        }
        let local = self.quiet_state(app, now)?;
        if !save.condition.holds(local) {
            return Err(SaveRefusal::Changed(local));
        }
        if save.tree.is_none() && local.is_none() {
            return Err(SaveRefusal::Absent);
        }
        let (tree, ignored) = self.without_ignored(app, save.tree)?;
        let save = &Save { tree, ..save.clone() };
        self.refuse_half_written(app, save.tree)?;
        self.awaited.begin(app, save.tree);
        if local != save.tree {
            self.put_on_disk(save, local, now)?;
        }
        let commit = self.commit_saved(save, wording, now)?;
        self.rest = None;
        self.save(now)?;
        self.shelve();
        let (state, reason) = match self.findings.get(app) {
            Some(finding) => {
                let status = self.app_status(app, finding);
                (status.state, status.reason)
            }
            None => (AppState::Modified, None),
        };
        Ok(Saved { tree: save.tree, commit, state, reason, ignored })
    }

    /// What of a save is app content, and the files that are not: nobody would look at them, so that they never are on the disk.
    fn without_ignored(
        &self,
        app: &AppName,
        tree: Option<ObjectId>,
    ) -> Result<(Option<ObjectId>, Vec<String>), SaveRefusal> {
        let Some(whole) = tree else { return Ok((None, Vec::new())) };
        let (ignored, files): (Vec<AppFile>, Vec<AppFile>) =
            files_of(&*self.repo, whole)?.into_iter().partition(|file| self.workspace.ignores(app, &file.path));
        match (ignored.is_empty(), files.is_empty()) {
            (true, _) => Ok((tree, Vec::new())),
            (false, true) => Err(SaveRefusal::OnlyIgnored),
            (false, false) => {
                let left_out = ignored.into_iter().map(|file| file.path).collect();
                Ok((Some(tree_of(&*self.repo, &files)?), left_out))
            }
        }
    }

    /// The app's tree as it is now, if nobody is writing to it.
    fn quiet_state(&mut self, app: &AppName, now: Now) -> Result<Option<ObjectId>, SaveRefusal> {
        let look = if self.disk.not_looked() { Look::All } else { Look::Apps([app.clone()].into()) };
        self.look(&look, now)?;
        if let Some(reason) = &self.disk.not_mounted {
            return Err(SaveRefusal::Failed(Failure::new(
                FailureClass::Disk,
                reason.clone(),
                "mount the apps folder, then save again",
            )));
        }
        match self.disk.found(app) {
            Some(AppOnDisk::Settled(tree)) => Ok(Some(*tree)),
            None | Some(AppOnDisk::Absent | AppOnDisk::Empty) => Ok(None),
            Some(AppOnDisk::Busy(_)) => {
                Err(SaveRefusal::Disturbed("somebody is writing to the app's folder".to_owned()))
            }
            Some(AppOnDisk::Unreadable { path, reason }) => {
                Err(SaveRefusal::Disturbed(format!("the app's folder cannot be read: {}", problem_at(path, reason))))
            }
        }
    }

    /// Only what changed since the base must parse, as for what comes from the folder.
    fn refuse_half_written(&self, app: &AppName, tree: Option<ObjectId>) -> Result<(), SaveRefusal> {
        let pending = self.state.notes.pending.get(app).copied();
        let base = pending.unwrap_or_else(|| self.state.bases.get(app).copied());
        for change in changed_files(&*self.repo, base, tree)? {
            let Some((_, id)) = change.new else { continue };
            let is_json = change.path.len() > 5 && change.path.to_ascii_lowercase().ends_with(".json");
            if is_json && let Some(problem) = json_problem(&self.repo.blob(id)?) {
                return Err(SaveRefusal::HalfWritten(format!("{} is not valid JSON ({problem})", change.path)));
            }
        }
        Ok(())
    }

    fn put_on_disk(&mut self, save: &Save, local: Option<ObjectId>, now: Now) -> Result<(), SaveRefusal> {
        let app = &save.app;
        let is_known = save.tree.is_some() && save.condition.is_informed();
        if !is_known && !self.is_safe_in_git(app, local) {
            let reason = if save.tree.is_some() { "replaced through the API" } else { "deleted through the API" };
            self.keep_aside(app, local, reason, now)?;
        }
        match self.workspace.install(app, local, save.tree)? {
            Installed::Done => {
                tracing::info!(%app, removed = save.tree.is_none(), "saved through the API");
                self.disk.installed(app, save.tree);
                Ok(())
            }
            Installed::Disturbed => {
                self.look(&Look::Apps([app.clone()].into()), now)?;
                Err(SaveRefusal::Disturbed("somebody wrote to the app's folder in the middle of the save".to_owned()))
            }
        }
    }

    /// Whether a commit holds exactly this state, pushed or about to be.
    fn is_safe_in_git(&self, app: &AppName, local: Option<ObjectId>) -> bool {
        let notes = &self.state.notes;
        let known = [self.state.bases.get(app).copied(), notes.pending.get(app).copied().flatten()];
        local.is_none() || known.contains(&local) || self.remote.apps.get(app).copied() == local
    }

    /// Commits what was saved where planning says so. Where it says that something has to be waited for, or a person asked,
    /// that stands.
    fn commit_saved(&mut self, save: &Save, wording: Option<Wording>, now: Now) -> Result<Option<ObjectId>, Failure> {
        let app = &save.app;
        if let Some(wording) = wording.filter(|_| !self.settings.mode.locked) {
            // Kept until it is pushed: the commit may be made later, or once more.
            self.state.notes.wordings.insert(app.clone(), wording);
        }
        if save.commit && !self.settings.mode.locked {
            self.state.notes.wanted.insert(app.clone());
            self.refused.remove(app); // asked for: tried again now
        }
        if matches!(self.remote.knowledge, Knowledge::Nothing | Knowledge::Absent(_)) {
            return Ok(None);
        }
        self.find_all(now)?;
        if save.tree.is_none() {
            return Ok(None); // a removal is committed when it has stayed away long enough
        }
        let ready = match self.findings.get(app).cloned() {
            _ if self.is_being_renamed(app) => self.ready_rename_of(app, now)?,
            Some(Finding::Push(sides)) => Some(self.ready(app.clone(), sides.local, sides)?),
            Some(Finding::Merge(sides)) => self.merge_found(app.clone(), sides, now)?,
            Some(Finding::Committed) => return Ok(self.state.notes.head),
            Some(Finding::InSync | Finding::Adopt) => return Ok(self.state.notes.tip),
            _ => None,
        };
        let Some(ready) = ready else { return Ok(None) };
        self.commit_each(vec![ready], now)?;
        Ok(self.state.notes.head)
    }
}

/// What the caller wants to be said of it.
fn wording_of(save: &Save) -> Result<Option<Wording>, Failure> {
    let author = match &save.author {
        Some((name, email)) => Some(format!("{name} <{email}>").parse::<Author>().map_err(|error| {
            Failure::new(FailureClass::Refused, error.to_string(), "correct the author; nothing was saved")
        })?),
        None => None,
    };
    let wording = Wording { message: save.message.clone(), author };
    Ok(Some(wording).filter(|wording| *wording != Wording::default()))
}
