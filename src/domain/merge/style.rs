//! How a JSON file is laid out, and bringing files that are laid out differently to one layout before they are merged.

use super::json::pick3;
use super::tree::{Document, Node, Parts, Shape};

/// The layout of a document, read off its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Style<'a> {
    /// From the opening bracket to the first member: a line break and one indent, or nothing.
    lead: &'a str,
    /// From a comma to the next member, when all is on one line and there are two.
    next: Option<&'a str>,
    /// From a key's closing quote to its value.
    colon: &'a str,
}

/// Base, ours and theirs rewritten to one layout: the one that a side changed to, if only one did. `None` when ours and
/// theirs are laid out alike already, which is nearly always: then every byte can stay.
pub(super) fn unify(base: Option<&Document<'_>>, ours: &Document<'_>, theirs: &Document<'_>) -> Option<[String; 3]> {
    let (our_style, their_style) = (Style::of(&ours.root)?, Style::of(&theirs.root)?);
    if our_style.is_like(&their_style) {
        return None;
    }
    let base_style = base.and_then(|base| Style::of(&base.root));
    let style = match base_style {
        Some(style) if style.is_like(&our_style) => their_style,
        Some(style) if style.is_like(&their_style) => our_style,
        _ => our_style.max(their_style),
    };
    let after = pick3(base.map(|b| b.after), Some(ours.after), Some(theirs.after));
    let rewritten = |document: &Document<'_>| {
        let mut out = String::from(document.before);
        style.write(&document.root, 1, &mut out);
        out + after
    };
    // An absent base stays absent: an empty text does not parse.
    Some([base.map(rewritten).unwrap_or_default(), rewritten(ours), rewritten(theirs)])
}

impl<'a> Style<'a> {
    fn of(root: &Node<'a>) -> Option<Self> {
        let (Shape::Object(parts) | Shape::Array(parts)) = &root.shape else { return None };
        let first = parts.list.first()?;
        let one_line = !first.lead.contains('\n');
        let next = parts.list.get(1).filter(|_| one_line).map(|part| part.lead);
        let colon = first.head.rfind('"').and_then(|quote| first.head.get(quote + 1..)).unwrap_or(": ");
        Some(Self { lead: first.lead, next, colon })
    }

    fn is_like(&self, other: &Self) -> bool {
        let known_next = self.next.zip(other.next);
        self.lead == other.lead && self.colon == other.colon && known_next.is_none_or(|(a, b)| a == b)
    }

    fn write(&self, node: &Node<'_>, depth: usize, out: &mut String) {
        match &node.shape {
            Shape::Plain | Shape::Text => out.push_str(node.text),
            Shape::Object(parts) => self.write_parts('{', parts, '}', depth, out),
            Shape::Array(parts) => self.write_parts('[', parts, ']', depth, out),
        }
    }

    fn write_parts(&self, open: char, parts: &Parts<'_>, close: char, depth: usize, out: &mut String) {
        out.push(open);
        for (position, part) in parts.list.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            self.break_line(depth, if position > 0 { self.next.unwrap_or(self.lead) } else { self.lead }, out);
            if let Some(quote) = part.head.rfind('"') {
                out.push_str(part.head.get(..=quote).unwrap_or_default());
                out.push_str(self.colon);
            }
            self.write(&part.value, depth + 1, out);
        }
        if !parts.list.is_empty() {
            self.break_line(depth - 1, self.lead, out);
        }
        out.push(close);
    }

    /// A line break with the indent of `depth`, or `otherwise` when all is on one line.
    fn break_line(&self, depth: usize, otherwise: &str, out: &mut String) {
        match self.lead.rsplit_once('\n') {
            Some((before, indent)) => {
                out.push_str(if before.ends_with('\r') { "\r\n" } else { "\n" });
                (0..depth).for_each(|_| out.push_str(indent));
            }
            None => out.push_str(otherwise),
        }
    }
}
