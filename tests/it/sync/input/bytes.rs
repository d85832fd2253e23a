//! Every byte and the executable bit, both ways.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::started;
use crate::support::PATIENCE;
use crate::support::apps::write;
use crate::support::world::World;

const WINDOWS: &str = "{\r\n  \"a\": 1\r\n}\r\n";
const MIXED: &str = "one\r\ntwo\nthree\r\r\n\u{feff}four";

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("change the mode");
}

#[test]
fn line_ends_are_kept_byte_for_byte_both_ways() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    write(&dev.apps.join("Shop/windows.json"), WINDOWS);
    write(&dev.apps.join("Shop/mixed.js"), MIXED);
    write(&dev.apps.join("Shop/.gitattributes"), "* text=auto eol=lf\n");
    dev.wait(PATIENCE, "the file in Git", || world.repo.show("main", "App/Shop/mixed.js").is_some());
    assert_eq!(world.repo.show("main", "App/Shop/windows.json").as_deref(), Some(WINDOWS));
    assert_eq!(world.repo.show("main", "App/Shop/mixed.js").as_deref(), Some(MIXED));

    let blob = world.repo.make_blob(WINDOWS.as_bytes());
    let tree = world.repo.make_tree(format!("100644 blob {blob}\ttheirs.json\0").as_bytes());
    world.repo.plant(&[crate::support::remote::Planted { name: b"Theirs", mode: "040000", object: tree }]);
    let here = dev.apps.join("Theirs/theirs.json");
    dev.wait(PATIENCE, "their file here", || here.exists());
    assert_eq!(fs::read(&here).expect("the file"), WINDOWS.as_bytes());
    dev.wait_until_in_sync();
    assert_eq!(world.repo.show("main", "App/Theirs/theirs.json").as_deref(), Some(WINDOWS));
}

#[test]
fn the_executable_bit_is_kept_both_ways() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    let mode = |path: &str| world.repo.git(&["ls-tree", "main", path]).split(' ').next().unwrap_or_default().to_owned();
    let here = dev.apps.join("Shop/run.sh");
    write(&here, "#!/bin/sh\n");
    chmod(&here, 0o755);
    dev.wait(PATIENCE, "it in Git", || mode("App/Shop/run.sh") == "100755");
    chmod(&here, 0o644);
    dev.wait(PATIENCE, "the bit gone in Git", || mode("App/Shop/run.sh") == "100644");
    dev.wait_until_in_sync();

    world.repo.somebody_commits("Make it executable", |tree| chmod(&tree.join("App/Shop/run.sh"), 0o755));
    dev.wait(PATIENCE, "the bit here", || is_executable(&here));
    world.repo.somebody_commits("And not", |tree| chmod(&tree.join("App/Shop/run.sh"), 0o644));
    dev.wait(PATIENCE, "no bit here", || !is_executable(&here));
    dev.wait_until_in_sync();
    assert_eq!(mode("App/Shop/run.sh"), "100644");
}
