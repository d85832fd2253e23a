//! Objects: merged by key, in an order that does not depend on which side is ours.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::json::{Gaps, Merge, Piece, pick3};
use super::tree::{Part, Parts, lossy};

/// A side's members by their names.
pub(super) type Index<'p, 'a> = HashMap<&'p [u8], &'p Part<'a>>;

/// The merged object's text; clashes are noted in `merge`.
pub(super) fn merge_objects<'a>(
    merge: &mut Merge<'_>,
    base: Option<&Parts<'a>>,
    ours: &Parts<'a>,
    theirs: &Parts<'a>,
) -> Cow<'a, str> {
    let empty = Parts::default();
    let indexes = [base.unwrap_or(&empty), ours, theirs].map(index);
    let [in_base, in_ours, in_theirs] = &indexes;
    let mut values: HashMap<&[u8], Cow<'a, str>> = HashMap::new();
    let mut done: HashSet<&[u8]> = HashSet::new();
    for part in base.into_iter().chain([ours, theirs]).flat_map(|parts| &parts.list) {
        let name = part.name.as_ref();
        if done.insert(name) {
            let sides = [in_base, in_ours, in_theirs].map(|side| side.get(name).map(|part| &part.value));
            let merged = merge.step(&lossy(name), |merge| merge.member(name, sides));
            values.extend(merged.map(|text| (name, text)));
        }
    }
    let names = |parts| survivors(parts, &values);
    let order = merged_order(&base.map(names).unwrap_or_default(), &names(ours), &names(theirs));
    let pieces = order.into_iter().filter_map(|name| {
        let sides = [in_base, in_ours, in_theirs].map(|side| side.get(name).copied());
        Some(Piece::of(sides, values.get(name)?.clone()))
    });
    Gaps::of(base, ours, theirs).write('{', pieces.collect(), '}').into()
}

fn index<'p, 'a>(parts: &'p Parts<'a>) -> Index<'p, 'a> {
    parts.list.iter().map(|part| (part.name.as_ref(), part)).collect()
}

fn survivors<'p>(parts: &'p Parts<'_>, values: &HashMap<&[u8], Cow<'_, str>>) -> Vec<&'p [u8]> {
    parts.list.iter().map(|part| part.name.as_ref()).filter(|name| values.contains_key(name)).collect()
}

/// The order of the keys that survive: what both sides have keeps its order (the one that a side gave it, if only
/// one changed it), and what one side alone has follows the key that it follows there.
fn merged_order<'p>(base: &[&'p [u8]], ours: &[&'p [u8]], theirs: &[&'p [u8]]) -> Vec<&'p [u8]> {
    let sets: [HashSet<&[u8]>; 3] = [base, ours, theirs].map(|names| names.iter().copied().collect());
    let [in_base, in_ours, in_theirs] = &sets;
    let both = |name: &&&[u8]| in_ours.contains(**name) && in_theirs.contains(**name);
    let shared = |names: &[&'p [u8]]| names.iter().filter(both).copied().collect::<Vec<_>>();
    let (order_ours, order_theirs) = (shared(ours), shared(theirs));
    let known = |names: &[&'p [u8]]| names.iter().filter(|name| in_base.contains(**name)).copied().collect::<Vec<_>>();
    let order_base = shared(base);
    let spine = if order_ours == order_theirs {
        order_ours
    } else if known(&order_ours) == order_base && known(&order_theirs) != order_base {
        order_theirs
    } else if known(&order_theirs) == order_base && known(&order_ours) != order_base {
        order_ours
    } else {
        order_ours.min(order_theirs)
    };
    let (runs_ours, runs_theirs) = (runs(ours, in_theirs), runs(theirs, in_ours));
    let mut out = Vec::with_capacity(ours.len().max(theirs.len()));
    for anchor in std::iter::once(None).chain(spine.into_iter().map(Some)) {
        out.extend(anchor);
        let mut here: Vec<&Vec<&[u8]>> =
            [&runs_ours, &runs_theirs].iter().filter_map(|runs| runs.get(&anchor)).collect();
        here.sort();
        out.extend(here.into_iter().flatten());
    }
    out
}

/// The names that the other side lacks, in runs, by the shared name that each run follows.
fn runs<'p>(names: &[&'p [u8]], other: &HashSet<&[u8]>) -> HashMap<Option<&'p [u8]>, Vec<&'p [u8]>> {
    let mut runs: HashMap<_, Vec<_>> = HashMap::new();
    let mut anchor = None;
    for name in names {
        if other.contains(name) {
            anchor = Some(*name);
        } else {
            runs.entry(anchor).or_default().push(*name);
        }
    }
    runs
}

impl<'a> Piece<'a> {
    /// `body` with the surroundings that its part has on the three sides.
    pub(super) fn of(sides: [Option<&Part<'a>>; 3], body: Cow<'a, str>) -> Self {
        let [base, ours, theirs] = sides;
        let field = |read: fn(&Part<'a>) -> &'a str| pick3(base.map(read), ours.map(read), theirs.map(read));
        Self { lead: field(|part| part.lead), head: field(|part| part.head), body, tail: field(|part| part.tail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(base: &str, ours: &str, theirs: &str) -> String {
        let split = |text: &'static str| text.as_bytes().chunks(1).collect::<Vec<_>>();
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        lossy(&merged_order(&split(leak(base)), &split(leak(ours)), &split(leak(theirs))).concat())
    }

    #[test]
    fn additions_follow_their_predecessor_in_an_order_both_sides_agree_on() {
        assert_eq!(order("abc", "abxc", "abyzc"), "abxyzc");
        assert_eq!(order("abc", "abyzc", "abxc"), "abxyzc");
        assert_eq!(order("", "ab", "cb"), "acb");
    }

    #[test]
    fn an_order_changed_by_one_side_is_taken() {
        assert_eq!(order("abc", "cba", "abcd"), "cdba");
        assert_eq!(order("abc", "abcd", "cba"), "cdba");
        assert_eq!(order("abc", "cba", "bca"), order("abc", "bca", "cba"));
    }
}
