//! Variables that are numbers or lists: what is assigned to them is more than text to zsh and bash.

use std::collections::BTreeSet;

use super::{Scan, Word};

/// What is known of them.
#[derive(Default)]
pub(super) struct Declared {
    numbers: BTreeSet<String>,
    lists: BTreeSet<String>,
}

impl Declared {
    /// Whether there is any: one may be used before the line that declares it.
    pub(super) fn any(&self) -> bool {
        !self.numbers.is_empty() || !self.lists.is_empty()
    }
}

impl Scan<'_> {
    /// Whether the script declares it as a number.
    pub(in crate::domain::shell::posix) fn is_number(&self, variable: &str) -> bool {
        self.declared.numbers.contains(variable)
    }

    /// Whether the script makes it a list.
    pub(in crate::domain::shell::posix) fn is_list(&self, variable: &str) -> bool {
        self.declared.lists.contains(variable)
    }

    /// A command that may declare variables.
    pub(super) fn may_declare(&mut self, words: &[Word]) {
        let is = |word: &Word, names: &[&str]| word.slots.is_empty() && names.contains(&word.text.as_str());
        let begins = |word: &&Word| is(word, &["builtin", "command"]);
        let Some((first, rest)) = words.get(words.iter().take_while(begins).count()..).and_then(<[Word]>::split_first)
        else {
            return;
        };
        let option =
            |letters: &[char]| rest.iter().any(|word| word.text.starts_with('-') && word.text.contains(letters));
        let declares = is(first, &["declare", "export", "local", "readonly", "typeset"]);
        let numbers = is(first, &["float", "integer"]) || declares && option(&['i', 'E', 'F']);
        let lists = declares && option(&['a', 'A']) || is(first, &["mapfile", "readarray"]);
        for word in rest.iter().filter(|word| !word.text.starts_with('-')) {
            let name = word.text.split(['=', '+', '[']).next().unwrap_or_default().to_owned();
            if numbers {
                self.declared.numbers.insert(name);
            } else if lists {
                self.declared.lists.insert(name);
            }
        }
    }

    /// A word before a parenthesis that it touches: `name=(`.
    pub(super) fn may_be_list(&mut self, word: &Word) {
        if let Some(name) = word.text.strip_suffix('=') {
            self.declared.lists.insert(name.trim_end_matches('+').to_owned());
        }
    }
}
