//! One word of a command, with the quotes and substitutions in it.

use super::{OUTSIDE, Scan};

/// A word of a command: its text without quotes, and the placeholders in it.
#[derive(Clone, Debug, Default)]
pub(in crate::domain::shell::posix) struct Word {
    /// Placeholders are left out.
    pub(in crate::domain::shell::posix) text: String,
    pub(in crate::domain::shell::posix) slots: Vec<usize>,
    /// The placeholders in commands whose output is a part of the word, or is read through it.
    pub(in crate::domain::shell::posix) inner: Vec<usize>,
    /// Those of them that its value may hold: their output is the value, or a part of it.
    pub(in crate::domain::shell::posix) prints: Vec<usize>,
    /// Of how many commands it holds the output.
    outputs: usize,
    /// The text before its first placeholder, or before the first command with one.
    pub(in crate::domain::shell::posix) before: String,
    pub(super) quoted: bool,
    /// It has an expansion outside of quotes.
    expands: bool,
    /// It has quotes, so that it is a word even if nothing is in them.
    stays: bool,
    pub(super) end: usize,
}

impl Word {
    /// A word that stands in no script of its own.
    pub(in crate::domain::shell::posix) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// A word that is nothing but placeholders.
    pub(in crate::domain::shell::posix) fn of_slots(slots: &[usize]) -> Self {
        Self { slots: slots.to_vec(), ..Self::default() }
    }

    /// Puts placeholders where it holds `token`.
    pub(in crate::domain::shell::posix) fn put(&mut self, token: &str, slots: &[usize]) {
        if let Some((before, after)) = self.text.split_once(token).filter(|_| !slots.is_empty()) {
            (self.before, self.text) = (before.to_owned(), format!("{before}{after}"));
            self.slots.extend(slots);
        }
    }

    /// Whether it means to the shell what its letters say.
    pub(super) fn is_plain(&self) -> bool {
        !self.quoted && self.slots.is_empty()
    }

    /// Whether it holds the output of commands.
    pub(in crate::domain::shell::posix) const fn runs(&self) -> bool {
        self.outputs > 0
    }

    /// A placeholder, or a command with one, comes next.
    fn mark(&mut self) {
        if self.slots.is_empty() && self.inner.is_empty() {
            self.before.clone_from(&self.text);
        }
    }

    /// Whether it is no word at all where what it stands for is empty: `$v`, `$(…)`, `"$@"`. Then the next takes its place.
    pub(in crate::domain::shell::posix) fn may_vanish(&self) -> bool {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_$@*#?!-".contains(c);
        let bare = self.expands && !self.stays && (self.text.is_empty() || self.text.starts_with('$'));
        let is_list = self.text == "$@" || self.text.starts_with("${") && self.text.contains('@');
        self.slots.is_empty() && (bare && self.text.chars().all(is_name) || is_list)
    }
}

