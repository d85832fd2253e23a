//! An app is installed with what was published of it, or without.

use appferry::domain::status::AppState;

use super::{Place, SCREEN, incoming, names, publish, recolour, released, sync};
use crate::support::PATIENCE;
use crate::support::apps::{set, value};
use crate::support::instance::Instance;

fn published(place: &Place, instance: &Instance, color: &str, version: u32) {
    let tip = place.elsewhere("Publish", |apps| {
        recolour(apps, color);
        publish(apps, version);
    });
    instance.wait_until("the news", |repository| repository.remote_tip.as_deref() == Some(&tip));
}

#[test]
fn an_update_without_its_release_leaves_the_published_state_as_it_was_until_it_is_asked_for() {
    let place = Place::new();
    let mut production = place.waiting();
    published(&place, &production, "green", 1);
    let list = incoming(&production);
    assert_eq!(list["updated"][0]["published"], true);
    assert_eq!(list["updated"][0]["actions"].as_array().expect("a list"), &["update", "update_and_release"]);

    let text = sync(&production, &["update", "PO App"]);
    assert_eq!(text, "ok    PO App: updated; its release in Git waits for `--release`\n");
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("green".into()));
    assert_eq!(released(&production), None);
    let repository = production.wait_until_in_sync();
    assert!(repository.notices.iter().any(|notice| notice.contains("sync update \"PO App\" --release")));
    production.stop();
    production.start();
    production.wait_until_in_sync();
    assert_eq!(incoming(&production)["updated"][0]["actions"].as_array().expect("a list"), &["update_and_release"]);

    assert!(sync(&production, &["update", "PO App", "--release", "--dry-run"]).contains("would be"));
    assert_eq!(released(&production), None);
    sync(&production, &["update", "PO App", "--release"]);
    assert!(released(&production).expect("published").contains("\"version\": 1"));
    assert!(names(&incoming(&production), "updated").is_empty());

    published(&place, &production, "blue", 2);
    sync(&production, &["update", "PO App", "--release"]);
    assert!(released(&production).expect("published").contains("\"version\": 2"));
    published(&place, &production, "white", 3);
    sync(&production, &["update", "PO App"]);
    assert!(released(&production).expect("published").contains("\"version\": 2"), "the older release stays");
    sync(&production, &["pull"]);
    assert!(released(&production).expect("published").contains("\"version\": 3"), "a pull brings everything");
    production.wait_until("no notice", |repository| repository.notices.is_empty());
}

#[test]
fn a_release_that_is_withheld_is_neither_pushed_back_nor_lost_by_an_edit() {
    let place = Place::new();
    let development = place.instance("development", &[("APPFERRY_AUTO_PULL", "never")]);
    development.wait_for_app("PO App", AppState::Behind);
    sync(&development, &["install", "PO App"]);
    published(&place, &development, "green", 1);
    sync(&development, &["update", "PO App"]);
    development.wait_until_in_sync();
    assert_eq!(released(&development), None);

    set(&development.apps.join(SCREEN), "width", 6);
    let pushed = || place.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("\"width\": 6"));
    development.wait(PATIENCE, "the edit in Git", pushed);
    let release = || place.repo.show("main", "App/PO App/last_release/release_meta.json");
    assert!(release().expect("still published").contains("\"version\": 1"));
    assert_eq!(place.repo.subjects()[0], "PO App:: Minor app update");
    assert_eq!(released(&development), None);

    // Published here: an edit like any other.
    publish(&development.apps, 7);
    development.wait(PATIENCE, "the release in Git", || release().is_some_and(|text| text.contains("\"version\": 7")));
    development.wait_until("no notice", |repository| repository.notices.is_empty());
}

#[test]
fn a_release_that_was_taken_away_elsewhere_is_no_publish_and_goes_when_it_is_asked_for() {
    let place = Place::new();
    let production = place.waiting();
    published(&place, &production, "green", 1);
    sync(&production, &["update", "PO App", "--release"]);
    let tip = place.elsewhere("No release", |apps| {
        recolour(apps, "blue");
        std::fs::remove_dir_all(apps.join("PO App/last_release")).expect("remove it");
    });
    production.wait_until("the news", |repository| repository.remote_tip.as_deref() == Some(&tip));
    let list = incoming(&production);
    assert_eq!(list["updated"][0]["published"], false);
    assert_eq!(list["updated"][0]["actions"].as_array().expect("a list"), &["update", "update_and_release"]);

    let text = sync(&production, &["update", "PO App"]);
    assert!(text.contains("it has no release in Git any more, and keeps the one here until `--release`"), "{text}");
    assert!(released(&production).expect("still published").contains("\"version\": 1"));
    let notices = production.wait_until_in_sync().notices.concat();
    assert!(notices.contains("has no release in Git any more") && notices.contains("--release"), "{notices}");
    assert_eq!(incoming(&production)["updated"][0]["actions"].as_array().expect("a list"), &["update_and_release"]);
    sync(&production, &["update", "PO App", "--release"]);
    assert_eq!(released(&production), None);
    assert!(names(&incoming(&production), "updated").is_empty());
}
