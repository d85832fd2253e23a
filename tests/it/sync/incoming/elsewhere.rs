//! Pulling from another branch, a tag or a commit.

use appferry::domain::status::AppState;

use super::{Place, SCREEN, recolour, sync, sync_fails};
use crate::support::PATIENCE;
use crate::support::apps::{set, value};

#[test]
fn on_a_locked_instance_an_app_is_pinned_until_a_plain_pull() {
    let place = Place::new();
    place.repo.git(&["tag", "v1", "main"]);
    place.elsewhere("Repaint", |apps| recolour(apps, "green"));
    let mut production = place.instance("production", &[("GIT_SYNC_IS_LOCK_APP_EDIT", "true")]);
    let color = |production: &super::Instance| value(&production.apps.join(SCREEN), "color");
    production.wait(PATIENCE, "the app", || color(&production) == Some("green".into()));
    production.wait_until_in_sync();

    assert!(sync(&production, &["pull", "PO App", "--from", "v1", "--dry-run"]).contains("would be pinned at v1"));
    assert_eq!(color(&production), Some("green".into()));
    let text = sync(&production, &["pull", "PO App", "--from", "v1"]);
    assert!(text.starts_with("ok    PO App: pinned at v1 ("), "{text}");
    assert_eq!(color(&production), Some("red".into()));
    sync(&production, &["pull", "PO App", "--from", "v1"]);
    let held = production.wait_for_app("PO App", AppState::Held);
    assert!(held.reason.expect("a reason").contains("pinned at v1"));
    assert!(sync_fails(&production, &["update", "PO App"]).contains("lets it follow the branch again"));

    let tip = place.elsewhere("Repaint again", |apps| recolour(apps, "blue"));
    production.wait_until("the news", |repository| repository.remote_tip.as_deref() == Some(&tip));
    production.stop();
    production.start();
    production.wait_for_app("PO App", AppState::Held);
    assert_eq!(color(&production), Some("red".into()), "it stays there");
    set(&production.apps.join(SCREEN), "width", 7);
    production.wait_for_app("PO App", AppState::Drift);
    assert!(sync(&production, &["pull", "--dry-run"]).contains("would be updated"));
    production.wait_for_app("PO App", AppState::Drift);
    sync(&production, &["pull"]);
    assert_eq!(color(&production), Some("blue".into()));
    production.wait_until_in_sync();
    assert!(production.still_has("\"width\": 7"), "the drift is kept aside");
    assert_eq!(place.repo.subjects(), ["Repaint again", "Repaint", "Start"]);
}

#[test]
fn where_editing_is_allowed_it_is_an_edit_and_pushed_like_one() {
    let place = Place::new();
    let start = place.repo.tip("main").expect("a tip");
    place.elsewhere("Repaint", |apps| recolour(apps, "green"));
    let development = place.instance("development", &[]);
    development.wait(PATIENCE, "the app", || value(&development.apps.join(SCREEN), "color") == Some("green".into()));
    development.wait_until_in_sync();
    let text = sync(&development, &["pull", "PO App", "--from", &start[..8]]);
    assert_eq!(text, format!("ok    PO App: as in {} ({})\n", &start[..8], &start[..10]));
    assert_eq!(value(&development.apps.join(SCREEN), "color"), Some("red".into()));
    assert_eq!(place.repo.subjects(), ["PO App:: Minor app update", "Repaint", "Start"]);
    assert!(place.repo.show("main", &format!("App/{SCREEN}")).expect("the screen").contains("red"));
    development.wait_until_in_sync();
}

#[test]
fn without_auto_save_it_is_pushed_only_when_asked_for() {
    let place = Place::new();
    place.repo.git(&["branch", "old", "main"]);
    place.elsewhere("Repaint", |apps| recolour(apps, "green"));
    let development = place.instance("development", &[("GIT_SYNC_IS_AUTO_SAVE", "false")]);
    development.wait(PATIENCE, "the app", || value(&development.apps.join(SCREEN), "color") == Some("green".into()));
    development.wait_until_in_sync(); // the whole install, not its first file
    set(&development.apps.join(SCREEN), "color", "mine");
    development.wait_for_app("PO App", AppState::Modified);
    let text = sync(&development, &["pull", "--from", "old"]);
    assert!(text.contains("as in old (") && text.contains("`appferry sync push` pushes it"), "{text}");
    assert!(development.still_has("mine"), "what was there is kept aside");
    development.wait_for_app("PO App", AppState::Modified);
    assert_eq!(place.repo.subjects(), ["Repaint", "Start"]);
    sync(&development, &["pull", "PO App", "--from", "old", "--push"]);
    assert_eq!(place.repo.subjects(), ["PO App:: Minor app update", "Repaint", "Start"]);
}

#[test]
fn who_asks_right_after_a_save_means_that_save_too() {
    let place = Place::new();
    place.repo.git(&["tag", "v1", "main"]);
    let variables =
        [("GIT_SYNC_IS_LOCK_APP_EDIT", "true"), ("APPFERRY_AUTO_PULL", "never"), ("APPFERRY_DEBOUNCE", "2s")];
    let production = place.instance("production", &variables);
    production.wait_until("the branch", |repository| !repository.apps.is_empty());
    sync(&production, &["pull"]);
    production.wait_until_in_sync();
    let news = |color: &str| {
        let tip = place.elsewhere("Repaint", |apps| recolour(apps, color));
        production.wait_until("the news", |repository| repository.remote_tip.as_deref() == Some(&tip));
    };
    let color = || value(&production.apps.join(SCREEN), "color");

    news("green");
    set(&production.apps.join(SCREEN), "width", 7);
    assert_eq!(sync(&production, &["update", "PO App"]), "ok    PO App: updated\n");
    assert_eq!(color(), Some("green".into()));
    assert!(production.still_has("\"width\": 7"), "the drift is kept aside");

    news("blue");
    set(&production.apps.join(SCREEN), "width", 8);
    assert_eq!(sync(&production, &["pull"]), "ok    PO App: updated\n");
    assert_eq!(color(), Some("blue".into()));
    assert!(production.still_has("\"width\": 8"), "the drift is kept aside");

    set(&production.apps.join(SCREEN), "width", 9);
    assert!(sync(&production, &["pull", "--from", "v1"]).starts_with("ok    PO App: pinned at v1 ("));
    assert_eq!(color(), Some("red".into()));
    assert!(production.still_has("\"width\": 9"), "the drift is kept aside");
}

#[test]
fn what_is_not_there_is_said_and_nothing_moves() {
    let place = Place::new();
    let production = place.waiting();
    assert!(sync_fails(&production, &["pull", "--from", "mian"]).contains("no branch and no tag \"mian\""));
    assert!(sync_fails(&production, &["pull", "--from", "0123456789"]).contains("reaches a commit 0123456789"));
    assert!(sync_fails(&production, &["pull", "Other", "--from", "main"]).contains("it is not in main"));
    assert!(sync_fails(&production, &["pull", "Other"]).contains("there is no app \"Other\""));
    production.wait_until_in_sync();
}
