//! What counts as failure.

use serde::{Deserialize, Serialize};

use super::output::Gathered;
use super::pattern::{Pattern, PatternError};

/// What counts as failure. What is not said does not count, but for the exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailRule {
    /// The exit codes that are no failure; none means 0 alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exit_ok: Vec<u32>,
    /// Found in standard error, it is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<Pattern>,
    /// Fewer rows are a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_under: Option<usize>,
    /// More rows are a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_over: Option<usize>,
}

/// Why a rule is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailError {
    /// The pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The form.
    #[error("{0:?} is no rule; use exit-not:0,1 or stderr:REGEX or rows-under:N or rows-over:N")]
    Form(String),
}

impl FailRule {
    /// Adds `exit-not:0,1`, `stderr:REGEX`, `rows-under:N` or `rows-over:N`.
    ///
    /// # Errors
    /// [`FailError`].
    pub fn with(mut self, text: &str) -> Result<Self, FailError> {
        let form = || FailError::Form(text.to_owned());
        let (what, rule) = text.split_once(':').ok_or_else(form)?;
        match what {
            "exit-not" => {
                let codes: Result<Vec<u32>, _> = rule.split(',').map(|code| code.trim().parse::<u32>()).collect();
                self.exit_ok = codes.map_err(|_| form())?;
            }
            "stderr" if !rule.is_empty() => self.stderr = Some(Pattern::new(rule)?),
            "rows-under" => self.rows_under = Some(rule.parse().map_err(|_| form())?),
            "rows-over" => self.rows_over = Some(rule.parse().map_err(|_| form())?),
            _ => return Err(form()),
        }
        Ok(self)
    }

    /// Why a command that exited with `code` failed, if it did. Where the output has no rows, nothing is said of their number.
    #[must_use]
    pub fn judge(&self, code: u32, stderr: &Gathered, rows: Option<usize>) -> Option<String> {
        let is_ok = if self.exit_ok.is_empty() { code == 0 } else { self.exit_ok.contains(&code) };
        if !is_ok {
            return Some(format!("it exited with {code}"));
        }
        if let Some(pattern) = &self.stderr {
            if pattern.is_found_in(stderr.kept()) {
                return Some(format!("standard error holds what `{}` matches", pattern.as_str()));
            }
            if stderr.is_cut() {
                let pattern = pattern.as_str();
                return Some(format!("standard error was cut, and what `{pattern}` matches may be in the rest"));
            }
        }
        let rows = rows?;
        match (self.rows_under, self.rows_over) {
            (Some(least), _) if rows < least => Some(format!("{rows} rows are fewer than {least}")),
            (_, Some(most)) if rows > most => Some(format!("{rows} rows are more than {most}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_judged_by_what_was_said() {
        let said = |text: &str| {
            let mut gathered = Gathered::new(8);
            gathered.push(text.as_bytes());
            gathered
        };
        let judge = |rule: &FailRule, code, stderr: &str, rows| rule.judge(code, &said(stderr), Some(rows));
        let usual = FailRule::default();
        assert_eq!((judge(&usual, 0, "x", 0), judge(&usual, 1, "", 9).is_some()), (None, true));
        let rule = FailRule::default().with("exit-not:0, 1").unwrap().with("stderr:^E").unwrap();
        let rule = rule.with("rows-under:1").unwrap().with("rows-over:2").unwrap();
        assert_eq!(judge(&rule, 1, "no\nw E", 1), None);
        assert!(judge(&rule, 2, "", 1).unwrap().contains("exited with 2"));
        assert!(judge(&rule, 0, "w\nE1", 1).unwrap().contains("`^E`"));
        assert!(judge(&rule, 0, "nothing\nE", 1).unwrap().contains("was cut"));
        assert!(judge(&rule, 0, "", 0).unwrap().contains("fewer"));
        assert!(judge(&rule, 0, "", 3).unwrap().contains("more"));
        assert_eq!(rule.judge(0, &said(""), None), None);
        for wrong in ["", "exit-not:x", "stderr:(", "stderr:", "rows-under:-1", "x:1"] {
            assert!(FailRule::default().with(wrong).is_err(), "{wrong}");
        }
    }
}
