//! A dry run says what would be done, and does nothing.

use appferry::domain::status::{AppState, RepositoryState};
use appferry::http::Backup;

use super::{SCREEN, ask, by_hand, done};
use crate::support::PATIENCE;
use crate::support::apps::{names, set, snapshot, value, write_old_app};
use crate::support::instance::Instance;
use crate::support::world::World;

/// Everything that an action could change.
type Picture = (Vec<(String, Vec<u8>)>, String, String, Vec<(String, AppState)>);

fn picture(world: &World, dev: &Instance) -> Picture {
    let apps = dev.repository().apps.into_iter().map(|app| (app.name, app.state)).collect();
    (snapshot(&dev.apps), world.repo.git(&["for-each-ref"]), dev.cli_text(&["sync", "backups"]), apps)
}

#[test]
fn a_dry_run_of_any_action_changes_nothing() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    let start = world.repo.tip("main").expect("a commit");
    world.repo.somebody_commits("Green", |tree| set(&tree.join("App/Other/meta.json"), "description", "Green"));
    dev.wait(PATIENCE, "the change", || {
        value(&dev.apps.join("Other/meta.json"), "description") == Some("Green".into())
    });
    dev.wait_until_in_sync();
    set(&dev.apps.join(SCREEN), "color", "blue");
    write_old_app(&dev.apps, "New");
    dev.wait_for_app("PO App", AppState::Modified);
    dev.wait_for_app("New", AppState::Untracked);
    let before = picture(&world, &dev);
    for (words, says) in [
        (&["push", "--tag", "v1", "-m", "Mine"][..], "would be committed as \"Mine\""),
        (&["push", "PO App"], "PO App:: Minor app update"),
        (&["add", "New"], "'New' App added to git"),
        (&["remove", "PO App"], "would be removed from Git"),
        (&["revert", "PO App"], "1 file would be put back"),
        (&["restore", "Other", "--to", &start], "1 file would be put back"),
    ] {
        let (success, plan) = ask(&dev, &[words, &["--dry-run"]].concat());
        assert!(success && plan.dry_run && plan.apps[0].message.contains(says), "{words:?}: {plan:?}");
    }
    assert_eq!(picture(&world, &dev), before);
    dev.stop_and_start_again_unchanged(&before, &world);
}

#[test]
fn confirming_a_deletion_and_putting_a_backup_back_can_be_tried_first() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    set(&dev.apps.join(SCREEN), "color", "unsaved");
    dev.wait_for_app("PO App", AppState::Modified);
    done(&dev, &["revert", "PO App"]);
    dev.wait_until_in_sync();
    let kept: Vec<Backup> = serde_json::from_str(&dev.cli_text(&["sync", "backups", "--json"])).expect("backups");
    let before = picture(&world, &dev);
    let (success, plan) = ask(&dev, &["backups", "restore", &kept[0].reference, "--dry-run"]);
    assert!(success && plan.dry_run && plan.apps[0].done, "{plan:?}");
    assert_eq!(picture(&world, &dev), before);
    done(&dev, &["backups", "restore", &kept[0].reference]);
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("unsaved".into()));
    done(&dev, &["revert", "PO App"]);
    dev.wait_until_in_sync();

    world.repo.somebody_commits("Gone", |tree| std::fs::remove_dir_all(tree.join("App")).expect("delete"));
    dev.wait_for_state(RepositoryState::HeldDeletions);
    let before = picture(&world, &dev);
    let (success, plan) = ask(&dev, &["confirm", "--all", "--dry-run"]);
    assert!(success && plan.dry_run && plan.apps.len() == 2 && plan.apps[0].done, "{plan:?}");
    assert_eq!(picture(&world, &dev), before);
    dev.wait_for_state(RepositoryState::HeldDeletions);
    done(&dev, &["confirm", "--all"]);
    dev.wait(PATIENCE, "the deletions", || names(&dev.apps).is_empty());
}

impl Instance {
    /// Nothing that was only planned is made good by a restart.
    fn stop_and_start_again_unchanged(mut self, before: &Picture, world: &World) {
        self.stop();
        self.start();
        self.wait_for_app("PO App", AppState::Modified);
        self.wait_for_app("New", AppState::Untracked);
        assert_eq!(&picture(world, &self), before);
    }
}
