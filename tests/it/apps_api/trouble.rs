//! kill -9 in the middle of a save, and a full disk.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::ask::{TAR, ask, get, put, tar_of, try_ask};
use crate::support::apps::snapshot;
use crate::support::small_disk::SmallDisk;
use crate::support::world::{KEY, World};
use crate::support::{Dice, PATIENCE};

const FILES: usize = 200;
const KILLS: usize = 6;

fn version(number: usize) -> Value {
    (0..FILES).map(|n| (format!("data_query/q{n}/meta.json"), json!(format!("{{\"version\": {number}}}\n")))).collect()
}

#[test]
fn a_kill_in_the_middle_of_a_save_leaves_the_app_before_or_after_it() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Wide?wait=pushed", &[], &version(0)).saved();
    let mut dice = Dice::new();
    let mut answered = 0;
    for number in 1..=KILLS {
        let body = version(number).to_string();
        let path = "/api/v1/apps/Wide?wait=pushed";
        let kind = ("Content-Type", "application/json");
        let said = std::thread::scope(|scope| {
            let asked = scope.spawn(|| try_ask(&dev, "PUT", path, &[kind], body.as_bytes()));
            // At any moment; every other time at one when files are being swapped in.
            if number % 2 == 0 {
                let is_installing =
                    || fs::read_dir(dev.apps.join(".appferry/staging")).is_ok_and(|found| found.count() > 0);
                while !is_installing() && !asked.is_finished() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_millis(dice.roll(30)));
            } else {
                std::thread::sleep(Duration::from_millis(10 + dice.roll(200)));
            }
            let pid = rustix::process::Pid::from_raw(i32::try_from(dev.pid()).expect("a pid")).expect("a pid");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
            asked.join().expect("its end")
        });
        let promised = said.is_some_and(|answer| answer.status == 200);
        answered += usize::from(promised);
        dev.kill();
        dev.start();
        dev.wait_until("the app again", |repository| repository.apps.len() == 1);
        dev.wait_until_in_sync();
        let given = get(&dev, "Wide", &[]).json();
        let files = given.as_object().expect("a map");
        let first = files["data_query/q0/meta.json"].as_str().expect("text").to_owned();
        assert_eq!(files.len(), FILES);
        assert!(files.values().all(|content| content.as_str() == Some(&first)), "half of {number}, half of another");
        assert!(!promised || first.contains(&format!(": {number}}}")), "a save that was confirmed is there");
        assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    }
    eprintln!("{answered} of {KILLS} saves were answered before the kill");
    let whole = |commit: &str| {
        let trees = world.repo.snapshot(commit);
        trees.iter().all(|(_, content)| *content == trees[0].1) && trees.len() == FILES
    };
    let commits = crate::support::git(world.repo.path(), &["rev-list", "main"]);
    assert!(commits.lines().all(whole), "no commit holds half a save");
    dev.stop();
    dev.fsck();
}

#[test]
fn a_full_disk_refuses_a_save_and_the_next_one_works() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    let Some(disk) = SmallDisk::over(&dev.data, "32m") else { return };
    world.sshd.authorize(&dev.generate_key(KEY));
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"})).saved();
    let before = snapshot(&dev.apps);
    let mut dice = Dice::new();
    let noise: Vec<u8> = (0..2 << 20).map(|_| u8::try_from(dice.roll(256)).unwrap_or(0)).collect();
    let body = tar_of(&[("icon.png", false, &noise)]);
    let filler = disk.fill();
    let refused = ask(&dev, "PUT", "/api/v1/apps/Stock", &[TAR], &body);
    assert_eq!((refused.status, refused.class().as_str()), (500, "disk"), "{}", refused.text());
    assert!(refused.text().contains("free space"), "{}", refused.text());
    assert_eq!(snapshot(&dev.apps), before);
    std::fs::remove_file(filler).expect("make room");
    dev.wait(PATIENCE, "a save that works", || {
        ask(&dev, "PUT", "/api/v1/apps/Stock?wait=pushed", &[TAR], &body).status == 200
    });
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    dev.stop();
}

#[test]
fn a_full_disk_under_the_apps_refuses_a_save_whole() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let Some(disk) = SmallDisk::over(&dev.apps, "1m") else { return };
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"})).saved();
    let before = snapshot(&dev.apps);
    let files: Vec<String> = (0..60).map(|n| format!("f{n}.js")).collect();
    let big = vec![b'x'; 50_000];
    let files: Vec<super::ask::File<'_>> = files.iter().map(|name| (name.as_str(), false, big.as_slice())).collect();
    let refused = ask(&dev, "PUT", "/api/v1/apps/Stock", &[TAR], &tar_of(&files));
    assert_eq!((refused.status, refused.class().as_str()), (500, "disk"), "{}", refused.text());
    assert_eq!(snapshot(&dev.apps), before);
    disk.resize("16m");
    let saved = ask(&dev, "PUT", "/api/v1/apps/Stock?wait=pushed", &[TAR], &tar_of(&files));
    assert_eq!(saved.status, 200, "{}", saved.text());
    dev.kill();
}
