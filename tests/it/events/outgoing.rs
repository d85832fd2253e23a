//! Webhooks that go out.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use appferry::domain::event::{Change, Direction, Event, What};

use super::receiver::Receiver;
use super::{hmac_hex, kinds_of, list};
use crate::support::PATIENCE;
use crate::support::apps::{set, write, write_app};
use crate::support::instance::Instance;
use crate::support::process::free_port;
use crate::support::world::World;

const SCREEN: &str = "screens/Screen 1/meta.json";
const SECRET: &str = "a secret of this test";

fn told(world: &World, name: &str, urls: &[String]) -> Instance {
    let mut instance = world.instance(name);
    instance.set("APPFERRY_WEBHOOK_URL", urls.join(", ")).set("APPFERRY_WEBHOOK_SECRET", SECRET);
    instance
}

fn publish(instance: &Instance, app: &str, number: u32) {
    write(&instance.apps.join(app).join("last_release/release_meta.json"), format!("{{\n  \"number\": {number}\n}}\n"));
}

#[test]
fn commits_pushes_installs_and_releases_arrive_signed_and_in_order() {
    let Some(world) = World::new() else { return };
    let (at_dev, at_qa) = (Receiver::start(), Receiver::start());
    let mut dev = told(&world, "dev", &[at_dev.url()]);
    let mut qa = told(&world, "qa", &[at_qa.url()]);
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the first push", || kinds_of(&at_dev.taken(), "PO App").contains(&"pushed"));
    publish(&dev, "PO App", 1);
    dev.wait(PATIENCE, "the release", || kinds_of(&at_dev.taken(), "PO App").contains(&"published"));
    assert_eq!(kinds_of(&at_dev.taken(), "PO App"), ["committed", "pushed", "committed", "pushed", "published"]);

    qa.start();
    qa.wait(PATIENCE, "the install", || kinds_of(&at_qa.taken(), "PO App").contains(&"published"));
    assert_eq!(kinds_of(&at_qa.taken(), "PO App"), ["installed", "published"]);
    let tip = world.repo.tip("main").expect("a tip");
    for (receiver, direction) in [(&at_dev, Direction::Out), (&at_qa, Direction::In)] {
        let published: Vec<What> = receiver.taken().into_iter().map(|event| event.what).collect();
        assert!(published.contains(&What::Published { commit: tip.clone(), direction }), "{published:#?}");
    }
    for delivery in at_dev.came().iter().chain(&at_qa.came()) {
        assert_eq!(delivery.headers["x-appferry-event"], delivery.event.what.kind());
        assert_eq!(delivery.headers["x-appferry-delivery"], delivery.event.id.to_string());
        let signature = format!("sha256={}", hmac_hex(SECRET, &delivery.body));
        assert_eq!(delivery.headers["x-appferry-signature-256"], signature);
    }
    let ids: Vec<u64> = at_dev.taken().iter().map(|event| event.id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    dev.wait(PATIENCE, "the list and the webhook to tell the same", || list(&dev, 0) == at_dev.taken());
    let printed = dev.cli_text(&["events", "--after", "1"]);
    assert!(printed.contains("published  'PO App'") && !printed.contains("     1  "), "{printed}");
    fs::remove_dir_all(qa.apps.join("PO App/icon")).expect("a change");
    qa.wait(PATIENCE, "a change without a release", || {
        let pushed =
            |event: &Event| matches!(event.what, What::Pushed { change: Change::Changed, published: false, .. });
        at_qa.taken().iter().any(pushed)
    });
}

#[test]
fn what_was_not_delivered_when_it_was_killed_is_delivered_after_the_next_start() {
    let Some(world) = World::new() else { return };
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/hook");
    let mut dev = told(&world, "dev", &[url]);
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    for number in 1..=3 {
        let before = world.repo.tip("main");
        set(&dev.apps.join("PO App").join(SCREEN), "number", number);
        dev.wait(PATIENCE, "a push", || world.repo.tip("main") != before);
    }
    dev.wait(PATIENCE, "the events", || kinds_of(&list(&dev, 0), "PO App").len() == 8);
    dev.kill();
    let receiver = Receiver::at(port);
    receiver.answers(|_| 0); // it takes the first and says nothing: cut off in the middle
    dev.start();
    dev.wait(PATIENCE, "the first try", || !receiver.came().is_empty());
    dev.kill();
    receiver.answers(|_| 204);
    dev.start();
    let wanted = ["committed", "pushed"].repeat(4);
    dev.wait(PATIENCE, "all events", || kinds_of(&receiver.taken(), "PO App") == wanted);
    let first = receiver.came().first().map(|delivery| delivery.event.clone()).expect("one");
    assert!(receiver.taken().contains(&first), "the one that was cut off came again, with its id");
}

#[test]
fn a_kill_right_after_the_push_loses_no_event() {
    let Some(world) = World::new() else { return };
    let receiver = Receiver::start();
    let mut dev = told(&world, "dev", &[receiver.url()]);
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    for number in 1..=5 {
        let before = world.repo.tip("main");
        set(&dev.apps.join("PO App").join(SCREEN), "number", number);
        dev.wait(PATIENCE, "a push", || world.repo.tip("main") != before);
        dev.kill(); // as soon as the remote has it
        dev.start();
        let tip = world.repo.tip("main").expect("a tip");
        dev.wait(PATIENCE, "the event of this push", || {
            let is_it = |event: &Event| matches!(&event.what, What::Pushed { commit, .. } if *commit == tip);
            receiver.taken().iter().any(is_it)
        });
    }
}

#[test]
fn a_receiver_that_is_down_or_slow_holds_up_no_other() {
    let Some(world) = World::new() else { return };
    let (dead, slow, well) = (free_port(), Receiver::start(), Receiver::start());
    slow.answers(|_| 503);
    let urls = [format!("http://127.0.0.1:{dead}/"), slow.url(), well.url()];
    let mut dev = told(&world, "dev", &urls);
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the events at the one that is well", || {
        kinds_of(&well.taken(), "PO App") == ["committed", "pushed"]
    });
    assert!(slow.taken().is_empty());
    slow.answers(|_| 200);
    dev.wait(PATIENCE, "the events at the other", || kinds_of(&slow.taken(), "PO App") == ["committed", "pushed"]);
    assert!(!dev.whole_log().contains("/hook"), "an address may hold a secret, and is not logged");
}

