//! Git LFS pointers.

use std::fs;

use super::{held, other_goes_on, shows, started};
use crate::support::PATIENCE;
use crate::support::apps::{set, write};
use crate::support::world::World;

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

#[test]
fn a_pointer_is_never_installed() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    world.repo.somebody_commits("Pointers", |tree| {
        write(&tree.join("App/Media/icon/film.bin"), POINTER);
        write(&tree.join("App/Shop/film.bin"), POINTER);
        write(&tree.join("App/Fine/about.txt"), format!("A pointer looks like this:\n{POINTER}"));
    });
    dev.wait(PATIENCE, "the fine app", || dev.apps.join("Fine/about.txt").exists());
    for (app, file) in [("Media", "icon/film.bin"), ("Shop", "film.bin")] {
        let reason = held(&dev, app);
        assert!(reason.contains(file) && reason.contains("LFS"), "{reason}");
    }
    assert!(!dev.apps.join("Media").exists() && !dev.apps.join("Shop/film.bin").exists());

    world.repo.somebody_commits("Content", |tree| {
        write(&tree.join("App/Media/icon/film.bin"), "a film");
        fs::remove_file(tree.join("App/Shop/film.bin")).expect("remove the pointer");
    });
    dev.wait(PATIENCE, "the content", || dev.apps.join("Media/icon/film.bin").exists());
    dev.wait_until_in_sync();
}

#[test]
fn a_pointer_is_never_pushed_as_content() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    write(&dev.apps.join("Shop/film.bin"), POINTER);
    set(&dev.apps.join("Shop/Shop.json"), "app", "with a film");
    let reason = held(&dev, "Shop");
    assert!(reason.contains("film.bin") && reason.contains("LFS"), "{reason}");
    other_goes_on(&world, &dev, "goes on");
    assert!(!world.repo.everything_ever_added().contains("git-lfs"));
    write(&dev.apps.join("Shop/film.bin"), "a film");
    dev.wait(PATIENCE, "the film in Git", || shows(&world, "App/Shop/film.bin", "a film"));
}
