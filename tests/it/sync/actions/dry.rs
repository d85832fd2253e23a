//! A dry run says what would be done, and does nothing.

use appferry::domain::status::AppState;

use super::{SCREEN, ask, by_hand};
use crate::support::PATIENCE;
use crate::support::apps::{set, snapshot, value, write_old_app};
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
