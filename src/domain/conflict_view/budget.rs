//! How much of a conflict is shown: an answer stays small whatever the files are.

use serde_json::Value;

use super::{Lines, LinesClash, ShownText, ShownValue, ValueClash};
use crate::domain::merge::{JsonClash, LineClash};

/// More files than these are counted only.
pub const MOST_FILES: usize = 200;
/// More files that merge by themselves than these are left out.
pub const MOST_MERGED: usize = 1000;
/// Longer values and runs of lines are cut.
pub const MOST_VALUE_BYTES: usize = 64 * 1024;
/// Longer candidates are cut.
const MOST_CANDIDATE_BYTES: usize = 1024 * 1024;
/// All texts of one answer together; after that every text is cut to nothing.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What is left to show in one answer.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MOST_BYTES }
    }
}

impl Budget {
    /// A clash of values, as it is shown.
    pub fn value_clash(&mut self, clash: JsonClash) -> ValueClash {
        let JsonClash { path, base, ours, theirs } = clash;
        let [base, ours, theirs] = [base, ours, theirs].map(|value| value.map(|value| self.value(value)));
        ValueClash { path, base, ours, theirs }
    }

    /// A clash of lines, as it is shown.
    pub fn lines_clash(&mut self, clash: &LineClash) -> LinesClash {
        LinesClash {
            base: self.lines(clash.base_line, &clash.base),
            ours: self.lines(clash.our_line, &clash.ours),
            theirs: self.lines(clash.their_line, &clash.theirs),
        }
    }

    /// A candidate, as it is shown; `None` if it is not UTF-8.
    pub fn candidate(&mut self, bytes: &[u8]) -> Option<ShownText> {
        std::str::from_utf8(bytes).ok().map(|text| self.text(text, MOST_CANDIDATE_BYTES))
    }

    fn value(&mut self, value: Value) -> ShownValue {
        let text = value.to_string();
        if text.len() <= MOST_VALUE_BYTES.min(self.left) {
            self.left -= text.len();
            return ShownValue::Value(value);
        }
        ShownValue::Cut(self.text(&text, MOST_VALUE_BYTES))
    }

    fn lines(&mut self, first: usize, text: &str) -> Lines {
        Lines { first, count: text.lines().count(), text: self.text(text, MOST_VALUE_BYTES) }
    }

    fn text(&mut self, text: &str, most: usize) -> ShownText {
        let end = text.floor_char_boundary(most.min(self.left));
        let shown = text.get(..end).unwrap_or_default();
        self.left -= shown.len();
        ShownText { text: shown.to_owned(), bytes: text.len(), cut: end < text.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_and_say_so_and_no_answer_grows_without_end() {
        let mut budget = Budget::default();
        assert_eq!(budget.value(Value::from(1)), ShownValue::Value(Value::from(1)));
        let long = "ü".repeat(MOST_VALUE_BYTES);
        let ShownValue::Cut(cut) = budget.value(long.as_str().into()) else { panic!("it is whole") };
        assert!(cut.cut && cut.bytes == long.len() + 2 && cut.text.len() <= MOST_VALUE_BYTES);
        let shown: usize = (0..1000).map(|_| budget.lines(1, &long).text.text.len()).sum();
        assert!(shown <= MOST_BYTES);
        assert_eq!(budget.value(Value::Null), ShownValue::Cut(ShownText { text: String::new(), bytes: 4, cut: true }));
        assert_eq!(budget.candidate(b"\xff"), None);
    }

    #[test]
    fn values_come_back_as_they_were_also_numbers_of_many_digits() {
        let value: Value = serde_json::from_str("[12345678901234567890.10]").unwrap();
        let shown = ShownValue::Value(value);
        let text = serde_json::to_string(&shown).unwrap();
        assert_eq!(text, r#"{"value":[12345678901234567890.10]}"#);
        assert_eq!(serde_json::from_str::<ShownValue>(&text).unwrap(), shown);
    }
}
