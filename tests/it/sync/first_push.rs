//! From a folder of apps and an empty repository to a branch.

use crate::support::apps::{names, snapshot, write, write_app, write_old_app};
use crate::support::world::World;

#[test]
fn the_first_push_makes_the_branch_of_an_unborn_repository() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    let repository = dev.wait_until_in_sync();

    assert_eq!(world.repo.subjects(), ["'PO App' App added to git"]);
    assert_eq!(world.repo.snapshot("main"), snapshot(&dev.apps));
    assert_eq!(repository.remote_tip, world.repo.tip("main"));
    assert_eq!(repository.local_tip, world.repo.tip("main"));
    world.repo.fsck();
    dev.stop();
}

#[test]
fn no_git_folder_and_no_temporary_file_is_left_among_the_apps() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    let before = snapshot(&dev.apps);
    dev.start();
    dev.wait_until_in_sync();
    dev.stop();
    assert_eq!(names(&dev.apps), ["PO App"]);
    assert_eq!(snapshot(&dev.apps), before);
    let ours: Vec<String> = snapshot(&dev.apps.join(".appferry")).into_iter().map(|(path, _)| path).collect();
    assert_eq!(ours, ["volume-id"], "nothing staged is left");
}

#[test]
fn names_with_spaces_quotes_and_letters_of_the_world_go_to_git_and_back() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let names = ["It's \"quoted\" & co", "Füße und Ärger", "日本語 アプリ", "a  b", "-rf", "$(touch x); `id`", "x.git"];
    for name in names {
        write_old_app(&dev.apps, name);
        write(&dev.apps.join(name).join("screens/Schöner \"Bild\" schirm/controls/größe 1/meta.json"), "{}\n");
    }
    dev.start();
    dev.wait_until_in_sync();
    let mut wanted: Vec<String> = names.iter().map(|name| format!("'{name}' App added to git")).collect();
    let mut subjects = world.repo.subjects();
    wanted.sort();
    subjects.sort();
    assert_eq!(subjects, wanted);

    let mut other = world.instance("other");
    other.start();
    other.wait_until_in_sync();
    assert_eq!(snapshot(&other.apps), snapshot(&dev.apps));
}

#[test]
fn a_repository_path_with_spaces_and_quotes_is_reached() {
    let Some(world) = World::new() else { return };
    let odd = crate::support::remote::RemoteRepo::init(world.sshd.folder().join("it's a $team/apps \"1\".git"));
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_SSH_REPO_URL", world.sshd.url(odd.path()));
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    assert_eq!(odd.subjects(), ["'PO App' App added to git"]);
}

#[test]
fn what_lies_outside_the_prefix_is_never_touched() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write(&tree.join("README.md"), "ours\n");
        write(&tree.join("ci/build.sh"), "true\n");
    });
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    assert_eq!(world.repo.show("main", "README.md").as_deref(), Some("ours\n"));
    assert_eq!(world.repo.show("main", "ci/build.sh").as_deref(), Some("true\n"));
    assert_eq!(world.repo.subjects(), ["'PO App' App added to git", "Start"]);
}

#[test]
fn another_prefix_is_followed_where_it_is_set() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_PREFIX", "builder/apps");
    write_old_app(&dev.apps, "Old");
    dev.start();
    dev.wait_until_in_sync();
    assert!(world.repo.show("main", "builder/apps/Old/Old.json").is_some());
}

#[test]
fn a_commit_names_the_instance_and_its_author() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_AUTHOR_NAME", "The Team").set("APPFERRY_AUTHOR_EMAIL", "team@example.org");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    assert_eq!(world.repo.git(&["log", "-1", "--format=%an <%ae>", "main"]), "The Team <team@example.org>");
    assert_eq!(world.repo.git(&["log", "-1", "--format=%cn", "main"]), "appferry");
    let trailer = world.repo.git(&["log", "-1", "--format=%(trailers:key=Appferry-Instance,valueonly)", "main"]);
    assert_eq!(trailer.trim(), "dev");
}

#[test]
fn a_restart_with_nothing_changed_commits_nothing() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    dev.stop();
    let tip = world.repo.tip("main");
    dev.start();
    dev.wait_until_in_sync();
    dev.stop();
    assert_eq!(world.repo.tip("main"), tip);
}

#[test]
fn a_folder_that_equals_the_branch_is_adopted_without_a_commit() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    assert_eq!(world.repo.subjects(), ["Start"]);
}
