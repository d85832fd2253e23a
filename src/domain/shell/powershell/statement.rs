//! The statements of a script, and what in them takes text for source.
//!
//! A value reaches a command from anywhere in the command's statement: from the next line, and out of brackets in it. So for each
//! bracket around a placeholder, the statement is looked at that the bracket stands in.

use std::ops::Range;

use super::danger::{BY_OPTION, METHODS, SOURCE, VARIABLES};
use super::groups::{Group, groups};
use super::places::{Place, What};

/// Statements of the language: what stands in their blocks goes nowhere else in them.
const KEYWORDS: [&str; 13] =
    ["do", "filter", "for", "foreach", "function", "if", "switch", "trap", "try", "while", "begin", "process", "end"];

/// A command that takes text for source.
struct Hit {
    at: usize,
    group: usize,
    word: String,
}

/// A script, taken apart.
pub(super) struct Statements {
    /// The script in small letters, with blanks for comments, and something harmless for quotes and placeholders.
    code: String,
    groups: Vec<Group>,
    hits: Vec<Hit>,
}

/// How a value would get where it must not.
pub(super) enum Reached {
    /// By a command, or a method, that takes text for source.
    Source(String),
    /// By `&` or `.` before a bracket.
    Program,
    /// By `.` or `::` that touches a bracket.
    Member,
}

impl Statements {
    pub(super) fn of(script: &str, places: &[Place]) -> Self {
        let code = masked(script, places, true);
        let groups = groups(&code);
        let text = masked(script, places, false);
        let mut statements = Self { code, groups, hits: Vec::new() };
        statements.hits = statements.hits_in(&text, places);
        statements
    }

    /// What a value at this place would reach.
    pub(super) fn reached(&self, place: usize) -> Option<Reached> {
        let mut group = self.innermost(place);
        let mut from = place..place;
        loop {
            let Group { parent, inside, statements } = self.groups.get(group)?;
            let statement = around(statements, from.start).unwrap_or_else(|| inside.clone());
            let before = self.code.get(statement.start..from.start).unwrap_or_default();
            let is_block = before.ends_with('{');
            if let Some(reached) = called(before).filter(|_| !is_block) {
                return Some(reached);
            }
            let is_keyword = is_block && KEYWORDS.contains(&first_word(before));
            let before = self.between(statement.start..from.start);
            let beside = before.iter().chain(self.between(from.end..statement.end));
            if let Some(hit) = beside.into_iter().find(|hit| !is_keyword || hit.group == group) {
                return Some(Reached::Source(hit.word.clone()));
            }
            if group == 0 {
                return None;
            }
            (from, group) = (inside.clone(), *parent);
        }
    }

    fn between(&self, range: Range<usize>) -> &[Hit] {
        let first = self.hits.partition_point(|hit| hit.at < range.start);
        let last = self.hits.partition_point(|hit| hit.at < range.end);
        self.hits.get(first..last).unwrap_or_default()
    }

    /// The last group that began before, or the nearest around it that has not ended.
    fn innermost(&self, place: usize) -> usize {
        let mut group = self.groups.partition_point(|group| group.inside.start <= place).saturating_sub(1);
        while let Some(found) = self.groups.get(group).filter(|found| found.inside.end <= place && group > 0) {
            group = found.parent;
        }
        group
    }

    fn hits_in(&self, text: &str, places: &[Place]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for Place { range, .. } in places.iter().filter(|place| place.what == What::Quotes) {
            let before = self.code.get(..range.start).unwrap_or_default().trim_end();
            let inside = text.get(range.clone()).unwrap_or_default();
            let name = program(inside.trim_matches(|c: char| !c.is_alphanumeric()));
            if before.ends_with(['&', '.']) && SOURCE.contains(&name) {
                hits.push(Hit { at: range.start, group: self.innermost(range.start), word: name.to_owned() });
            }
        }
        for (at, word) in words(text) {
            // PowerShell reads over the first, and takes the others for `-`.
            let word = word.replace('`', "").replace(['\u{2013}', '\u{2014}', '\u{2015}'], "-");
            let bare = word.rsplit(['.', ':', '/', '\\']).next().unwrap_or_default();
            let all = [word.as_str(), bare, program(&word)];
            let known = all.into_iter().find(|word| SOURCE.contains(word)).map(str::to_owned);
            if let Some(source) = known.or_else(|| sets(text, at, &word)).or_else(|| by_option(text, at, &word)) {
                hits.push(Hit { at, group: self.innermost(at), word: source });
            }
        }
        for &method in METHODS {
            let found = text.match_indices(method).map(|(at, _)| at);
            hits.extend(found.map(|at| Hit { at, group: self.innermost(at), word: method.to_owned() }));
        }
        hits.sort_by_key(|hit| hit.at);
        hits
    }
}

