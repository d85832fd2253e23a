//! Saves that change only a time.

use appferry::domain::status::AppState;

use super::{a_while, shows, started};
use crate::support::PATIENCE;
use crate::support::apps::{set, write};
use crate::support::instance::Instance;
use crate::support::world::World;

const META: &str = "{\n  \"updated_time\": \"27-03-2025 06:23:08\",\n  \"engine\": \"1.0.0\"\n}\n";
const SAVED: &str = "28-03-2025 10:00:00";

fn with_a_time(world: &World, setup: &[(&str, &str)]) -> Instance {
    let dev = started(world, setup);
    write(&dev.apps.join("Shop/__export_meta.json"), META);
    dev.wait(PATIENCE, "the time in Git", || shows(world, "App/Shop/__export_meta.json", "27-03-2025"));
    dev.wait_until_in_sync();
    dev
}

#[test]
fn a_save_that_changes_only_the_time_waits_for_the_next_real_change_and_goes_with_it() {
    let Some(world) = World::new() else { return };
    let dev = with_a_time(&world, &[]);
    let tip = world.repo.tip("main");
    set(&dev.apps.join("Shop/__export_meta.json"), "updated_time", SAVED);
    a_while();
    dev.wait_for_app("Shop", AppState::InSync);
    assert_eq!(world.repo.tip("main"), tip, "the time alone makes no commit");
    set(&dev.apps.join("Shop/Shop.json"), "app", "new");
    dev.wait(PATIENCE, "the real change", || shows(&world, "App/Shop/Shop.json", "new"));
    assert!(shows(&world, "App/Shop/__export_meta.json", SAVED), "it was carried along");
}

#[test]
fn a_save_that_changes_only_the_time_is_pushed_where_that_is_wanted() {
    let Some(world) = World::new() else { return };
    let dev = with_a_time(&world, &[("APPFERRY_SKIP_VOLATILE_SAVES", "false")]);
    let commits = world.repo.subjects().len();
    set(&dev.apps.join("Shop/__export_meta.json"), "updated_time", SAVED);
    dev.wait(PATIENCE, "the time in Git", || shows(&world, "App/Shop/__export_meta.json", SAVED));
    dev.wait_until_in_sync();
    a_while();
    assert_eq!(world.repo.subjects().len(), commits + 1, "one commit and no more");
}
