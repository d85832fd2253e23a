//! Commit and tag objects: header lines, an empty line, the message.

use std::fmt::Write as _;

use crate::domain::ObjectId;
use crate::ports::{Commit, Signature, Tag};

/// The commit object of `commit`. Its message ends with a newline, and its names hold nothing that would break a line.
pub(super) fn encode(commit: &Commit) -> Vec<u8> {
    let mut text = format!("tree {}\n", commit.tree);
    for parent in &commit.parents {
        let _ = writeln!(text, "parent {parent}");
    }
    let _ = writeln!(text, "author {}", signature_line(&commit.author));
    let _ = writeln!(text, "committer {}\n", signature_line(&commit.committer));
    finish(text, &commit.message)
}

/// The tag object of `tag`, whose target is a commit. Its name is a valid ref name, so it holds nothing that would break a line.
pub(super) fn encode_tag(tag: &Tag) -> Vec<u8> {
    let Tag { target, name, tagger, message } = tag;
    let text = format!("object {target}\ntype commit\ntag {name}\ntagger {}\n\n", signature_line(tagger));
    finish(text, message)
}

fn finish(mut text: String, message: &str) -> Vec<u8> {
    text.extend(message.chars().filter(|&c| c != '\0'));
    if !text.ends_with('\n') || message.is_empty() {
        text.push('\n');
    }
    text.into_bytes()
}

fn signature_line(signature: &Signature) -> String {
    let Signature { name, email, seconds, offset_minutes } = signature;
    let name = clean(name);
    let name = if name.is_empty() { "unknown" } else { &name };
    let sign = if *offset_minutes < 0 { '-' } else { '+' };
    let offset = offset_minutes.unsigned_abs().min(99 * 60);
    let (hours, minutes) = (offset / 60, offset % 60);
    format!("{name} <{}> {} {sign}{hours:02}{minutes:02}", clean(email), seconds.max(&0))
}

/// Leaves out what Git leaves out: brackets, control characters, and marks at both ends.
fn clean(text: &str) -> String {
    let kept: String = text.chars().filter(|c| !matches!(c, '<' | '>') && !c.is_control()).collect();
    kept.trim_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | ':' | ';' | '"' | '\\' | '\'')).to_owned()
}

/// The parts of a commit object; `None` if it is not well-formed. Other people's commits may hold any bytes and further
/// header lines: what is not UTF-8 is replaced, what is not known is passed over.
pub(super) fn decode(bytes: &[u8]) -> Option<Commit> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let header = String::from_utf8_lossy(bytes.get(..end)?);
    let message = String::from_utf8_lossy(bytes.get(end + 2..).unwrap_or_default()).into_owned();
    let (mut tree, mut parents, mut author, mut committer) = (None, Vec::new(), None, None);
    for line in header.split('\n') {
        match line.split_once(' ') {
            Some(("tree", id)) if tree.is_none() => tree = Some(ObjectId::from_hex(id)?),
            Some(("parent", id)) if author.is_none() => parents.push(ObjectId::from_hex(id)?),
            Some(("author", line)) if author.is_none() => author = Some(signature(line)),
            Some(("committer", line)) if committer.is_none() => committer = Some(signature(line)),
            _ => {}
        }
    }
    Some(Commit { tree: tree?, parents, author: author?, committer: committer?, message })
}

/// Reads `Name <email> seconds +hhmm`; a damaged time reads as 1970, as Git itself shows it.
fn signature(line: &str) -> Signature {
    let (person, time) = line.rsplit_once('>').unwrap_or((line, ""));
    let (name, email) = person.split_once('<').unwrap_or((person, ""));
    let mut time = time.split_whitespace();
    let seconds = time.next().and_then(|text| text.parse().ok()).unwrap_or_default();
    let offset: i32 = time.next().and_then(|text| text.parse().ok()).unwrap_or_default();
    Signature {
        name: name.trim().to_owned(),
        email: email.trim().to_owned(),
        seconds,
        offset_minutes: offset / 100 * 60 + offset % 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(name: &str, message: &str) -> Commit {
        let person = Signature {
            name: name.into(),
            email: "ada@example.org".into(),
            seconds: 1_700_000_000,
            offset_minutes: -210,
        };
        let tree = ObjectId::from_bytes([1; 20]);
        let parents = vec![ObjectId::from_bytes([2; 20]), ObjectId::from_bytes([3; 20])];
        Commit { tree, parents, author: person.clone(), committer: person, message: message.into() }
    }

    #[test]
    fn a_commit_reads_back_as_it_was_written() {
        let written = commit("Ada Lovelace", "'App_7' App added to git\n\nbody\n\ntree no header\n");
        assert_eq!(decode(&encode(&written)), Some(written));
    }

    #[test]
    fn a_message_gets_its_final_newline() {
        assert_eq!(decode(&encode(&commit("Ada", "words"))).unwrap().message, "words\n");
        assert_eq!(decode(&encode(&commit("Ada", ""))).unwrap().message, "\n");
    }

    #[test]
    fn names_cannot_break_out_of_their_line() {
        let written = encode(&commit("Eve <e@x>\nparent 1\0.", "m\n"));
        assert_eq!(decode(&written).unwrap().author.name, "Eve e@xparent 1");
        assert_eq!(decode(&encode(&commit("<>\n", "m\n"))).unwrap().author.name, "unknown");
    }

    #[test]
    fn strange_commits_of_others_are_read() {
        let text = b"tree 0101010101010101010101010101010101010101\nauthor J\xf6rg <j> x +0100\ncommitter x\ngpgsig a\n b\n\nhi";
        let read = decode(text).unwrap();
        assert_eq!((read.author.seconds, read.author.offset_minutes, read.message.as_str()), (0, 60, "hi"));
        assert_eq!(decode(b"tree x\n\n"), None);
        assert_eq!(decode(b""), None);
    }
}
