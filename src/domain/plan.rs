//! The heart: what to do with one app, decided from three snapshots.

use super::ObjectId;

/// How a side of an app differs from the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Byte for byte the same, or both absent.
    None,
    /// Only volatile values differ: counts as no change, but the bytes are not the same.
    Volatile,
    /// Something that a person did.
    Real,
}

/// What is known of one app. Trees are those of its folder; `None` means the folder is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppFacts {
    /// The last snapshot of the disk whose content the remote contains.
    pub base: Option<ObjectId>,
    /// The disk.
    pub local: Option<ObjectId>,
    /// The branch's tip.
    pub remote: Option<ObjectId>,
    /// From base to disk.
    pub local_change: Change,
    /// From base to tip.
    pub remote_change: Change,
    /// Disk and tip are equal but for volatile values.
    pub sides_agree: bool,
}

/// What this instance may do by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, and every combination has a meaning")]
pub struct Mode {
    /// Local edits never reach Git.
    pub locked: bool,
    /// Local changes of followed apps are committed and pushed.
    pub auto_save: bool,
    /// New apps are followed by themselves.
    pub auto_add: bool,
    /// What arrives from Git is installed by itself.
    pub auto_pull: bool,
}

/// What to do with one app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPlan {
    /// Nothing: the sides agree, or the app is nowhere.
    Nothing,
    /// The sides agree, but the base is not recorded as such: record it.
    Adopt,
    /// Commit the disk's state (an addition, change or removal) and push it.
    Push,
    /// Install the tip's state here (an addition, change or removal).
    Pull,
    /// As [`Pull`](Self::Pull), but what is on disk is kept under a ref first.
    Replace,
    /// Both sides changed: merge, and push the result or hold the app as a conflict.
    Merge,
    /// Nothing may be done by itself; show this.
    Hold(Hold),
}

/// Why an app is left alone although its sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Here, not in Git, and new apps are not added by themselves.
    Untracked,
    /// Changed here, and changes are not saved by themselves.
    Modified,
    /// Changed on both sides, and changes are not saved by themselves.
    ModifiedBehind,
    /// Changed here although the instance is locked.
    Drift,
    /// Git has an app with the name of one here that was never added.
    NameTaken,
    /// Changed in Git, and what arrives is not installed by itself.
    Behind,
    /// Changed here although the instance is locked, and in Git, from where nothing is installed by itself.
    DriftBehind,
}

/// Decides.
///
/// Nothing that exists only here is overwritten by [`Pull`](SyncPlan::Pull): the disk is at the base, which the remote
/// contains, or differs from it in volatile values only. [`Replace`](SyncPlan::Replace) keeps the disk's state aside first.
#[must_use]
pub fn plan(facts: &AppFacts, mode: Mode) -> SyncPlan {
    if facts.sides_agree {
        return plan_agreeing(facts, mode);
    }
    match (facts.local_change == Change::Real, facts.remote_change == Change::Real) {
        (false, false) => SyncPlan::Nothing, // volatile values on each side
        (false, true) if mode.auto_pull => SyncPlan::Pull,
        (false, true) => SyncPlan::Hold(Hold::Behind),
        (true, false) => plan_local(facts.base, mode),
        (true, true) if mode.locked && mode.auto_pull => SyncPlan::Replace,
        (true, true) if mode.locked => SyncPlan::Hold(Hold::DriftBehind),
        (true, true) => plan_both(facts.base, mode),
    }
}

/// As [`plan`], where a save that changes only volatile values is pushed like any other.
#[must_use]
pub fn plan_with_volatile_saves(facts: &AppFacts, mode: Mode) -> SyncPlan {
    match plan(facts, mode) {
        SyncPlan::Nothing if facts.local_change == Change::Volatile && mode.auto_save && !mode.locked => {
            if facts.remote_change == Change::None { SyncPlan::Push } else { SyncPlan::Merge }
        }
        other => other,
    }
}

/// The sides are equal but for volatile values.
fn plan_agreeing(facts: &AppFacts, mode: Mode) -> SyncPlan {
    let identical = facts.local == facts.remote;
    if identical && facts.base == facts.local {
        SyncPlan::Nothing
    } else if identical || facts.remote_change == Change::Real {
        SyncPlan::Adopt
    } else if facts.local_change == Change::None && mode.auto_pull {
        SyncPlan::Pull // ours are the old volatile values
    } else {
        SyncPlan::Nothing // ours travel with the next real change, or theirs wait for one
    }
}

fn plan_local(base: Option<ObjectId>, mode: Mode) -> SyncPlan {
    let followed = base.is_some();
    if followed && mode.locked {
        SyncPlan::Hold(Hold::Drift)
    } else if followed && !mode.auto_save {
        SyncPlan::Hold(Hold::Modified)
    } else if !followed && (mode.locked || !mode.auto_add) {
        SyncPlan::Hold(Hold::Untracked)
    } else {
        SyncPlan::Push
    }
}

