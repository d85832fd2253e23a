//! Whether a command takes one of its words for source.

use super::danger::{CALCULATES, INTERPRETERS, NAMES, OPTIONS, SOURCE, TEST_OPERATORS, VARIABLES, WRAPPERS};
use super::scan::{Scan, Word};

const FIXED: &str = "write the program's name itself; `case {{…}} in` can choose between several";
const AS_ARGUMENT: &str = "give it as an argument after the script: sh -c '… \"$1\" …' sh {{…}}";
const AS_INT: &str = "give the variable the type int, number, bool or one-of";

/// Looks at one simple command.
pub(super) fn check(scan: &mut Scan<'_>, words: &[Word]) {
    if words.iter().all(|word| word.slots.is_empty()) {
        return;
    }
    for word in words {
        variables_and_options(scan, word);
    }
    let Some(words) = behind_wrappers(scan, words) else { return };
    let Some((first, rest)) = words.split_first() else { return };
    if !first.slots.is_empty() {
        all(scan, first, "would choose the program to run", FIXED);
        return;
    }
    let name = first.text.rsplit('/').next().unwrap_or_default();
    if SOURCE.contains(&name) {
        let message = format!("would be run as source by `{name}`");
        for word in rest {
            all(scan, word, &message, "call what you need without it");
        }
    } else if let Some((_, code, with_word)) = interpreter(name) {
        script(scan, name, (code, with_word), rest);
    } else if name == "find" || name == "fd" {
        find(scan, rest);
    } else if name == "for" || name == "select" || name == "function" {
        rest.iter().take(1).for_each(|word| all(scan, word, "would name a variable", "write a fixed name"));
    } else {
        builtins(scan, name, rest);
    }
}

fn all(scan: &mut Scan<'_>, word: &Word, message: &str, remedy: &str) {
    word.slots.iter().for_each(|slot| scan.fault(*slot, message, remedy));
}

/// As [`all`], but for values that are plain numbers or chosen by the author.
fn wild(scan: &mut Scan<'_>, word: &Word, message: &str, remedy: &str) {
    word.slots.iter().filter(|slot| !scan.is_tame(**slot)).copied().collect::<Vec<_>>().into_iter().for_each(|slot| {
        scan.fault(slot, message, remedy);
    });
}

fn variables_and_options(scan: &mut Scan<'_>, word: &Word) {
    let before = word.before.as_str();
    if let Some((name, _)) = before.split_once('=')
        && VARIABLES.contains(&name.trim_end_matches('+'))
    {
        let message = format!("would be the value of {name}, which decides what is run");
        all(scan, word, &message, "write a fixed value");
    }
    if OPTIONS.iter().any(|option| before.starts_with(option)) {
        let message = format!("would be run by `{before}…`");
        all(scan, word, &message, "write a fixed value");
    }
}

/// `NAME=` or `NAME+=`, with the value behind.
fn is_assignment(word: &Word) -> bool {
    let literal = if word.slots.is_empty() { word.text.as_str() } else { word.before.as_str() };
    let Some((name, _)) = literal.split_once('=') else { return false };
    crate::domain::shell::name::is_variable_name(name.trim_end_matches('+'))
}

/// The command itself, behind assignments and programs that only run another.
fn behind_wrappers<'w>(scan: &mut Scan<'_>, words: &'w [Word]) -> Option<&'w [Word]> {
    let mut rest = words;
    loop {
        while let Some((first, others)) = rest.split_first()
            && is_assignment(first)
        {
            rest = others;
        }
        let (first, others) = rest.split_first()?;
        let name = first.text.rsplit('/').next().unwrap_or_default();
        let wrapper = WRAPPERS.iter().find(|(known, ..)| *known == name && first.slots.is_empty());
        let Some((name, with_word, between)) = wrapper else { return Some(rest) };
        rest = behind_options(scan, name, with_word, others)?;
        rest = rest.get(*between..)?;
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

fn interpreter(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.iter().find(|(known, ..)| *known == plain).copied()
}

/// The script, or the source after `-c`, must be fixed; what comes behind it is data.
fn script(scan: &mut Scan<'_>, name: &str, (code, with_word): (&str, &str), words: &[Word]) {
    let message = format!("would be run as source by `{name}`");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let is_option = word.text.starts_with(['-', '+'])
            && word.text.len() > 1
            && (word.slots.is_empty() || !word.before.is_empty());
        if !is_option {
            all(scan, word, &message, AS_ARGUMENT);
            return;
        }
        let letter = |set: &str| !word.text.starts_with("--") && word.text.chars().skip(1).any(|c| set.contains(c));
        if letter(code) || word.text.starts_with("--eval") || word.text.starts_with("--command") {
            all(scan, word, &message, AS_ARGUMENT);
            if let Some(source) = words.next() {
                all(scan, source, &message, AS_ARGUMENT);
            }
            return;
        }
        if letter(with_word) && word.text.len() == 2 && word.slots.is_empty() {
            words.next();
            continue;
        }
        if !letter(with_word) {
            all(scan, word, "would be an option", "write the option itself");
        }
    }
}

fn find(scan: &mut Scan<'_>, words: &[Word]) {
    for (number, word) in words.iter().enumerate() {
        if matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X") {
            check(scan, words.get(number + 1..).unwrap_or_default());
            return;
        }
    }
}

fn builtins(scan: &mut Scan<'_>, name: &str, words: &[Word]) {
    let calculates = "would be calculated, and some shells run what a value says there";
    if CALCULATES.contains(&name) {
        for word in words {
            wild(scan, word, calculates, AS_INT);
        }
    } else if name == "[" || name == "test" {
        test(scan, words, calculates);
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

fn test(scan: &mut Scan<'_>, words: &[Word], calculates: &str) {
    let operator = words.iter().any(|word| word.slots.is_empty() && TEST_OPERATORS.contains(&word.text.as_str()));
    let side_by_side = words.windows(2).any(|pair| pair.iter().all(|word| !word.slots.is_empty()));
    if operator {
        for word in words {
            wild(scan, word, calculates, AS_INT);
        }
    } else if side_by_side {
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
