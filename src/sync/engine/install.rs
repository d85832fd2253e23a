//! Installing: what the branch has comes to the disk.

use std::time::Instant;

use crate::domain::{AppName, Failure, FailureClass};
use crate::ports::Installed;

use super::finding::{Finding, Sides};
use super::{Engine, Look, Now};

impl Engine {
    /// Installs what planning found, as far as the time goes; what somebody asked for comes first. One app's failure does not stop
    /// the others. Answers whether anything moved.
    pub(super) fn install_found(&mut self, now: Now) -> Result<bool, Failure> {
        if !self.state_file.knows_renames(&self.state.notes) {
            self.write_state(now)?; // after a kill between its halves nobody could tell a rename from a deletion
        }
        let mut failed_before = std::mem::take(&mut self.install_failures);
        let mut moved = false;
        let begun = Instant::now();
        let mut found = self.findings_with(|f| matches!(f, Finding::Pull(_) | Finding::Replace(_)));
        let accepted = &self.state.notes.accepted;
        found.sort_by_key(|(app, _)| (!accepted.contains_key(app), failed_before.contains_key(app)));
        for (app, finding) in found {
            if moved && begun.elapsed() > self.settings.install_for {
                self.install_failures.extend(failed_before.remove_entry(&app)); // not tried again yet
                continue;
            }
            let outcome = match finding {
                Finding::Pull(sides) => self.install(&app, sides, now),
                Finding::Replace(sides) => self
                    .keep_aside(
                        &app,
                        self.on_disk(&app, sides.local),
                        "changed here, and replaced by the state in Git",
                        now,
                    )
                    .and_then(|()| self.install(&app, sides, now)),
                _ => continue,
            };
            match outcome {
                Ok(done) => moved |= done,
                Err(failure) if failure.class == FailureClass::Disk => {
                    if failed_before.get(&app) != Some(&failure) {
                        tracing::warn!(%app, %failure, "not installed");
                    }
                    self.install_failures.insert(app, failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(moved)
    }

    /// Installs one app. Answers whether it is wholly there.
    fn install(&mut self, app: &AppName, sides: Sides, now: Now) -> Result<bool, Failure> {
        let (from, to, withheld) = self.way_to_install(app, sides)?;
        self.shelves.installing(Some(app));
        let installed = self.workspace.bring(app, from, to);
        self.shelves.installing(None);
        let arrived = self.workspace.take_arrived();
        if matches!(installed, Ok(Installed::Done)) {
            self.note_brought(&arrived);
        } else {
            self.take_for_bases(arrived, now)?;
        }
        match installed? {
            Installed::Done => {
                self.note_withheld(app, withheld);
                tracing::info!(%app, removed = sides.remote.is_none(), "installed");
                if sides.remote.is_none() && !self.state.notes.renamed_there.contains_key(app) {
                    self.state.notes.deletions_remote.push(now.unix_seconds);
                }
                self.disk.installed(app, to);
                self.note_installed(app, sides.base.or(sides.local), Sides { remote: to, ..sides });
                self.set_base(app, sides.remote);
                self.state.notes.confirmed.remove(app);
                self.state.notes.accepted.remove(app);
                self.findings.insert(app.clone(), Finding::InSync);
                Ok(true)
            }
            Installed::Disturbed => {
                tracing::info!(%app, "saved in the middle of an install; planned again");
                self.look(&Look::Apps(std::iter::once(app.clone()).collect()), now)?;
                Ok(false)
            }
        }
    }

    /// The first app whose install failed, and why.
    #[must_use]
    pub fn install_failure(&self) -> Option<(&AppName, &Failure)> {
        self.install_failures.iter().next()
    }
}
