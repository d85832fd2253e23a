//! The local repository is damaged: it is built anew, and nothing of ours is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use appferry::domain::status::RepositoryState;

use super::SCREEN;
use crate::support::apps::{set, snapshot, value, write_app, write_old_app};
use crate::support::instance::{Instance, is_in_sync};
use crate::support::search::hex;
use crate::support::world::World;
use crate::support::{Dice, PATIENCE, git};

const OTHER: &str = "Other/screens/Screen 1/meta.json";

/// What is done to the repository, in words and in deed.
type Damage = (&'static str, fn(&Path));

/// An instance in sync that is then stopped.
fn stopped(world: &World) -> (Instance, PathBuf) {
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    write_app(&dev.apps, "Other");
    dev.start();
    dev.wait_until_in_sync();
    dev.stop();
    let repository = dev.local_repositories().pop().expect("its repository");
    (dev, repository)
}

fn set_aside(dev: &Instance) -> Vec<PathBuf> {
    let repositories = dev.data.join("repositories");
    let folders = fs::read_dir(repositories).expect("the repositories").flatten();
    let inside = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let mut found: Vec<PathBuf> = inside.map(|entry| entry.path()).collect();
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("repo.git.damaged-")));
    found
}

fn packs(repository: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository.join("objects/pack")).expect("the packs").flatten();
    let mut packs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    packs.retain(|path| path.extension().is_some_and(|extension| extension == "pack"));
    packs
}

/// The pack that holds an object. (The oldest may hold nothing but a state from before the first commit.)
fn pack_of(repository: &Path, id: &str) -> PathBuf {
    let index = |pack: &PathBuf| fs::read(pack.with_extension("idx")).expect("its index");
    let holds = |pack: &PathBuf| index(pack).windows(20).any(|name| hex(name) == id);
    packs(repository).into_iter().find(holds).expect("the pack of what was pushed")
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("read it");
    change(&mut bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("make it writable");
    fs::write(path, bytes).expect("write it");
}

fn flip(path: &Path, dice: &mut Dice) {
    edit(path, |bytes| {
        for _ in 0..8 {
            let at = usize::try_from(dice.roll(bytes.len() as u64)).unwrap_or(0);
            bytes[at] ^= 0x5a;
        }
    });
}

/// The instance is as good as new: in sync, told of, and able to push and pull.
fn assert_mended(world: &World, dev: &Instance) {
    dev.wait_until("in sync after it was built anew", |repository| {
        is_in_sync(repository) && repository.remote_tip == world.repo.tip("main")
    });
    let notices = dev.repository().notices.join("\n");
    assert!(notices.contains("was damaged and was built anew"), "a notice says so: {notices}");
    assert_eq!(set_aside(dev).len(), 1, "the damaged one is kept, and only one");
    set(&dev.apps.join(OTHER), "after", "mending");
    dev.wait(PATIENCE, "a push", || {
        world.repo.show("main", &format!("App/{OTHER}")).is_some_and(|text| text.contains("mending"))
    });
    world.repo.somebody_commits("Theirs", |tree| set(&tree.join("App").join(OTHER), "theirs", "arrives"));
    dev.wait(PATIENCE, "a pull", || value(&dev.apps.join(OTHER), "theirs") == Some("arrives".into()));
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
}

fn sound(dev: &mut Instance) {
    dev.stop();
    let found = dev.local_repositories();
    for repository in found.iter().filter(|path| path.ends_with("repo.git")) {
        git(repository, &["fsck", "--full", "--strict"]);
    }
}

#[test]
fn packs_with_flipped_bytes_are_found_and_the_repository_is_built_anew() {
    let Some(world) = World::new() else { return };
    let (mut dev, repository) = stopped(&world);
    let mut dice = Dice::new();
    for pack in packs(&repository) {
        flip(&pack, &mut dice);
    }
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.start();
    dev.wait(PATIENCE, "the edit in Git", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    assert_mended(&world, &dev);
    sound(&mut dev);
}

#[test]
fn every_kind_of_damage_is_mended() {
    let Some(world) = World::new() else { return };
    let (mut dev, _) = stopped(&world);
    let damages: [Damage; 8] = [
        ("truncated packs", |repository| {
            for pack in packs(repository) {
                edit(&pack, |bytes| bytes.truncate(bytes.len() / 2));
            }
        }),
        ("no packs", |repository| {
            for pack in packs(repository) {
                fs::remove_file(pack).expect("remove it");
            }
        }),
        ("damaged indexes", |repository| {
            for pack in packs(repository) {
                edit(&pack.with_extension("idx"), |bytes| bytes.truncate(100));
            }
        }),
        ("a state that is empty", |repository| {
            fs::write(repository.join("refs/appferry/state"), "").expect("empty it");
        }),
        ("a state that points nowhere", |repository| {
            fs::write(repository.join("refs/appferry/state"), "1".repeat(40) + "\n").expect("write it");
        }),
        ("no HEAD", |repository| fs::remove_file(repository.join("HEAD")).expect("remove it")),
        ("a HEAD of rubbish", |repository| fs::write(repository.join("HEAD"), [0xff; 30]).expect("write it")),
        ("a config of rubbish", |repository| fs::write(repository.join("config"), "[[[\n\u{1}").expect("write it")),
    ];
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        eprintln!("{what}");
        let repository = dev.local_repositories().into_iter().find(|path| path.ends_with("repo.git")).expect("it");
        damage(&repository);
        let token = format!("token{number}");
        set(&dev.apps.join(SCREEN), &token, "made before it was found");
        dev.start();
        dev.wait(PATIENCE, what, || {
            world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains(&token))
        });
        assert_mended(&world, &dev);
        sound(&mut dev);
    }
    assert_eq!(world.repo.branches(), ["main"], "nothing became a conflict");
}

