//! Merging what two sides made of one file. Pure, symmetric (it does not matter which side is ours), and nothing is guessed:
//! what is not clearly mergeable is a conflict.

mod array;
mod json;
mod object;
mod parse;
mod rules;
mod sequence;
mod style;
mod text;
mod time;
mod tree;
mod volatile;

#[cfg(test)]
mod edits;
#[cfg(test)]
mod properties;

use std::fmt;

pub use json::{JsonClash, MAX_CLASHES, MergedFile, merge_json};
pub use rules::{DEFAULT_IDENTITY_FIELDS, IdentityFields, MergeRules};
pub use text::LineClash;
pub use volatile::{VolatileKeys, differs_only_in_volatile};

/// What became of two versions of one file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileMerge {
    /// The merged bytes. If both sides were JSON, so are these.
    Merged(Vec<u8>),
    /// Both sides changed the same things, differently.
    Conflict(FileConflict),
}

/// What could not be merged in one file, and what could.
#[derive(Clone, Debug, PartialEq)]
pub struct FileConflict {
    /// Where: at least one clash, at most [`MAX_CLASHES`].
    pub clashes: Vec<Clash>,
    /// The file with all else merged: in JSON ours stands at each place that clashes, so that it parses; in a text the marks
    /// of Git stand around the three versions. `None` for a file that can only be taken whole.
    pub candidate: Option<Vec<u8>>,
}

/// One place where the sides cannot be brought together.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Clash {
    /// A value in a JSON file.
    Value(JsonClash),
    /// Lines of a text.
    Lines(LineClash),
    /// The whole file: it is binary, or merging it by lines would break its JSON.
    Whole {
        /// Why it cannot be merged.
        reason: &'static str,
    },
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(clash) if clash.path.is_empty() => f.write_str("both sides changed the whole value"),
            Self::Value(clash) => write!(f, "both sides changed {}", clash.path),
            Self::Lines(clash) => {
                write!(f, "both sides changed line {} of the file they had in common", clash.base_line)
            }
            Self::Whole { reason } => f.write_str(reason),
        }
    }
}

/// Merges what `ours` and `theirs` made of `base` in the file at `path`; without a base, an empty one is taken.
///
/// Equal sides stay as they are, and a side that did not change yields to the other byte for byte. `.json` files merge by
/// structure ([`merge_json`]), other text by lines, and binary files not at all.
#[must_use]
pub fn merge_file(path: &str, base: Option<&[u8]>, ours: &[u8], theirs: &[u8], rules: &MergeRules) -> FileMerge {
    if ours == theirs || base == Some(theirs) {
        return FileMerge::Merged(ours.to_vec());
    }
    if base == Some(ours) {
        return FileMerge::Merged(theirs.to_vec());
    }
    let is_json = is_json_path(path);
    if is_json {
        match merge_json(base, ours, theirs, rules) {
            MergedFile::Merged(bytes) => return FileMerge::Merged(bytes),
            MergedFile::Conflict { clashes, candidate } => {
                let clashes = clashes.into_iter().map(Clash::Value).collect();
                return FileMerge::Conflict(FileConflict { clashes, candidate: Some(candidate) });
            }
            MergedFile::NotJson => {}
        }
    }
    match merge_lines(base.unwrap_or_default(), ours, theirs) {
        FileMerge::Merged(bytes) if is_json && parses(ours) && parses(theirs) && !parses(&bytes) => {
            whole("merging it by lines would break its JSON")
        }
        merge => merge,
    }
}

/// What is wrong with `bytes` as JSON, with its place: `line 3, column 7: a colon should be here`. `None` if they
/// parse; a byte order mark is allowed, an empty file is a problem.
///
/// What nests deeper than 128 levels is not judged: it may be sound, and holding an app for ever would help nobody.
#[must_use]
pub fn json_problem(bytes: &[u8]) -> Option<String> {
    let problem = parse::parse(bytes).err().filter(|problem| !problem.too_deep)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Some("the file is empty".to_owned());
    }
    let before = String::from_utf8_lossy(bytes.get(..problem.offset).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().trim_start_matches('\u{feff}').chars().count() + 1;
    Some(format!("line {line}, column {column}: {}", problem.what))
}

fn is_json_path(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("json"))
}

fn parses(bytes: &[u8]) -> bool {
    json_problem(bytes).is_none()
}

fn merge_lines(base: &[u8], ours: &[u8], theirs: &[u8]) -> FileMerge {
    if [base, ours, theirs].into_iter().any(text::is_binary) {
        return whole("both sides changed it, and a binary file cannot be merged");
    }
    match text::merge_text(base, ours, theirs) {
        Ok(bytes) => FileMerge::Merged(bytes),
        Err((clashes, candidate)) => {
            let clashes = clashes.into_iter().map(Clash::Lines).collect();
            FileMerge::Conflict(FileConflict { clashes, candidate: Some(candidate) })
        }
    }
}

fn whole(reason: &'static str) -> FileMerge {
    FileMerge::Conflict(FileConflict { clashes: vec![Clash::Whole { reason }], candidate: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_problem_names_line_and_column() {
        assert_eq!(json_problem(b"\xef\xbb\xbf{\"a\": 1}\n"), None);
        assert_eq!(json_problem(b" \n").as_deref(), Some("the file is empty"));
        assert_eq!(
            json_problem(b"{\n  \"a\": 1,\n  \"b\" 2\n}").as_deref(),
            Some("line 3, column 7: a colon should be here")
        );
        assert_eq!(json_problem(b"{\"a\": [1, 2").as_deref(), Some("line 1, column 12: the file ends inside an array"));
        assert_eq!(json_problem(b"\"\xff\"").as_deref(), Some("line 1, column 2: this is not UTF-8"));
        assert_eq!(json_problem(b"{} // x").as_deref(), Some("line 1, column 4: there is something after the value"));
    }

    #[test]
    fn json_with_comments_merges_by_lines() {
        let merge = |b: &str, o: &str, t: &str| {
            merge_file("a.json", Some(b.as_bytes()), o.as_bytes(), t.as_bytes(), &MergeRules::default())
        };
        let merged = merge("// c\n1\n2\n3\n", "// c\n0\n2\n3\n", "// c\n1\n2\n4\n");
        assert_eq!(merged, FileMerge::Merged(b"// c\n0\n2\n4\n".to_vec()));
        let twice = merge("{\"a\":1,\n\n\"a\":2}\n", "{\"a\":3,\n\n\"a\":2}\n", "{\"a\":1,\n\n\"a\":4}\n");
        assert_eq!(twice, FileMerge::Merged(b"{\"a\":3,\n\n\"a\":4}\n".to_vec()));
    }

    #[test]
    fn binary_files_conflict_unless_one_side_left_them_alone() {
        let volatile = MergeRules::default();
        let png = |last: u8| [0x89, b'P', b'N', b'G', 0, last];
        let (base, ours, theirs) = (png(1), png(2), png(3));
        assert_eq!(merge_file("i.png", Some(&base), &base, &theirs, &volatile), FileMerge::Merged(theirs.to_vec()));
        assert!(matches!(
            merge_file("i.png", Some(&base), &ours, &theirs, &volatile),
            FileMerge::Conflict(conflict) if matches!(conflict.clashes[..], [Clash::Whole { .. }])
        ));
    }
}
