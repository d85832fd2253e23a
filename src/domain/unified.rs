//! A change of a text in the form that people know from `diff -u`.

use std::fmt::Write as _;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, InternedInput};

/// Equal lines that are shown around a change.
const CONTEXT: u32 = 3;

/// The hunks between two texts, without the two lines that name the files; empty when they are equal.
#[must_use]
pub fn unified(old: &str, new: &str) -> String {
    let old_lines: Vec<&str> = old.split_inclusive('\n').collect();
    let new_lines: Vec<&str> = new.split_inclusive('\n').collect();
    let input = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut text = String::new();
    for group in groups(diff.hunks().map(|hunk| (hunk.before, hunk.after))) {
        write_group(&mut text, &group, &old_lines, &new_lines);
    }
    text
}

type Pair = (Range<u32>, Range<u32>);

/// Changes whose surroundings touch are shown together.
fn groups(hunks: impl Iterator<Item = Pair>) -> Vec<Vec<Pair>> {
    let mut groups: Vec<Vec<Pair>> = Vec::new();
    for hunk in hunks {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|(old, _)| hunk.0.start <= old.end + 2 * CONTEXT) => {
                group.push(hunk);
            }
            _ => groups.push(vec![hunk]),
        }
    }
    groups
}

fn write_group(text: &mut String, group: &[Pair], old_lines: &[&str], new_lines: &[&str]) {
    let (Some((first_old, first_new)), Some((last_old, last_new))) = (group.first(), group.last()) else { return };
    let before = CONTEXT.min(first_old.start);
    let length = u32::try_from(old_lines.len()).unwrap_or(u32::MAX);
    let after = CONTEXT.min(length.saturating_sub(last_old.end));
    let old = first_old.start - before..last_old.end + after;
    let new = first_new.start - before..last_new.end + after;
    let _infallible = writeln!(text, "@@ -{} +{} @@", shown(&old), shown(&new));
    let mut at = old.start;
    for (removed, added) in group {
        lines(text, ' ', old_lines, at..removed.start);
        lines(text, '-', old_lines, removed.clone());
        lines(text, '+', new_lines, added.clone());
        at = removed.end;
    }
    lines(text, ' ', old_lines, at..old.end);
}

/// First line and count, as `diff` writes them.
fn shown(range: &Range<u32>) -> String {
    let count = range.end - range.start;
    let first = if count == 0 { range.start } else { range.start + 1 };
    if count == 1 { first.to_string() } else { format!("{first},{count}") }
}

fn lines(text: &mut String, mark: char, lines: &[&str], range: Range<u32>) {
    for line in lines.get(range.start as usize..range.end as usize).unwrap_or_default() {
        text.push(mark);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_three_lines_around_it() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        assert_eq!(unified(old, old), "");
        let expected = "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
        assert_eq!(unified(old, &old.replace('5', "five")), expected);
    }

    #[test]
    fn a_new_text_a_gone_one_and_a_missing_newline_are_shown_as_diff_does() {
        assert_eq!(unified("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(unified("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
        assert_eq!(unified("a\n", "a"), "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n");
    }

    #[test]
    fn distant_changes_are_two_hunks() {
        let old = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join("\n") + "\n";
        let new = old.replacen("3\n", "three\n", 1).replace("35\n", "x\n");
        assert_eq!(unified(&old, &new).matches("@@ -").count(), 2);
    }
}
