//! Places inside a word where a placeholder would not stay one word, byte for byte, in every shell.

use super::{OUTSIDE, Scan, Word};

impl Scan<'_> {
    /// Looks at what stands before a placeholder in the word that begins at `start`.
    pub(super) fn touches(&mut self, start: usize, slot: usize, word: &Word) {
        let before = self.script.get(start..self.at).unwrap_or_default();
        if before == word.text && word.slots.is_empty() {
            self.behind_tilde(slot, before);
        }
        if is_in_subscript(before) && !self.is_tame(slot) {
            self.fault(slot, "stands in a subscript, where some shells run what a value says", OUTSIDE);
        }
    }

    /// zsh takes `=ls` for the path of a program, and `~name` for a folder, even if the rest is quoted.
    fn behind_tilde(&mut self, slot: usize, before: &str) {
        let (name, value) = before.split_once('=').unwrap_or(("", before));
        let assigns = crate::domain::shell::name::is_variable_name(name.trim_end_matches('+'));
        let value = if assigns { value } else { before };
        let begins = matches!(value, "=" | "~") || assigns && value.ends_with(":~");
        if begins {
            let message = "follows a `=` or `~` at the begin of a word, which zsh takes for a path together with it";
            self.fault(slot, message, "put that in quotes: '~'{{…}}");
        }
    }

    /// In `{name[…]}>file`, a shell calculates the subscript.
    pub(super) fn names_descriptor(&mut self, word: &Word) {
        for slot in word.slots.iter().chain(&word.inner) {
            self.fault(*slot, "would name a variable", "write a fixed name");
        }
    }
}

/// Whether the text ends inside of the brackets of `$name[…]`, which are a subscript in zsh.
fn is_in_subscript(before: &str) -> bool {
    let Some((variable, inside)) = before.rsplit_once('[') else { return false };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_@*#?!".contains(c);
    let Some(plain) = variable.strip_suffix(|c| is_name(c) || c == ']') else { return false };
    let dollar = plain.trim_end_matches(|c| is_name(c) || c == '[' || c == ']' || c == ',');
    !inside.contains(']') && dollar.strip_suffix('$').is_some_and(|before| !before.ends_with('\\'))
}
