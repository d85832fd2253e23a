//! What the builder, its users and Git bring along that is not simply content.

mod bytes;
mod collisions;
mod ignored;
mod large;
mod pointers;
mod secrets;
mod volatile;

use std::time::Duration;

use appferry::domain::status::AppState;

use crate::support::PATIENCE;
use crate::support::apps::{set, write_old_app};
use crate::support::instance::{Instance, app};
use crate::support::world::World;

/// Two apps in sync with Git; `setup` sets more variables.
fn started(world: &World, setup: &[(&str, &str)]) -> Instance {
    let mut dev = world.instance("dev");
    for (variable, value) in setup {
        dev.set(variable, *value);
    }
    write_old_app(&dev.apps, "Other");
    write_old_app(&dev.apps, "Shop");
    dev.start();
    dev.wait_until("both apps in Git", |it| it.apps.len() == 2 && crate::support::instance::is_in_sync(it));
    dev
}

/// The reason why an app is held, once it is.
fn held(dev: &Instance, app: &str) -> String {
    dev.wait_for_app(app, AppState::Held).reason.expect("why it is held")
}

/// As [`held`], once the reason contains all of these: an app may be held for something else first.
fn held_for(dev: &Instance, name: &str, parts: &[&str]) -> String {
    let found = dev.wait_until(&format!("{name} held for {parts:?}"), |it| {
        let reason = app(it, name).filter(|app| app.state == AppState::Held).and_then(|app| app.reason.as_deref());
        reason.is_some_and(|reason| parts.iter().all(|part| reason.contains(part)))
    });
    app(&found, name).and_then(|app| app.reason.clone()).expect("just seen")
}

/// Proves that the other app goes on: saves it, and waits until Git has it.
fn other_goes_on(world: &World, dev: &Instance, value: &str) {
    set(&dev.apps.join("Other/Other.json"), "app", value);
    dev.wait(PATIENCE, "the other app in Git", || shows(world, "App/Other/Other.json", value));
}

/// Whether a file on `main` contains this text.
fn shows(world: &World, path: &str, text: &str) -> bool {
    world.repo.show("main", path).is_some_and(|content| content.contains(text))
}

/// Longer than a save takes to reach Git.
fn a_while() {
    std::thread::sleep(Duration::from_millis(1_500));
}
