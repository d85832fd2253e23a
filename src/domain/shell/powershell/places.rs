//! What in a script is not code: quotes, here-strings, comments, escapes, and placeholders.

use std::ops::Range;

use crate::domain::shell::template::Slot;

/// A part of a script.
pub(super) struct Place {
    pub(super) range: Range<usize>,
    pub(super) what: What,
}

/// What it is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum What {
    HereString,
    Comment,
    Quotes,
    Escape,
    Placeholder,
}

impl What {
    /// In words, for a placeholder that stands in it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::HereString => "a here-string",
            Self::Comment => "a comment",
            Self::Quotes => "quotes",
            Self::Escape => "an escape",
            Self::Placeholder => "a placeholder",
        }
    }
}

/// All of them, in order; a placeholder that stands in another one is not there.
pub(super) fn places(script: &str, slots: &[Slot]) -> Vec<Place> {
    let mut found = Vec::new();
    let (mut at, mut slots) = (0, slots.iter().peekable());
    let end_of = |from: usize, end: &str| {
        script.get(from..).and_then(|rest| rest.find(end)).map_or(script.len(), |offset| from + offset + end.len())
    };
    while let Some(next) = script.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = script.get(at..).unwrap_or_default();
        while slots.next_if(|slot| slot.start < at).is_some() {}
        let slot = slots.peek().filter(|slot| slot.start == at);
        let (end, what) = if let Some(slot) = slot {
            (slot.end, What::Placeholder)
        } else if rest.starts_with("@'") {
            (end_of(at + 2, "\n'@"), What::HereString)
        } else if rest.starts_with("@\"") {
            (end_of(at + 2, "\n\"@"), What::HereString)
        } else if rest.starts_with("<#") {
            (end_of(at + 2, "#>"), What::Comment)
        } else if next == '#' {
            (end_of(at, "\n"), What::Comment)
        } else if matches!(next, '\'' | '\u{2018}'..='\u{201b}') {
            (end_of_quote(script, at + next.len_utf8(), false), What::Quotes)
        } else if matches!(next, '"' | '\u{201c}'..='\u{201e}') {
            (end_of_quote(script, at + next.len_utf8(), true), What::Quotes)
        } else if next == '`' {
            (at + 2, What::Escape)
        } else {
            at += next.len_utf8();
            continue;
        };
        found.push(Place { range: at..end, what });
        at = end;
        while at < script.len() && !script.is_char_boundary(at) {
            at += 1;
        }
    }
    found
}

fn end_of_quote(script: &str, from: usize, double: bool) -> usize {
    let mut characters = script.get(from..).unwrap_or_default().char_indices();
    while let Some((offset, c)) = characters.next() {
        let ends = if double {
            matches!(c, '"' | '\u{201c}'..='\u{201e}')
        } else {
            matches!(c, '\'' | '\u{2018}'..='\u{201b}')
        };
        if double && c == '`' {
            characters.next();
        } else if ends {
            return from + offset + c.len_utf8();
        }
    }
    script.len()
}
