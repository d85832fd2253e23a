//! Builtins, and what they take for something else than data.

use super::commands::{WITHOUT, all, wild};
use super::danger::{CALCULATES, NAMES, TEST_OPERATORS};
use super::scan::{Scan, Word};
use super::wrappers::is_assignment;

const AS_INT: &str = "give the variable the type int, number, bool or one-of";

/// Builtins that calculate with a word, or take it for a name.
pub(super) fn builtins(scan: &mut Scan<'_>, name: &str, words: &[Word]) {
    let calculates = "would be calculated, and some shells run what a value says there";
    if CALCULATES.contains(&name) {
        for word in words {
            wild(scan, word, calculates, AS_INT);
        }
    } else if matches!(name, "[" | "[[" | "test") {
        test(scan, words, (name == "[[", calculates));
    } else if name == "sqlite3" {
        let operands = words.iter().filter(|word| !word.text.starts_with('-')).skip(1);
        operands.for_each(|word| all(scan, word, "would be run as source by `sqlite3`", WITHOUT));
    } else if name == "printf" {
        printf(scan, words, calculates);
    } else if NAMES.contains(&name) {
        let is_int = words.iter().any(|word| word.text.starts_with('-') && word.text.contains('i'));
        for word in words.iter().filter(|word| is_int || !is_assignment(word)) {
            wild(scan, word, "would name a variable", "write a fixed name");
        }
    } else if name == "set" {
        let data = words.iter().position(|word| word.text == "--" && word.slots.is_empty()).unwrap_or(usize::MAX);
        words.iter().enumerate().filter(|(number, _)| *number < data).for_each(|(_, word)| {
            all(scan, word, "could be an option of the shell", "write `set -- {{…}}`");
        });
    }
}

fn test(scan: &mut Scan<'_>, words: &[Word], (is_grammar, calculates): (bool, &str)) {
    let operator = words.iter().any(|word| word.slots.is_empty() && TEST_OPERATORS.contains(&word.text.as_str()));
    let side_by_side = words.windows(2).any(|pair| pair.iter().all(|word| !word.slots.is_empty()));
    if operator {
        for word in words {
            wild(scan, word, calculates, AS_INT);
        }
    } else if side_by_side && !is_grammar {
        let remedy = "put a fixed operator between them";
        for word in words {
            wild(scan, word, "could be an operator of the test", remedy);
        }
    }
}

fn printf(scan: &mut Scan<'_>, words: &[Word], calculates: &str) {
    let begins = words.iter().position(|word| word.text != "--").unwrap_or(0);
    let Some((format, values)) = words.get(begins..).and_then(<[Word]>::split_first) else { return };
    let remedy = "write the format itself: printf '%s' {{…}}";
    all(scan, format, "would be the format, or an option", remedy);
    if format.text == "-v" {
        values.iter().take(1).for_each(|word| wild(scan, word, "would name a variable", "write a fixed name"));
        return;
    }
    if has_numbers(&format.text) {
        for word in values {
            wild(scan, word, calculates, AS_INT);
        }
    }
}

/// Whether a format has a directive other than `%s`, `%b`, `%q` and `%%`.
fn has_numbers(format: &str) -> bool {
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let directive =
            after.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '+' | ' ' | '#'));
        match directive.chars().next() {
            Some('s' | 'b' | 'q' | '%') => rest = directive.get(1..).unwrap_or_default(),
            Some(_) => return true,
            None => return false,
        }
    }
    false
}
