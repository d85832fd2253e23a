//! Whether a command takes one of its words for source.

use super::builtins::builtins;
use super::danger::{DECLARE, NUMBERS, OPTIONS, PASS_ON, PRINT_WORDS, VARIABLES};
use super::interpreters::{self, has_code, is_input, kind};
use super::options::{Where, is_option, takes};
use super::programs::{LISTENERS, READERS, RUN_BY_OPTION, SOURCE, SSH, TEXT};
use super::scan::{Scan, Word};
use super::wrappers::{Behind, assigned, behind_options, behind_wrappers};
use super::{git, xargs};

pub(super) const FIXED: &str = "write the program's name itself; `case {{…}} in` can choose between several";
pub(super) const FIXED_NAME: &str = "write a fixed name";
pub(super) const WITHOUT: &str = "call what you need without it";
const FIXED_VALUE: &str = "write a fixed value";
const AS_DATA: &str = "let it read a fixed script, and give the value as an argument behind";
const TOO_DEEP: &str = "let fewer commands run each other";
const AS_INT: &str = "give the variable the type int, number, bool or one-of";

/// Looks at one simple command; `fed` are the placeholders in what is written into it.
pub(super) fn check(scan: &mut Scan<'_>, words: &[Word], fed: &[usize]) {
    if fed.is_empty() && words.iter().all(|word| word.slots.is_empty() && word.inner.is_empty()) {
        return;
    }
    let is_followed = scan.inside(|scan| follow(scan, words, fed));
    if !is_followed {
        for slot in words.iter().flat_map(|word| word.slots.iter().chain(&word.inner)).chain(fed) {
            scan.fault(*slot, "stands in commands that run commands, too many to follow", TOO_DEEP);
        }
    }
}

fn follow(scan: &mut Scan<'_>, words: &[Word], fed: &[usize]) {
    variables_and_options(scan, words);
    let command = match behind_wrappers(scan, words) {
        Behind::Command(command) => command,
        Behind::Xargs(words) => {
            let command = xargs::command(words, fed);
            return check(scan, &command, &[]);
        }
        Behind::Shell(name) => return feeds(scan, name, fed),
        Behind::Nothing => return,
    };
    let Some((first, rest)) = command.split_first() else { return };
    if !first.slots.is_empty() || !first.inner.is_empty() {
        all(scan, first, "would choose the program to run", FIXED);
        return;
    }
    let name = first.text.rsplit('/').next().unwrap_or_default();
    if SOURCE.contains(&name) {
        source(scan, name, rest, fed);
    } else if let Some(kind) = kind(name) {
        interpreters::check(scan, name, kind, rest, fed);
    } else if name == "find" || name == "fd" || name == "fdfind" {
        find(scan, name, rest, fed);
    } else if name == "git" {
        git::git(scan, rest, fed);
    } else if matches!(name, "for" | "select" | "function") {
        names_variable(scan, rest);
    } else if !TEXT.contains(&name)
        && let Some(at) = interpreter_behind(rest)
    {
        run_by_option(scan, name, rest.get(..at).unwrap_or_default());
        check(scan, rest.get(at..).unwrap_or_default(), fed);
    } else {
        reads(scan, name, rest, fed);
        run_by_option(scan, name, rest);
        builtins(scan, name, rest, fed);
    }
}

/// What stands in a `[[` that began before.
pub(super) fn check_test(scan: &mut Scan<'_>, words: &[Word]) {
    builtins(scan, "[[", words, &[]);
}

/// Whether such a command prints its words, and what is written into it.
pub(super) fn prints(words: &[Word]) -> (bool, bool) {
    let mut words = words.iter().skip_while(|word| assigned(word).is_some());
    let Some(first) = words.next() else { return (false, false) };
    let name = first.text.rsplit('/').next().unwrap_or_default();
    let counts = name == "grep"
        && words
            .take_while(|word| word.text.starts_with('-'))
            .any(|word| word.text == "--count" || !word.text.starts_with("--") && word.text.contains(['c', 'q']));
    (PRINT_WORDS.contains(&name), PASS_ON.contains(&name) && !counts)
}