fn plan_both(base: Option<ObjectId>, mode: Mode) -> SyncPlan {
    let followed = base.is_some();
    if followed && !mode.auto_save {
        SyncPlan::Hold(Hold::ModifiedBehind)
    } else if !followed && !mode.auto_add {
        SyncPlan::Hold(Hold::NameTaken)
    } else {
        SyncPlan::Merge
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EDITING: Mode = Mode { locked: false, auto_save: true, auto_add: true, auto_pull: true };
    const LOCKED: Mode = Mode { locked: true, ..EDITING };

    /// Trees 0 to 5; an odd one differs from the even one before it in volatile values only.
    fn tree(number: Option<u8>) -> Option<ObjectId> {
        number.map(|n| ObjectId::from_bytes([n + 1; 20]))
    }

    fn change(old: Option<u8>, new: Option<u8>) -> Change {
        match (old, new) {
            _ if old == new => Change::None,
            (Some(a), Some(b)) if a / 2 == b / 2 => Change::Volatile,
            _ => Change::Real,
        }
    }

    fn facts(base: Option<u8>, local: Option<u8>, remote: Option<u8>) -> AppFacts {
        AppFacts {
            base: tree(base),
            local: tree(local),
            remote: tree(remote),
            local_change: change(base, local),
            remote_change: change(base, remote),
            sides_agree: change(local, remote) != Change::Real,
        }
    }

    #[test]
    fn an_app_absent_here_without_a_base_is_not_installed_rather_than_deleted() {
        assert_eq!(plan(&facts(None, None, Some(0)), EDITING), SyncPlan::Pull);
    }

    #[test]
    fn a_deletion_here_against_an_edit_there_is_never_silent() {
        assert_eq!(plan(&facts(Some(0), None, Some(2)), EDITING), SyncPlan::Merge);
        assert_eq!(plan(&facts(Some(0), Some(2), None), EDITING), SyncPlan::Merge);
    }

    #[test]
    fn a_save_that_changes_only_volatile_values_is_no_change() {
        assert_eq!(plan(&facts(Some(0), Some(1), Some(0)), EDITING), SyncPlan::Nothing);
        assert_eq!(plan(&facts(Some(0), Some(1), Some(0)), LOCKED), SyncPlan::Nothing);
        assert_eq!(plan(&facts(Some(0), Some(0), Some(1)), EDITING), SyncPlan::Pull);
    }

    #[test]
    fn a_save_that_changes_only_volatile_values_is_pushed_where_that_is_wanted() {
        let plan =
            |base, local, remote, mode| plan_with_volatile_saves(&facts(Some(base), Some(local), Some(remote)), mode);
        assert_eq!(plan(0, 1, 0, EDITING), SyncPlan::Push);
        assert_eq!(plan(0, 0, 0, EDITING), SyncPlan::Nothing);
        assert_eq!(plan(0, 0, 1, EDITING), SyncPlan::Pull);
        assert_eq!(plan(0, 1, 1, EDITING), SyncPlan::Adopt);
        assert_eq!(plan(0, 1, 0, LOCKED), SyncPlan::Nothing);
        assert_eq!(plan(0, 1, 0, Mode { auto_save: false, ..EDITING }), SyncPlan::Nothing);
    }

    #[test]
    fn two_full_sides_that_agree_are_adopted() {
        assert_eq!(plan(&facts(None, Some(0), Some(0)), EDITING), SyncPlan::Adopt);
        assert_eq!(plan(&facts(None, Some(0), Some(1)), EDITING), SyncPlan::Adopt);
    }

    #[test]
    fn what_arrives_waits_where_it_is_not_installed_by_itself() {
        let asking = |mode| Mode { auto_pull: false, ..mode };
        assert_eq!(plan(&facts(Some(0), Some(0), Some(2)), asking(EDITING)), SyncPlan::Hold(Hold::Behind));
        assert_eq!(plan(&facts(None, None, Some(2)), asking(LOCKED)), SyncPlan::Hold(Hold::Behind));
        assert_eq!(plan(&facts(Some(0), Some(0), None), asking(LOCKED)), SyncPlan::Hold(Hold::Behind));
        assert_eq!(plan(&facts(Some(0), Some(2), Some(4)), asking(LOCKED)), SyncPlan::Hold(Hold::DriftBehind));
        // Ours needs the merge to be pushed; what comes of it is installed only when somebody asks.
        assert_eq!(plan(&facts(Some(0), Some(2), Some(4)), asking(EDITING)), SyncPlan::Merge);
    }

    proptest! {
        #[test]
        fn the_promises_hold_for_every_combination(
            base in proptest::option::of(0u8..6),
            local in proptest::option::of(0u8..6),
            remote in proptest::option::of(0u8..6),
            locked: bool, auto_save: bool, auto_add: bool, auto_pull: bool,
        ) {
            let mode = Mode { locked, auto_save, auto_add, auto_pull };
            let facts = facts(base, local, remote);
            let plan = plan(&facts, mode);
            if locked {
                prop_assert!(!matches!(plan, SyncPlan::Push | SyncPlan::Merge), "a locked instance never pushes");
            }
            if !auto_pull {
                prop_assert!(!matches!(plan, SyncPlan::Pull | SyncPlan::Replace), "nothing is installed by itself");
                let pulling = super::plan(&facts, Mode { auto_pull: true, ..mode });
                let waits = matches!(plan, SyncPlan::Hold(Hold::Behind | Hold::DriftBehind));
                let volatile = plan == SyncPlan::Nothing && facts.sides_agree;
                prop_assert!(plan == pulling || waits || volatile, "only installing waits");
                prop_assert!(!waits || matches!(pulling, SyncPlan::Pull | SyncPlan::Replace), "what waits can be asked for");
            }
            if plan == SyncPlan::Pull {
                prop_assert!(facts.local_change != Change::Real, "an edit is never overwritten without being kept");
            }
            if plan == SyncPlan::Push {
                prop_assert!(facts.remote_change != Change::Real, "a change of others is never pushed over");
            }
            if base.is_none() && local.is_none() {
                prop_assert!(!matches!(plan, SyncPlan::Push | SyncPlan::Merge), "what was never here is not deleted");
            }
            if local == remote {
                prop_assert!(matches!(plan, SyncPlan::Nothing | SyncPlan::Adopt), "equal sides are left alone");
            }
            if !auto_save && base.is_some() {
                prop_assert!(!matches!(plan, SyncPlan::Push | SyncPlan::Merge), "nothing is saved by itself");
            }
        }
    }
}
