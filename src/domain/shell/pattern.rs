//! Regular expressions that people write. They run in linear time, so that none of them can hang a run.

use std::fmt;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize};

/// The largest machine that a pattern may need.
const SIZE: usize = 2 << 20;

/// A regular expression.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    source: String,
    regex: Regex,
}

/// That a text is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{source_text:?} is not a pattern that is understood: {problem}; correct it (there are no look-arounds and no back-references)"
)]
pub struct PatternError {
    source_text: String,
    problem: String,
}

impl Pattern {
    /// Reads a pattern, where `^` and `$` stand for the begin and end of lines.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(source: impl Into<String>) -> Result<Self, PatternError> {
        let source = source.into();
        match compile(&source) {
            Ok(regex) => Ok(Self { source, regex }),
            Err(problem) => Err(PatternError { source_text: source, problem }),
        }
    }

    /// Whether it is found in `text`.
    #[must_use]
    pub fn is_found_in(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// Whether it matches `text` as a whole.
    #[must_use]
    pub fn is_all_of(&self, text: &[u8]) -> bool {
        compile(&format!(r"\A(?:{})\z", self.source)).is_ok_and(|whole| whole.is_match(text))
    }

    /// The names of its groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.regex.group_info().pattern_names(regex_automata::PatternID::ZERO).flatten()
    }

    /// Each match, as what its named groups hold.
    pub fn matches<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Vec<(String, Option<&'t str>)>> {
        let names: Vec<String> = self.names().map(str::to_owned).collect();
        self.regex.captures_iter(text).map(move |found| {
            let group = |name: &String| {
                let span = found.get_group_by_name(name);
                (name.clone(), span.and_then(|span| text.get(span.range())))
            };
            names.iter().map(group).collect::<Vec<_>>()
        })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

fn compile(source: &str) -> Result<Regex, String> {
    Regex::builder()
        .configure(Config::new().nfa_size_limit(Some(SIZE)))
        .syntax(syntax::Config::new().multi_line(true).utf8(false))
        .build(source)
        .map_err(|error| match error.syntax_error() {
            Some(problem) => problem.to_string(),
            None => error.to_string(),
        })
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(source: String) -> Result<Self, PatternError> {
        Self::new(source)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_or_is_all() {
        let pattern = Pattern::new("b+|c").unwrap();
        assert!(pattern.is_found_in(b"abbd") && !pattern.is_all_of(b"abb") && pattern.is_all_of(b"bbb"));
        assert!(!pattern.is_all_of(b"b\nb"));
        assert!(Pattern::new("(").unwrap_err().to_string().contains("correct it"));
        assert!(Pattern::new("(?=x)").is_err());
    }
}
