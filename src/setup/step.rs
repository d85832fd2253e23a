//! One step of a setup or a check, and how it went.

use serde::{Deserialize, Serialize};

use crate::domain::Failure;

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is as it should be.
    Ok,
    /// It was not, and is now.
    Changed,
    /// It works, but look at it.
    Warning,
    /// It does not work.
    Failed,
    /// It was not looked at.
    Skipped,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was looked at: `login`, `keys-file`, …
    pub step: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was found or done.
    pub words: String,
    /// What to do about it; empty where there is nothing to do.
    pub remedy: String,
}

impl Step {
    pub(super) fn new(step: &str, outcome: Outcome, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { step: step.to_owned(), outcome, words: words.into(), remedy: remedy.into() }
    }

    pub(super) fn ok(step: &str, words: impl Into<String>) -> Self {
        Self::new(step, Outcome::Ok, words, "")
    }

    pub(super) fn skipped(step: &str, words: impl Into<String>) -> Self {
        Self::new(step, Outcome::Skipped, words, "")
    }

    pub(super) fn failed(step: &str, failure: &Failure) -> Self {
        let Failure { message, remedy, .. } = failure.clone().of_one_try();
        Self::new(step, Outcome::Failed, message, remedy)
    }

    /// Whether it failed.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.outcome == Outcome::Failed
    }

    /// Reads a line that the script printed: `changed  folder  made /home/dronahq/.ssh`.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        let outcome = match word {
            "ok" => Outcome::Ok,
            "changed" => Outcome::Changed,
            "warning" => Outcome::Warning,
            "FAIL" => Outcome::Failed,
            _ => return None,
        };
        let (step, words) = rest.trim_start().split_once(' ')?;
        let (words, remedy) = match outcome {
            Outcome::Warning | Outcome::Failed => words.trim().split_once("; ").unwrap_or((words.trim(), "")),
            _ => (words.trim(), ""),
        };
        Some(Self::new(step, outcome, words, remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_script_are_read_back() {
        let step = Step::read("FAIL     root            this needs root; run it as root").unwrap();
        assert_eq!(step, Step::new("root", Outcome::Failed, "this needs root", "run it as root"));
        assert_eq!(Step::read("changed  folder          made it").unwrap().outcome, Outcome::Changed);
        assert_eq!(Step::read("Welcome to this server"), None);
    }
}
