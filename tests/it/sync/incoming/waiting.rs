//! What arrives waits, is listed, and is taken in by name.

use appferry::domain::status::{AppState, RepositoryState};
use std::fs;

use super::{Place, SCREEN, incoming, names, recolour, sync, sync_fails};
use crate::support::PATIENCE;
use crate::support::apps::{self, set, value, write_old_app};
use crate::support::instance::app;

#[test]
fn what_was_added_updated_and_deleted_elsewhere_waits_and_is_taken_in_by_name() {
    let place = Place::new();
    place.elsewhere("More", |apps| {
        write_old_app(apps, "Old");
        write_old_app(apps, "Other");
    });
    let production = place.waiting();
    place.elsewhere("Repaint", |apps| recolour(apps, "green"));
    let tip = place.elsewhere("Come and go", |apps| {
        write_old_app(apps, "New App");
        fs::remove_dir_all(apps.join("Old")).expect("removed");
    });
    production.wait_until("the news", |repository| repository.remote_tip.as_deref() == Some(&tip));
    let waits = production.wait_for_app("PO App", AppState::Behind);
    assert_eq!(waits.reason.as_deref(), Some("changed in Git; `appferry sync update \"PO App\"` installs it"));
    assert_eq!(production.repository().state, RepositoryState::AppsWaiting);
    assert_eq!(apps::names(&production.apps), ["Old", "Other", "PO App"], "nothing moves by itself");

    let list = incoming(&production);
    assert_eq!(names(&list, "added"), ["New App"]);
    assert_eq!(names(&list, "updated"), ["PO App"]);
    assert_eq!(names(&list, "deleted"), ["Old"]);
    let updated = &list["updated"][0];
    assert_eq!((updated["subject"].as_str(), updated["published"].as_bool()), (Some("Repaint"), Some(false)));
    assert!(updated["author"].is_string() && updated["time"].is_string() && updated["email"].is_string(), "{updated}");
    assert_eq!(updated["actions"].as_array().expect("a list"), &["update"]);
    assert_eq!(list["deleted"][0]["subject"], "Come and go");
    let text = sync(&production, &["incoming"]);
    assert!(text.starts_with("added elsewhere\n  New App: install\n"), "{text}");

    for (word, name) in [("install", "New App"), ("update", "PO App"), ("delete", "Old")] {
        assert!(sync(&production, &[word, name, "--dry-run"]).contains(": would be "), "{word}");
        let plan: serde_json::Value =
            serde_json::from_str(&sync(&production, &[word, name, "--dry-run", "--json"])).expect("a report");
        assert!(plan["dry_run"] == true && plan["apps"][0]["app"] == name && plan["apps"][0]["done"] == true, "{plan}");
    }
    assert_eq!(apps::names(&production.apps), ["Old", "Other", "PO App"], "a try does nothing");
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("red".into()));

    assert_eq!(sync(&production, &["install", "New App"]), "ok    New App: installed\n");
    assert_eq!(sync(&production, &["install", "New App"]), "ok    New App: is up to date\n");
    assert_eq!(sync(&production, &["update", "PO App"]), "ok    PO App: updated\n");
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("green".into()));
    assert!(sync(&production, &["delete", "Old"]).contains("deleted here; what was here is kept aside"));
    assert_eq!(sync(&production, &["delete", "Old"]), "ok    Old: is not here\n");
    assert_eq!(apps::names(&production.apps), ["New App", "Other", "PO App"]);
    assert!(sync(&production, &["backups"]).contains("Old"));
    assert_eq!(sync(&production, &["incoming"]), "nothing waits\n");
    assert_eq!(place.repo.subjects(), ["Come and go", "Repaint", "More", "Start"], "nothing was pushed");
}

#[test]
fn each_word_fits_only_what_happened_and_the_answer_names_the_right_one() {
    let place = Place::new();
    let production = place.waiting();
    let tip = place.elsewhere("Come", |apps| {
        recolour(apps, "green");
        write_old_app(apps, "New App");
    });
    production.wait_until("the news", |repository| repository.remote_tip.as_deref() == Some(&tip));
    assert!(sync_fails(&production, &["update", "New App"]).contains("appferry sync install \"New App\""));
    assert!(sync_fails(&production, &["install", "PO App"]).contains("appferry sync update \"PO App\""));
    assert!(sync_fails(&production, &["delete", "PO App"]).contains("it was not deleted in Git"));
    assert!(sync_fails(&production, &["update", "Nowhere"]).contains("it is not in Git"));
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("red".into()));
}

#[test]
fn drift_that_git_changed_too_waits_and_is_kept_aside_when_the_update_is_asked_for() {
    let place = Place::new();
    let production = place.waiting();
    set(&production.apps.join(SCREEN), "color", "drifted");
    production.wait_for_app("PO App", AppState::Drift);
    place.elsewhere("Repaint", |apps| recolour(apps, "green"));
    let waits = production.wait_for_app("PO App", AppState::Behind);
    assert!(waits.reason.expect("a reason").contains("keeps ours aside"));
    sync(&production, &["update", "PO App"]);
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("green".into()));
    assert!(production.still_has("drifted"));
}

#[test]
fn an_edit_here_is_merged_and_pushed_and_what_came_with_it_waits() {
    let place = Place::new();
    let development = place.instance("development", &[("APPFERRY_AUTO_PULL", "locked")]);
    development.wait_for_app("PO App", AppState::Behind);
    sync(&development, &["pull"]);
    development.wait_until_in_sync();
    place.elsewhere("Widen", |apps| set(&apps.join(SCREEN), "width", 6));
    development.wait_for_app("PO App", AppState::Behind);
    set(&development.apps.join(SCREEN), "color", "blue");
    let merged = || place.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("blue"));
    development.wait(PATIENCE, "the edit in Git", merged);
    assert!(place.repo.show("main", &format!("App/{SCREEN}")).expect("the screen").contains("\"width\": 6"));
    development.wait_for_app("PO App", AppState::Behind);
    assert_eq!(value(&development.apps.join(SCREEN), "width"), Some(12.into()), "theirs waits");
    assert_eq!(sync(&development, &["update", "PO App"]), "ok    PO App: updated\n");
    assert_eq!(value(&development.apps.join(SCREEN), "width"), Some(6.into()));
    development.wait_until_in_sync();
}

#[test]
fn with_locked_only_a_locked_instance_installs_by_itself() {
    let place = Place::new();
    let setting = ("APPFERRY_AUTO_PULL", "locked");
    let development = place.instance("development", &[setting]);
    let production = place.instance("production", &[setting, ("GIT_SYNC_IS_LOCK_APP_EDIT", "true")]);
    production.wait_until("the app", |repository| app(repository, "PO App").is_some());
    production.wait_until_in_sync();
    development.wait_for_app("PO App", AppState::Behind);
    assert!(apps::names(&development.apps).is_empty());
}