#[test]
fn an_event_that_fails_holds_up_its_app_alone_and_a_refused_one_is_given_up() {
    let Some(world) = World::new() else { return };
    let receiver = Receiver::start();
    let fine_came = AtomicBool::new(false);
    receiver.answers(move |event| match (event.app.as_deref(), event.what.kind()) {
        (Some("Fine"), _) => {
            fine_came.store(true, Ordering::Relaxed);
            200
        }
        (Some("Broken"), _) if !fine_came.load(Ordering::Relaxed) => 500,
        (Some("Unwanted"), "committed") => 422,
        _ => 200,
    });
    let mut dev = told(&world, "dev", &[receiver.url()]);
    for name in ["Broken", "Fine", "Unwanted"] {
        write_app(&dev.apps, name);
    }
    dev.start();
    dev.wait(PATIENCE, "all that is wanted", || {
        let taken = receiver.taken();
        kinds_of(&taken, "Broken") == ["committed", "pushed"]
            && kinds_of(&taken, "Fine") == ["committed", "pushed"]
            && kinds_of(&taken, "Unwanted") == ["pushed"]
    });
    let failed = receiver.came().iter().filter(|delivery| delivery.answered == 500).count();
    assert!(failed > 0, "the one that failed came first, and the others did not wait for it");
    let refused = receiver.came().iter().filter(|delivery| delivery.answered == 422).count();
    assert_eq!(refused, 5, "it was tried five times");
    assert!(dev.whole_log().contains("gave an event up"));
}

#[test]
fn conflicts_states_and_failures_are_told_and_a_filter_lets_only_some_through() {
    let Some(world) = World::new() else { return };
    let receiver = Receiver::start();
    let mut dev = world.instance("dev");
    let mut qa = told(&world, "qa", &[receiver.url()]);
    qa.set("APPFERRY_EVENTS", "conflict,conflict_resolved,failure");
    write_app(&dev.apps, "PO App");
    write_app(&dev.apps, "Other");
    dev.start();
    dev.wait_until_in_sync();
    qa.start();
    qa.wait_until("both apps", |repository| repository.apps.len() == 2);
    qa.wait_until_in_sync();
    qa.stop();
    let before = world.repo.tip("main");
    set(&dev.apps.join("PO App").join(SCREEN), "color", "green");
    dev.wait(PATIENCE, "dev's push", || world.repo.tip("main") != before);
    set(&qa.apps.join("PO App").join(SCREEN), "color", "blue");
    qa.start();
    qa.wait(PATIENCE, "the conflict", || kinds_of(&receiver.taken(), "PO App") == ["conflict"]);
    qa.cli_text(&["sync", "resolve", "PO App", "--take", "theirs"]);
    qa.wait(PATIENCE, "its end", || kinds_of(&receiver.taken(), "PO App") == ["conflict", "conflict_resolved"]);
    qa.wait_until_in_sync();

    let all = list(&qa, 0);
    let states: Vec<&What> = all.iter().map(|event| &event.what).filter(|what| what.kind() == "app_state").collect();
    assert!(!states.is_empty() && all.iter().any(|event| event.what.kind() == "repository_state"), "{all:#?}");
    let moved = world.repo.path().with_extension("away");
    fs::rename(world.repo.path(), &moved).expect("take the repository away");
    qa.wait(PATIENCE, "the failure", || receiver.taken().iter().any(|event| event.what.kind() == "failure"));
    fs::rename(&moved, world.repo.path()).expect("put it back");
    let told = receiver.taken();
    assert!(told.iter().all(|event| ["conflict", "conflict_resolved", "failure"].contains(&event.what.kind())));
}

#[test]
fn a_damaged_log_of_events_stops_nothing() {
    let Some(world) = World::new() else { return };
    let receiver = Receiver::start();
    let mut dev = told(&world, "dev", &[receiver.url()]);
    dev.start();
    dev.wait_until_in_sync();
    dev.stop();
    for file in ["events.db-wal", "events.db-shm"] {
        let _ = fs::remove_file(dev.data.join(file));
    }
    fs::write(dev.data.join("events.db"), [7; 9000]).expect("damaged");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the events", || kinds_of(&receiver.taken(), "PO App") == ["committed", "pushed"]);
    assert!(dev.data.join("events.db.damaged").exists());
}
