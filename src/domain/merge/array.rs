//! Arrays: of objects with an identity, merged by that; all others merged as sequences.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_json::Value;

use super::json::{Gaps, Merge, Piece};
use super::sequence::{Region, Touching, merge3};
use super::tree::{Node, Part, Parts, Shape};

/// The merged array's text; clashes are noted in `merge`, and ours stands in their places.
pub(super) fn merge_arrays<'a>(
    merge: &mut Merge<'_>,
    base: Option<&Parts<'a>>,
    ours: &Parts<'a>,
    theirs: &Parts<'a>,
) -> Cow<'a, str> {
    let empty = Parts::default();
    let sides = [base.unwrap_or(&empty), ours, theirs];
    let rules = merge.rules;
    let field = rules.identity.iter().find(|field| sides.iter().all(|side| identities(side, field).is_some()));
    let pieces = match field {
        Some(field) => by_identity(merge, sides, field),
        None => by_position(merge, sides),
    };
    Gaps::of(base, ours, theirs).write('[', pieces, ']').into()
}

type Sides3<'p, 'a> = [&'p Parts<'a>; 3];

/// The identities of the elements, or `None` if `field` does not give each its own.
fn identities(parts: &Parts<'_>, field: &str) -> Option<Vec<Vec<u8>>> {
    let mut seen = HashSet::new();
    let identity = |part: &Part<'_>| {
        let value = &part.value.as_object()?.named(field.as_bytes())?.value;
        let is_name = match value.shape {
            Shape::Text => value.text != "\"\"",
            Shape::Plain => !matches!(value.text, "null" | "true" | "false"),
            _ => false,
        };
        let mut canonical = Vec::new();
        value.canonical(&mut canonical);
        (is_name && seen.insert(canonical.clone())).then_some(canonical)
    };
    parts.list.iter().map(identity).collect()
}

/// Each element is merged with its namesakes; their order is merged as a sequence of names.
fn by_identity<'a>(merge: &mut Merge<'_>, sides: Sides3<'_, 'a>, field: &str) -> Vec<Piece<'a>> {
    let names = sides.map(|side| identities(side, field).unwrap_or_default());
    let tokens = tokenize(&names);
    let positions: [HashMap<u32, usize>; 3] =
        tokens.each_ref().map(|list| list.iter().enumerate().map(|(position, token)| (*token, position)).collect());
    let find = |token: u32| -> [Option<usize>; 3] { positions.each_ref().map(|side| side.get(&token).copied()) };
    let mut bodies: HashMap<u32, Cow<'a, str>> = HashMap::new();
    let mut done = HashSet::new();
    let clashes_before = merge.clash_count();
    for token in tokens.iter().flatten().copied().filter(|token| done.insert(*token)) {
        let [base, ours, theirs] = find(token);
        let index = base.or(ours).or(theirs).unwrap_or_default();
        let nodes = part_of(sides, find(token)).map(|part| part.map(|part| &part.value));
        let body = merge.step(&index.to_string(), |merge| merge.value(nodes));
        bodies.extend(body.map(|body| (token, body)));
    }
    let order = merged_order(&tokens).filter(|order| {
        let distinct: HashSet<_> = order.iter().collect();
        distinct.len() == order.len() && order.len() == bodies.len() && order.iter().all(|t| bodies.contains_key(t))
    });
    // What is in dispute itself has no place to dispute.
    if order.is_none() && merge.clash_count() == clashes_before {
        merge.clash(sides.map(|side| Some(names_only(side, field))));
    }
    let order = order.unwrap_or_else(|| our_order(&tokens));
    order.into_iter().filter_map(|t| Some(Piece::of(part_of(sides, find(t)), bodies.remove(&t)?))).collect()
}

/// What stands for an order that clashes: ours, then what only theirs has.
fn our_order([_, ours, theirs]: &[Vec<u32>; 3]) -> Vec<u32> {
    let known: HashSet<u32> = ours.iter().copied().collect();
    ours.iter().chain(theirs.iter().filter(|token| !known.contains(token))).copied().collect()
}

fn part_of<'p, 'a>(sides: Sides3<'p, 'a>, positions: [Option<usize>; 3]) -> [Option<&'p Part<'a>>; 3] {
    let [base, ours, theirs] = sides;
    let [in_base, in_ours, in_theirs] = positions;
    let part = |side: &'p Parts<'a>, position: Option<usize>| side.list.get(position?);
    [part(base, in_base), part(ours, in_ours), part(theirs, in_theirs)]
}

