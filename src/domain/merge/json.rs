//! Three-way merge of JSON by its structure. What nobody touched keeps its bytes.

use std::borrow::Cow;

use serde_json::Value;

use super::array::merge_arrays;
use super::object::merge_objects;
use super::parse::parse;
use super::rules::MergeRules;
use super::style::unify;
use super::tree::{Document, Node, Parts, pointer_step};
use super::volatile::newest;

/// What became of two versions of one JSON file.
#[derive(Clone, Debug, PartialEq)]
pub enum MergedFile {
    /// The merged bytes: they parse.
    Merged(Vec<u8>),
    /// Both sides changed the same things, differently.
    Conflict {
        /// Where: at least one place, at most [`MAX_CLASHES`].
        clashes: Vec<JsonClash>,
        /// What could be merged, with ours at each place that clashes. It parses.
        candidate: Vec<u8>,
    },
    /// A version is not JSON, or an object in it has one key twice: only a merge by lines can help.
    NotJson,
}

/// A place that both sides changed differently.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct JsonClash {
    /// Where: a JSON pointer (RFC 6901). An element of an array is counted in the base, or in ours if the base lacks it.
    pub path: String,
    /// The value in the base; `None`: it was not there.
    pub base: Option<Value>,
    /// The value in ours; `None`: ours deleted it.
    pub ours: Option<Value>,
    /// The value in theirs; `None`: theirs deleted it.
    pub theirs: Option<Value>,
}

/// More clashes than these are not listed.
pub const MAX_CLASHES: usize = 100;

/// Merges what `ours` and `theirs` made of `base` (`None`: an empty base, where differing values clash).
///
/// Objects merge by key, arrays of objects by their identity field, other arrays as sequences; of a volatile value
/// at the top level the newest wins. Exchanging the sides gives the same bytes.
#[must_use]
pub fn merge_json(base: Option<&[u8]>, ours: &[u8], theirs: &[u8], rules: &MergeRules) -> MergedFile {
    let documents = (base.map(read), read(ours), read(theirs));
    let (base, Some(ours), Some(theirs)) = documents else { return MergedFile::NotJson };
    let base = match base {
        Some(None) => return MergedFile::NotJson,
        Some(Some(document)) => Some(document),
        None => None,
    };
    match unify(base.as_ref(), &ours, &theirs) {
        None => merge_documents(base.as_ref(), &ours, &theirs, rules),
        Some([base, ours, theirs]) => {
            let (base, ours, theirs) = (read(base.as_bytes()), read(ours.as_bytes()), read(theirs.as_bytes()));
            let (Some(ours), Some(theirs)) = (ours, theirs) else { return MergedFile::NotJson };
            merge_documents(base.as_ref(), &ours, &theirs, rules)
        }
    }
}

fn read(bytes: &[u8]) -> Option<Document<'_>> {
    parse(bytes).ok().filter(|document| !document.duplicate_keys)
}

fn merge_documents(
    base: Option<&Document<'_>>,
    ours: &Document<'_>,
    theirs: &Document<'_>,
    rules: &MergeRules,
) -> MergedFile {
    let mut merge = Merge { rules, path: vec![String::new()], clashes: Vec::new() };
    let root = merge.value([base.map(|b| &b.root), Some(&ours.root), Some(&theirs.root)]);
    let before = pick3(base.map(|b| b.before), Some(ours.before), Some(theirs.before));
    let after = pick3(base.map(|b| b.after), Some(ours.after), Some(theirs.after));
    let merged = [before, &root.unwrap_or_default(), after].concat().into_bytes();
    if merge.clashes.is_empty() {
        MergedFile::Merged(merged)
    } else {
        MergedFile::Conflict { clashes: merge.clashes, candidate: merged }
    }
}

/// A merge under way.
pub(super) struct Merge<'v> {
    pub(super) rules: &'v MergeRules,
    /// JSON pointers from the root to where we are; never empty.
    path: Vec<String>,
    clashes: Vec<JsonClash>,
}

/// Base, ours and theirs of one place.
pub(super) type Sides<'n, 'a> = [Option<&'n Node<'a>>; 3];

