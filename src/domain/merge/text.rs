//! Three-way merge by lines, for scripts and whatever else is text. Line ends stay as they are.

use std::collections::HashMap;
use std::ops::Range;

use super::sequence::{Region, Touching, merge3};

/// Lines that both sides changed differently.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LineClash {
    /// The first line in the base, counted from 1, where the clash is.
    pub base_line: usize,
    /// The lines of the base; bytes that are not UTF-8 are shown as U+FFFD.
    pub base: String,
    /// The first line of ours, counted from 1.
    pub our_line: usize,
    /// The lines of ours.
    pub ours: String,
    /// The first line of theirs, counted from 1.
    pub their_line: usize,
    /// The lines of theirs.
    pub theirs: String,
}

/// The merged text, or the clashes, at most [`MAX_CLASHES`](super::MAX_CLASHES), with what could be merged and the marks of Git
/// around the rest. Exchanging the sides gives the same bytes.
pub(super) fn merge_text(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<Vec<u8>, (Vec<LineClash>, Vec<u8>)> {
    let [base_lines, our_lines, their_lines] = [base, ours, theirs].map(lines);
    let mut known = HashMap::new();
    let [base, ours, theirs] = [&base_lines, &our_lines, &their_lines].map(|lines| tokens(lines, &mut known));
    let mut out = Vec::new();
    let mut clashes = Vec::new();
    for region in merge3(&base, &ours, &theirs, Touching::Conflicts) {
        match region {
            Region::Stable { base, len, .. } => push(&mut out, &base_lines, base..base + len),
            Region::Ours(range) | Region::Both(range, _) => push(&mut out, &our_lines, range),
            Region::Theirs(range) => push(&mut out, &their_lines, range),
            Region::Conflict(base, ours, theirs) => {
                let sides = [(&base_lines, &base), (&our_lines, &ours), (&their_lines, &theirs)];
                mark(&mut out, sides);
                clashes.push(LineClash {
                    base_line: base.start + 1,
                    base: shown(&base_lines, base),
                    our_line: ours.start + 1,
                    ours: shown(&our_lines, ours),
                    their_line: theirs.start + 1,
                    theirs: shown(&their_lines, theirs),
                });
            }
        }
    }
    clashes.truncate(super::MAX_CLASHES);
    if clashes.is_empty() { Ok(out) } else { Err((clashes, out)) }
}

/// The three versions between marks, as `git merge` writes them with `merge.conflictStyle=diff3`.
fn mark(out: &mut Vec<u8>, [base, ours, theirs]: [(&Vec<&[u8]>, &Range<usize>); 3]) {
    for (heading, (lines, range)) in [("<<<<<<< ours\n", ours), ("||||||| base\n", base), ("=======\n", theirs)] {
        start_line(out);
        out.extend_from_slice(heading.as_bytes());
        push(out, lines, range.clone());
    }
    start_line(out);
    out.extend_from_slice(b">>>>>>> theirs\n");
}

fn start_line(out: &mut Vec<u8>) {
    if out.last().is_some_and(|byte| *byte != b'\n') {
        out.push(b'\n');
    }
}

/// Whether Git would call this binary: it looks for a NUL in the first 8,000 bytes, too.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.iter().take(8000).any(|byte| *byte == 0)
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn tokens<'a>(lines: &[&'a [u8]], known: &mut HashMap<&'a [u8], u32>) -> Vec<u32> {
    lines
        .iter()
        .map(|line| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX - 1);
            *known.entry(line).or_insert(next)
        })
        .collect()
}

fn push(out: &mut Vec<u8>, lines: &[&[u8]], range: Range<usize>) {
    lines.get(range).into_iter().flatten().for_each(|line| out.extend_from_slice(line));
}

fn shown(lines: &[&[u8]], range: Range<usize>) -> String {
    String::from_utf8_lossy(&lines.get(range).unwrap_or_default().concat()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_of_different_lines_both_survive_with_their_line_ends() {
        let merged = merge_text(b"a\r\nb\r\nc\r\nd", b"A\r\nb\r\nc\r\nd", b"a\r\nb\r\nc\r\nD\n");
        assert_eq!(merged.as_deref(), Ok(b"A\r\nb\r\nc\r\nD\n".as_slice()));
    }

    #[test]
    fn edits_of_one_line_clash_and_say_where() {
        let (clashes, candidate) = merge_text(b"a\nb\nc\n", b"a\nx\nc\n", b"a\ny\nc").unwrap_err();
        assert_eq!(
            String::from_utf8(candidate).unwrap(),
            "a\n<<<<<<< ours\nx\nc\n||||||| base\nb\nc\n=======\ny\nc\n>>>>>>> theirs\n"
        );
        assert_eq!(clashes.len(), 1);
        assert_eq!((clashes[0].base_line, clashes[0].ours.as_str(), clashes[0].theirs.as_str()), (2, "x\nc\n", "y\nc"));
    }
}
