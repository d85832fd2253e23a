//! What reached the other side, for the audit log.

use std::collections::BTreeSet;

use crate::domain::{AppName, ObjectId};
use crate::ports::AuditEntry;

use super::Engine;

/// A row names at most so many apps.
const NAMED: usize = 20;

/// Apps that reached the other side since this was asked for last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Pushed, and accepted by the remote.
    pub pushed: BTreeSet<AppName>,
    /// Written to the disk.
    pub installed: BTreeSet<AppName>,
    /// Refused by the remote, in its words.
    pub refused: Option<String>,
    /// Where the branch was then.
    pub tip: Option<ObjectId>,
}

impl Engine {
    /// Takes what was done since the last call.
    pub fn take_done(&mut self) -> Done {
        let mut done = std::mem::take(&mut self.done);
        done.tip = self.tip();
        done
    }
}

impl Done {
    /// The rows that tell of it: one a direction.
    #[must_use]
    pub fn rows(&self, whereto: &str) -> Vec<AuditEntry> {
        let tip = self.tip.map(|tip| format!("{}; ", tip.short())).unwrap_or_default();
        let row = |direction: &str, outcome: &str, detail: String| AuditEntry {
            event: "app_git_sync",
            purpose: Some(format!("{direction} {whereto}")),
            outcome: outcome.to_owned(),
            detail: Some(detail),
            ..AuditEntry::default()
        };
        let mut rows = Vec::new();
        if !self.pushed.is_empty() {
            rows.push(row("push", "ok", format!("{tip}{}", named(&self.pushed))));
        }
        if let Some(words) = &self.refused {
            rows.push(row("push", "refused by the remote", words.clone()));
        }
        if !self.installed.is_empty() {
            rows.push(row("pull", "ok", format!("{tip}{}", named(&self.installed))));
        }
        rows
    }
}

fn named(apps: &BTreeSet<AppName>) -> String {
    let names: Vec<String> = apps.iter().take(NAMED).map(|app| format!("'{app}'")).collect();
    let more = match apps.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {}: {}{more}", apps.len(), if apps.len() == 1 { "app" } else { "apps" }, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_is_a_row_that_names_its_apps_but_not_thousands() {
        let apps = |count: usize| (0..count).map(|n| AppName::new(format!("App {n:03}")).unwrap()).collect();
        let done = Done { pushed: apps(1), installed: apps(30), refused: None, tip: None };
        let rows = done.rows("git@host:x main");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].purpose.as_deref(), Some("push git@host:x main"));
        assert_eq!(rows[0].detail.as_deref(), Some("1 app: 'App 000'"));
        assert!(rows[1].detail.as_ref().unwrap().ends_with("'App 019' and 10 more"));
        assert!(Done::default().rows("x").is_empty());
    }
}
