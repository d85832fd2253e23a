//! Three-way merge of sequences: the lines of a text, the elements of an array.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, Token};

/// A piece of the merged sequence, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// Equal on all sides: where it starts in base, ours and theirs, and how long it is.
    Stable { base: usize, ours: usize, theirs: usize, len: usize },
    /// Only ours changed the base here: the range of ours.
    Ours(Range<usize>),
    /// Only theirs changed the base here: the range of theirs.
    Theirs(Range<usize>),
    /// Both made the same change: the ranges of ours and of theirs.
    Both(Range<usize>, Range<usize>),
    /// Both changed the base here, differently: the ranges of base, ours and theirs.
    Conflict(Range<usize>, Range<usize>, Range<usize>),
}

/// When changes of both sides that touch, but do not overlap, count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touching {
    /// Always, as `git merge` does it with lines.
    Conflicts,
    /// Only when both sides may have inserted at the place where they touch: enough for elements, which mean
    /// something each.
    ConflictsIfBothInsert,
}

/// Merges two sequences of tokens. Equal tokens are equal elements. Exchanging `ours` and `theirs` exchanges nothing
/// else in the answer.
pub(super) fn merge3(base: &[u32], ours: &[u32], theirs: &[u32], touching: Touching) -> Vec<Region> {
    let mut merge = Merge {
        ours: Side::new(base, ours),
        theirs: Side::new(base, theirs),
        base_at: 0,
        touching,
        regions: Vec::new(),
    };
    merge.run(base.len(), ours, theirs);
    merge.regions
}

/// One change of a side: `before` in the base became `after` in the side.
#[derive(Clone, Debug)]
struct Hunk {
    before: Range<usize>,
    after: Range<usize>,
}

impl Hunk {
    fn may_insert(&self) -> bool {
        self.after.len() > self.before.len()
    }
}

struct Side {
    hunks: std::iter::Peekable<std::vec::IntoIter<Hunk>>,
    /// Where the side is, while the base is at `base_at`.
    at: usize,
}

impl Side {
    fn new(base: &[u32], side: &[u32]) -> Self {
        let tokens = |list: &[u32]| list.iter().copied().map(Token).collect::<Vec<_>>();
        let token_count = base.iter().chain(side).max().map_or(0, |highest| highest.saturating_add(1));
        let mut diff = Diff::default();
        diff.compute_with(Algorithm::Myers, &tokens(base), &tokens(side), token_count);
        let range = |r: Range<u32>| r.start as usize..r.end as usize;
        let hunks: Vec<_> = diff.hunks().map(|h| Hunk { before: range(h.before), after: range(h.after) }).collect();
        Self { hunks: hunks.into_iter().peekable(), at: 0 }
    }

    /// Where in the base the next change starts and ends.
    fn next(&mut self) -> (usize, usize) {
        self.hunks.peek().map_or((usize::MAX, usize::MAX), |hunk| (hunk.before.start, hunk.before.end))
    }
}

struct Merge {
    ours: Side,
    theirs: Side,
    base_at: usize,
    touching: Touching,
    regions: Vec<Region>,
}

impl Merge {
    fn run(&mut self, base_len: usize, ours: &[u32], theirs: &[u32]) {
        loop {
            let start = self.ours.next().min(self.theirs.next()).0.min(base_len);
            self.stable_up_to(start);
            let Some((from_ours, from_theirs)) = self.next_group() else { return };
            let all = || from_ours.iter().chain(&from_theirs);
            let end = all().map(|hunk| hunk.before.end).max().unwrap_or(start);
            let ours_range = side_range(self.ours.at, &from_ours, start, end);
            let theirs_range = side_range(self.theirs.at, &from_theirs, start, end);
            self.ours.at = ours_range.end;
            self.theirs.at = theirs_range.end;
            self.base_at = end;
            self.regions.push(match (from_ours.is_empty(), from_theirs.is_empty()) {
                (false, true) => Region::Ours(ours_range),
                (true, _) => Region::Theirs(theirs_range),
                (false, false) if ours.get(ours_range.clone()) == theirs.get(theirs_range.clone()) => {
                    Region::Both(ours_range, theirs_range)
                }
                (false, false) => Region::Conflict(start..end, ours_range, theirs_range),
            });
        }
    }

