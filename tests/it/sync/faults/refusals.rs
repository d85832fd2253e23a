//! Refusals of other kinds, each with its own message.

use std::path::Path;

use appferry::domain::status::{AppState, RepositoryState};

use crate::support::PATIENCE;
use crate::support::apps::{set, write, write_old_app};
use crate::support::instance::app;
use crate::support::small_disk::SmallDisk;
use crate::support::world::World;

#[test]
fn a_used_up_quota_says_so_with_the_servers_words() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_old_app(&dev.apps, "Mine");
    dev.start();
    dev.wait_until_in_sync();
    world.repo.set_hook("pre-receive", "echo 'fatal: Disk quota exceeded: team uses 10 GB of 10 GB' >&2\nexit 1\n");
    set(&dev.apps.join("Mine/Mine.json"), "app", "new");
    let error = dev.wait_for_state(RepositoryState::Refused).last_error.expect("an error").failure;
    assert!(error.message.contains("team uses 10 GB of 10 GB"), "{error}");
    assert!(error.remedy.contains("quota"), "{error}");
    let held = dev.wait_for_app("Mine", AppState::Held).reason.expect("why");
    assert!(held.contains("Disk quota exceeded") && held.contains("tried again by itself"), "{held}");
    world.repo.drop_hook("pre-receive");
    dev.cli_text(&["sync", "push", "Mine"]);
    dev.wait_until_in_sync();
}

#[test]
fn of_several_apps_only_those_that_a_hook_refuses_are_held_each_with_its_words() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let names = ["A", "B", "Frozen", "Icy", "Z"];
    for name in names {
        write_old_app(&dev.apps, name);
    }
    dev.start();
    dev.wait_until_in_sync();
    world.repo.set_hook(
        "pre-receive",
        "while read old new ref; do for app in Frozen Icy; do\n\
         if git log --format= --name-only \"$old..$new\" | grep -q \"^App/$app/\"; then\n\
         echo \"policy: $app is closed\" >&2; exit 1\nfi\ndone\ndone\n",
    );
    for name in names {
        set(&dev.apps.join(format!("{name}/{name}.json")), "app", "new");
    }
    dev.wait(PATIENCE, "the others", || {
        ["A", "B", "Z"].iter().all(|name| {
            world.repo.show("main", &format!("App/{name}/{name}.json")).is_some_and(|text| text.contains("new"))
        })
    });
    for name in ["Frozen", "Icy"] {
        let words = format!("policy: {name} is closed");
        dev.wait_until(&words, |repository| {
            app(repository, name).is_some_and(|app| {
                app.state == AppState::Held && app.reason.as_ref().is_some_and(|reason| reason.contains(&words))
            })
        });
    }
}

#[test]
fn a_full_disk_of_the_server_is_told_from_a_refusal_and_passes() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_old_app(&dev.apps, "Mine");
    dev.start();
    dev.wait_until_in_sync();
    let objects = world.repo.path().join("objects");
    let aside = dev.aside().join("objects");
    copy(&objects, &aside);
    let Some(disk) = SmallDisk::over(&objects, "1M") else { return };
    copy(&aside, &objects);
    disk.fill();
    let mut dice = crate::support::Dice::new();
    let noise: Vec<u8> = (0..300_000).map(|_| dice.roll(256).to_le_bytes()[0]).collect();
    write(&dev.apps.join("Mine/big.bin"), noise);
    let repository = dev.wait_until("a message", |repository| repository.last_error.is_some());
    let error = repository.last_error.expect("an error").failure;
    assert!(error.to_string().contains("space"), "{error}");
    std::fs::remove_file(objects.join("filler")).expect("free the space");
    disk.resize("20M");
    dev.cli_text(&["sync", "push", "Mine"]);
    dev.wait_until_in_sync();
    copy(&objects, &aside);
    drop(disk);
    copy(&aside, &objects);
    assert!(world.repo.git(&["ls-tree", "--name-only", "main:App/Mine"]).contains("big.bin"));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("make the folder");
    let all = format!("{}/.", from.display());
    let done = crate::support::run("cp", &["-a", &all, &to.display().to_string()], Path::new("/"), b"");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
