//! What a person may ask for.

use std::collections::BTreeSet;

use crate::domain::{AppName, Failure, FailureClass};

use super::finding::Finding;
use super::{Engine, Now};

impl Engine {
    /// Lets held removals happen: of these apps, or of all. Answers the apps whose removal was held.
    ///
    /// # Errors
    /// Disk; or that the removal of a named app is not held.
    pub fn confirm(&mut self, apps: Option<&BTreeSet<AppName>>, now: Now) -> Result<Vec<AppName>, Failure> {
        let held = self.findings_of(|finding| matches!(finding, Finding::HeldRemoval(_)));
        let confirmed: Vec<AppName> = match apps {
            None => held,
            Some(apps) => {
                if let Some(app) = apps.iter().find(|app| !held.contains(app)) {
                    return Err(refuse(app, "has no removal that waits for a person"));
                }
                apps.iter().cloned().collect()
            }
        };
        self.state.notes.confirmed.extend(confirmed.iter().cloned());
        self.save(now)?;
        Ok(confirmed)
    }

    /// Adds or pushes these apps, or all that are changed here and followed, although that does not happen by itself. Answers
    /// the apps that this starts something for.
    ///
    /// # Errors
    /// Disk; or that the instance is locked, or an app is not in the apps folder.
    pub fn want(&mut self, apps: Option<&BTreeSet<AppName>>, now: Now) -> Result<Vec<AppName>, Failure> {
        if self.settings.mode.locked {
            return Err(Failure::new(
                FailureClass::Refused,
                "this instance is locked: its edits never reach Git",
                "push from an instance that may edit, or lift the lock in its environment",
            ));
        }
        let wanted: Vec<AppName> = match apps {
            None => (self.state.bases.keys().cloned()).collect(),
            Some(apps) => {
                let unknown = |app: &&AppName| self.disk.settled(app).is_none() && !self.state.bases.contains_key(*app);
                if let Some(app) = apps.iter().find(unknown) {
                    return Err(refuse(app, "is not in the apps folder, or cannot be read yet"));
                }
                apps.iter().cloned().collect()
            }
        };
        // A person asks: what was refused is tried again now.
        self.refused.retain(|app, _| !wanted.contains(app));
        let differing = |app: &AppName| self.settled_as_planned(app) != self.remote.apps.get(app).copied();
        let wanted: Vec<AppName> = wanted.into_iter().filter(|app| differing(app)).collect();
        self.try_followed_branch(&wanted);
        self.state.notes.wanted.extend(wanted.iter().cloned());
        self.save(now)?;
        Ok(wanted)
    }
}

fn refuse(app: &AppName, why: &str) -> Failure {
    let message = format!("the app {:?} {why}", app.as_str());
    Failure::new(FailureClass::Refused, message, "`appferry status` shows what there is")
}
