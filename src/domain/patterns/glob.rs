//! One pattern without its signs: components, each of letters, classes and stars.

/// A pattern for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<Component>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    /// `**`: any number of folders, none too.
    Any,
    One(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Letter(char),
    /// `?`
    Any,
    /// `*`
    Star,
    /// `[…]`: ranges, and whether they are what is not meant.
    Class(Vec<(char, char)>, bool),
}

impl Glob {
    /// Reads a pattern; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        text.split('/').map(component).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it means exactly `path`.
    pub(super) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        path_matches(&self.0, &names)
    }
}

fn component(text: &str) -> Result<Component, &'static str> {
    match text {
        "" => Err("a part of it is empty; write names between single `/`"),
        "**" => Ok(Component::Any),
        _ => tokens(text).map(Component::One),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        tokens.push(match letter {
            '*' => Token::Star,
            '?' => Token::Any,
            '[' => class(&mut letters)?,
            '\\' => Token::Letter(letters.next().ok_or("it ends with `\\`; write `\\\\` for that letter")?),
            letter => Token::Letter(letter),
        });
    }
    Ok(tokens)
}

const OPEN_CLASS: &str = "a `[` has no `]`, or nothing is between them; write `\\[` for that letter";

fn class(letters: &mut std::str::Chars<'_>) -> Result<Token, &'static str> {
    let negated = matches!(letters.clone().next(), Some('!' | '^'));
    if negated {
        letters.next();
    }
    let mut ranges = Vec::new();
    loop {
        let from = match letters.next().ok_or(OPEN_CLASS)? {
            ']' if ranges.is_empty() => return Err(OPEN_CLASS),
            ']' => return Ok(Token::Class(ranges, negated)),
            '\\' => letters.next().ok_or(OPEN_CLASS)?,
            letter => letter,
        };
        let mut ahead = letters.clone();
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                *letters = ahead;
                to
            }
            _ => from,
        };
        ranges.push((from, to));
    }
}

fn path_matches(glob: &[Component], names: &[&str]) -> bool {
    match glob.split_first() {
        None => names.is_empty(),
        // At the end it means what lies below a folder, not the folder.
        Some((Component::Any, [])) => !names.is_empty(),
        Some((Component::Any, rest)) => {
            (0..=names.len()).any(|skipped| names.get(skipped..).is_some_and(|names| path_matches(rest, names)))
        }
        Some((Component::One(tokens), rest)) => {
            names.split_first().is_some_and(|(name, names)| name_matches(tokens, name) && path_matches(rest, names))
        }
    }
}

/// Goes back to the last star only, so that no pattern takes more than its length times that of the name.
fn name_matches(tokens: &[Token], name: &str) -> bool {
    let (mut left, mut letters) = (tokens, name.chars());
    let mut back: Option<(&[Token], std::str::Chars<'_>)> = None;
    loop {
        match left.split_first() {
            Some((Token::Star, rest)) => {
                back = Some((rest, letters.clone()));
                left = rest;
                continue;
            }
            Some((token, rest)) => {
                let mut ahead = letters.clone();
                if ahead.next().is_some_and(|letter| token.takes(letter)) {
                    (left, letters) = (rest, ahead);
                    continue;
                }
            }
            None if letters.clone().next().is_none() => return true,
            None => {}
        }
        let Some((rest, mut from)) = back.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        (left, letters) = (rest, from.clone());
        back = Some((rest, from));
    }
}

impl Token {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::Letter(wanted) => *wanted == letter,
            Self::Any => true,
            Self::Star => false,
            Self::Class(ranges, negated) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&letter)) != *negated,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(glob: &str, path: &str) -> bool {
        Glob::parse(glob).unwrap().matches(path)
    }

    #[test]
    fn stars_classes_and_escapes_mean_what_git_says_they_mean() {
        for (glob, path) in [
            ("*~", "meta.json~"),
            (".*.swp", ".meta.json.swp"),
            ("a*b*c", "aXbYbZc"),
            ("[a-c]?[!0-9]", "b1x"),
            ("\\*", "*"),
            ("**/x", "x"),
            ("**/x", "a/b/x"),
            ("a/**", "a/b/c"),
            ("ü?", "üö"),
        ] {
            assert!(matches(glob, path), "{glob} {path}");
        }
        for (glob, path) in [("*", "a/b"), ("a*b", "aXc"), ("[!0-9]", "5"), ("a/**", "a"), ("?", ""), ("a", "ab")] {
            assert!(!matches(glob, path), "{glob} {path}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches(&"*a".repeat(40), &("a".repeat(20_000) + "b")));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(glob in "[a*?\\[\\]!/\\\\-]{0,12}", path in "[a/!-]{0,12}") {
            if let Ok(glob) = Glob::parse(&glob) {
                glob.matches(&path);
            }
        }

        #[test]
        fn a_name_with_its_signs_escaped_means_itself(name in "[a-z*?\\[\\]!. ~]{1,12}") {
            let escaped: String = name.chars().flat_map(|letter| ['\\', letter]).collect();
            prop_assert!(matches(&escaped, &name));
        }
    }
}