fn merged_order(tokens: &[Vec<u32>; 3]) -> Option<Vec<u32>> {
    let [base, ours, theirs] = tokens;
    let mut order = Vec::with_capacity(ours.len().max(theirs.len()));
    for region in merge3(base, ours, theirs, Touching::ConflictsIfBothInsert) {
        order.extend_from_slice(match region {
            Region::Stable { base: start, len, .. } => base.get(start..start + len)?,
            Region::Ours(range) | Region::Both(range, _) => ours.get(range)?,
            Region::Theirs(range) => theirs.get(range)?,
            Region::Conflict(..) => return None,
        });
    }
    Some(order)
}

/// The identities alone, to show a clash of their order.
fn names_only(side: &Parts<'_>, field: &str) -> Value {
    let name = |part: &Part<'_>| part.value.as_object()?.named(field.as_bytes()).map(|part| part.value.to_value());
    side.list.iter().filter_map(name).collect()
}

/// Equal elements get equal numbers, from 0 on without gaps.
fn tokenize(sides: &[Vec<Vec<u8>>; 3]) -> [Vec<u32>; 3] {
    let mut known: HashMap<&[u8], u32> = HashMap::new();
    sides.each_ref().map(|side| {
        side.iter()
            .map(|key| {
                let next = u32::try_from(known.len()).unwrap_or(u32::MAX - 1);
                *known.entry(key).or_insert(next)
            })
            .collect()
    })
}

fn by_position<'a>(merge: &mut Merge<'_>, sides: Sides3<'_, 'a>) -> Vec<Piece<'a>> {
    let keys = sides.map(|side| side.list.iter().map(|part| key_of(&part.value)).collect::<Vec<_>>());
    let [base, ours, theirs] = tokenize(&keys);
    let mut pieces = Vec::new();
    for region in merge3(&base, &ours, &theirs, Touching::ConflictsIfBothInsert) {
        match region {
            Region::Stable { base, ours, theirs, len } => pieces.extend(
                (0..len).filter_map(|i| take(part_of(sides, [Some(base + i), Some(ours + i), Some(theirs + i)]))),
            ),
            Region::Both(ours, theirs) => {
                let starts = ours.zip(theirs);
                pieces.extend(starts.filter_map(|(o, t)| take(part_of(sides, [None, Some(o), Some(t)]))));
            }
            Region::Ours(range) => pieces.extend(range.filter_map(|o| take(part_of(sides, [None, Some(o), None])))),
            Region::Theirs(range) => pieces.extend(range.filter_map(|t| take(part_of(sides, [None, None, Some(t)])))),
            Region::Conflict(base, ours, theirs) => {
                if let Some(piece) = one_element(merge, sides, [&base, &ours, &theirs]) {
                    pieces.push(piece);
                } else {
                    let in_dispute = [slice(sides, 0, base), slice(sides, 1, ours.clone()), slice(sides, 2, theirs)];
                    merge.clash(in_dispute);
                    pieces.extend(ours.filter_map(|o| take(part_of(sides, [None, Some(o), None]))));
                }
            }
        }
    }
    pieces
}

fn key_of(node: &Node<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    node.canonical(&mut key);
    key
}

/// A piece for an element that is the same on all the sides given.
fn take<'a>(sides: [Option<&Part<'a>>; 3]) -> Option<Piece<'a>> {
    let text = sides.map(|side| side.map(|part| part.value.text));
    let [base, ours, theirs] = text;
    ours.or(theirs)?;
    Some(Piece::of(sides, super::json::pick3(base, ours, theirs).into()))
}

/// Where each side has exactly one container for one, what happened inside can be merged.
fn one_element<'a>(merge: &mut Merge<'_>, sides: Sides3<'_, 'a>, ranges: [&Range<usize>; 3]) -> Option<Piece<'a>> {
    let parts = part_of(sides, ranges.map(|range| (range.len() == 1).then_some(range.start)));
    let [Some(base), Some(ours), Some(theirs)] = parts else { return None };
    let alike = |of: fn(&Node<'_>) -> bool| [base, ours, theirs].iter().all(|part| of(&part.value));
    if !alike(|node| node.as_object().is_some()) && !alike(|node| node.as_array().is_some()) {
        return None;
    }
    let [index, ..] = ranges;
    let nodes = [Some(&base.value), Some(&ours.value), Some(&theirs.value)];
    let body = merge.step(&index.start.to_string(), |merge| merge.value(nodes))?;
    Some(Piece::of(parts, body))
}

fn slice(sides: Sides3<'_, '_>, side: usize, range: Range<usize>) -> Option<Value> {
    let parts = sides.get(side)?.list.get(range)?;
    Some(parts.iter().map(|part| part.value.to_value()).collect())
}
