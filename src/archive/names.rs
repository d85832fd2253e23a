//! Paths from outside: which of them may be files of an app, and may be so together.

use std::collections::HashMap;

use crate::domain::app_name::broken_component_rule;
use crate::domain::input::collisions::folded;

/// Deeper folders than this are not app content, but an attack on whoever walks them.
const MAX_DEPTH: usize = 64;
/// The kernel's limit for a path is 4,096.
const MAX_BYTES: usize = 3_000;

/// The paths of one archive.
#[derive(Default)]
pub(super) struct Names {
    /// By what a file system may take for the same: without case, composed.
    seen: HashMap<String, Seen>,
}

struct Seen {
    path: String,
    is_folder: bool,
}

/// The path without what only archivers write: `./` before it, `/` after it.
pub(super) fn plain(path: &str) -> &str {
    let mut path = path.trim_end_matches('/');
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    if path == "." { "" } else { path }
}

impl Names {
    /// Takes a folder, which may be named again and again.
    pub(super) fn folder(&mut self, path: &str) -> Result<(), String> {
        check(path)?;
        self.enter(path, true)
    }

    /// Takes a file and the folders above it.
    pub(super) fn file(&mut self, path: &str) -> Result<(), String> {
        check(path)?;
        for (end, _) in path.match_indices('/') {
            self.enter(path.get(..end).unwrap_or_default(), true)?;
        }
        self.enter(path, false)
    }

    fn enter(&mut self, path: &str, is_folder: bool) -> Result<(), String> {
        let folded = folded(path);
        let Some(seen) = self.seen.get(folded.as_ref()) else {
            self.seen.insert(folded.into_owned(), Seen { path: path.to_owned(), is_folder });
            return Ok(());
        };
        match (seen.path == path, seen.is_folder, is_folder) {
            (true, true, true) => Ok(()),
            (true, false, false) => Err("it is there twice".to_owned()),
            (true, _, _) => Err("it is a file and a folder".to_owned()),
            (false, _, _) => Err(format!(
                "{:?} is there, too, and some file systems take both for the same name; rename one",
                seen.path
            )),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }
}

fn check(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Err("it means the app itself; give paths inside the app".to_owned());
    }
    if path.starts_with('/') {
        return Err("it is absolute; give paths inside the app".to_owned());
    }
    if path.len() > MAX_BYTES {
        return Err(format!("it is longer than {MAX_BYTES} bytes"));
    }
    if path.split('/').count() > MAX_DEPTH {
        return Err(format!("it is nested deeper than {MAX_DEPTH} folders"));
    }
    path.split('/').find_map(broken_component_rule).map_or(Ok(()), |rule| Err(rule.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_archivers_write_around_a_path_is_taken_off() {
        for (path, wanted) in [("./a/b", "a/b"), ("a/", "a"), ("./", ""), (".", ""), (".//a", "a"), ("/a", "/a")] {
            assert_eq!(plain(path), wanted, "{path}");
        }
    }

    #[test]
    fn a_path_that_leaves_the_app_or_looks_like_git_is_refused() {
        for path in [
            "",
            "/etc/passwd",
            "../a",
            "a/../b",
            "a//b",
            "a/./b",
            ".git/config",
            "a/.GIT/x",
            "git~1",
            "a\\b",
            "a\nb",
            "a\0",
        ] {
            assert!(Names::default().file(path).is_err(), "{path:?}");
        }
        assert!(Names::default().file(&"a/".repeat(64)).is_err());
        assert!(Names::default().file("screens/Screen 1/ü.json").is_ok());
    }

    #[test]
    fn names_that_some_file_system_takes_for_the_same_are_refused() {
        for (one, other) in [
            ("a.json", "A.json"),
            ("a", "a"),
            ("\u{fc}", "u\u{308}"),
            ("\u{dc}/x", "u\u{308}/y"),
            ("ΣΑΣ", "σας"),
            ("A/x", "a/y"),
            ("a", "a/b"),
            ("a/b", "a"),
        ] {
            let mut names = Names::default();
            assert_eq!(names.file(one), Ok(()));
            assert!(names.file(other).is_err(), "{one} {other}");
        }
        let mut names = Names::default();
        for path in ["a/x", "a/y", "b"] {
            assert_eq!(names.file(path), Ok(()));
        }
        assert_eq!((names.folder("a"), names.folder("c")), (Ok(()), Ok(())));
    }
}
