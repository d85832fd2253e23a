//! Secrets that are about to be committed.

use std::fs;

use appferry::domain::status::AppState;

use super::{held, other_goes_on, shows, started};
use crate::support::PATIENCE;
use crate::support::apps::{set, write};
use crate::support::world::World;
use crate::support::{DELETION, instance::Instance};

/// Put together here, so that no search for secrets stops at this file.
fn token(number: u32) -> String {
    format!("gh{}_aB3dE5gH7jK9mN2pQ4sT6vW8yZaB3dE5g{number:04}", 'p')
}

fn key() -> String {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    format!("-----BEGIN {0} KEY-----\\n{line}\\n{line}\\n-----END {0} KEY-----\\n", "PRIVATE")
}

fn is_nowhere(world: &World, dev: &Instance, secret: &str) {
    assert!(!world.repo.everything_ever_added().contains(secret), "it is in Git");
    let told = format!("{:?}{}", dev.repository(), dev.whole_log());
    assert!(!told.contains(secret), "it is quoted");
}

#[test]
fn a_secret_holds_its_app_with_file_and_line_and_is_never_quoted() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    let file = dev.apps.join("Shop/configuration/db.json");
    write(&file, format!("{{\n  \"host\": \"db\",\n  \"token\": \"{}\"\n}}\n", token(1)));
    let reason = held(&dev, "Shop");
    for part in ["configuration/db.json", "line 3", "a GitHub token", "APPFERRY_ALLOW_SECRETS"] {
        assert!(reason.contains(part), "{part} is not in {reason}");
    }
    other_goes_on(&world, &dev, "goes on");
    is_nowhere(&world, &dev, &token(1));

    write(&file, format!("{{\n  \"type\": \"service_account\",\n  \"private_key\": \"{}\"\n}}\n", key()));
    dev.wait_until("the key", |it| {
        it.apps.iter().any(|app| app.reason.as_deref().is_some_and(|reason| reason.contains("a private key")))
    });
    is_nowhere(&world, &dev, "MIIEvQIBADANBg");
    write(&file, "{\n  \"token\": \"{{vault.token}}\",\n  \"aws\": \"AKIAIOSFODNN7EXAMPLE\"\n}\n");
    dev.wait(PATIENCE, "the app in Git", || shows(&world, "App/Shop/configuration/db.json", "vault.token"));
}

#[test]
fn a_new_app_with_a_secret_is_not_added_until_the_secret_is_allowed() {
    let Some(world) = World::new() else { return };
    let mut dev = started(&world, &[]);
    write(&dev.apps.join("New App/configuration/db.json"), format!("{{\"token\": \"{}\"}}\n", token(1)));
    held(&dev, "New App");
    dev.stop();
    dev.set("APPFERRY_ALLOW_SECRETS", "Shop/**, New App/configuration/*.json");
    dev.start();
    dev.wait(PATIENCE, "the app in Git", || shows(&world, "App/New App/configuration/db.json", &token(1)));
    write(&dev.apps.join("New App/db.json"), format!("{{\"token\": \"{}\"}}\n", token(2)));
    assert!(held(&dev, "New App").contains("\"db.json\""), "only what the pattern means is allowed");
}

#[test]
fn a_secret_that_git_has_already_holds_nothing() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    let name = "App/Shop/db.json";
    world.repo.somebody_commits("A secret", |tree| {
        write(&tree.join(name), format!("{{\n  \"token\": \"{}\"\n}}\n", token(1)));
    });
    let here = dev.apps.join("Shop/db.json");
    dev.wait(PATIENCE, "it here", || here.exists());
    dev.wait_until_in_sync();

    set(&here, "port", 5432);
    dev.wait(PATIENCE, "the change beside it", || shows(&world, name, "5432"));
    set(&here, "second", token(2));
    assert!(held(&dev, "Shop").contains("line "), "another one is new");
    set(&here, "second", "gone");
    dev.wait(PATIENCE, "the change without it", || shows(&world, name, "gone"));

    fs::rename(dev.apps.join("Shop"), dev.apps.join("Store")).expect("rename the app");
    dev.wait(DELETION, "the new name in Git", || world.repo.show("main", "App/Store/db.json").is_some());
    dev.wait_for_app("Store", AppState::InSync);
    assert_eq!(world.repo.subjects()[0], "App renamed 'Shop' to 'Store'");
}
