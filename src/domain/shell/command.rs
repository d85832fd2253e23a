//! A saved command.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fail::FailRule;
use super::pattern::{Pattern, PatternError};
use super::rows::RowsAs;
use super::template::{self, Misplaced};
use super::variable::{Kind, ValueError, Variable};
use super::{Shell, ShellName, posix, powershell};

/// How long a command may take when nobody says, and at most.
const USUAL_TIMEOUT_S: u64 = 60;
const LONGEST_TIMEOUT_S: u64 = 24 * 60 * 60;
const LONGEST_SCRIPT: usize = 256 << 10;
/// All values of one run together.
const MOST_VALUES: usize = 8 << 20;

/// A command that can be run by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedCommand {
    /// Its name.
    pub name: ShellName,
    /// The host it runs on when the run names none.
    pub host: ShellName,
    /// The script, with `{{name}}` for values.
    pub script: String,
    /// Its variables.
    #[serde(default)]
    pub variables: Vec<Variable>,
    /// After so many seconds it is ended.
    #[serde(default = "usual_timeout")]
    pub timeout_s: u64,
    /// How its output becomes rows.
    #[serde(default)]
    pub rows: RowsAs,
    /// What counts as failure.
    #[serde(default)]
    pub fail: FailRule,
}

/// Why a command is not saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Placeholders where they must not be.
    #[error("the script is refused: {}", shown(.0))]
    Misplaced(Vec<Misplaced>),
    /// A variable.
    #[error(transparent)]
    Variable(#[from] ValueError),
    /// A pattern that is not understood, or that an earlier version saved.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Two variables of one name.
    #[error("the variable `{0}` is declared twice; leave one out")]
    Twice(String),
    /// Nothing to run.
    #[error(
        "the script is empty, or longer than 256 KiB; give one that says something, or put the program on the host"
    )]
    Script,
    /// The time.
    #[error("a time-out of {0} s is not possible; give 1 to 86400")]
    Timeout(u64),
    /// The values are too large.
    #[error("the values are larger than 8 MiB together; copy the data to the host in another way")]
    Large,
}

impl SavedCommand {
    /// Whether it can be saved, and run on a host with this shell.
    ///
    /// # Errors
    /// [`CommandError`], with everything that is wrong with the script.
    pub fn check(&self, shell: Shell) -> Result<(), CommandError> {
        if self.script.trim().is_empty() || self.script.len() > LONGEST_SCRIPT {
            return Err(CommandError::Script);
        }
        if self.timeout_s == 0 || self.timeout_s > LONGEST_TIMEOUT_S {
            return Err(CommandError::Timeout(self.timeout_s));
        }
        for pattern in self.patterns() {
            pattern.check()?;
        }
        for (number, variable) in self.variables.iter().enumerate() {
            variable.check_name()?;
            // PowerShell's variables are the same in any case.
            let is_same = |other: &Variable| {
                other.name == variable.name || shell.is_powershell() && other.name.eq_ignore_ascii_case(&variable.name)
            };
            if self.variables.iter().take(number).any(is_same) {
                return Err(CommandError::Twice(variable.name.clone()));
            }
        }
        let misplaced = template::check(&self.sent(), shell, &self.variables);
        if misplaced.is_empty() { Ok(()) } else { Err(CommandError::Misplaced(misplaced)) }
    }

    /// All of its patterns.
    fn patterns(&self) -> Vec<&Pattern> {
        let mut patterns: Vec<&Pattern> = self.fail.stderr.iter().collect();
        if let RowsAs::Regex(pattern) = &self.rows {
            patterns.push(pattern);
        }
        for variable in &self.variables {
            if let Kind::Pattern { pattern } = &variable.kind {
                patterns.push(pattern);
            }
        }
        patterns
    }

    /// The script as it is sent and looked at: the line ends of Windows are none for a shell.
    fn sent(&self) -> String {
        self.script.replace("\r\n", "\n")
    }
}

