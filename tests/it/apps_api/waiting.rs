//! A save that waits for its push.

use serde_json::json;

use super::ask::{get, put};
use crate::support::PATIENCE;
use crate::support::world::World;

#[test]
fn a_remote_that_is_away_lets_the_save_be_committed_and_pushed_later() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"})).saved();
    world.sshd.stop();
    let began = std::time::Instant::now();
    let saved = put(&dev, "Stock?wait=pushed&message=While%20away", &[], &json!({"meta.json": "[1]"}));
    assert_eq!(saved.status, 202, "{}", saved.text());
    let answer = saved.saved();
    assert!(answer.commit.is_some() && answer.pushed.is_none() && answer.message.contains("by itself"), "{answer:?}");
    eprintln!("answered after {:?}: {}", began.elapsed(), answer.message);
    assert_eq!(get(&dev, "Stock", &[]).etag(), saved.etag());
    world.sshd.restart();
    dev.wait(PATIENCE, "the push", || world.repo.subjects()[0] == "While away");
}

#[test]
fn a_refusal_by_the_remote_is_told_in_its_words() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    world.repo.set_hook("pre-receive", "#!/bin/sh\necho 'no saves on Fridays' >&2\nexit 1\n");
    let saved = put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"}));
    assert_eq!((saved.status, saved.class().as_str()), (409, "refused"), "{}", saved.text());
    assert!(saved.text().contains("no saves on Fridays"), "{}", saved.text());
    assert!(dev.apps.join("Stock/meta.json").exists(), "it is saved here all the same");
}

#[test]
fn a_lost_race_still_ends_with_a_pushed_save() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_POLL_INTERVAL", "1h");
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}", "b.js": "1"})).saved();
    world.repo.somebody_commits("First", |tree| {
        crate::support::apps::write(&tree.join("App/Stock/b.js"), "theirs");
    });
    let saved = put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{\"ours\": 1}", "b.js": "1"}));
    assert_eq!(saved.status, 200, "{}", saved.text());
    let tip = saved.saved().pushed.expect("pushed").commit;
    assert_eq!(world.repo.tip("main"), Some(tip));
    assert_eq!(world.repo.show("main", "App/Stock/b.js").as_deref(), Some("theirs"));
    assert!(world.repo.show("main", "App/Stock/meta.json").expect("the file").contains("ours"));
}

#[test]
fn a_save_does_not_wait_for_a_remote_that_says_nothing() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"})).saved();
    dev.wait_until_in_sync();
    world.sshd.freeze();
    std::thread::sleep(std::time::Duration::from_secs(1)); // several poll intervals: one of them hangs now
    let began = std::time::Instant::now();
    for number in 1..=3 {
        let saved = put(&dev, "Stock?wait=committed", &[], &json!({"meta.json": format!("[{number}]")}));
        assert_eq!(saved.status, 200, "{}", saved.text());
        assert!(saved.saved().commit.is_some());
    }
    let waited = began.elapsed();
    world.sshd.thaw();
    assert!(waited < std::time::Duration::from_secs(8), "it waited for the network: {waited:?}");
    eprintln!("three saves took {waited:?}");
    dev.wait(PATIENCE, "the pushes", || world.repo.show("main", "App/Stock/meta.json").as_deref() == Some("[3]"));
}

#[test]
fn a_save_does_not_wait_for_a_push_that_is_under_way() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "[0]"})).saved();
    dev.wait_until_in_sync();
    let (begun, go) = (dev.aside().join("begun"), dev.aside().join("go"));
    let hook = format!("touch '{}'; while [ ! -e '{}' ]; do sleep 0.05; done", begun.display(), go.display());
    world.repo.set_hook("pre-receive", &hook);
    put(&dev, "Stock?wait=committed", &[], &json!({"meta.json": "[1]"})).saved();
    dev.wait(PATIENCE, "the push to be under way", || begun.exists());
    let again = put(&dev, "Stock?wait=committed&message=Again", &[], &json!({"meta.json": "[2]"})).saved();
    let other = put(&dev, "Other?wait=committed&message=Other", &[], &json!({"meta.json": "{}"})).saved();
    assert!(again.commit.is_some() && other.commit.is_some(), "{again:?} {other:?}");
    let diff = super::ask::ask(&dev, "GET", "/api/v1/sync/diff?app=Stock", &[], b"");
    assert_eq!(diff.status, 200, "{}", diff.text());
    assert_eq!(world.repo.show("main", "App/Stock/meta.json").as_deref(), Some("[0]"), "the push still waits");
    std::fs::write(&go, "").expect("let it go on");
    dev.wait(PATIENCE, "both saves", || world.repo.tip("main") == other.commit);
    assert_eq!(world.repo.subjects()[..3], ["Other", "Again", "Stock:: Minor app update"]);
    assert_eq!(world.repo.show("main", "App/Stock/meta.json").as_deref(), Some("[2]"));
    dev.wait_until_in_sync();
}

#[test]
fn a_question_neither_waits_for_the_remote_nor_troubles_it() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}"})).saved();
    dev.wait_until_in_sync();
    let ask_all = || {
        for call in ["apps", "history?app=Stock", "diff?app=Stock", "backups", "incoming"] {
            let answer = super::ask::ask(&dev, "GET", &format!("/api/v1/sync/{call}"), &[], b"");
            assert_eq!(answer.status, 200, "{call}: {}", answer.text());
        }
    };
    world.sshd.freeze();
    std::thread::sleep(std::time::Duration::from_secs(1)); // several poll intervals: one of them hangs now
    let began = std::time::Instant::now();
    ask_all();
    let waited = began.elapsed();
    world.sshd.thaw();
    assert!(waited < std::time::Duration::from_secs(8), "they waited for the network: {waited:?}");

    world.sshd.stop();
    let next_try = || {
        let time = dev.repository().last_error.and_then(|error| error.next_try)?;
        time.parse::<jiff::Timestamp>().ok()
    };
    let in_a_while = || next_try().filter(|next| *next > jiff::Timestamp::now() + std::time::Duration::from_secs(3));
    let tried = (0..5).find_map(|_| {
        dev.wait(PATIENCE, "a longer wait for the next try", || in_a_while().is_some());
        let before = in_a_while()?;
        ask_all();
        let after = next_try();
        // On a machine that is slow enough its time may have come meanwhile.
        (jiff::Timestamp::now() < before).then_some(after != Some(before))
    });
    assert_ne!(tried, Some(true), "the remote was tried because of questions");
}
