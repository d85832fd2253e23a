//! Names that some file systems take for one: macOS and Windows ignore upper and lower case, macOS also how letters are composed.

use std::borrow::Cow;
use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

/// What a file system that ignores case and composition compares.
#[must_use]
pub fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    if name.is_ascii() {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Owned(name.nfd().flat_map(folded_letter).nfc().collect())
}

/// The first two names that collide.
pub fn collision<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut seen = HashMap::new();
    names.into_iter().find_map(|name| seen.insert(folded(name), name).map(|other| (other, name)))
}

/// How two names that collide differ, in words that follow "they differ only".
#[must_use]
pub fn difference(a: &str, b: &str) -> &'static str {
    if a.nfc().eq(b.nfc()) {
        "in how letters with accents are composed (Unicode NFC and NFD)"
    } else {
        "in upper and lower case"
    }
}

/// By way of the capital, so that the forms of a letter meet; a letter whose capital is more than one letter stays.
fn folded_letter(letter: char) -> std::char::ToLowercase {
    let mut capitals = letter.to_uppercase();
    let capital = if capitals.len() == 1 { capitals.next().unwrap_or(letter) } else { letter };
    capital.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_some_file_systems_take_for_one_collide() {
        for (a, b) in [("Foo", "foo"), ("\u{e9}", "e\u{301}"), ("\u{c9}x", "e\u{301}x"), ("ΣΑΣ", "σας"), ("Ä", "ä")]
        {
            assert_eq!(collision(["other", a, b]), Some((a, b)));
        }
        assert_eq!(collision(["a", "b", "Maße", "masse", "a b", "ab"]), None);
    }

    #[test]
    fn it_is_said_how_they_differ() {
        assert!(difference("\u{e9}", "e\u{301}").contains("NFC"));
        assert!(difference("Foo", "foo").contains("case"));
    }
}