/// What goes to the shell's standard input, with every value checked against its variable.
///
/// # Errors
/// [`CommandError`]; no value is shown in it.
pub fn render(
    command: &SavedCommand,
    shell: Shell,
    values: &BTreeMap<String, Zeroizing<Vec<u8>>>,
) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    command.check(shell)?; // it may be another host, with another shell, than when it was saved
    if let Some(unknown) = values.keys().find(|name| !command.variables.iter().any(|one| one.name == **name)) {
        return Err(ValueError::Unknown(unknown.clone()).into());
    }
    if values.values().map(|value| value.len()).sum::<usize>() > MOST_VALUES {
        return Err(CommandError::Large);
    }
    let mut given = Vec::with_capacity(command.variables.len());
    for variable in &command.variables {
        let value = values.get(&variable.name).ok_or_else(|| ValueError::Missing(variable.name.clone()))?;
        variable.check(value)?;
        if shell.is_powershell() && std::str::from_utf8(value).is_err() {
            return Err(ValueError::NotText(variable.name.clone()).into());
        }
        given.push((variable.name.as_str(), value.as_slice()));
    }
    let script = command.sent();
    Ok(Zeroizing::new(if shell.is_powershell() {
        powershell::render(&script, &given)
    } else if shell == Shell::Cmd {
        script.into_bytes()
    } else {
        posix::render(&script, &given)
    }))
}

const fn usual_timeout() -> u64 {
    USUAL_TIMEOUT_S
}

fn shown(misplaced: &[Misplaced]) -> String {
    misplaced.iter().map(Misplaced::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str, variables: &[&str]) -> SavedCommand {
        let text = r#"{"name":"c","host":"h","script":"true"}"#;
        let variables = variables.iter().map(|text| Variable::parse(text).unwrap()).collect();
        SavedCommand { script: script.into(), variables, ..serde_json::from_str(text).unwrap() }
    }

    fn values(pairs: &[(&str, &[u8])]) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new(value.to_vec()))).collect()
    }

    #[test]
    fn what_is_sent_is_one_compound_command_behind_the_values() {
        let sent = render(&command("ls {{x}}", &["x"]), Shell::Sh, &values(&[("x", b"a'b")])).unwrap();
        assert_eq!(String::from_utf8_lossy(&sent), "appferry_x='a'\\''b'\n{\nls \"$appferry_x\"\n} </dev/null; exit\n");
    }

    #[test]
    fn values_are_checked_and_never_shown() {
        let one = command("echo {{x}}", &["x:int"]);
        for (given, says) in [
            (values(&[]), "has no value"),
            (values(&[("x", b"s3cret")]), "whole number"),
            (values(&[("x", b"1"), ("y", b"s3cret")]), "no variable `y`"),
        ] {
            let error = render(&one, Shell::Sh, &given).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("s3cret"), "{error}");
        }
        let text = command("echo {{x}}", &["x"]);
        assert!(render(&text, Shell::Sh, &values(&[("x", b"a\0b")])).unwrap_err().to_string().contains("NUL"));
        assert!(render(&text, Shell::Pwsh, &values(&[("x", b"\xff")])).unwrap_err().to_string().contains("UTF-8"));
        assert!(render(&text, Shell::Cmd, &values(&[("x", b"a")])).unwrap_err().to_string().contains("cmd.exe"));
    }

    #[test]
    fn what_cannot_be_saved_says_why() {
        assert_eq!(command(" \n", &[]).check(Shell::Sh), Err(CommandError::Script));
        assert!(matches!(command("a {{x}}", &["x", "x:int"]).check(Shell::Sh), Err(CommandError::Twice(_))));
        let in_any_case = command("f {{x}} {{X}}", &["x", "X"]);
        assert!(in_any_case.check(Shell::Sh).is_ok());
        assert_eq!(in_any_case.check(Shell::Powershell), Err(CommandError::Twice("X".into())));
        let windows = command("cat <<E\r\na\r\nE\r\nls {{x}}\r\n", &["x"]);
        assert_eq!(windows.check(Shell::Sh), Ok(()));
        let late = SavedCommand { timeout_s: 0, ..command("true", &[]) };
        assert_eq!(late.check(Shell::Sh), Err(CommandError::Timeout(0)));
        let mut stored = command("true", &[]);
        stored.rows = serde_json::from_str(r#"{"regex":"(?<a>[01]*1[01]{9000})"}"#).unwrap();
        assert!(matches!(stored.check(Shell::Sh), Err(CommandError::Pattern(_))));
        let error = command("echo ok\necho '{{x}}'", &["x"]).check(Shell::Sh).unwrap_err().to_string();
        assert!(error.contains("line 2, column 7: `{{x}}` stands in quotes; put it outside"), "{error}");
    }
}