impl Merge<'_> {
    /// Does `work` one step further down.
    pub(super) fn step<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let pointer = pointer_step(self.path.last().map_or("", String::as_str), name);
        self.path.push(pointer);
        let done = work(self);
        self.path.pop();
        done
    }

    /// The member `name` of an object: as [`value`](Self::value), but at the top level it may be volatile.
    pub(super) fn member<'a>(&mut self, name: &[u8], sides: Sides<'_, 'a>) -> Option<Cow<'a, str>> {
        let is_top_level = self.path.len() == 2;
        if is_top_level
            && self.rules.volatile.contains(name)
            && let Some(text) = newest(sides)
        {
            return Some(text.into());
        }
        self.value(sides)
    }

    /// The text of the merged value; `None` if it is deleted. What clashes is noted, and ours stands in its place.
    pub(super) fn value<'a>(&mut self, sides: Sides<'_, 'a>) -> Option<Cow<'a, str>> {
        let [base, ours, theirs] = sides;
        if same(ours, theirs) {
            let text = |side: Option<&Node<'a>>| side.map(|node| node.text);
            return ours.map(|_| pick3(text(base), text(ours), text(theirs)).into());
        }
        if same(base, ours) {
            return theirs.map(|node| node.text.into());
        }
        if same(base, theirs) {
            return ours.map(|node| node.text.into());
        }
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            if let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) {
                return Some(merge_objects(self, base.and_then(Node::as_object), ours, theirs));
            }
            if let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array()) {
                return Some(merge_arrays(self, base.and_then(Node::as_array), ours, theirs));
            }
        }
        self.clash(sides.map(|side| side.map(Node::to_value)));
        ours.map(|node| node.text.into())
    }

    /// Clashes noted so far; once [`MAX_CLASHES`] are, it stays there, and the merge is a conflict anyway.
    pub(super) const fn clash_count(&self) -> usize {
        self.clashes.len()
    }

    /// Notes that the sides clash here.
    pub(super) fn clash(&mut self, sides: [Option<Value>; 3]) {
        if self.clashes.len() < MAX_CLASHES {
            let [base, ours, theirs] = sides;
            let path = self.path.last().cloned().unwrap_or_default();
            self.clashes.push(JsonClash { path, base, ours, theirs });
        }
    }
}

fn same(a: Option<&Node<'_>>, b: Option<&Node<'_>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same(b),
        (None, None) => true,
        _ => false,
    }
}

/// Of three spellings of what means the same: the one that a side changed, or else one that both sides choose alike.
/// A side that has none does not count.
pub(super) fn pick3<'a>(base: Option<&'a str>, ours: Option<&'a str>, theirs: Option<&'a str>) -> &'a str {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if base == Some(ours) => theirs,
        (Some(ours), Some(theirs)) if base == Some(theirs) => ours,
        (Some(ours), Some(theirs)) => ours.max(theirs),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => base.unwrap_or_default(),
    }
}

/// One member or element to write.
pub(super) struct Piece<'a> {
    pub(super) lead: &'a str,
    pub(super) head: &'a str,
    pub(super) body: Cow<'a, str>,
    pub(super) tail: &'a str,
}

/// The white space that belongs to a container rather than to what is in it.
pub(super) struct Gaps<'a> {
    /// After the opening bracket.
    first: &'a str,
    /// After a comma, for a piece that stood first where it comes from.
    next: &'a str,
    /// Before the closing bracket.
    end: &'a str,
    /// Leads of pieces that stood first: as good as unknown anywhere else.
    firsts: [Option<&'a str>; 2],
}

impl<'a> Gaps<'a> {
    pub(super) fn of(base: Option<&Parts<'a>>, ours: &Parts<'a>, theirs: &Parts<'a>) -> Self {
        let field = |read: fn(&Parts<'a>) -> Option<&'a str>| (base.and_then(read), read(ours), read(theirs));
        let (base_first, our_first, their_first) = field(|parts| parts.list.first().map(|part| part.lead));
        let (base_next, our_next, their_next) = field(|parts| parts.list.get(1).map(|part| part.lead));
        let (base_end, our_end, their_end) = field(|parts| (!parts.list.is_empty()).then_some(parts.end));
        let first = pick3(base_first, our_first, their_first);
        let next = match pick3(base_next, our_next, their_next) {
            "" if base_next.or(our_next).or(their_next).is_none() => first,
            next => next,
        };
        Self { first, next, end: pick3(base_end, our_end, their_end), firsts: [our_first, their_first] }
    }

    /// The container's text.
    pub(super) fn write(&self, open: char, pieces: Vec<Piece<'a>>, close: char) -> String {
        let mut out = String::from(open);
        let last = pieces.len().saturating_sub(1);
        let is_empty = pieces.is_empty();
        for (position, piece) in pieces.into_iter().enumerate() {
            let stood_first = self.firsts.contains(&Some(piece.lead));
            out.push_str(match position {
                0 => self.first,
                _ if stood_first => self.next,
                _ => piece.lead,
            });
            out.push_str(piece.head);
            out.push_str(&piece.body);
            if position != last {
                out.push_str(piece.tail);
                out.push(',');
            }
        }
        if !is_empty {
            out.push_str(self.end);
        }
        out.push(close);
        out
    }
}
