//! Files over the limit.

use std::fs;

use appferry::domain::status::AppState;

use super::{held, other_goes_on, shows, started};
use crate::support::PATIENCE;
use crate::support::apps::{set, write};
use crate::support::git;
use crate::support::instance::Instance;
use crate::support::world::World;

const LIMIT: (&str, &str) = ("APPFERRY_MAX_FILE_SIZE", "100 kB");

fn large(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..150_000).map(|_| next()).collect()
}

/// Whether a local repository has an object of this size.
fn has_object_of(dev: &Instance, size: usize) -> bool {
    dev.local_repositories().iter().any(|repository| {
        let sizes = git(repository, &["cat-file", "--batch-all-objects", "--batch-check=%(objectsize)"]);
        sizes.lines().any(|line| line == size.to_string())
    })
}

#[test]
fn a_file_over_the_limit_holds_its_app_before_it_is_read_and_the_app_goes_on_when_it_shrinks() {
    let Some(world) = World::new() else { return };
    let mut dev = started(&world, &[LIMIT]);
    let file = dev.apps.join("Shop/uploads/film.bin");
    write(&file, large(1));
    set(&dev.apps.join("Shop/Shop.json"), "app", "with a film");
    let reason = held(&dev, "Shop");
    for part in ["uploads/film.bin", "150 kB", "100 kB", "APPFERRY_MAX_FILE_SIZE"] {
        assert!(reason.contains(part), "{part} is not in {reason}");
    }
    other_goes_on(&world, &dev, "goes on");
    assert!(!shows(&world, "App/Shop/Shop.json", "with a film"), "nothing of the app was committed");
    dev.stop();
    assert!(!has_object_of(&dev, 150_000), "it was not read into the local repository");
    dev.start();
    held(&dev, "Shop");

    write(&file, &large(1)[..50_000]);
    dev.wait(PATIENCE, "the app in Git", || shows(&world, "App/Shop/Shop.json", "with a film"));
    write(&file, large(2));
    held(&dev, "Shop");
    fs::remove_file(&file).expect("remove the file");
    dev.wait(PATIENCE, "the file gone", || world.repo.show("main", "App/Shop/uploads/film.bin").is_none());
}

#[test]
fn a_large_file_that_is_in_git_already_holds_nothing_until_it_changes() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[LIMIT]);
    world.repo.somebody_commits("A film", |tree| write(&tree.join("App/Shop/film.bin"), large(1)));
    dev.wait(PATIENCE, "the film here", || dev.apps.join("Shop/film.bin").exists());
    set(&dev.apps.join("Shop/Shop.json"), "app", "after the film");
    dev.wait(PATIENCE, "the change in Git", || shows(&world, "App/Shop/Shop.json", "after the film"));

    // Its time changes, so that it is looked at anew.
    write(&dev.apps.join("Shop/film.bin"), large(1));
    set(&dev.apps.join("Shop/Shop.json"), "app", "saved again");
    dev.wait(PATIENCE, "the change in Git", || shows(&world, "App/Shop/Shop.json", "saved again"));
    dev.wait_for_app("Shop", AppState::InSync);

    write(&dev.apps.join("Shop/film.bin"), large(2));
    assert!(held(&dev, "Shop").contains("film.bin"));
    // What Git has may be moved.
    write(&dev.apps.join("Shop/moved.bin"), large(1));
    fs::remove_file(dev.apps.join("Shop/film.bin")).expect("remove the file");
    dev.wait(PATIENCE, "it under its new name", || world.repo.show("main", "App/Shop/film.bin").is_none());
    dev.wait_for_app("Shop", AppState::InSync);
}
