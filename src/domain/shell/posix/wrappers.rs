//! The command behind assignments and programs that only run another.

use super::commands::{FIXED, all, wild};
use super::options::{is_option, takes, takes_next};
use super::programs::{BEGIN_SHELLS, WRAPPERS};
use super::scan::{Scan, Word};

/// What stands behind them.
pub(super) enum Behind<'w> {
    /// A command.
    Command(&'w [Word]),
    /// `xargs`, and its words.
    Xargs(&'w [Word]),
    /// Nothing, and this begins a shell then.
    Shell(&'static str),
    /// Nothing that is run.
    Nothing,
}

/// The name of the variable in `NAME=`, `NAME+=` or `NAME[…]=`, with the value behind.
pub(super) fn assigned(word: &Word) -> Option<&str> {
    let literal =
        if word.slots.is_empty() && word.inner.is_empty() { word.text.as_str() } else { word.before.as_str() };
    let (name, _) = literal.split_once('=')?;
    let name = name.trim_end_matches('+');
    let name = name.split_once('[').filter(|_| name.ends_with(']')).map_or(name, |(name, _)| name);
    crate::domain::shell::name::is_variable_name(name).then_some(name)
}

/// How many words an assignment at their begin takes: more than one where its subscript has blanks (`a[1 + 1]=b`).
fn assignment(words: &[Word]) -> usize {
    let Some(first) = words.first() else { return 0 };
    if assigned(first).is_some() {
        return 1;
    }
    let begins = first
        .text
        .split_once('[')
        .filter(|(name, rest)| crate::domain::shell::name::is_variable_name(name) && !rest.contains(']'));
    let ends = |word: &Word| word.text.contains("]=") || word.text.contains("]+=");
    begins.and_then(|_| words.iter().position(ends)).map_or(0, |at| at + 1)
}

/// The command itself, behind assignments and programs that only run another.
pub(super) fn behind_wrappers<'w>(scan: &mut Scan<'_>, words: &'w [Word]) -> Behind<'w> {
    let (mut rest, mut last) = (words, "");
    loop {
        loop {
            let skipped = match rest.first() {
                Some(first) if first.may_vanish() && first.inner.is_empty() => 1, // `$SUDO ls`
                _ => assignment(rest),
            };
            if skipped == 0 {
                break;
            }
            rest = rest.get(skipped..).unwrap_or_default();
        }
        let Some((first, others)) = rest.split_first() else {
            let shell = BEGIN_SHELLS.iter().find(|one| **one == last);
            return shell.map_or(Behind::Nothing, |name| Behind::Shell(name));
        };
        let name = first.text.rsplit('/').next().unwrap_or_default();
        if name == "xargs" && first.slots.is_empty() {
            return Behind::Xargs(others);
        }
        let wrapper = WRAPPERS.iter().find(|(known, ..)| *known == name && first.slots.is_empty());
        let Some((name, with_word, between)) = wrapper else { return Behind::Command(rest) };
        if *name == "command" && others.first().is_some_and(|option| matches!(option.text.as_str(), "-v" | "-V")) {
            return Behind::Nothing; // says where a program is, and runs nothing
        }
        let Some(behind) = behind_options(scan, name, with_word, others) else { return Behind::Nothing };
        let (skipped, behind) = behind.split_at_checked(*between).unwrap_or((behind, &[]));
        if *name == "repeat" {
            for count in skipped {
                wild(scan, count, "would be calculated", "write the number itself");
            }
        }
        if *name == "flock" && behind.first().is_some_and(|word| takes(&["-c --command"], &word.text).is_some()) {
            return run_by(scan, "flock -c", behind);
        }
        (rest, last) = (behind, name);
    }
}

/// All of these words go to a shell.
fn run_by<'w>(scan: &mut Scan<'_>, name: &str, words: &[Word]) -> Behind<'w> {
    let message = format!("would be run by `{name}`");
    for word in words {
        all(scan, word, &message, FIXED);
    }
    Behind::Nothing
}

/// What is behind the options, if they do not run it themselves.
pub(super) fn behind_options<'w>(
    scan: &mut Scan<'_>,
    name: &str,
    with_word: &str,
    words: &'w [Word],
) -> Option<&'w [Word]> {
    let mut rest = words;
    while let Some((first, others)) = rest.split_first().filter(|(first, _)| is_option(first)) {
        rest = others;
        if first.text == "--" {
            break;
        }
        if name == "env" && (first.text == "-S" || first.text.starts_with("--split-string")) {
            run_by(scan, "env -S", words);
            return None;
        }
        if !first.slots.is_empty() && takes(&[with_word], &first.before).is_none() && !first.before.contains('=') {
            all(scan, first, "would be an option", "write the option itself");
        }
        if takes_next(with_word, first) {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    Some(rest)
}
