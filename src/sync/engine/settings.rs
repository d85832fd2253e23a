//! What the engine is told at its start, and the time.

use std::time::{Duration, Instant};

use super::inspection::InputRules;
use crate::domain::merge::{IdentityFields, MergeRules, VolatileKeys};
use crate::domain::patterns::AppFilter;
use crate::domain::plan::Mode;
use crate::domain::{BranchName, OnProtected};
use crate::sync::compare::Comparer;

/// What does not change while the engine runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it may do by itself.
    pub mode: Mode,
    /// The branch that is followed.
    pub branch: BranchName,
    /// The folder of the apps in the repository; empty for its root.
    pub prefix: String,
    /// The name of this instance, for trailers and conflict branches.
    pub instance: String,
    /// Author of the commits made by themselves.
    pub author_name: String,
    /// See `author_name`.
    pub author_email: String,
    /// How long a file must have been quiet.
    pub debounce: Duration,
    /// How long apps are installed in one go: with 10,000 of them there is more to do than that.
    pub install_for: Duration,
    /// JSON keys whose newest value wins.
    pub volatile_keys: VolatileKeys,
    /// Fields that name the elements of JSON arrays.
    pub identity_fields: IdentityFields,
    /// Days after which what was kept aside expires.
    pub kept_days: u32,
    /// Which apps are followed; the others are as if they were on neither side.
    pub filter: AppFilter,
    /// What may go out.
    pub input: InputRules,
    /// What becomes of commits that the branch does not take.
    pub on_protected: OnProtected,
}

impl Settings {
    pub(super) fn comparer(&self) -> Comparer {
        let (volatile, identity) = (self.volatile_keys.clone(), self.identity_fields.clone());
        Comparer::new(MergeRules { volatile, identity })
    }
}

/// One moment, on both clocks: the steady one for waits, the wall's for records.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For measuring waits.
    pub instant: Instant,
    /// Seconds since the Unix epoch.
    pub unix_seconds: i64,
}

impl Now {
    /// Reads the clocks.
    #[must_use]
    pub fn read() -> Self {
        Self { instant: Instant::now(), unix_seconds: jiff::Timestamp::now().as_second() }
    }
}
