//! The command behind assignments and programs that only run another.

use super::commands::{FIXED, all};
use super::danger::WRAPPERS;
use super::scan::{Scan, Word};

/// `NAME=` or `NAME+=`, with the value behind.
pub(super) fn is_assignment(word: &Word) -> bool {
    let literal = if word.slots.is_empty() { word.text.as_str() } else { word.before.as_str() };
    let Some((name, _)) = literal.split_once('=') else { return false };
    crate::domain::shell::name::is_variable_name(name.trim_end_matches('+'))
}

/// The command itself, behind assignments and programs that only run another; and behind `xargs` what stands for its input.
pub(super) fn behind_wrappers<'w>(scan: &mut Scan<'_>, words: &'w [Word]) -> Option<(&'w [Word], Option<String>)> {
    let (mut rest, mut xargs) = (words, None);
    loop {
        while let Some((first, others)) = rest.split_first()
            && (is_assignment(first) || first.may_vanish() && first.inner.is_empty())
        {
            rest = others; // `$SUDO ls`: where it is empty, the next word is the program
        }
        let (first, others) = rest.split_first()?;
        let name = first.text.rsplit('/').next().unwrap_or_default();
        let wrapper = WRAPPERS.iter().find(|(known, ..)| *known == name && first.slots.is_empty());
        let Some((name, with_word, between)) = wrapper else { return Some((rest, xargs)) };
        if *name == "command" && others.first().is_some_and(|option| matches!(option.text.as_str(), "-v" | "-V")) {
            return None; // says where a program is, and runs nothing
        }
        if *name == "xargs" {
            xargs = Some(xargs_token(others));
        }
        rest = behind_options(scan, name, with_word, others)?;
        rest = rest.get(*between..)?;
    }
}

/// What `xargs` puts its input in place of; empty where it adds it at the end.
fn xargs_token(words: &[Word]) -> String {
    let option = |word: &Word| word.text.starts_with('-');
    let replaces = |word: &&Word| ["-I", "-i", "--replace"].iter().any(|start| word.text.starts_with(start));
    let Some(at) = words.iter().take_while(|word| option(word)).position(|word| replaces(&word)) else {
        return String::new();
    };
    let written = words.get(at).map(|word| word.text.as_str()).unwrap_or_default();
    let behind = || words.get(at + 1).map(|word| word.text.clone()).unwrap_or_default();
    match written {
        "-I" => behind(),
        "-i" | "--replace" => "{}".to_owned(),
        joined => joined.trim_start_matches("--replace=").trim_start_matches(['-', 'I', 'i']).to_owned(),
    }
}

fn behind_options<'w>(scan: &mut Scan<'_>, name: &str, with_word: &str, words: &'w [Word]) -> Option<&'w [Word]> {
    let mut rest = words;
    while let Some((first, others)) = rest.split_first()
        && (first.text.starts_with('-') && !first.before.is_empty()
            || first.text.starts_with('-') && first.slots.is_empty())
    {
        rest = others;
        if first.text == "--" {
            break;
        }
        if first.text == "-S" || first.text.starts_with("--split-string") {
            let message = format!("would be run by `{name} -S`");
            for word in rest {
                all(scan, word, &message, FIXED);
            }
            return None;
        }
        let takes_word = first.text.len() == 2 && first.text.chars().nth(1).is_some_and(|c| with_word.contains(c));
        if takes_word && first.slots.is_empty() {
            rest = rest.get(1..)?;
        }
    }
    Some(rest)
}