#[test]
fn damage_while_it_runs_and_is_offline_keeps_the_commits_that_are_not_pushed() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    write_app(&dev.apps, "Other");
    dev.start();
    dev.wait_until_in_sync();
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);
    // Two commits of one app: the first state is nowhere but in the repository.
    for color in ["first-green", "then-blue"] {
        set(&dev.apps.join(SCREEN), "color", color);
        dev.wait(PATIENCE, "the commit", || dev.still_has(color));
    }
    dev.kill();
    let repository = dev.local_repositories().pop().expect("its repository");
    // What the remote has, too: it is read at the start.
    fs::remove_file(pack_of(&repository, &world.repo.tip("main").expect("a commit"))).expect("remove it");
    dev.start();
    let notices = |dev: &Instance| dev.repository().notices.join("\n");
    dev.wait(PATIENCE, "the notice", || notices(&dev).contains("is built anew as soon as the remote answers"));
    // Killed in the middle of it.
    dev.kill();
    dev.start();
    dev.wait(PATIENCE, "the notice again", || notices(&dev).contains("is built anew as soon as the remote answers"));
    world.sshd.restart();
    dev.wait(PATIENCE, "the newest state in Git", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("then-blue"))
    });
    assert_mended(&world, &dev);
    let history = world.repo.everything_ever_added();
    assert!(history.contains("first-green"), "the commits were kept, in their order: {:?}", world.repo.subjects());
    sound(&mut dev);
}

#[test]
fn unpushed_commits_with_an_object_missing_are_kept_as_far_as_they_can_be_read() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_old_app(&dev.apps, "One");
    write_old_app(&dev.apps, "Two");
    dev.start();
    dev.wait_until_in_sync();
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);
    for (app, text) in [("One", "one-readable"), ("Two", "two-newest"), ("One", "one-newest")] {
        set(&dev.apps.join(format!("{app}/{app}.json")), "app", text);
        dev.wait(PATIENCE, "the commit", || dev.still_has(text));
    }
    dev.kill();
    let repository = dev.local_repositories().pop().expect("its repository");
    let state = git(&repository, &["rev-parse", "refs/appferry/state"]);
    let json = git(&repository, &["show", &format!("{state}:state.json")]);
    let notes: serde_json::Value = serde_json::from_str(&json).expect("the notes");
    let head = notes["head"].as_str().expect("the newest commit");
    // All packs become loose objects, and the newest commit's root tree is taken away.
    let tree = git(&repository, &["rev-parse", &format!("{head}^{{tree}}")]);
    for pack in packs(&repository) {
        let away = repository.join("away.pack");
        fs::rename(&pack, &away).expect("move it away");
        fs::remove_file(pack.with_extension("idx")).expect("remove its index");
        crate::support::git_with_input(&repository, &["unpack-objects", "-q"], &fs::read(&away).expect("read it"));
        fs::remove_file(&away).expect("remove it");
    }
    fs::remove_file(repository.join("objects").join(&tree[..2]).join(&tree[2..])).expect("remove the tree");
    dev.spawn();
    world.sshd.restart();
    dev.wait(PATIENCE, "the newest states in Git", || {
        ["One", "Two"].iter().all(|app| {
            let text = world.repo.show("main", &format!("App/{app}/{app}.json")).unwrap_or_default();
            text.contains("-newest")
        })
    });
    dev.wait_until_in_sync();
    assert!(dev.still_has("one-readable"), "what only a commit held that can be read is kept");
    let kept = dev.cli_text(&["sync", "backups"]);
    assert!(kept.contains("One"), "and can be restored: {kept}");
    sound(&mut dev);
}

#[test]
fn a_remote_that_is_damaged_itself_is_no_endless_loop() {
    let Some(world) = World::new() else { return };
    let (mut dev, repository) = stopped(&world);
    for pack in packs(&repository) {
        edit(&pack, |bytes| bytes.truncate(50));
    }
    fs::remove_dir_all(world.repo.path().join("objects")).expect("remove the remote's objects");
    fs::create_dir_all(world.repo.path().join("objects/pack")).expect("an empty folder");
    dev.start();
    let mut next_try = None;
    for try_number in 1..=3 {
        let repository = dev.wait_until(&format!("the message after try {try_number}"), |repository| {
            repository.last_error.as_ref().is_some_and(|error| error.next_try != next_try)
        });
        let error = repository.last_error.expect("an error");
        assert!(!error.failure.message.is_empty() && !error.failure.remedy.is_empty(), "{error:?}");
        next_try = error.next_try;
    }
    assert!(set_aside(&dev).len() <= 2, "it is not done again and again: {:?}", set_aside(&dev));
    assert!(dev.is_running());
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("red".into()), "the apps are untouched");
}

#[test]
fn a_tag_that_somebody_made_in_it_is_brought_over_with_all_it_refers_to() {
    let Some(world) = World::new() else { return };
    let (mut dev, repository) = stopped(&world);
    git(&repository, &["config", "user.name", "Somebody"]);
    git(&repository, &["config", "user.email", "somebody@example.org"]);
    let state = git(&repository, &["rev-parse", "refs/appferry/state"]);
    git(&repository, &["tag", "-a", "-m", "Looked at", "looked-at", &state]);
    let tag = git(&repository, &["rev-parse", "refs/tags/looked-at"]);
    fs::write(repository.join("refs/appferry/state"), "").expect("empty it");
    dev.start();
    assert_mended(&world, &dev);
    assert_eq!(git(&repository, &["rev-parse", "refs/tags/looked-at"]), tag);
    assert_eq!(git(&repository, &["rev-parse", "refs/tags/looked-at^{commit}"]), state);
    sound(&mut dev);
}
