//! What the program is stopped by costs only time.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::apps::{set_at_once, snapshot, write_app};
use crate::support::world::World;
use crate::support::{Dice, PATIENCE, endurance};

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

#[test]
fn an_instance_killed_at_random_moments_loses_nothing() {
    let Some(world) = World::new() else { return };
    let (mut dev, mut qa) = (world.instance("dev"), world.instance("qa"));
    write_app(&dev.apps, "PO App");
    write_app(&dev.apps, "Stock");
    dev.start();
    dev.wait_until_in_sync();
    qa.start();
    qa.wait_until("both apps at qa", |repository| repository.apps.len() == 2);

    let mut dice = Dice::new();
    let (mut tokens, mut kills) = (Vec::new(), 0);
    let end = Instant::now() + endurance();
    while Instant::now() < end {
        for (who, instance) in [("dev", &dev), ("qa", &qa)] {
            let token = format!("{who}-{}-token", tokens.len());
            let app = ["PO App", "Stock"][usize::try_from(dice.roll(2)).unwrap_or(0)];
            let file = instance.apps.join(app).join("screens/Screen 1/meta.json");
            set_at_once(&file, &token, token.as_str(), &instance.aside());
            tokens.push(token);
        }
        std::thread::sleep(Duration::from_millis(dice.roll(700)));
        dev.kill();
        kills += 1;
        dev.spawn();
    }
    dev.kill();
    dev.start();

    world.settle(&dev, &qa);
    assert_eq!(snapshot(&dev.apps), snapshot(&qa.apps));
    let history = world.repo.everything_ever_added();
    let lost: Vec<&String> = tokens.iter().filter(|token| !history.contains(token.as_str())).collect();
    assert!(lost.is_empty(), "after {kills} kills {} of {} edits are lost: {lost:?}", lost.len(), tokens.len());
    dev.stop();
    dev.fsck();
    world.repo.fsck();
    eprintln!("{kills} kills, {} edits", tokens.len());
}

#[test]
fn a_kill_in_the_middle_of_installing_never_leaves_half_an_app() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let release = |number: u32| {
        world.repo.somebody_commits("Release", |tree| {
            for file in 0..300 {
                let path = tree.join(format!("App/Wide/data_query/q{file}/meta.json"));
                crate::support::apps::write(&path, format!("{{\n  \"release\": {number}\n}}\n"));
            }
        });
    };
    release(0);
    dev.start();
    dev.wait_until("the app", |repository| repository.apps.len() == 1);
    dev.wait_until_in_sync();
    let mut dice = Dice::new();
    for number in 1..=8 {
        release(number);
        std::thread::sleep(Duration::from_millis(200 + dice.roll(300)));
        dev.kill();
        dev.start();
        let whole = world.repo.snapshot("main");
        dev.wait(PATIENCE, "the whole release", || snapshot(&dev.apps) == whole);
        dev.wait_until_in_sync();
    }
    assert_eq!(world.repo.subjects().len(), 9, "nobody committed a half-installed app: {:?}", world.repo.subjects());
}

#[test]
fn sigterm_and_sigint_end_the_worker_with_zero() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    for signal in [Signal::TERM, Signal::INT] {
        dev.start();
        dev.wait_until_in_sync();
        let status = dev.end_with(signal);
        assert_eq!(status.code(), Some(0), "{signal:?}: {status}");
        assert!(!dev.whole_log().contains("did not finish in time"), "{signal:?}\n{}", dev.log());
    }
}

#[test]
fn sigterm_during_a_save_finishes_the_push_or_leaves_it_for_the_next_start() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    for round in 0..5 {
        set_at_once(&dev.apps.join(SCREEN), "round", round, &dev.aside());
        std::thread::sleep(Duration::from_millis(60 * round));
        dev.stop();
        dev.start();
        dev.wait(PATIENCE, "the save in Git", || {
            world
                .repo
                .show("main", &format!("App/{SCREEN}"))
                .is_some_and(|text| text.contains(&format!("\"round\": {round}")))
        });
    }
    world.repo.fsck();
}

#[test]
fn a_second_worker_on_the_same_data_folder_is_refused() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    let second = dev.cli(&["run"]);
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&dev.data.display().to_string()), "{said}");
    assert!(dev.is_running());
}