    fn stable_up_to(&mut self, start: usize) {
        let len = start - self.base_at;
        if len > 0 {
            let (base, ours, theirs) = (self.base_at, self.ours.at, self.theirs.at);
            self.regions.push(Region::Stable { base, ours, theirs, len });
        }
        self.base_at += len;
        self.ours.at += len;
        self.theirs.at += len;
    }

    /// Takes the next hunk, and all hunks of both sides that belong together with it.
    fn next_group(&mut self) -> Option<(Vec<Hunk>, Vec<Hunk>)> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // An insertion comes before a change of what follows it, whichever side made it.
        if self.ours.next() <= self.theirs.next() {
            ours.push(self.ours.hunks.next()?);
        } else {
            theirs.push(self.theirs.hunks.next()?);
        }
        loop {
            if let Some(hunk) = take_if_meets(&mut self.theirs, &ours, self.touching) {
                theirs.push(hunk);
            } else if let Some(hunk) = take_if_meets(&mut self.ours, &theirs, self.touching) {
                ours.push(hunk);
            } else {
                return Some((ours, theirs));
            }
        }
    }
}

fn take_if_meets(side: &mut Side, group: &[Hunk], touching: Touching) -> Option<Hunk> {
    side.hunks.next_if(|hunk| group.iter().any(|other| meet(hunk, other, touching)))
}

fn meet(a: &Hunk, b: &Hunk, touching: Touching) -> bool {
    let overlap = a.before.start < b.before.end && b.before.start < a.before.end;
    let touch = a.before.start <= b.before.end && b.before.start <= a.before.end;
    overlap || (touch && (touching == Touching::Conflicts || (a.may_insert() && b.may_insert())))
}

/// What `start..end` of the base became in a side that is at `at` when the base is at `start`.
fn side_range(at: usize, hunks: &[Hunk], start: usize, end: usize) -> Range<usize> {
    let removed: usize = hunks.iter().map(|hunk| hunk.before.len()).sum();
    let added: usize = hunks.iter().map(|hunk| hunk.after.len()).sum();
    at..at + (end - start + added).saturating_sub(removed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The merged sequence, or `None` for a conflict.
    fn merged(base: &[u32], ours: &[u32], theirs: &[u32], touching: Touching) -> Option<Vec<u32>> {
        let mut out = Vec::new();
        for region in merge3(base, ours, theirs, touching) {
            match region {
                Region::Stable { base: start, len, .. } => out.extend_from_slice(&base[start..start + len]),
                Region::Ours(range) | Region::Both(range, _) => out.extend_from_slice(&ours[range]),
                Region::Theirs(range) => out.extend_from_slice(&theirs[range]),
                Region::Conflict(..) => return None,
            }
        }
        Some(out)
    }

    #[test]
    fn inserts_of_both_sides_at_one_position_conflict_unless_they_are_equal() {
        for touching in [Touching::Conflicts, Touching::ConflictsIfBothInsert] {
            assert_eq!(merged(&[1, 2], &[1, 3, 2], &[1, 4, 2], touching), None);
            assert_eq!(merged(&[1, 2], &[1, 3, 2], &[1, 3, 2], touching), Some(vec![1, 3, 2]));
            assert_eq!(merged(&[1, 2], &[3, 1, 2], &[1, 2, 4], touching), Some(vec![3, 1, 2, 4]));
        }
    }

    #[test]
    fn neighbours_changed_by_different_sides_merge_as_elements_and_conflict_as_lines() {
        assert_eq!(merged(&[1, 2], &[9, 2], &[1, 8], Touching::ConflictsIfBothInsert), Some(vec![9, 8]));
        assert_eq!(merged(&[1, 2], &[2], &[1], Touching::ConflictsIfBothInsert), Some(vec![]));
        assert_eq!(merged(&[1, 2], &[9, 2], &[1, 8], Touching::Conflicts), None);
    }

    proptest! {
        #[test]
        fn the_sides_may_be_exchanged_and_an_unchanged_side_yields(
            base in prop::collection::vec(0..6u32, 0..12),
            ours in prop::collection::vec(0..6u32, 0..12),
            theirs in prop::collection::vec(0..6u32, 0..12),
        ) {
            for touching in [Touching::Conflicts, Touching::ConflictsIfBothInsert] {
                prop_assert_eq!(merged(&base, &ours, &theirs, touching), merged(&base, &theirs, &ours, touching));
                prop_assert_eq!(merged(&base, &ours, &base, touching), Some(ours.clone()));
                prop_assert_eq!(merged(&base, &ours, &ours, touching), Some(ours.clone()));
            }
        }
    }
}
