//! Names that some file systems take for one.

use std::fs;

use appferry::domain::status::AppState;

use super::{a_while, held, held_for, other_goes_on, shows, started};
use crate::support::PATIENCE;
use crate::support::apps::{set, write, write_old_app};
use crate::support::instance::is_in_sync;
use crate::support::world::World;

/// é, as one letter and as two.
const NFC: &str = "\u{e9}.json";
const NFD: &str = "e\u{301}.json";

#[test]
fn files_that_collide_are_not_committed_from_here() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    write(&dev.apps.join("Shop/screens/Main.json"), "{}\n");
    write(&dev.apps.join("Shop/screens/main.json"), "{}\n");
    let reason = held(&dev, "Shop");
    assert!(reason.contains("screens/Main.json") && reason.contains("screens/main.json"), "{reason}");
    other_goes_on(&world, &dev, "goes on");
    fs::remove_file(dev.apps.join("Shop/screens/main.json")).expect("remove one");
    dev.wait(PATIENCE, "the one that is left", || shows(&world, "App/Shop/screens/Main.json", "{}"));
    assert!(!world.repo.everything_ever_added().contains("screens/main.json"));

    write(&dev.apps.join("Shop").join(NFC), "{}\n");
    write(&dev.apps.join("Shop").join(NFD), "{}\n");
    held_for(&dev, "Shop", &["NFC"]);
}

#[test]
fn files_that_collide_are_not_taken_from_git() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    world.repo.somebody_commits("Collide", |tree| {
        write(&tree.join("App/Case/A/x.json"), "{}\n");
        write(&tree.join("App/Case/a/y.json"), "{}\n");
        write(&tree.join("App/Letters").join(NFC), "{}\n");
        write(&tree.join("App/Letters").join(NFD), "{}\n");
        write(&tree.join("App/Fine").join(NFC), "{}\n");
        set(&tree.join("App/Shop/Shop.json"), "app", "theirs");
    });
    dev.wait(PATIENCE, "the fine app", || dev.apps.join("Fine").join(NFC).exists());
    let reason = held(&dev, "Case");
    assert!(reason.contains("\"A\"") && reason.contains("\"a\"") && reason.contains("case"), "{reason}");
    assert!(held(&dev, "Letters").contains("NFC"));
    assert!(!dev.apps.join("Case").exists() && !dev.apps.join("Letters").exists());
}

#[test]
fn two_sides_that_only_collide_together_are_held_and_neither_is_lost() {
    let Some(world) = World::new() else { return };
    let mut dev = started(&world, &[]);
    dev.stop();
    world.repo.somebody_commits("Theirs", |tree| write(&tree.join("App/Shop/menu.json"), "{\"of\": \"them\"}\n"));
    write(&dev.apps.join("Shop/Menu.json"), "{\"of\": \"us\"}\n");
    dev.start();
    let reason = held(&dev, "Shop");
    assert!(reason.contains("Menu.json") && reason.contains("menu.json"), "{reason}");
    other_goes_on(&world, &dev, "goes on");
    assert!(world.repo.show("main", "App/Shop/Menu.json").is_none());
    fs::rename(dev.apps.join("Shop/Menu.json"), dev.apps.join("Shop/Ours.json")).expect("rename ours");
    dev.wait(PATIENCE, "both in Git", || shows(&world, "App/Shop/Ours.json", "us"));
    dev.wait(PATIENCE, "both here", || dev.apps.join("Shop/menu.json").exists());
}

#[test]
fn apps_that_collide_are_held_the_new_one_here_and_both_from_git() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    write_old_app(&dev.apps, "shop");
    let reason = held(&dev, "shop");
    assert!(reason.contains("\"Shop\"") && reason.contains("\"shop\""), "{reason}");
    set(&dev.apps.join("Shop/Shop.json"), "app", "goes on");
    dev.wait(PATIENCE, "the app that was there", || shows(&world, "App/Shop/Shop.json", "goes on"));
    dev.wait_for_app("shop", AppState::Held);
    fs::rename(dev.apps.join("shop"), dev.apps.join("Market")).expect("rename it");
    dev.wait(PATIENCE, "it under its new name", || world.repo.show("main", "App/Market/shop.json").is_some());

    world.repo.somebody_commits("Collide", |tree| {
        write_old_app(&tree.join("App"), "Twin");
        write_old_app(&tree.join("App"), "twin");
        write_old_app(&tree.join("App"), "Single");
    });
    dev.wait(PATIENCE, "the single one", || dev.apps.join("Single/Single.json").exists());
    for name in ["Twin", "twin"] {
        let reason = held(&dev, name);
        assert!(reason.contains("\"Twin\"") && reason.contains("\"twin\""), "{reason}");
        assert!(!dev.apps.join(name).exists());
    }
}

#[test]
fn a_renaming_that_changes_only_the_case_is_a_renaming() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    fs::rename(dev.apps.join("Shop"), dev.apps.join("SHOP")).expect("rename the app");
    dev.wait(crate::support::DELETION, "the new name in Git", || {
        world.repo.show("main", "App/SHOP/Shop.json").is_some()
    });
    dev.wait_until("both in sync", is_in_sync);
    a_while();
    assert_eq!(world.repo.subjects()[0], "App renamed 'Shop' to 'SHOP'");
    assert!(world.repo.show("main", "App/Shop/Shop.json").is_none());
}
