//! Placeholders in a script: where they are.

use serde::{Deserialize, Serialize};

use super::Shell;
use super::name::is_variable_name;
use super::variable::Variable;
use super::{posix, powershell};

/// A placeholder that stands where it must not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("line {line}, column {column}: {message}; {remedy}")]
pub struct Misplaced {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// A placeholder, by its place in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) name: String,
}

impl Misplaced {
    pub(super) fn at(script: &str, place: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let before = script.get(..place).unwrap_or(script);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Self { line, column, message: message.into(), remedy: remedy.into() }
    }
}

/// Every `{{name}}` of the script, in order.
pub(super) fn slots(script: &str) -> Vec<Slot> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = script.get(at..).and_then(|rest| rest.find("{{")).map(|offset| at + offset) {
        let rest = script.get(start + 2..).unwrap_or_default();
        match rest.split_once("}}") {
            Some((name, _)) if is_variable_name(name) => {
                let end = start + name.len() + 4;
                found.push(Slot { start, end, name: name.to_owned() });
                at = end;
            }
            _ => at = start + 1,
        }
    }
    found
}

/// Everything that is wrong with the placeholders of the script, in order.
#[must_use]
pub fn check(script: &str, shell: Shell, variables: &[Variable]) -> Vec<Misplaced> {
    let slots = slots(script);
    let mut wrong = if let Some(nul) = script.find('\0') {
        vec![Misplaced::at(script, nul, "the script holds a NUL", "take it out")]
    } else if shell == Shell::Cmd {
        of_cmd(script, &slots)
    } else if shell.is_powershell() {
        powershell::check(script, &slots)
    } else {
        posix::check(script, &slots, variables)
    };
    for slot in &slots {
        if !variables.iter().any(|variable| variable.name == slot.name) {
            let message = format!("there is no variable `{}`", slot.name);
            let remedy = format!("declare it (`--var {}:text`), or write the braces in another way", slot.name);
            wrong.push(Misplaced::at(script, slot.start, message, remedy));
        }
    }
    wrong.sort_by_key(|one| (one.line, one.column));
    wrong
}

fn of_cmd(script: &str, slots: &[Slot]) -> Vec<Misplaced> {
    let remedy = "use PowerShell on that host (`--shell powershell`)";
    let slot = slots.first().map(|slot| Misplaced::at(script, slot.start, "cmd.exe cannot take values safely", remedy));
    let lines = script.trim_end().find('\n').map(|at| Misplaced::at(script, at, "cmd.exe takes one line", remedy));
    slot.into_iter().chain(lines).collect()
}

/// The script with each placeholder replaced.
pub(super) fn replace(script: &str, with: impl Fn(&str) -> String) -> String {
    let (mut text, mut at) = (String::with_capacity(script.len() + 64), 0);
    for slot in slots(script) {
        text.push_str(script.get(at..slot.start).unwrap_or_default());
        text.push_str(&with(&slot.name));
        at = slot.end;
    }
    text.push_str(script.get(at..).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_what_is_none_stays() {
        let script = "a {{x}} {{ y }} {{{z}} {{.Name}} {{";
        let names: Vec<String> = slots(script).into_iter().map(|slot| slot.name).collect();
        assert_eq!(names, ["x", "z"]);
        assert_eq!(replace(script, |name| format!("<{name}>")), "a <x> {{ y }} {<z> {{.Name}} {{");
        let place = Misplaced::at("aü\nüb", 6, "m", "r");
        assert_eq!((place.line, place.column), (2, 2));
    }

    #[test]
    fn cmd_takes_one_line_without_values() {
        let variables = [Variable::parse("x").unwrap()];
        assert!(check("dir /b\n", Shell::Cmd, &variables).is_empty());
        assert_eq!(check("dir {{x}}", Shell::Cmd, &variables).len(), 1);
        assert_eq!(check("dir\ncd", Shell::Cmd, &variables).len(), 1);
        assert_eq!(check("echo {{y}}", Shell::Sh, &variables)[0].message, "there is no variable `y`");
    }
}
