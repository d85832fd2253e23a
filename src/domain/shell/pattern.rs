//! Regular expressions that people write. They run in linear time, so that none of them can hang a run.

use std::fmt;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize};

/// The largest machine that a pattern may need: what it looks for in a text can take a step for each of its states, in each place.
const SIZE: usize = SIZE_KIB << 10;
const SIZE_KIB: usize = 256;

/// A regular expression. What is read from the store may be one that an earlier version took, and this one does not: it is found
/// nowhere, and [`check`](Self::check) says why.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Pattern {
    source: String,
    regex: Result<Regex, String>,
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
        let pattern = Self::from(source.into());
        pattern.check()?;
        Ok(pattern)
    }

    /// Whether it is understood.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn check(&self) -> Result<(), PatternError> {
        match &self.regex {
            Ok(_) => Ok(()),
            Err(problem) => Err(PatternError { source_text: self.source.clone(), problem: problem.clone() }),
        }
    }

    /// Whether it is found in `text`.
    #[must_use]
    pub fn is_found_in(&self, text: &[u8]) -> bool {
        self.regex.as_ref().is_ok_and(|regex| regex.is_match(text))
    }

    /// Whether it matches `text` as a whole.
    #[must_use]
    pub fn is_all_of(&self, text: &[u8]) -> bool {
        compile(&format!(r"\A(?:{})\z", self.source), SIZE * 2).is_ok_and(|whole| whole.is_match(text))
    }

    /// The names of its groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let regex = self.regex.iter();
        regex.flat_map(|regex| regex.group_info().pattern_names(regex_automata::PatternID::ZERO).flatten())
    }

    /// Each match, as what its named groups hold.
    pub fn matches<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Vec<(String, Option<&'t str>)>> {
        let names: Vec<String> = self.names().map(str::to_owned).collect();
        self.regex.iter().flat_map(move |regex| regex.captures_iter(text)).map(move |found| {
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

fn compile(source: &str, size: usize) -> Result<Regex, String> {
    Regex::builder()
        .configure(Config::new().nfa_size_limit(Some(size)))
        .syntax(syntax::Config::new().multi_line(true).utf8(false))
        .build(source)
        .map_err(|error| match error.syntax_error() {
            Some(problem) => problem.to_string(),
            None if error.size_limit().is_some() => {
                let remedy = "repeat less, or write (?-u:\\w) for letters of English alone";
                format!("it needs more than {SIZE_KIB} KiB, and would take too long; {remedy}")
            }
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

impl From<String> for Pattern {
    fn from(source: String) -> Self {
        let regex = compile(&source, SIZE);
        Self { source, regex }
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

    #[test]
    fn one_that_would_take_long_is_refused_and_one_that_is_stored_says_so_when_it_is_asked() {
        let long = "[01]*1[01]{5000}";
        let error = Pattern::new(long).unwrap_err().to_string();
        assert!(error.contains("would take too long"), "{error}");
        let stored: Pattern = serde_json::from_str(&format!("{long:?}")).unwrap();
        assert!(stored.check().is_err() && !stored.is_found_in(b"1") && stored.names().next().is_none());
        assert_eq!(serde_json::to_string(&stored).unwrap(), format!("{long:?}"));
        for usual in [
            r"^(?<k>\w+)=(?<v>\w*)$",
            r"\w+@\w+\.\w+ \w+",
            r"(?i)error|warning|\bfatal\b",
            "[a-z0-9-]{1,253}",
            ".{1,100}",
        ] {
            assert!(Pattern::new(usual).is_ok(), "{usual}: {:?}", Pattern::new(usual));
        }
    }
}
