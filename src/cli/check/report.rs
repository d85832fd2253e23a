//! The lines of the check.

use std::fmt;

use crate::cli::output::plain;
use crate::domain::Failure;

/// Every step, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The repository that it is about, where there are several.
    pub repository: Option<String>,
    /// What was looked at.
    pub name: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// Worth knowing, but nothing wrong.
    pub notes: Vec<String>,
}

/// What the steps call the settings of the environment, in the file of `APPFERRY_CONFIG`.
const KEYS: [(&str, &str); 2] = [("GIT_SYNC_BRANCH_NAME", "its `branch`"), ("APPFERRY_APPS_DIR", "its `apps_dir`")];

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Ok(String),
    /// It does not.
    Fail {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        fix: String,
    },
    /// It was not looked at, and why.
    Skip(String),
}

impl Report {
    /// Whether no step failed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.outcome, Outcome::Fail { .. }))
    }

    pub(super) fn skip_all(&mut self, names: &[&'static str], why: &str) {
        self.steps.extend(names.iter().map(|name| Step::skip(name, why)));
    }
}

impl Step {
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { repository: None, name, outcome: Outcome::Ok(detail.into()), notes: Vec::new() }
    }

    pub(super) fn skip(name: &'static str, why: impl Into<String>) -> Self {
        Self { repository: None, name, outcome: Outcome::Skip(why.into()), notes: Vec::new() }
    }

    pub(super) fn fail(name: &'static str, failure: &Failure) -> Self {
        let outcome = Outcome::Fail { problem: failure.message.clone(), fix: failure.remedy.clone() };
        Self { repository: None, name, outcome, notes: Vec::new() }
    }

    /// The same, of one repository of several: its settings are keys of a file.
    pub(super) fn of(mut self, repository: &str) -> Self {
        if let Outcome::Fail { problem, fix } = &mut self.outcome {
            for (variable, key) in KEYS {
                *problem = problem.replace(variable, key);
                *fix = fix.replace(variable, key);
            }
        }
        Self { repository: Some(repository.to_owned()), ..self }
    }

    pub(super) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| step.fmt(f))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, detail, fix) = match &self.outcome {
            Outcome::Ok(detail) => ("ok", detail, ""),
            Outcome::Fail { problem, fix } => ("FAIL", problem, fix.as_str()),
            Outcome::Skip(why) => ("skip", why, ""),
        };
        let mut lines = detail.lines();
        let of = self.repository.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        writeln!(f, "{mark:<5} {of}{:<12} {}", self.name, plain(lines.next().unwrap_or_default()))?;
        for line in lines {
            writeln!(f, "      {}", plain(line))?;
        }
        if !fix.is_empty() {
            writeln!(f, "      fix: {}", plain(fix))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "      note: {}", plain(note)))
    }
}