/// Whether this word is a function or an alias, or a variable that decides what is run and gets a value.
fn sets(text: &str, at: usize, word: &str) -> Option<String> {
    let name = word.trim_start_matches(['$', '\'', '"']);
    if name.starts_with("function:") || name.starts_with("alias:") {
        return Some(name.trim_end_matches(['\'', '"']).to_owned());
    }
    let variable = name.strip_prefix("env:")?;
    let behind = text.get(at + word.len()..).unwrap_or_default().trim_start_matches(['}', ' ', '\t', '+']);
    (VARIABLES.contains(&variable) && behind.starts_with('=')).then(|| name.to_owned())
}

/// A program before this option in the same line, if the option says to it what to run.
fn by_option(text: &str, at: usize, option: &str) -> Option<String> {
    if !option.starts_with(['-', '/']) {
        return None;
    }
    let before = text.get(..at)?;
    let line = before.rsplit(['\n', ';', '|', '{', '}', '(']).next()?;
    line.split_whitespace().find_map(|word| {
        let name = program(word.trim_matches(['\'', '"'])).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let (name, letters, long) = BY_OPTION.iter().find(|(known, ..)| *known == name)?;
        let is_short = option.starts_with('-') && !option.starts_with("--") && option.contains(|c| letters.contains(c));
        (is_short || long.contains(&option)).then(|| format!("{name} {option}"))
    })
}

fn program(word: &str) -> &str {
    word.trim_end_matches(".exe").rsplit(['/', '\\', ':']).next().unwrap_or_default()
}

/// The statement that holds this place.
fn around(statements: &[Range<usize>], place: usize) -> Option<Range<usize>> {
    let after = statements.partition_point(|statement| statement.start <= place);
    statements.get(after.checked_sub(1)?).cloned()
}

/// What becomes of what is in the bracket at the end of `before`.
fn called(before: &str) -> Option<Reached> {
    let before = before.strip_suffix(['(', '[']).unwrap_or(before);
    let before = before.strip_suffix(['$', '@']).unwrap_or(before);
    let word = before.trim_end();
    // `… | % Name` calls the member of this name.
    let of_each = word.strip_suffix('%').is_some_and(|earlier| earlier.trim_end().ends_with('|'));
    if of_each || word.ends_with("foreach-object") || word.ends_with("-membername") {
        return Some(Reached::Member);
    }
    if word.ends_with('&') && !word.ends_with("&&") {
        return Some(Reached::Program);
    }
    if let Some(earlier) = word.strip_suffix('.') {
        let earlier = earlier.trim_end_matches([' ', '\t']);
        if earlier.is_empty() || earlier.ends_with(['|', ';', '{', '(', '=', '&', '\n']) {
            return Some(Reached::Program);
        }
    }
    (before.ends_with('.') || before.ends_with("::")).then_some(Reached::Member)
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().and_then(|word| word.split(['(', '{']).next()).unwrap_or_default()
}

/// Each word with its place.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let separates = |c: char| c.is_whitespace() || "(){};|&,=[".contains(c);
    text.split_inclusive(separates).scan(0, move |next, word| {
        let at = *next;
        *next += word.len();
        Some((at, word.trim_end_matches(separates)))
    })
}

/// The script in small letters, byte for byte at its place, with blanks for comments; where only its structure is wanted, with
/// something harmless for placeholders, quotes and escapes, too.
fn masked(script: &str, places: &[Place], structure: bool) -> String {
    let mut masked = String::with_capacity(script.len());
    let mut places = places.iter().peekable();
    for (at, c) in script.char_indices() {
        while places.next_if(|place| place.range.end <= at).is_some() {}
        let place = places.peek().filter(|place| place.range.contains(&at));
        let with = match place.map(|place| place.what) {
            Some(What::Comment) if c == '\n' && place.is_some_and(|place| at + 1 == place.range.end) => c,
            Some(What::Comment) => ' ',
            Some(What::Escape) if c == '\n' || c == '`' && structure => ' ',
            Some(_) if structure => '_',
            Some(What::Placeholder) => '_',
            _ => c.to_ascii_lowercase(),
        };
        if with == c.to_ascii_lowercase() {
            masked.push(with);
        } else {
            masked.extend(std::iter::repeat_n(with, c.len_utf8()));
        }
    }
    masked
}
