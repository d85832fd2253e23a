//! Bringing an app's folder to a state that a person chose.

use std::collections::BTreeSet;

use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::Installed;

use crate::sync::engine::disk::Local;
use crate::sync::engine::{Engine, Look, Now};
use crate::sync::trees::changed_files;

impl Engine {
    /// The app as it is here now.
    ///
    /// # Errors
    /// Disk; or that it is being written, cannot be read, or is not followed here.
    pub(in crate::sync::engine) fn here(&mut self, app: &AppName, now: Now) -> Result<Option<ObjectId>, Failure> {
        self.must_be_followed(app)?;
        self.look(&Look::Apps(BTreeSet::from([app.clone()])), now)?;
        match self.disk.local(app, false, self.settings.debounce, now) {
            Local::Known(local) => Ok(local),
            _ => Err(Failure::new(
                FailureClass::Disk,
                format!("the app {:?} is being written, or cannot be read", app.as_str()),
                "try again once it is quiet; `appferry status` shows it",
            )),
        }
    }

    /// Brings the app's folder from `local` to `tree`; what was there is kept aside first.
    ///
    /// # Errors
    /// Disk; or that somebody saved in between, which stays.
    pub(in crate::sync::engine) fn bring_to(
        &mut self,
        app: &AppName,
        local: Option<ObjectId>,
        tree: ObjectId,
        why: &str,
        now: Now,
    ) -> Result<(), Failure> {
        if local == Some(tree) {
            return Ok(());
        }
        if let Some(problem) = self.inspector.problem(&*self.repo, tree)? {
            let message = format!("that state of the app {:?} may not be written: {problem}", app.as_str());
            return Err(Failure::new(FailureClass::Refused, message, "take another one"));
        }
        self.keep_aside(app, local, why, now)?;
        match self.workspace.install(app, local, Some(tree))? {
            Installed::Done => {
                self.disk.installed(app, Some(tree));
                Ok(())
            }
            Installed::Disturbed => Err(Failure::new(
                FailureClass::Disk,
                format!("the app {:?} was written to in the meantime", app.as_str()),
                "try again once it is quiet",
            )),
        }
    }

    /// How many files differ, for people.
    pub(super) fn count_changed(&self, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<String, Failure> {
        let count = changed_files(&*self.repo, old, new)?.len();
        Ok(if count == 1 { "1 file".to_owned() } else { format!("{count} files") })
    }
}
