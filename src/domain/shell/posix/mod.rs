//! POSIX shells: where a placeholder may stand, and what is sent.

mod builtins;
mod commands;
mod danger;
mod git;
#[cfg(test)]
mod in_shells;
mod interpreters;
mod options;
mod programs;
#[cfg(test)]
mod promise;
mod scan;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_programs;
#[cfg(test)]
mod tests_of_words;
mod wrappers;
mod xargs;

use super::template::{Misplaced, Slot, replace};
use super::variable::Variable;

/// Everything that is wrong with the placeholders, and quotes that do not end.
pub(super) fn check(script: &str, slots: &[Slot], variables: &[Variable]) -> Vec<Misplaced> {
    scan::Scan::new(script, slots, variables).all()
}

/// What goes to the shell's standard input: the values as assignments, then the script as one compound command. A line
/// that is cut off runs nothing, and nothing in the script can read the rest.
#[must_use]
pub fn render(script: &str, values: &[(&str, &[u8])]) -> Vec<u8> {
    // The room is there from the start: a buffer that grows leaves copies of values behind.
    let room = values.iter().map(|(name, value)| name.len() + value.len() * 4 + 32).sum::<usize>();
    let script = replace(script, |name| format!("\"$appferry_{name}\""));
    let mut sent = Vec::with_capacity(room + script.len() + 64);
    for (name, value) in values {
        sent.extend_from_slice(b"appferry_");
        sent.extend_from_slice(name.as_bytes());
        sent.extend_from_slice(b"='");
        for byte in *value {
            match byte {
                b'\'' => sent.extend_from_slice(b"'\\''"),
                byte => sent.push(*byte),
            }
        }
        sent.extend_from_slice(b"'\n");
    }
    sent.extend_from_slice(b"{\n");
    sent.extend_from_slice(script.as_bytes());
    sent.extend_from_slice(b"\n} </dev/null; exit\n");
    sent
}
