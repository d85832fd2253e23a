//! Builtins, and what they take for something else than data.

use super::commands::{FIXED_NAME, WITHOUT, all, assigns_slots, wild};
use super::danger::{CALCULATES, DECLARE, NAMES, NO_PLAIN_TEXT, TEST_OPERATORS};
use super::scan::{Scan, Word};
use super::wrappers::assigned;

const AS_INT: &str = "give the variable the type int, number, bool or one-of";
const CALCULATED: &str = "would be calculated, and some shells run what a value says there";
const NAMES_VARIABLE: &str = "would name a variable";

/// Builtins that calculate with a word, or take it for a name; `fed` are the placeholders in what they read.
pub(super) fn builtins(scan: &mut Scan<'_>, name: &str, words: &[Word], fed: &[usize]) {
    if CALCULATES.contains(&name) {
        for word in words {
            wild(scan, word, CALCULATED, AS_INT);
        }
    } else if matches!(name, "[" | "[[" | "test") {
        test(scan, words, name == "[[");
    } else if name == "sqlite3" {
        let operands = words.iter().filter(|word| !word.text.starts_with('-')).skip(1);
        operands.for_each(|word| all(scan, word, "would be run as source by `sqlite3`", WITHOUT));
    } else if name == "printf" {
        printf(scan, words);
    } else if name == "print" {
        print(scan, words);
    } else if NAMES.contains(&name) {
        names(scan, name, words, fed);
    } else if name == "hash" {
        let aliases = words.iter().filter(|word| word.before.contains('='));
        aliases.for_each(|word| all(scan, word, "would be what a name of a program stands for", WITHOUT));
    } else if name == "set" {
        let data = words.iter().position(|word| word.text == "--" && word.slots.is_empty()).unwrap_or(usize::MAX);
        words.iter().enumerate().filter(|(number, _)| *number < data).for_each(|(_, word)| {
            all(scan, word, "could be an option of the shell", "write `set -- {{…}}`");
        });
    }
}

fn names(scan: &mut Scan<'_>, name: &str, words: &[Word], fed: &[usize]) {
    let declares = DECLARE.contains(&name);
    let is_option = |word: &&Word| word.text.starts_with('-');
    let no_text =
        declares && words.iter().filter(is_option).any(|word| word.text.contains(|c| NO_PLAIN_TEXT.contains(c)));
    for word in words {
        match assigned(word) {
            Some(variable) if declares && !no_text => {
                // bash reads a value in parentheses as a list, if the variable is one.
                if scan.is_list(variable) {
                    wild(scan, word, CALCULATED, AS_INT);
                }
            }
            Some(_) if declares => wild(scan, word, CALCULATED, AS_INT),
            _ => wild(scan, word, NAMES_VARIABLE, FIXED_NAME),
        }
        if !declares && word.slots.is_empty() {
            assigns_slots(scan, &word.text, fed);
        }
    }
}

fn test(scan: &mut Scan<'_>, words: &[Word], is_grammar: bool) {
    let operator = words.iter().any(|word| word.slots.is_empty() && TEST_OPERATORS.contains(&word.text.as_str()));
    // What is empty is no word.
    let there: Vec<&Word> = words.iter().filter(|word| !word.may_vanish()).collect();
    let side_by_side = there.windows(2).any(|pair| pair.iter().all(|word| !word.slots.is_empty()));
    if operator {
        for word in words {
            wild(scan, word, CALCULATED, AS_INT);
        }
    } else if side_by_side && !is_grammar {
        let remedy = "put a fixed operator between them";
        for word in words {
            wild(scan, word, "could be an operator of the test", remedy);
        }
    }
}

fn printf(scan: &mut Scan<'_>, words: &[Word]) {
    let is_before = |word: &Word| word.text == "--" && word.slots.is_empty() || word.may_vanish();
    let begins = words.iter().position(|word| !is_before(word)).unwrap_or(0);
    let Some((format, values)) = words.get(begins..).and_then(<[Word]>::split_first) else { return };
    let remedy = "write the format itself: printf '%s' {{…}}";
    all(scan, format, "would be the format, or an option", remedy);
    if format.text == "-v" {
        let Some((variable, values)) = values.split_first() else { return };
        wild(scan, variable, NAMES_VARIABLE, FIXED_NAME);
        let slots: Vec<usize> = values.iter().flat_map(|word| word.slots.iter().chain(&word.prints)).copied().collect();
        assigns_slots(scan, &variable.text, &slots);
        return printf(scan, values);
    }
    if has_numbers(&format.text) {
        for word in values {
            wild(scan, word, CALCULATED, AS_INT);
        }
    }
}

/// Of zsh and ksh.
fn print(scan: &mut Scan<'_>, words: &[Word]) {
    let options = words.iter().take_while(|word| word.text.starts_with('-') && word.text.len() > 1);
    let letters: String = options.map(|word| word.text.as_str()).collect();
    if letters.contains(['f', 'P', 'v', 'z']) {
        for word in words {
            wild(scan, word, "would be more than text to `print` with such options", "use printf '%s'");
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
