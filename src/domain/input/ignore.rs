//! Temporary files, and what editors and desktops leave behind.

use crate::domain::patterns::Patterns;

/// Never app content: backups and swap files of editors, the probe that vim writes first, what desktops add.
const ALWAYS: &str = "*~, .*.swp, *.swp, *.tmp, .DS_Store, Thumbs.db, .#*, 4913";

/// What is ignored unless patterns of one's own (with `!`) take it back.
#[must_use]
pub fn defaults() -> Patterns {
    Patterns::parse(ALWAYS).unwrap_or_default() // its own test reads it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_leave_is_ignored_and_content_is_not() {
        let ignored = defaults();
        for name in ["meta.json~", ".meta.json.swp", "x.swp", "a/b.tmp", ".DS_Store", "i/Thumbs.db", ".#x", "4913"] {
            assert!(ignored.match_file(name), "{name}");
        }
        for name in ["meta.json", "tmp", "a.tmp.json", "49130", "thumbs.js", "~x", "DS_Store"] {
            assert!(!ignored.match_file(name), "{name}");
        }
    }
}
