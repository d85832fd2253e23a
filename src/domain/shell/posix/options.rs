//! Options, as the table of a program tells them apart.
//!
//! A table is written as manuals write options: `-uC` are letters that take a word (the rest of theirs, or the next), `=i` are
//! letters that take the rest of theirs or nothing, and `--user` is a long option that takes a word.

use super::scan::Word;

/// Where the word of an option stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Behind it, in the same.
    Rest,
    /// It is the next.
    Next,
}

/// Whether a word is an option. One that a placeholder begins is none: it is what is meant to stand there.
pub(super) fn is_option(word: &Word) -> bool {
    word.text.starts_with('-') && if word.slots.is_empty() { word.text.len() > 1 } else { !word.before.is_empty() }
}

/// The first of the tables that has what this option holds, and where the word for it is.
pub(super) fn takes(tables: &[&str], option: &str) -> Option<(usize, Where)> {
    if option.starts_with("--") {
        let (name, place) = option.split_once('=').map_or((option, Where::Next), |(name, _)| (name, Where::Rest));
        // Programs take a long option for what it begins.
        let has = |table: &&str| table.split(' ').any(|one| name.len() > 2 && one.starts_with(name));
        return tables.iter().position(has).map(|table| (table, place));
    }
    let letters = |table: &'_ str, sign: char| -> String {
        table.split(' ').filter(|one| !one.starts_with("--")).filter_map(|one| one.strip_prefix(sign)).collect()
    };
    for (at, letter) in option.char_indices().skip(1) {
        let rest = option.get(at + letter.len_utf8()..).unwrap_or_default();
        for (number, table) in tables.iter().enumerate() {
            let with_word = letters(table, '-');
            if with_word.contains(letter) {
                // `node -pe` is both, with one word.
                let is_next = rest.chars().all(|c| with_word.contains(c));
                return Some((number, if is_next { Where::Next } else { Where::Rest }));
            }
            if letters(table, '=').contains(letter) {
                return Some((number, Where::Rest));
            }
        }
    }
    None
}

/// Whether the next word belongs to this option.
pub(super) fn takes_next(table: &str, option: &Word) -> bool {
    option.slots.is_empty() && takes(&[table], &option.text).is_some_and(|(_, place)| place == Where::Next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_where_the_word_of_an_option_is() {
        let tables = ["-eE --eval", "-I =i --include"];
        for (option, expected) in [
            ("-n", None),
            ("-e", Some((0, Where::Next))),
            ("-ne", Some((0, Where::Next))),
            ("-eprint", Some((0, Where::Rest))),
            ("-eE", Some((0, Where::Next))),
            ("-Ie", Some((1, Where::Rest))),
            ("-pie", Some((1, Where::Rest))),
            ("-pi", Some((1, Where::Rest))),
            ("--eval", Some((0, Where::Next))),
            ("--ev=1", Some((0, Where::Rest))),
            ("--inc", Some((1, Where::Next))),
            ("--include-no", None),
            ("--", None),
        ] {
            assert_eq!(takes(&tables, option), expected, "{option}");
        }
    }
}
