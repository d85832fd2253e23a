//! Reads a script as a shell does, as far as it takes to know where each placeholder stands.
//!
//! It need not be perfect: what is sent in place of a placeholder is the fixed text `"$name"` and never the value. It tells
//! people where that text would not do what they mean, and finds the commands that would take a value for source.

use std::collections::{BTreeMap, BTreeSet};

use super::commands;
use crate::domain::shell::template::{Misplaced, Slot};
use crate::domain::shell::variable::Variable;

const OUTSIDE: &str = "put it outside, as a word of its own; or write `v={{…}}` on a line before, and \"$v\" here";

/// A word of a command: its text without quotes, and the placeholders in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    /// Placeholders are left out.
    pub(super) text: String,
    pub(super) slots: Vec<usize>,
    /// The text before its first placeholder.
    pub(super) before: String,
    pub(super) quoted: bool,
    end: usize,
}

pub(super) struct Scan<'a> {
    script: &'a str,
    bytes: &'a [u8],
    at: usize,
    slots: &'a [Slot],
    tame: BTreeSet<usize>,
    wrong: BTreeMap<usize, Misplaced>,
    heredocs: Vec<(String, bool)>,
    depth: usize,
}

/// What ends a list of commands.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    End,
    Paren,
}

impl<'a> Scan<'a> {
    pub(super) fn new(script: &'a str, slots: &'a [Slot], variables: &[Variable]) -> Self {
        let is_tame = |slot: &Slot| variables.iter().any(|one| one.name == slot.name && one.kind.is_tame());
        let tame = slots.iter().enumerate().filter(|(_, slot)| is_tame(slot)).map(|(number, _)| number).collect();
        let bytes = script.as_bytes();
        Self { script, bytes, at: 0, slots, tame, wrong: BTreeMap::new(), heredocs: Vec::new(), depth: 0 }
    }

    /// Everything that is wrong.
    pub(super) fn all(mut self) -> Vec<Misplaced> {
        self.list(Until::End);
        if let Some((word, _)) = self.heredocs.first() {
            let message = format!("the here-document `{word}` does not end");
            self.fault_at(self.bytes.len(), &message, "write its last line");
        }
        self.wrong.into_values().collect()
    }

    pub(super) fn is_tame(&self, slot: usize) -> bool {
        self.tame.contains(&slot)
    }

    /// Notes what is wrong with a placeholder; the first thing counts.
    pub(super) fn fault(&mut self, slot: usize, message: &str, remedy: &str) {
        if let Some(found) = self.slots.get(slot) {
            let message = format!("`{{{{{}}}}}` {message}", found.name);
            let misplaced = Misplaced::at(self.script, found.start, message, remedy);
            self.wrong.entry(found.start).or_insert(misplaced);
        }
    }