/// A program that takes any word for source, or hands it to a shell.
fn source(scan: &mut Scan<'_>, name: &str, words: &[Word], fed: &[usize]) {
    let message = format!("would be run as source by `{name}`");
    for word in words {
        all(scan, word, &message, WITHOUT);
    }
    let reads_input = match name {
        "ssh" | "rsh" => {
            let behind = behind_options(scan, name, SSH, words).unwrap_or_default();
            let remote = behind.get(1..).unwrap_or_default();
            let texts: Vec<&str> = remote.iter().map(|word| word.text.as_str()).collect();
            fixed_script(scan, &texts.join(" "), fed);
            remote.is_empty() // the host alone: its shell reads
        }
        "." | "source" => words.iter().any(|word| is_input(&word.text) || word.runs()),
        "make" | "gmake" => {
            let is_file = |word: &&Word| takes(&["-f --file --makefile"], &word.text).is_some();
            words.iter().any(|word| is_input(&word.text)) && words.iter().any(|word| is_file(&word))
        }
        name => LISTENERS.contains(&name) || name == "eval" && words.iter().any(Word::runs),
    };
    if reads_input {
        feeds(scan, name, fed);
    }
}

/// What in a script that is fixed reads what is written into the program that runs it: `ssh host '…'`, `sh -c '…'`.
pub(super) fn fixed_script(scan: &mut Scan<'_>, script: &str, fed: &[usize]) {
    for command in script.split([';', '&', '|', '\n', '(', ')', '{', '}']) {
        let words: Vec<Word> = command.split_whitespace().map(Word::of).collect();
        check(scan, &words, fed);
    }
}

/// Programs that read source, unless their words say what to run.
fn reads(scan: &mut Scan<'_>, name: &str, words: &[Word], fed: &[usize]) {
    let Some((_, options, operands)) = READERS.iter().find(|(known, ..)| *known == name) else { return };
    let is_said = words.iter().any(|word| takes(&[options], &word.text).is_some())
        || words.iter().filter(|word| !word.text.starts_with('-')).count() >= *operands;
    if !is_said || words.iter().any(|word| is_input(&word.text)) {
        feeds(scan, name, fed);
    }
}

pub(super) fn feeds(scan: &mut Scan<'_>, name: &str, fed: &[usize]) {
    let message = format!("would be read as source by `{name}`");
    for slot in fed {
        scan.fault(*slot, &message, AS_DATA);
    }
}

pub(super) fn all(scan: &mut Scan<'_>, word: &Word, message: &str, remedy: &str) {
    for slot in word.slots.iter().chain(&word.inner) {
        scan.fault(*slot, message, remedy);
    }
}

/// As [`all`], but for values that are plain numbers or chosen by the author, and for what does not come out of a substitution.
pub(super) fn wild(scan: &mut Scan<'_>, word: &Word, message: &str, remedy: &str) {
    wild_slots(scan, word.slots.iter().chain(&word.prints), message, remedy);
}

pub(super) fn wild_slots<'s>(scan: &mut Scan<'_>, slots: impl Iterator<Item = &'s usize>, message: &str, remedy: &str) {
    for slot in slots {
        if !scan.is_tame(*slot) {
            scan.fault(*slot, message, remedy);
        }
    }
}

/// An interpreter among the arguments of a program, with source behind it or none: `docker exec web sh -c …`.
fn interpreter_behind(words: &[Word]) -> Option<usize> {
    words.iter().enumerate().position(|(at, word)| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        let Some(kind) = kind(name).filter(|_| word.slots.is_empty()) else { return false };
        let behind = words.get(at + 1..).unwrap_or_default();
        let is_shell = matches!(kind, interpreters::Kind::Shell);
        let only_options = || behind.iter().all(|word| word.slots.is_empty() && word.text.starts_with(['-', '+']));
        let reads = is_shell && (only_options() || behind.first().is_some_and(|word| word.text == "-s"));
        reads || has_code(kind, behind)
    })
}