impl Scan<'_> {
    /// One word, up to a blank or an operator. Takes at least one byte.
    pub(super) fn word(&mut self) -> Word {
        let start = self.at;
        let mut word = Word::default();
        loop {
            if let Some(slot) = self.slot_here() {
                self.touches(start, slot, &word);
                word.mark();
                word.slots.push(slot);
                self.at = self.slots.get(slot).map_or(self.at + 1, |slot| slot.end);
                continue;
            }
            match self.peek(0) {
                0 if self.is_at_end() => break,
                b'<' | b'>' if self.peek(1) == b'(' && self.at == start => {
                    self.at += 2;
                    self.substitution(start, &mut word);
                }
                b' ' | b'\t' | b'\n' | b'&' | b';' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\\' => self.escape(&mut word),
                b'\'' => self.quotes(false, &mut word),
                b'"' => self.double_quotes(&mut word),
                b'`' => self.backticks(&mut word),
                b'$' => self.dollar(&mut word, true),
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

    /// Commands up to the parenthesis, whose output belongs to the word.
    fn substitution(&mut self, start: usize, word: &mut Word) {
        // What is written to `>(…)` may be any of the words before and behind it.
        let is_written_to = self.bytes.get(start) == Some(&b'>');
        let fed = if is_written_to { self.slots_between(0, self.bytes.len()) } else { self.fed.clone() };
        let around = (std::mem::take(&mut self.fed), std::mem::take(&mut self.in_test));
        self.in_parentheses(fed);
        (self.fed, self.in_test) = around;
        word.quoted = true;
        word.outputs += 1;
        let inner = self.slots_between(start, self.at);
        if !inner.is_empty() {
            word.mark();
        }
        if self.bytes.get(start) == Some(&b'$') {
            word.prints.extend(inner.iter().filter(|slot| self.printed.contains(slot)));
        }
        word.inner.extend(inner);
    }

    fn escape(&mut self, word: &mut Word) {
        self.at += 1;
        if let Some(slot) = self.slot_here() {
            self.fault(slot, "follows a backslash, which would take its quotes away", "leave the backslash out");
            return;
        }
        word.quoted = true;
        let rest = self.script.get(self.at..).unwrap_or_default();
        word.stays |= !rest.starts_with('\n');
        match rest.chars().next() {
            Some('\n') => self.at += 1,
            Some(next) => {
                word.text.push(next);
                self.at += next.len_utf8();
            }
            None => self.fault_at(self.at - 1, "the script ends with a backslash, as if it went on", "leave it out"),
        }
    }

    fn quotes(&mut self, escapes: bool, word: &mut Word) {
        let start = self.at;
        (word.quoted, word.stays) = (true, true);
        self.at += 1;
        let inner = self.at;
        while !self.is_at_end() && self.peek(0) != b'\'' {
            self.at += if escapes && self.peek(0) == b'\\' { 2 } else { 1 };
        }
        word.text.push_str(self.script.get(inner..self.at).unwrap_or_default());
        self.close(start, "stands in quotes");
    }

    fn double_quotes(&mut self, word: &mut Word) {
        let start = self.at;
        (word.quoted, word.stays) = (true, true);
        self.at += 1;
        let inner = self.at;
        while !self.is_at_end() && self.peek(0) != b'"' {
            match self.peek(0) {
                b'\\' => self.at += 2,
                b'`' => {
                    word.outputs += 1;
                    self.backticks(&mut Word::default());
                }
                b'$' if self.peek(1) == b'(' || self.peek(1) == b'{' => {
                    let mut inner = Word::default();
                    self.dollar(&mut inner, false);
                    word.outputs += inner.outputs;
                }
                _ => self.at += 1,
            }
        }
        word.text.push_str(self.script.get(inner..self.at).unwrap_or_default());
        self.close(start, "stands in quotes");
    }

    fn backticks(&mut self, word: &mut Word) {
        let start = self.at;
        (word.quoted, word.expands) = (true, true);
        word.outputs += 1;
        self.at += 1;
        while !self.is_at_end() && self.peek(0) != b'`' {
            self.at += if self.peek(0) == b'\\' { 2 } else { 1 };
        }
        let remedy = "write $(…) in place of the backticks";
        for slot in self.fed.clone() {
            self.fault(slot, "could be read by what stands in backticks", remedy);
        }
        self.fault_between(start, self.at, "stands in backticks", remedy);
        self.close(start, "stands in backticks");
    }

    /// After the last byte inside a quote.
    fn close(&mut self, start: usize, message: &str) {
        self.fault_between(start, self.at, message, OUTSIDE);
        if self.is_at_end() {
            self.at = self.bytes.len();
            self.fault_at(start, "a quote does not end", "close it");
            return;
        }
        self.at += 1;
    }

    /// `bare`: outside of double quotes, inside of which apostrophes are nothing special.
    fn dollar(&mut self, word: &mut Word, bare: bool) {
        let start = self.at;
        self.at += 1;
        if let Some(slot) = self.slot_here() {
            self.fault(slot, "follows a `$`", "leave the `$` out: the placeholder is the value");
            return;
        }
        (word.quoted, word.expands) = (true, true);
        match (self.peek(0), self.peek(1)) {
            (b'(', b'(') => {
                word.stays = true; // a number is never empty
                self.arithmetic();
            }
            (b'(', _) => {
                self.at += 1;
                self.substitution(start, word);
            }
            (b'{', _) => {
                let quotes = bare || self.is_by_pattern();
                self.balanced(b'{', b'}', quotes);
                self.fault_between(start, self.at, "stands inside ${…}", OUTSIDE);
            }
            (b'[', _) => {
                self.balanced(b'[', b']', true);
                self.fault_arithmetic(start);
            }
            (b'\'', _) if bare => self.quotes(true, word),
            (b'$', _) => {
                self.at += 1; // the number of the process: what follows is no expansion by it
                word.text.push_str("$$");
            }
            (b'"', _) if bare => self.double_quotes(word),
            _ => word.text.push('$'),
        }
    }

    /// Whether the `{` here is that of `${v#…}`, `${v%…}` or `${v/…}`, whose patterns can be quoted inside of double quotes.
    fn is_by_pattern(&self) -> bool {
        let rest = self.script.get(self.at + 1..).unwrap_or_default();
        let name = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let behind = rest.get(name..).unwrap_or_default();
        let subscript = behind.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        let operator = subscript.map_or(behind, |(_, after)| after);
        name > 0 && operator.starts_with(['#', '%', '/'])
    }

    pub(super) fn arithmetic(&mut self) {
        let start = self.at;
        self.balanced(b'(', b')', true);
        self.fault_arithmetic(start);
    }

    fn fault_arithmetic(&mut self, start: usize) {
        let remedy = "give the variable the type int, write `n={{…}}` on a line before, and $n here";
        self.fault_between(start, self.at, "stands in arithmetic, where some shells run what a value says", remedy);
    }

    /// Goes behind the bracket that closes the one here; quotes inside count, apostrophes only where they are quotes.
    pub(super) fn balanced(&mut self, open: u8, close: u8, apostrophes: bool) {
        let start = self.at;
        let mut depth = 0_usize;
        while !self.is_at_end() {
            match self.peek(0) {
                b'\\' => self.at += 2,
                b'\'' if apostrophes => self.quotes(false, &mut Word::default()),
                b'"' => self.double_quotes(&mut Word::default()),
                byte => {
                    self.at += 1;
                    depth += usize::from(byte == open);
                    depth -= usize::from(byte == close);
                }
            }
            if depth == 0 {
                return;
            }
        }
        self.at = self.bytes.len();
        self.fault_at(start, "a bracket does not end", "close it");
    }
}
