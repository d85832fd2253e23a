//! What somebody may have meant by a name that is not there.

use std::fmt;

/// How a name that is there differs from the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Upper and lower case.
    Case,
    /// A space before, after or within.
    Space,
    /// One or two characters.
    Typo,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Case => "it differs only in upper and lower case",
            Self::Space => "it differs only by a space",
            Self::Typo => "it differs by a character or two",
        })
    }
}

/// The name among `names` that `asked` comes nearest to, if it comes near: case first, then a space, then a typo.
pub fn near_miss<'a>(asked: &str, names: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, Difference)> {
    let scored = names.into_iter().filter_map(|name| score(asked, name).map(|score| (score, name)));
    scored.min().map(|((difference, _), name)| (name, difference))
}

fn score(asked: &str, name: &str) -> Option<(Difference, usize)> {
    let (a, b) = (asked.to_lowercase(), name.to_lowercase());
    if a == b {
        return Some((Difference::Case, 0));
    }
    let joined = |text: &str| text.split_whitespace().collect::<String>();
    // A space may have become one of the characters that a name may hold.
    let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace() && !"-_.".contains(*c)).collect::<String>();
    if joined(&a) == joined(&b) || (a.contains(char::is_whitespace) && bare(&a) == bare(&b)) {
        return Some((Difference::Space, 0));
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // In a name of a few letters, two of them are most of it.
    let allowed = if a.len().min(b.len()) <= 4 { 1 } else { 2 };
    distance_up_to(&a, &b, allowed).map(|distance| (Difference::Typo, distance))
}

/// Insertions, deletions, replacements and swaps of neighbours between `a` and `b`, if there are at most `limit`.
fn distance_up_to(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit || a.len().max(b.len()) > 256 {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(from != to);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_out_case_a_space_and_a_typo() {
        let names = ["GitSync", "prod-key", "ab"];
        let near = |asked: &str| near_miss(asked, names);
        assert_eq!(near("gitsync"), Some(("GitSync", Difference::Case)));
        assert_eq!(near("GitSync "), Some(("GitSync", Difference::Space)));
        assert_eq!(near("Git Sync"), Some(("GitSync", Difference::Space)));
        assert_eq!(near("prod key"), Some(("prod-key", Difference::Space)));
        assert_eq!(near("prod_key"), Some(("prod-key", Difference::Typo)));
        assert_eq!(near("pordkey"), Some(("prod-key", Difference::Typo)), "a swap and a lost character");
        assert_eq!(near("GitSnycc"), Some(("GitSync", Difference::Typo)));
        assert_eq!(near("xy"), None, "two of two characters are another name");
        assert_eq!(near("staging"), None);
        assert_eq!(near(&"x".repeat(100_000)), None);
    }

    #[test]
    fn the_nearest_wins() {
        assert_eq!(near_miss("deploy", ["deployer", "deploys", "Deploy"]), Some(("Deploy", Difference::Case)));
        assert_eq!(near_miss("deploy", ["deployer", "deploys"]), Some(("deploys", Difference::Typo)));
    }
}
