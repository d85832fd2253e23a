//! Pushing and adding.

use std::collections::BTreeSet;

use crate::domain::words;
use crate::domain::{AppName, Failure, FailureClass};
use crate::ports::Signature;
use crate::sync::action::{PushRequest, Selection};
use crate::sync::state::Wording;

use super::{Goal, Tagging, Until, refuse};
use crate::sync::engine::disk::Local;
use crate::sync::engine::{Engine, Knowledge, Look, Now};

impl Engine {
    /// Adds or pushes these apps, or all that are changed here and followed, although that does not happen by itself. Answers
    /// the apps that this starts something for.
    ///
    /// # Errors
    /// Disk; or that the instance is locked, or an app is not in the apps folder.
    pub fn want(&mut self, apps: Option<&BTreeSet<AppName>>, now: Now) -> Result<Vec<AppName>, Failure> {
        self.must_not_be_locked()?;
        let asked = self.asked_for(apps)?;
        let wanted = self.want_these(asked);
        self.save(now)?;
        Ok(wanted)
    }

    /// The apps that are meant.
    fn asked_for(&self, apps: Option<&BTreeSet<AppName>>) -> Result<Vec<AppName>, Failure> {
        let Some(apps) = apps else {
            let followed = self.state.bases.keys().filter(|app| self.settings.filter.takes(app));
            return Ok(followed.cloned().collect());
        };
        apps.iter().try_for_each(|app| self.must_be_followed(app))?;
        let unknown = |app: &&AppName| self.disk.is_unknown(app) && !self.state.bases.contains_key(*app);
        match apps.iter().find(unknown) {
            Some(app) => Err(refuse(app, "is not in the apps folder, or cannot be read yet")),
            None => Ok(apps.iter().cloned().collect()),
        }
    }

    fn want_these(&mut self, asked: Vec<AppName>) -> Vec<AppName> {
        // A person asks: what was refused is tried again now.
        self.refused.retain(|app, _| !asked.contains(app));
        let wanted: Vec<AppName> = asked.into_iter().filter(|app| self.differs(app)).collect();
        self.try_followed_branch(&wanted);
        for app in &wanted {
            self.state.notes.wanted.insert(app.clone());
            self.state.notes.not_followed.remove(app);
            self.state.notes.removing.remove(app);
        }
        wanted
    }

    fn differs(&self, app: &AppName) -> bool {
        self.settled_as_planned(app) != self.remote.apps.get(app).copied()
    }

    pub(super) fn begin_push(&mut self, request: &PushRequest, dry: bool, now: Now) -> Result<Vec<Goal>, Failure> {
        self.must_not_be_locked()?;
        let message = request.message.as_deref().map(given_message).transpose()?;
        let tag_message = request.tag.as_ref().and_then(|tag| tag.message.as_deref()).map(given_message).transpose()?;
        self.look(&Look::All, now)?;
        let (named, asked) = match request.selection().map_err(not_a_selection)? {
            Selection::All => (false, self.asked_for(None)?),
            Selection::Apps(apps) => (true, self.asked_for(Some(&apps.into_iter().collect()))?),
        };
        let mut goals = self.push_goals(&asked, named, message.as_deref(), "pushed", now)?;
        if goals.is_empty() && self.remote.knowledge == Knowledge::Nothing {
            let message = "the branch was never reached yet, so that nobody knows what differs from it";
            return Err(Failure::new(FailureClass::Refused, message, "`appferry status` says why; ask again then"));
        }
        if dry {
            self.say_what_is_in_the_way(&mut goals, now)?;
            return Ok(goals);
        }
        let wording = Wording { message, author: request.author.clone() };
        let wanted = self.want_these(asked);
        for app in wanted.iter().filter(|_| wording != Wording::default()) {
            self.state.notes.wordings.insert(app.clone(), wording.clone());
        }
        if let Some(tag) = &request.tag {
            let message = tag_message.unwrap_or_else(|| tag.name.to_string());
            let person = |author: &crate::domain::Author| Signature {
                name: author.name().to_owned(),
                email: author.email().to_owned(),
                ..self.author(now)
            };
            let tagger = request.author.as_ref().map_or_else(|| self.author(now), person);
            self.tagging = Some(Tagging::new(tag.name.clone(), message, tagger, wanted.into_iter().collect()));
        }
        Ok(goals)
    }

    pub(super) fn begin_add(&mut self, apps: Vec<AppName>, dry: bool, now: Now) -> Result<Vec<Goal>, Failure> {
        self.must_not_be_locked()?;
        self.look(&Look::All, now)?;
        let asked = self.asked_for(Some(&apps.into_iter().collect()))?;
        let mut goals = self.push_goals(&asked, true, None, "added to Git", now)?;
        if dry {
            self.say_what_is_in_the_way(&mut goals, now)?;
        } else {
            for app in &asked {
                self.state.notes.not_followed.remove(app);
            }
            self.want_these(asked);
        }
        Ok(goals)
    }

    /// A goal for each app that differs, and for each that was `named`.
    fn push_goals(
        &mut self,
        asked: &[AppName],
        named: bool,
        message: Option<&str>,
        done: &str,
        now: Now,
    ) -> Result<Vec<Goal>, Failure> {
        let mut goals = Vec::new();
        for app in asked {
            if self.differs(app) {
                goals.push(self.push_goal(app, message, done, now)?);
            } else if named {
                let done = "it is in Git as it is here".to_owned();
                goals.push(Goal { app: app.clone(), will: done.clone(), done, until: Until::AtOnce });
            }
        }
        Ok(goals)
    }

    fn push_goal(&mut self, app: &AppName, message: Option<&str>, done: &str, now: Now) -> Result<Goal, Failure> {
        let expected = self.state.bases.contains_key(app);
        let (will, until) = match self.disk.local(app, expected, self.settings.debounce, now) {
            Local::Known(local) => {
                let local = self.with_release_of_git(app, local)?;
                let words = match message {
                    Some(message) => message.to_owned(),
                    None => self.describe(app, self.in_git(app), local)?,
                };
                let subject = words.lines().next().unwrap_or_default();
                (format!("would be committed as {subject:?} and pushed"), Until::Settled)
            }
            Local::Gone => (format!("would be committed as {:?} and pushed", words::app_removed(app)), Until::Settled),
            unknown => {
                let finding = super::super::finding::wait_for_disk(&unknown);
                let reason = self.app_status(app, &finding).reason.unwrap_or_default();
                (String::new(), Until::Blocked(reason))
            }
        };
        Ok(Goal { app: app.clone(), will, done: done.to_owned(), until })
    }
}

/// A message as a person gave it.
fn given_message(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::new(FailureClass::Refused, "the message is empty", "say what was done, or leave it out"));
    }
    Ok(text.to_owned())
}

fn not_a_selection(why: &str) -> Failure {
    Failure::new(FailureClass::Refused, why, "correct the request")
}
