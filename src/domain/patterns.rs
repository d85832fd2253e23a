//! Patterns for names and paths, as `.gitignore` files have them, and the filter of apps made from them.

use super::AppName;

mod glob;

use glob::Glob;

/// Patterns in the order given: the last one that matches decides, and one that starts with `!` takes back.
///
/// A pattern without a `/` (but at its end) is for a name in any folder; one with a `/` is for a path from the top. A `/` at the
/// end is for folders only. `*` and `?` stop at `/`, `**` does not, `[a-z]` and `[!a-z]` are one letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a pattern: {problem}")]
pub struct PatternError {
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong with it, then what to do.
    pub problem: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    takes_back: bool,
    folders_only: bool,
    /// For a path from the top, not for a name in any folder.
    anchored: bool,
    glob: Glob,
}

impl Patterns {
    /// Reads patterns that are separated by `,` or line breaks. Lines that start with `#` are comments.
    ///
    /// # Errors
    /// [`PatternError`] names the first that is wrong.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let parts = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| line.split(','));
        let parts = parts.map(str::trim).filter(|part| !part.is_empty());
        parts.map(Pattern::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The text of a pattern that means this path. Where a letter separates patterns or would be taken off, any letter stands.
    #[must_use]
    pub fn exactly(path: &str) -> String {
        let last = path.chars().count().saturating_sub(1);
        let letter = |(at, letter): (usize, char)| match letter {
            ',' => "?".to_owned(),
            ' ' | '"' | '\'' if at == 0 || at == last => "?".to_owned(),
            '*' | '?' | '[' | ']' | '\\' => format!("\\{letter}"),
            '!' | '#' if at == 0 => format!("\\{letter}"),
            letter if letter.is_control() => "?".to_owned(),
            letter if letter.is_whitespace() && (at == 0 || at == last) => "?".to_owned(),
            letter => letter.to_string(),
        };
        path.chars().enumerate().map(letter).collect()
    }

    /// These, then the others: where they disagree, the others win.
    #[must_use]
    pub fn followed_by(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the answer for a name never depends on the folder that it lies in.
    #[must_use]
    pub fn are_names(&self) -> bool {
        self.0.iter().all(|pattern| !pattern.anchored)
    }

    /// Whether this very file or folder is meant.
    #[must_use]
    pub fn match_entry(&self, path: &str, is_folder: bool) -> bool {
        let last = self.0.iter().rev().find(|pattern| pattern.matches(path, is_folder));
        last.is_some_and(|pattern| !pattern.takes_back)
    }

    /// Whether the file at `path` is meant, by itself or because a folder is that it lies in.
    #[must_use]
    pub fn match_file(&self, path: &str) -> bool {
        let mut folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        folders.any(|folder| self.match_entry(folder, true)) || self.match_entry(path, false)
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        let (takes_back, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (folders_only, rest) = rest.strip_suffix('/').map_or((false, rest), |rest| (true, rest));
        let anchored = rest.contains('/');
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let glob = Glob::parse(rest).map_err(|problem| PatternError { pattern: text.to_owned(), problem })?;
        Ok(Self { takes_back, folders_only, anchored, glob })
    }

    fn matches(&self, path: &str, is_folder: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        (is_folder || !self.folders_only) && self.glob.matches(if self.anchored { path } else { name })
    }
}

/// Which apps are followed; all of them by default. One that is not is as if it were on neither side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppFilter {
    /// Only these, unless there are none.
    pub include: Patterns,
    /// Not these.
    pub exclude: Patterns,
}

impl AppFilter {
    /// Whether the app is followed.
    #[must_use]
    pub fn takes(&self, app: &AppName) -> bool {
        let named = |patterns: &Patterns| patterns.match_entry(app.as_str(), true);
        (self.include.is_empty() || named(&self.include)) && !named(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(text: &str) -> Patterns {
        Patterns::parse(text).unwrap()
    }

    #[test]
    fn a_name_is_meant_in_any_folder_and_a_path_from_the_top() {
        let names = patterns("*.swp, build/");
        assert!(names.match_entry(".meta.json.swp", false) && names.match_entry("a/b/x.swp", false));
        assert!(names.match_entry("a/build", true) && !names.match_entry("a/build", false));
        assert!(names.match_file("a/build/x.js") && !names.match_file("a/built/x.js"));
        let paths = patterns("/cache, logs/*.txt, a/**/z");
        assert!(paths.match_entry("cache", true) && !paths.match_entry("a/cache", true));
        assert!(paths.match_entry("logs/a.txt", false) && !paths.match_entry("x/logs/a.txt", false));
        assert!(paths.match_entry("a/z", false) && paths.match_entry("a/b/c/z", false));
        assert!(names.are_names() && !paths.are_names());
    }

    #[test]
    fn the_last_that_matches_decides() {
        let some = patterns("*.tmp\n# kept on purpose\n!keep.tmp");
        assert!(some.match_file("a.tmp") && !some.match_file("x/keep.tmp"));
        let more = some.followed_by(patterns("keep.tmp"));
        assert!(more.match_file("keep.tmp"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_name() {
        for bad in ["[a-", "[]", "a//b", "/", "!"] {
            assert_eq!(Patterns::parse(bad).map_err(|error| error.pattern), Err(bad.to_owned()));
        }
    }

    #[test]
    fn a_pattern_for_a_path_means_that_path_whatever_letters_are_in_it() {
        for path in
            ["a/b.json", "[old] * a?/x[1],y.json", "!a/#b", "#a/b", " a/b ", "\"a/b\"", "a\\b/c", "'x/y'", "a/**/b"]
        {
            let text = Patterns::exactly(path);
            let found = patterns(text.trim());
            assert!(found.match_file(path), "{path}: {text}");
            assert!(!found.match_file("a/c.json") && !found.match_file("[old] xx a?/x[1],y.json"), "{path}: {text}");
        }
        assert_eq!(Patterns::exactly("PO App/configuration/a b.json"), "PO App/configuration/a b.json");
    }

    #[test]
    fn apps_are_chosen_by_name() {
        let app = |name: &str| AppName::new(name).unwrap();
        assert!(AppFilter::default().takes(&app("PO App")));
        let filter = AppFilter { include: patterns("PO *, Stock"), exclude: patterns("* (old)") };
        assert!(filter.takes(&app("PO App")) && filter.takes(&app("Stock")));
        assert!(!filter.takes(&app("Stocks")) && !filter.takes(&app("PO App (old)")));
    }
}