    fn fault_at(&mut self, place: usize, message: &str, remedy: &str) {
        self.wrong.entry(place).or_insert_with(|| Misplaced::at(self.script, place, message, remedy));
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts(&self, text: &str) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text.as_bytes()))
    }

    fn slot_here(&self) -> Option<usize> {
        self.slots.binary_search_by_key(&self.at, |slot| slot.start).ok()
    }

    fn fault_between(&mut self, start: usize, end: usize, message: &str, remedy: &str) {
        let inside = |slot: &Slot| slot.start >= start && slot.start < end;
        let found: Vec<usize> = (0..self.slots.len()).filter(|n| self.slots.get(*n).is_some_and(inside)).collect();
        for slot in found {
            self.fault(slot, message, remedy);
        }
    }

    /// Commands until the end of the text or of the parenthesis.
    fn list(&mut self, until: Until) {
        self.depth += 1;
        let mut words: Vec<Word> = Vec::new();
        // For each `case` around: whether a pattern comes next.
        let mut cases: Vec<bool> = Vec::new();
        while self.at < self.bytes.len() && self.depth < 50 {
            let in_pattern = cases.last() == Some(&true);
            match self.peek(0) {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == b'\n' => self.at += 2,
                b'\n' => {
                    self.finish(&mut words);
                    self.at += 1;
                    self.here_documents();
                }
                b'#' => self.comment(),
                b';' | b'|' => {
                    if in_pattern {
                        words.clear();
                    }
                    self.finish(&mut words);
                    let ends_case = self.peek(0) == b';' && matches!(self.peek(1), b';' | b'&');
                    self.at += if ends_case { 2 } else { 1 };
                    if let (true, Some(pattern)) = (ends_case, cases.last_mut()) {
                        *pattern = true;
                    }
                }
                b'&' if self.peek(1) != b'>' => {
                    self.finish(&mut words);
                    self.at += 1;
                }
                b')' if in_pattern => {
                    self.at += 1;
                    words.clear();
                    cases.pop();
                    cases.push(false);
                }
                b')' => {
                    self.finish(&mut words);
                    self.at += 1;
                    if until == Until::Paren {
                        self.depth -= 1;
                        return;
                    }
                }
                b'(' if in_pattern => self.at += 1,
                b'(' => self.open(&mut words),
                b'<' | b'>' | b'&' if !(self.peek(1) == b'(' && self.peek(0) != b'&') => self.redirection(&mut words),
                _ => {
                    let word = self.word();
                    Self::add(word, &mut words, &mut cases);
                }
            }
        }
        self.finish(&mut words);
        if until == Until::Paren {
            self.fault_at(self.at, "a parenthesis does not end", "close it");
        }
        self.depth -= 1;
    }

    fn add(word: Word, words: &mut Vec<Word>, cases: &mut Vec<bool>) {
        let plain = !word.quoted && word.slots.is_empty();
        let is_first = words.is_empty();
        if plain && is_first {
            match word.text.as_str() {
                "if" | "then" | "elif" | "else" | "while" | "until" | "do" | "!" | "{" | "}" | "fi" | "done"
                | "time" => {
                    return;
                }
                "esac" => {
                    cases.pop();
                    return;
                }
                _ => {}
            }
        }
        if plain && word.text == "in" && words.len() == 2 && words.first().is_some_and(|first| first.text == "case") {
            words.clear();
            cases.push(true);
            return;
        }
        words.push(word);
    }

    fn finish(&mut self, words: &mut Vec<Word>) {
        let words = std::mem::take(words);
        commands::check(self, &words);
    }

    fn comment(&mut self) {
        let start = self.at;
        let line = self.script.get(start..).and_then(|rest| rest.find('\n'));
        self.at = line.map_or(self.bytes.len(), |offset| start + offset);
        self.fault_between(start, self.at, "stands in a comment", "take it out of the comment");
    }

    /// A parenthesis where a command or a word could begin.
    fn open(&mut self, words: &mut Vec<Word>) {
        let touches = words.last().is_some_and(|word| word.end == self.at);
        if words.is_empty() && self.peek(1) == b'(' {
            self.arithmetic();
        } else if touches && self.peek(1) == b')' {
            words.clear(); // the head of a function
            self.at += 2;
        } else if touches {
            let start = self.at;
            self.balanced(b'(', b')');
            self.fault_between(start, self.at, "stands inside parentheses of a word", OUTSIDE);
        } else {
            self.finish(words);
            self.at += 1;
            self.list(Until::Paren);
        }
    }

    fn redirection(&mut self, words: &mut Vec<Word>) {
        if words.last().is_some_and(|word| {
            word.end == self.at && !word.text.is_empty() && word.text.bytes().all(|b| b.is_ascii_digit())
        }) {
            words.pop();
        }
        if self.starts("<<") && !self.starts("<<<") {
            let strip = self.peek(2) == b'-';
            self.at += if strip { 3 } else { 2 };
            self.blanks();
            let word = self.word();
            for slot in word.slots {
                self.fault(slot, "names the end of a here-document", "write a fixed word there");
            }
            self.heredocs.push((word.text, strip));
            return;
        }
        while matches!(self.peek(0), b'<' | b'>' | b'&' | b'|') {
            self.at += 1;
        }
        self.blanks();
        if !matches!(self.peek(0), b'\n' | b';' | 0) {
            let _target = self.word(); // always one word, and never source
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(0), b' ' | b'\t') {
            self.at += 1;
        }
    }

    fn here_documents(&mut self) {
        for (end, strip) in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut is_closed = false;
            while self.at < self.bytes.len() && !is_closed {
                let rest = self.script.get(self.at..).unwrap_or_default();
                let line = rest.split('\n').next().unwrap_or_default();
                let shown = if strip { line.trim_start_matches('\t') } else { line };
                is_closed = shown == end;
                self.at = (self.at + line.len() + 1).min(self.bytes.len());
            }
            let remedy =
                "write `v={{…}}` on a line before, and $v in the here-document (with its end word not in quotes)";
            self.fault_between(start, self.at, "stands in a here-document", remedy);
            if !is_closed {
                self.heredocs.push((end, strip));
                return;
            }
        }
    }

    /// One word, up to a blank or an operator. Takes at least one byte.
    fn word(&mut self) -> Word {
        let start = self.at;
        let mut word = Word::default();
        loop {
            if let Some(slot) = self.slot_here() {
                if word.slots.is_empty() {
                    word.before.clone_from(&word.text);
                }
                word.slots.push(slot);
                self.at = self.slots.get(slot).map_or(self.at + 1, |slot| slot.end);
                continue;
            }
            match self.peek(0) {
                0 if self.at >= self.bytes.len() => break,
                b'&' if self.at > start || self.peek(1) != b'>' => break,
                b'<' | b'>' if self.peek(1) == b'(' && self.at == start => {
                    self.at += 2;
                    self.list(Until::Paren);
                    word.quoted = true;
                }
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\\' => self.escape(&mut word),
                b'\'' => {
                    self.quotes(false, &mut word);
                }
                b'"' => {
                    self.double_quotes(&mut word);
                }
                b'`' => self.backticks(),
                b'$' => self.dollar(&mut word),
                _ => {
                    let rest = self.script.get(self.at..).unwrap_or_default();
                    let Some(next) = rest.chars().next() else { break };
                    word.text.push(next);
                    self.at += next.len_utf8();
                }
            }
        }
        if self.at == start {
            self.at += 1;
        }
        word.end = self.at;
        word
    }

    fn escape(&mut self, word: &mut Word) {
        self.at += 1;
        if let Some(slot) = self.slot_here() {
            self.fault(slot, "follows a backslash, which would take its quotes away", "leave the backslash out");
            return;
        }
        word.quoted = true;
        let rest = self.script.get(self.at..).unwrap_or_default();
        if let Some(next) = rest.chars().next() {
            word.text.push(next);
            self.at += next.len_utf8();
        }
    }

    fn quotes(&mut self, escapes: bool, word: &mut Word) {
        let start = self.at;
        word.quoted = true;
        self.at += 1;
        let inner = self.at;
        while self.at < self.bytes.len() && self.peek(0) != b'\'' {
            self.at += if escapes && self.peek(0) == b'\\' { 2 } else { 1 };
        }
        word.text.push_str(self.script.get(inner..self.at).unwrap_or_default());
        self.close(start, "stands in quotes");
    }

    fn double_quotes(&mut self, word: &mut Word) {
        let start = self.at;
        word.quoted = true;
        self.at += 1;
        let inner = self.at;
        while self.at < self.bytes.len() && self.peek(0) != b'"' {
            match self.peek(0) {
                b'\\' => self.at += 2,
                b'`' => self.backticks(),
                b'$' if self.peek(1) == b'(' || self.peek(1) == b'{' => self.dollar(&mut Word::default()),
                _ => self.at += 1,
            }
        }
        word.text.push_str(self.script.get(inner..self.at).unwrap_or_default());
        self.close(start, "stands in quotes");
    }

    fn backticks(&mut self) {
        let start = self.at;
        self.at += 1;
        while self.at < self.bytes.len() && self.peek(0) != b'`' {
            self.at += if self.peek(0) == b'\\' { 2 } else { 1 };
        }
        let remedy = "write $(…) in place of the backticks";
        self.fault_between(start, self.at, "stands in backticks", remedy);
        self.close(start, "stands in backticks");
    }

    /// After the last byte inside a quote.
    fn close(&mut self, start: usize, message: &str) {
        self.fault_between(start, self.at, message, OUTSIDE);
        if self.at >= self.bytes.len() {
            self.at = self.bytes.len();
            self.fault_at(start, "a quote does not end", "close it");
            return;
        }
        self.at += 1;
    }

    fn dollar(&mut self, word: &mut Word) {
        let start = self.at;
        self.at += 1;
        if let Some(slot) = self.slot_here() {
            self.fault(slot, "follows a `$`", "leave the `$` out: the placeholder is the value");
            return;
        }
        word.quoted = true;
        match (self.peek(0), self.peek(1)) {
            (b'(', b'(') => self.arithmetic(),
            (b'(', _) => {
                self.at += 1;
                self.list(Until::Paren);
            }
            (b'{', _) => {
                self.balanced(b'{', b'}');
                self.fault_between(start, self.at, "stands inside ${…}", OUTSIDE);
            }
            (b'[', _) => {
                self.balanced(b'[', b']');
                self.fault_arithmetic(start);
            }
            (b'\'', _) => self.quotes(true, word),
            (b'"', _) => self.double_quotes(word),
            _ => word.text.push('$'),
        }
    }

    fn arithmetic(&mut self) {
        let start = self.at;
        self.balanced(b'(', b')');
        self.fault_arithmetic(start);
    }

    fn fault_arithmetic(&mut self, start: usize) {
        let remedy = "give the variable the type int, write `n={{…}}` on a line before, and $n here";
        self.fault_between(start, self.at, "stands in arithmetic, where some shells run what a value says", remedy);
    }

    /// Goes behind the bracket that closes the one here; quotes inside count.
    fn balanced(&mut self, open: u8, close: u8) {
        let start = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            let byte = self.peek(0);
            match byte {
                b'\\' => self.at += 1,
                b'\'' if open != b'{' => self.quotes(false, &mut Word::default()),
                b'"' => self.double_quotes(&mut Word::default()),
                _ if byte == open => depth += 1,
                _ if byte == close => depth -= 1,
                _ => {}
            }
            let was_quote = byte == b'"' || byte == b'\'' && open != b'{';
            if !was_quote {
                self.at += 1;
            }
            if depth == 0 {
                return;
            }
        }
        self.at = self.bytes.len();
        self.fault_at(start, "a bracket does not end", "close it");
    }
}
