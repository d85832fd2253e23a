//! Whether a command takes one of its words for source.

use super::builtins::builtins;
use super::danger::{INTERPRETERS, LISTENERS, OPTIONS, RUN_BY_OPTION, SHELLS, SOURCE, TEXT, VARIABLES};
use super::scan::{Scan, Word};
use super::wrappers::behind_wrappers;

pub(super) const FIXED: &str = "write the program's name itself; `case {{…}} in` can choose between several";
const AS_ARGUMENT: &str = "give it as an argument after the script: sh -c '… \"$1\" …' sh {{…}}";
const AS_DATA: &str = "let it read a fixed script, and give the value as an argument behind";
pub(super) const WITHOUT: &str = "call what you need without it";

/// Looks at one simple command; `fed` are the placeholders in what is written into it.
pub(super) fn check(scan: &mut Scan<'_>, words: &[Word], fed: &[usize]) {
    if fed.is_empty() && words.iter().all(|word| word.slots.is_empty() && word.inner.is_empty()) {
        return;
    }
    for word in words {
        variables_and_options(scan, word);
    }
    let Some((words, xargs)) = behind_wrappers(scan, words) else { return };
    let Some((first, rest)) = words.split_first() else { return };
    if !first.slots.is_empty() || !first.inner.is_empty() {
        all(scan, first, "would choose the program to run", FIXED);
        return;
    }
    let name = first.text.rsplit('/').next().unwrap_or_default();
    if SOURCE.contains(&name) {
        source(scan, name, rest, fed);
    } else if let Some(interpreter) = interpreter(name) {
        let source = script(scan, name, &interpreter, rest).and_then(|at| rest.get(at));
        let is_fed = match (source, &xargs) {
            (None, _) => interpreter.reads_input,
            (Some(source), Some(token)) => !token.is_empty() && source.text.contains(token),
            (Some(_), None) => false,
        };
        if is_fed {
            feeds(scan, name, fed);
        }
    } else if name == "find" || name == "fd" {
        find(scan, rest);
    } else if name == "for" || name == "select" || name == "function" {
        rest.iter().take(1).for_each(|word| all(scan, word, "would name a variable", "write a fixed name"));
    } else if !TEXT.contains(&name)
        && let Some(at) = shell_behind(rest)
    {
        run_by_option(scan, name, rest.get(..at).unwrap_or_default());
        check(scan, rest.get(at..).unwrap_or_default(), fed);
    } else {
        run_by_option(scan, name, rest);
        builtins(scan, name, rest);
    }
}

/// A program that takes any word for source, or hands it to a shell.
fn source(scan: &mut Scan<'_>, name: &str, words: &[Word], fed: &[usize]) {
    let message = format!("would be run as source by `{name}`");
    for word in words {
        all(scan, word, &message, WITHOUT);
    }
    let operands = words.iter().filter(|word| !word.text.starts_with('-')).count();
    let reads_input = match name {
        "ssh" | "rsh" => operands < 2, // the host alone: its shell reads
        "." | "source" => words.iter().any(|word| word.text == "/dev/stdin" || word.text == "/dev/fd/0"),
        name => LISTENERS.contains(&name),
    };
    if reads_input {
        feeds(scan, name, fed);
    }
}

fn feeds(scan: &mut Scan<'_>, name: &str, fed: &[usize]) {
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

/// A shell among the arguments of a program, with source behind it or none: `docker exec web sh -c …`.
fn shell_behind(words: &[Word]) -> Option<usize> {
    words.iter().enumerate().position(|(at, word)| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        let takes_source =
            |option: &Word| option.text.starts_with('-') && !option.text.starts_with("--") && option.text.contains('c');
        word.slots.is_empty() && SHELLS.contains(&name) && words.get(at + 1).is_none_or(takes_source)
    })
}

/// Options whose value the program runs, by themselves or with the value in the same word.
fn run_by_option(scan: &mut Scan<'_>, name: &str, words: &[Word]) {
    let Some((_, options)) = RUN_BY_OPTION.iter().find(|(known, _)| *known == name) else { return };
    let message = format!("would be run by `{name}`");
    for (number, word) in words.iter().enumerate() {
        let joined = options.iter().any(|option| word.before.starts_with(option));
        let before = words.iter().take(number).rfind(|word| !word.may_vanish());
        let behind = before.is_some_and(|option| {
            let text = option.text.as_str();
            // Behind the subcommand, `-c` of git is another option.
            option.slots.is_empty() && options.contains(&text) && (name != "git" || text != "-c" || number == 1)
        });
        if joined || behind {
            wild(scan, word, &message, "write a fixed value");
        }
    }
}

/// As [`all`], but for values that are plain numbers or chosen by the author.
pub(super) fn wild(scan: &mut Scan<'_>, word: &Word, message: &str, remedy: &str) {
    for slot in word.slots.iter().filter(|slot| !scan.is_tame(**slot)).copied().collect::<Vec<_>>() {
        scan.fault(slot, message, remedy);
    }
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

/// A program that takes a script.
struct Interpreter {
    /// The letters of options after which source comes.
    code: &'static str,
    /// Those that take another word.
    with_word: &'static str,
    /// Without a script, standard input is one.
    reads_input: bool,
}

fn interpreter(name: &str) -> Option<Interpreter> {
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let (known, code, with_word) = *INTERPRETERS.iter().find(|(known, ..)| *known == plain)?;
    Some(Interpreter { code, with_word, reads_input: known != "sed" && !known.ends_with("awk") })
}

/// The script, or the source after `-c`, must be fixed; what comes behind it is data. Answers which word it is, if there is one.
fn script(scan: &mut Scan<'_>, name: &str, interpreter: &Interpreter, words: &[Word]) -> Option<usize> {
    let Interpreter { code, with_word, .. } = *interpreter;
    let message = format!("would be run as source by `{name}`");
    let mut words = words.iter().enumerate();
    while let Some((at, word)) = words.next() {
        let is_option = word.text.starts_with(['-', '+'])
            && word.text.len() > 1
            && (word.slots.is_empty() || !word.before.is_empty());
        if word.may_vanish() {
            all(scan, word, &message, AS_ARGUMENT);
            continue; // the next may be in its place
        }
        if !is_option {
            all(scan, word, &message, AS_ARGUMENT);
            return (word.text != "-" && word.text != "/dev/stdin").then_some(at);
        }
        let letter = |set: &str| !word.text.starts_with("--") && word.text.chars().skip(1).any(|c| set.contains(c));
        if letter(code) || word.text.starts_with("--eval") || word.text.starts_with("--command") {
            all(scan, word, &message, AS_ARGUMENT);
            for (at, source) in words.by_ref() {
                all(scan, source, &message, AS_ARGUMENT);
                if !source.may_vanish() {
                    return Some(at);
                }
            }
            return None;
        }
        if letter("s") && SHELLS.contains(&name) {
            return None; // what follows is data
        }
        if letter(with_word) && word.text.len() == 2 && word.slots.is_empty() {
            words.next();
            continue;
        }
        if !letter(with_word) {
            all(scan, word, "would be an option", "write the option itself");
        }
    }
    None
}

fn find(scan: &mut Scan<'_>, words: &[Word]) {
    for (number, word) in words.iter().enumerate() {
        if matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X") {
            check(scan, words.get(number + 1..).unwrap_or_default(), &[]);
            return;
        }
    }
}
