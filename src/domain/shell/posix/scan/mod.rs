//! Reads a script as a shell does, as far as it takes to know where each placeholder stands.
//!
//! It need not be perfect: what is sent in place of a placeholder is the fixed text `"$name"` and never the value. It tells
//! people where that text would not do what they mean, and finds the commands that would take a value for source.
//!
//! Here are lists of commands, with the words that open and close groups; `word` reads what is inside a word, `redirect` what
//! stands beside the words.

mod declared;
mod finish;
mod functions;
mod list;
mod places;
mod redirect;
mod word;

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::shell::template::{Misplaced, Slot};
use crate::domain::shell::variable::Variable;

pub(super) use word::Word;

const OUTSIDE: &str = "put it outside, as a word of its own; or write `v={{…}}` on a line before, and \"$v\" here";

/// Deeper nesting is refused, so that no script can exhaust the stack.
const DEEPEST: usize = 50;
/// The same for commands that run commands (`ssh a xargs sh -c …`), each of which is looked at with all its words.
const MOST_INSIDE: usize = 12;

pub(super) struct Scan<'a> {
    script: &'a str,
    bytes: &'a [u8],
    at: usize,
    slots: &'a [Slot],
    tame: BTreeSet<usize>,
    wrong: BTreeMap<usize, Misplaced>,
    heredocs: Vec<redirect::HereDocument>,
    /// The placeholders in what is written into the command whose word is read: a substitution in it inherits that.
    fed: Vec<usize>,
    depth: usize,
    /// So many commands run the one that is looked at.
    inside: usize,
    /// Between `[[` and `]]`: bash and zsh go on with the test behind `&&`, `||`, `(` and the end of a line.
    in_test: bool,
    /// The placeholders whose values the command before in the pipeline, or in the substitution, may print.
    printed: BTreeSet<usize>,
    declared: declared::Declared,
    functions: functions::Functions,
}

impl<'a> Scan<'a> {
    pub(super) fn new(script: &'a str, slots: &'a [Slot], variables: &[Variable]) -> Self {
        let is_tame = |slot: &Slot| variables.iter().any(|one| one.name == slot.name && one.kind.is_tame());
        let tame = slots.iter().enumerate().filter(|(_, slot)| is_tame(slot)).map(|(number, _)| number).collect();
        let bytes = script.as_bytes();
        Self {
            script,
            bytes,
            at: 0,
            slots,
            tame,
            wrong: BTreeMap::new(),
            heredocs: Vec::new(),
            fed: Vec::new(),
            depth: 0,
            inside: 0,
            in_test: false,
            printed: BTreeSet::new(),
            declared: declared::Declared::default(),
            functions: functions::Functions::default(),
        }
    }

    /// Everything that is wrong.
    pub(super) fn all(mut self) -> Vec<Misplaced> {
        self.script();
        if let Some(open) = self.heredocs.first() {
            let message = format!("the here-document `{}` does not end", open.end);
            self.fault_at(self.bytes.len(), &message, "write its last line");
        }
        self.wrong.into_values().collect()
    }

    /// Looks into a command that another one runs, unless that is too deep.
    pub(super) fn inside(&mut self, look: impl FnOnce(&mut Self)) -> bool {
        if self.inside >= MOST_INSIDE {
            return false;
        }
        self.inside += 1;
        look(self);
        self.inside -= 1;
        true
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

    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn slot_here(&self) -> Option<usize> {
        self.slots.binary_search_by_key(&self.at, |slot| slot.start).ok()
    }

    /// The placeholders that begin in this part of the script.
    fn slots_between(&self, start: usize, end: usize) -> Vec<usize> {
        let inside = |slot: &Slot| slot.start >= start && slot.start < end;
        (0..self.slots.len()).filter(|number| self.slots.get(*number).is_some_and(inside)).collect()
    }

    fn fault_between(&mut self, start: usize, end: usize, message: &str, remedy: &str) {
        for slot in self.slots_between(start, end) {
            self.fault(slot, message, remedy);
        }
    }
}
