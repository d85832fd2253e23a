//! The tree from the remote is not trusted.

use std::fs;

use appferry::domain::status::AppState;

use crate::support::PATIENCE;
use crate::support::apps::{snapshot, write_old_app};
use crate::support::instance::{Instance, app};
use crate::support::remote::{Planted, RemoteRepo};
use crate::support::world::World;

const FILE: &str = "100644";
const LINK: &str = "120000";
const TREE: &str = "040000";
const SUBMODULE: &str = "160000";

/// A tree of entries `(mode, name, object)`.
fn tree(repo: &RemoteRepo, entries: &[(&str, &[u8], &str)]) -> String {
    let mut lines = Vec::new();
    for (mode, name, object) in entries {
        let kind = match *mode {
            TREE => "tree",
            SUBMODULE => "commit",
            _ => "blob",
        };
        lines.extend(format!("{mode} {kind} {object}\t").into_bytes());
        lines.extend([*name, b"\0"].concat());
    }
    repo.make_tree(&lines)
}

fn started(world: &World) -> Instance {
    world.repo.somebody_commits("Start", |tree| {
        write_old_app(&tree.join("App"), "Good");
    });
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait(PATIENCE, "the good app", || dev.apps.join("Good/Good.json").exists());
    dev
}

#[test]
fn links_submodules_and_git_folders_are_refused_and_the_other_apps_are_installed() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    let repo = &world.repo;
    let blob = repo.make_blob(b"{}\n");
    let target = repo.make_blob(b"/etc/passwd");
    let commit = repo.tip("main").expect("a commit");
    let config = tree(repo, &[(FILE, b"config", &blob)]);
    let planted = |name: &'static [u8], object: String| Planted { name, mode: TREE, object };
    repo.plant(&[
        planted(b"Dot git", tree(repo, &[(TREE, b".git", &config), (FILE, b"meta.json", &blob)])),
        planted(b"Dot GIT", tree(repo, &[(TREE, b".GIT", &config)])),
        planted(b"Fine", tree(repo, &[(FILE, b"meta.json", &blob)])),
        planted(b"Link", tree(repo, &[(LINK, b"passwd", &target), (FILE, b"meta.json", &blob)])),
        planted(b"Module", tree(repo, &[(SUBMODULE, b"inner", &commit)])),
        planted(b"New\nline", tree(repo, &[(FILE, b"meta.json", &blob)])),
        planted(b"Up", tree(repo, &[(TREE, b"..", &config)])),
    ]);

    dev.wait(PATIENCE, "the fine app", || dev.apps.join("Fine/meta.json").exists());
    for name in ["Dot git", "Dot GIT", "Link", "Module", "Up"] {
        let held = dev.wait_for_app(name, AppState::Held);
        assert!(held.reason.is_some_and(|reason| !reason.is_empty()), "{name} says why");
        assert!(!dev.apps.join(name).exists(), "{name} is not here, not even in part");
    }
    let repository = dev.repository();
    assert!(format!("{:?} {:?}", repository.apps, repository.notices).contains("line"), "the odd name is shown");
    assert_eq!(app(&repository, "Good").map(|app| app.state), Some(AppState::InSync));
    let here: Vec<String> = snapshot(&dev.apps).into_iter().map(|(path, _)| path).collect();
    assert_eq!(here, ["Fine/meta.json", "Good/Good.json"]);
    assert!(!dev.apps.join("../config").exists());
}

#[test]
fn an_app_that_turns_hostile_stays_as_it_was() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_old_app(&tree.join("App"), "Turncoat");
        write_old_app(&tree.join("App"), "Good");
    });
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait(PATIENCE, "the app", || dev.apps.join("Turncoat/Turncoat.json").exists());
    dev.wait_until_in_sync();
    let before = snapshot(&dev.apps);
    let link = |tree: &std::path::Path| {
        let path = tree.join("App/Turncoat/Turncoat.json");
        fs::remove_file(&path).expect("remove the file");
        std::os::unix::fs::symlink("/etc/passwd", path).expect("make a link");
    };
    let tip = world.repo.somebody_commits("Turn", link);
    let held = dev.wait_for_app("Turncoat", AppState::Held);
    assert!(held.reason.is_some_and(|reason| reason.contains("Turncoat.json")), "it says where");
    assert_eq!(snapshot(&dev.apps), before);
    assert_eq!(world.repo.tip("main"), Some(tip), "and is not pushed over");
}

#[test]
fn a_link_among_the_local_files_is_never_followed() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    let secret = dev.aside().join("secret.json");
    fs::write(&secret, "{\"secret\": true}\n").expect("write the secret");
    fs::create_dir(dev.apps.join("Linked")).expect("make the app");
    std::os::unix::fs::symlink(&secret, dev.apps.join("Linked/link.json")).expect("make a link");
    let held = dev.wait_for_app("Linked", AppState::Held);
    assert!(held.reason.is_some_and(|reason| reason.contains("link.json")), "it says which file");
    assert!(!world.repo.everything_ever_added().contains("secret"));
}

#[test]
fn a_folder_replaced_by_a_link_leads_no_write_outside() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    dev.wait_until_in_sync();
    let outside = dev.aside().join("outside");
    fs::create_dir(&outside).expect("make a folder");
    fs::rename(dev.apps.join("Good"), dev.aside().join("Good")).expect("move the app away");
    std::os::unix::fs::symlink(&outside, dev.apps.join("Good")).expect("make a link");
    world.repo.somebody_commits("Change", |tree| {
        crate::support::apps::set(&tree.join("App/Good/Good.json"), "app", "changed");
    });
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(fs::read_dir(&outside).expect("the folder").count(), 0);
}
