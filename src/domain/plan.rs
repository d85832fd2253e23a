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
pub struct Mode {
    /// Local edits never reach Git.
    pub locked: bool,
    /// Local changes of followed apps are committed and pushed.
    pub auto_save: bool,
    /// New apps are followed by themselves.
    pub auto_add: bool,
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
}

/// Decides.
#[must_use]
pub fn plan(facts: &AppFacts, mode: Mode) -> SyncPlan {
    let AppFacts { base, local, remote, local_change, remote_change, sides_agree } = *facts;
    if sides_agree {
        return if local == remote && base == local {
            SyncPlan::Nothing
        } else if local == remote {
            SyncPlan::Adopt
        } else if local_change == Change::None {
            SyncPlan::Pull // only volatile values differ, and ours are the old ones
        } else {
            SyncPlan::Nothing // ours travel with the next real change
        };
    }
    match (local_change == Change::Real, remote_change == Change::Real) {
        (false, false) => SyncPlan::Nothing, // volatile on each side
        (false, true) if local.is_none() || local_change == Change::None => SyncPlan::Pull,
        (false, true) => volatile_here(mode),
        (true, false) => push(base, mode),
        (true, true) if mode.locked => SyncPlan::Replace,
        (true, true) => both_changed(base, mode),
    }
}

/// The remote changed an app in which only volatile values changed here: a merge settles them (newest wins).
const fn volatile_here(mode: Mode) -> SyncPlan {
    if mode.locked || !mode.auto_save { SyncPlan::Replace } else { SyncPlan::Merge }
}

const fn push(base: Option<ObjectId>, mode: Mode) -> SyncPlan {
    match (base, mode) {
        (None, Mode { locked: true, .. } | Mode { auto_add: false, .. }) => SyncPlan::Hold(Hold::Untracked),
        (None, _) => SyncPlan::Push,
        (Some(_), Mode { locked: true, .. }) => SyncPlan::Hold(Hold::Drift),
        (Some(_), Mode { auto_save: false, .. }) => SyncPlan::Hold(Hold::Modified),
        (Some(_), _) => SyncPlan::Push,
    }
}

const fn both_changed(base: Option<ObjectId>, mode: Mode) -> SyncPlan {
    match (base, mode) {
        (None, Mode { auto_add: false, .. }) => SyncPlan::Hold(Hold::NameTaken),
        (Some(_), Mode { auto_save: false, .. }) => SyncPlan::Hold(Hold::ModifiedBehind),
        _ => SyncPlan::Merge,
    }
}
