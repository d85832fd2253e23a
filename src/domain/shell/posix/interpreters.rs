//! Programs that take a script: which of their words are source, and whether they read it from standard input.

use super::commands::{all, feeds, fixed_script};
use super::options::{Where, is_option, takes};
use super::programs::{INTERPRETERS, Interpreter, SHELLS, Then};
use super::scan::{Scan, Word};

const AS_ARGUMENT: &str = "give it as an argument after the script: sh -c '… \"$1\" …' sh {{…}}";
const IS_OPTION: &str = "would be an option";
const WRITE_OPTION: &str = "write the option itself";

/// Options of shells that take a word; the file of the long ones is run.
const SHELL_FILES: &str = "--init-file --rcfile";

/// A shell, or another interpreter.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Shell,
    Other(&'static Interpreter),
}

/// What runs scripts, by its name, with or without a version.
pub(super) fn kind(name: &str) -> Option<Kind> {
    if SHELLS.contains(&name) {
        return Some(Kind::Shell);
    }
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.iter().find(|known| known.name == plain).map(Kind::Other)
}

/// Looks at the words of one; `fed` are the placeholders in what is written into it.
pub(super) fn check(scan: &mut Scan<'_>, name: &str, kind: Kind, words: &[Word], fed: &[usize]) {
    let mut found =
        Found { message: format!("would be run as source by `{name}`"), has_source: false, is_fed: false, code: None };
    match kind {
        Kind::Shell => found.in_shell(scan, name, words),
        Kind::Other(interpreter) => found.in_other(scan, interpreter, words),
    }
    if found.is_fed {
        feeds(scan, name, fed);
    } else if let Some(code) = found.code {
        fixed_script(scan, &code, fed);
    }
}

/// Whether among these words is an option that says to the shell, or interpreter, before them what to run.
pub(super) fn has_code(kind: Kind, words: &[Word]) -> bool {
    let options = words.iter().take_while(|word| word.may_vanish() || word.text.starts_with(['-', '+']));
    match kind {
        // The word of `-o` is none of them.
        Kind::Shell => {
            words.iter().take(8).any(|word| is_cluster(word) && word.text.contains('c'))
                && words.first().is_some_and(|word| is_cluster(word) || word.text.starts_with("--"))
        }
        Kind::Other(one) => options
            .into_iter()
            .any(|word| takes(&[one.code, one.words], &word.text).is_some_and(|(table, _)| table == 0)),
    }
}

/// Whether a file of this name is standard input, or what a redirection wrote into another descriptor.
pub(super) fn is_input(name: &str) -> bool {
    matches!(name, "-" | "/dev/stdin") || name.starts_with("/dev/fd/") || name.starts_with("/proc/self/fd/")
}

fn is_cluster(word: &Word) -> bool {
    word.text.starts_with(['-', '+']) && word.text.len() > 1 && !word.text.starts_with("--")
}

struct Found {
    message: String,
    has_source: bool,
    /// It reads source from what is written into it.
    is_fed: bool,
    /// The script of a shell.
    code: Option<String>,
}

impl Found {
    fn source(&mut self, scan: &mut Scan<'_>, word: &Word) {
        all(scan, word, &self.message, AS_ARGUMENT);
        if !word.may_vanish() {
            self.has_source = true;
        }
        self.is_fed |= word.runs(); // `sh -c "$(cat)"`
    }

    fn file(&mut self, scan: &mut Scan<'_>, word: &Word) {
        self.source(scan, word);
        self.is_fed |= is_input(&word.text);
    }

    /// `-c` takes the first word that is no option, wherever it stands; so does a script.
    fn in_shell(&mut self, scan: &mut Scan<'_>, name: &str, words: &[Word]) {
        let (mut has_code, mut reads_input, mut are_options) = (false, false, true);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.may_vanish() {
                self.source(scan, word);
            } else if are_options && matches!(word.text.as_str(), "-" | "--") && word.slots.is_empty() {
                are_options = false;
            } else if are_options && (is_option(word) || word.text.starts_with('+')) {
                let cluster = is_cluster(word);
                has_code |= cluster && word.text.contains('c');
                reads_input |= cluster && word.text.contains('s');
                let (message, remedy) =
                    if has_code { (self.message.as_str(), AS_ARGUMENT) } else { (IS_OPTION, WRITE_OPTION) };
                all(scan, word, message, remedy);
                if cluster {
                    for option in (0..names_behind(name, &word.text)).filter_map(|_| words.next()) {
                        all(scan, option, IS_OPTION, WRITE_OPTION);
                    }
                } else if let Some((_, Where::Next)) = takes(&[SHELL_FILES], &word.text) {
                    words.next().into_iter().for_each(|file| all(scan, file, &self.message, AS_ARGUMENT));
                }
            } else if has_code {
                self.code = Some(word.text.clone());
                return self.source(scan, word);
            } else if reads_input {
                break; // what follows is data
            } else {
                return self.file(scan, word);
            }
        }
        self.is_fed = true;
    }

    fn in_other(&mut self, scan: &mut Scan<'_>, one: &Interpreter, words: &[Word]) {
        let tables = [one.code, one.files, one.loads, one.words];
        let anywhere = one.then == Then::OptionsAnywhere;
        let mut are_options = true;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word.may_vanish() {
                if !self.has_source {
                    self.source(scan, word); // the next may be in its place
                }
            } else if are_options && word.text == "--" {
                are_options = false;
            } else if are_options && is_option(word) {
                match takes(&tables, &word.text) {
                    None => all(scan, word, IS_OPTION, WRITE_OPTION),
                    Some((3, Where::Next)) if word.slots.is_empty() => drop(words.next()),
                    Some((3, _)) => {}
                    Some((2, place)) => {
                        all(scan, word, &self.message, AS_ARGUMENT);
                        let next = if place == Where::Next { words.next() } else { None };
                        if let Some(module) = next {
                            all(scan, module, &self.message, AS_ARGUMENT);
                        }
                    }
                    Some((table, place)) => {
                        self.of_option(scan, word, (table == 1, place), &mut words);
                        if one.then == Then::Data {
                            return;
                        }
                    }
                }
            } else {
                if !self.has_source {
                    self.file(scan, word);
                }
                if !anywhere {
                    return;
                }
            }
        }
        self.is_fed |= !self.has_source && !anywhere;
    }

    /// The source, or the file of it, that belongs to an option: in the same word, or the next that is not empty.
    fn of_option<'w>(
        &mut self,
        scan: &mut Scan<'_>,
        option: &Word,
        (is_file, place): (bool, Where),
        words: &mut impl Iterator<Item = &'w Word>,
    ) {
        all(scan, option, &self.message, AS_ARGUMENT);
        if place == Where::Rest || !option.slots.is_empty() {
            self.has_source = true;
            self.is_fed |= is_file && option.text.ends_with(['-', '/']) || option.text.contains("/dev/");
            return;
        }
        for word in words {
            if is_file {
                self.file(scan, word);
            } else {
                self.source(scan, word);
            }
            if !word.may_vanish() {
                return;
            }
        }
    }
}

/// How many names of options follow: one for each `o` and `O`; some shells take the rest of the word for one.
fn names_behind(name: &str, cluster: &str) -> usize {
    let count = cluster.chars().filter(|c| matches!(c, 'o' | 'O')).count();
    let is_joined = matches!(name, "zsh" | "ksh" | "mksh") && !cluster.ends_with(['o', 'O']);
    if is_joined { 0 } else { count }
}
