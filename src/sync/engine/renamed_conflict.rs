//! Ending the conflict of an app that was renamed: what is taken is the content, under the name that a side gave it.

use crate::domain::{AppName, Failure};

use super::conflict::Take;
use super::{Engine, Now};

impl Engine {
    /// Ends the app's conflict if it was renamed; answers whether it was. What is set here makes the next planning find a
    /// rename that merges: the base becomes the side that is not taken, or is forgotten together with the old name.
    pub(super) fn resolve_renamed(&mut self, app: &AppName, take: Take, now: Now) -> Result<bool, Failure> {
        let Some(note) = self.state.notes.conflicts.get(app).cloned() else { return Ok(false) };
        if note.renamed_here.is_none() && note.renamed_there.is_none() {
            return Ok(false);
        }
        let on_disk = note.renamed_here.as_ref().unwrap_or(app);
        let in_git = note.renamed_there.as_ref().unwrap_or(app);
        let (ours, theirs) = (self.disk.settled(on_disk), self.remote.apps.get(in_git).copied());
        if take == Take::Theirs {
            self.keep_aside(on_disk, ours, "theirs was taken in a conflict", now)?;
        }
        match (&note.renamed_here, &note.renamed_there, take) {
            (Some(_), Some(there), Take::Ours) => {
                self.set_base(app, None);
                self.set_base(there, theirs); // it is not here: a removal, and so a rename to the name here
                self.state.notes.confirmed.insert(there.clone());
            }
            (Some(here), Some(_), Take::Theirs) => {
                self.set_base(app, None);
                self.set_base(here, ours); // it is not in Git: a removal here
                self.state.notes.confirmed.insert(here.clone());
            }
            (_, _, Take::Ours) => self.set_base(app, theirs),
            (_, _, Take::Theirs) => self.set_base(app, ours),
        }
        self.state.notes.wanted.extend([app.clone(), on_disk.clone()]);
        Ok(true)
    }
}
