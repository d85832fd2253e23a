//! Functions: what is written into a call is read by the commands of the function.

use std::collections::{BTreeMap, BTreeSet};

use super::{Scan, Word};

/// What is known of them.
#[derive(Default)]
pub(super) struct Functions {
    names: BTreeSet<String>,
    /// Words of commands into which a placeholder is written, with the first of those.
    fed: BTreeMap<String, usize>,
}

impl Functions {
    /// The placeholders that are written into calls, wherever the functions are defined.
    pub(super) fn fed(&self) -> Vec<usize> {
        self.names.iter().filter_map(|name| self.fed.get(name)).copied().collect()
    }
}

impl Scan<'_> {
    /// These words are the head of a function.
    pub(super) fn defines(&mut self, words: &[Word]) {
        self.functions.names.extend(words.iter().map(|word| word.text.clone()));
    }

    /// A command that may be a call.
    pub(super) fn may_call(&mut self, words: &[Word], fed: &[usize]) {
        if words.first().is_some_and(|word| word.text == "function") {
            self.defines(words);
        }
        let Some(first) = fed.first() else { return };
        for word in words {
            self.functions.fed.entry(word.text.clone()).or_insert(*first);
        }
    }

    /// Where the `()` here ends, if it is one.
    pub(super) fn empty_parentheses(&self) -> Option<usize> {
        let rest = self.script.get(self.at..)?.strip_prefix('(')?;
        let inside = rest.trim_start_matches([' ', '\t']);
        inside.starts_with(')').then_some(self.at + 2 + rest.len() - inside.len())
    }
}
