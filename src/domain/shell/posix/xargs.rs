//! `xargs`: what it reads stands among the words of the command that it runs.

use super::options::{is_option, takes, takes_next};
use super::programs::XARGS;
use super::scan::Word;

/// The command that it runs, with the placeholders in what it reads where `xargs` puts them.
pub(super) fn command(words: &[Word], fed: &[usize]) -> Vec<Word> {
    let mut rest = words;
    let mut token = None;
    while let Some((first, others)) = rest.split_first().filter(|(first, _)| is_option(first)) {
        rest = others;
        if first.text == "--" {
            break;
        }
        let behind = takes_next(XARGS, first).then(|| others.first()).flatten();
        token = replaced(&first.text, behind).or(token);
        if behind.is_some() {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    if rest.is_empty() {
        return Vec::new(); // it only prints
    }
    let mut command = rest.to_vec();
    match token.filter(|token| !token.is_empty()) {
        Some(token) => {
            for word in &mut command {
                word.put(&token, fed);
            }
        }
        None => command.push(Word::of_slots(fed)),
    }
    command
}

/// What its input is put in place of, if this option says so.
fn replaced(option: &str, next: Option<&Word>) -> Option<String> {
    let usual = || "{}".to_owned();
    if let Some(long) = option.strip_prefix("--") {
        let (name, token) = long.split_once('=').map_or((long, None), |(name, token)| (name, Some(token)));
        let is_replace = name.len() > 2 && "replace".starts_with(name);
        return is_replace.then(|| token.map_or_else(usual, str::to_owned));
    }
    // The first letter that takes a word or the rest.
    takes(&[XARGS], option)?;
    let at = option.char_indices().skip(1).find(|(_, letter)| "InPLdEsaRJSeil".contains(*letter))?.0;
    let (letter, rest) = option.get(at..)?.split_at_checked(1)?;
    match (letter, rest) {
        ("I" | "J", "") => next.map(|word| word.text.clone()),
        ("i", "") => Some(usual()),
        ("I" | "J" | "i", joined) => Some(joined.to_owned()),
        _ => None,
    }
}