/// Options whose word the program runs.
fn run_by_option(scan: &mut Scan<'_>, name: &str, words: &[Word]) {
    if let Some((name, run, with_word)) = RUN_BY_OPTION.iter().find(|(known, ..)| *known == name) {
        by_option(scan, name, (run, with_word), words);
    }
}

/// The word of these options must be fixed; other options have a word, too.
pub(super) fn by_option(scan: &mut Scan<'_>, name: &str, (run, with_word): (&str, &str), words: &[Word]) {
    let message = format!("would be run by `{name}`");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.text == "--" {
            return;
        }
        if !is_option(word) {
            continue;
        }
        let shown = if word.slots.is_empty() { &word.text } else { &word.before };
        match takes(&[run, with_word], shown) {
            Some((0, place)) => {
                wild(scan, word, &message, FIXED_VALUE);
                let is_next = place == Where::Next && word.slots.is_empty();
                for behind in words.by_ref().take(if is_next { usize::MAX } else { 0 }) {
                    wild(scan, behind, &message, FIXED_VALUE);
                    if !behind.may_vanish() {
                        break;
                    }
                }
            }
            Some((_, Where::Next)) if word.slots.is_empty() => drop(words.next()),
            _ => {}
        }
    }
}

/// `for NAME in …`: the words become values of the variable.
fn names_variable(scan: &mut Scan<'_>, words: &[Word]) {
    let Some((name, values)) = words.split_first() else { return };
    all(scan, name, "would name a variable", FIXED_NAME);
    for word in values {
        assigns(scan, &name.text, word);
    }
}

/// A word whose value a variable gets.
pub(super) fn assigns(scan: &mut Scan<'_>, variable: &str, word: &Word) {
    let slots: Vec<usize> = word.slots.iter().chain(&word.prints).copied().collect();
    assigns_slots(scan, variable, &slots);
}

/// The same for placeholders, wherever their values come from.
pub(super) fn assigns_slots(scan: &mut Scan<'_>, variable: &str, slots: &[usize]) {
    if is_run(variable) {
        let message = format!("would be the value of {variable}, which decides what is run");
        for slot in slots {
            scan.fault(*slot, &message, FIXED_VALUE);
        }
    } else if NUMBERS.contains(&variable) || scan.is_number(variable) {
        let message = format!("would be the value of {variable}, which is calculated");
        wild_slots(scan, slots.iter(), &message, AS_INT);
    }
}

fn variables_and_options(scan: &mut Scan<'_>, words: &[Word]) {
    let mut may_assign = true; // to a variable of this shell
    for word in words {
        let before = word.before.as_str();
        if let Some((name, _)) = before.split_once('=') {
            let name = name.trim_end_matches('+');
            if may_assign || is_run(name) {
                assigns(scan, name, word);
            }
        }
        if OPTIONS.iter().any(|option| before.starts_with(option)) {
            let message = format!("would be run by `{before}…`");
            all(scan, word, &message, FIXED_VALUE);
        }
        let text = word.text.as_str();
        may_assign &= assigned(word).is_some()
            || text.starts_with('-')
            || DECLARE.contains(&text)
            || matches!(text, "builtin" | "command" | "env");
    }
}

/// Whether a shell, or another program, runs the value of this variable.
fn is_run(variable: &str) -> bool {
    VARIABLES.contains(&variable) || variable.starts_with("BASH_FUNC_")
}

/// Each command that `find`, or `fd`, runs.
fn find(scan: &mut Scan<'_>, name: &str, words: &[Word], fed: &[usize]) {
    let begins = |word: &Word| match word.text.as_str() {
        "-exec" | "-execdir" | "-ok" | "-okdir" => name == "find",
        "-x" | "-X" | "--exec" | "--exec-batch" => name != "find",
        _ => false,
    };
    let mut rest = words;
    while let Some(at) = rest.iter().position(begins) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let end = rest.iter().position(|word| matches!(word.text.as_str(), ";" | "+") && word.slots.is_empty());
        let (command, behind) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
        check(scan, command, fed);
        rest = behind; // what is in the command may look like an option, too
    }
}
