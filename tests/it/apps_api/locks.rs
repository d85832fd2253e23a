//! Whether an app may be edited here.

use appferry::domain::status::AppState;
use appferry::http::apps::LockAnswer;
use serde_json::json;

use super::ask::{ask, get, put};
use crate::support::apps::{set, snapshot, write_app};
use crate::support::instance::Instance;
use crate::support::world::World;

fn lock(instance: &Instance, app: &str) -> LockAnswer {
    let answer = get(instance, &format!("{app}/lock"), &[]);
    serde_json::from_slice(&answer.body).expect("an answer about the lock")
}

#[test]
fn a_locked_instance_takes_no_save_of_what_is_in_git() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut production = world.locked_instance("production");
    production.start();
    production.wait_until("the app", |repository| repository.apps.len() == 1);
    production.wait_until_in_sync();
    let before = snapshot(&production.apps);

    let refused = put(&production, "PO%20App?wait=pushed", &[], &json!({"meta.json": "{}"}));
    assert_eq!((refused.status, refused.class().as_str()), (423, "locked"), "{}", refused.text());
    let deleted = ask(&production, "DELETE", "/api/v1/apps/PO%20App", &[], b"");
    assert_eq!(deleted.status, 423, "{}", deleted.text());
    assert_eq!(snapshot(&production.apps), before);
    assert_eq!(get(&production, "PO%20App", &[]).status, 200, "reading is not locked");

    let answer = lock(&production, "PO%20App");
    assert!(answer.locked && answer.reason.expect("why").contains("locked"));
    assert_eq!(answer.state, Some(AppState::InSync));
    let tag = get(&production, "PO%20App/lock", &[]).etag();
    assert_eq!(get(&production, "PO%20App/lock", &[("If-None-Match", &tag)]).status, 304);

    // What is not in Git stays here, and may be edited.
    let saved = put(&production, "Mine?wait=pushed", &[], &json!({"meta.json": "{}"}));
    assert!(matches!(saved.status, 200 | 202 | 409), "{}", saved.text());
    assert!(!lock(&production, "Mine").locked);
    assert!(production.apps.join("Mine/meta.json").exists());
    assert_eq!(world.repo.subjects(), ["Start"]);
}

#[test]
fn where_editing_is_allowed_also_an_app_in_conflict_may_be_edited() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until("the app", |repository| repository.apps.len() == 1);
    dev.wait_until_in_sync();
    let answer = lock(&dev, "PO%20App");
    assert_eq!(answer, LockAnswer { locked: false, reason: None, state: Some(AppState::InSync) });
    assert_eq!(lock(&dev, "Nobody's"), LockAnswer { locked: false, reason: None, state: None });

    let mut app = get(&dev, "PO%20App", &[]).json();
    world.sshd.stop();
    world.repo.somebody_commits("Theirs", |tree| {
        set(&tree.join("App/PO App/screens/Screen 1/meta.json"), "color", "blue");
    });
    app["screens/Screen 1/meta.json"] = "{\"title\": \"Orders\", \"color\": \"green\", \"width\": 12}".into();
    put(&dev, "PO%20App", &[], &app).saved();
    world.sshd.restart();
    dev.wait_for_app("PO App", AppState::Conflict);
    let answer = lock(&dev, "PO%20App");
    assert!(!answer.locked && answer.state == Some(AppState::Conflict) && answer.reason.is_some(), "{answer:?}");
    let waited = put(&dev, "PO%20App?wait=pushed", &[], &app);
    assert_eq!((waited.status, waited.class().as_str()), (409, "conflict"), "{}", waited.text());
}
