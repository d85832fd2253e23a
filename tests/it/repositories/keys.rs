//! One key for several repositories.

use std::fs;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::{Fleet, entry, is_in_sync};
use crate::support::PATIENCE;
use crate::support::apps::{set, write_old_app};
use crate::support::remote::RemoteRepo;
use crate::support::sshd::{KeyPair, Sshd};

const KEY: &str = "TeamKey";

/// How many services have answered to the new key pair, for all repositories together.
fn answers(fleet: &Fleet) -> i64 {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = SqliteConnectOptions::new().filename(fleet.instance.data.join("store.sqlite"));
    runtime.block_on(async {
        let pool = SqlitePool::connect_with(store).await.expect("the store");
        let count = sqlx::query_scalar("SELECT count(*) FROM key_answers").fetch_one(&pool).await.expect("the answers");
        pool.close().await;
        count
    })
}

fn is_rotating(fleet: &Fleet) -> bool {
    fleet.instance.cli_text(&["keys", "show", KEY]).contains("Rotation     under way")
}

#[test]
fn a_rotation_ends_only_when_every_repository_has_seen_the_new_pair_work() {
    let Some(sshd) = Sshd::start() else { return };
    let mut fleet = Fleet::new("rotating");
    sshd.authorize(&fleet.instance.generate_key(KEY));
    fleet.instance.set("APPFERRY_KNOWN_HOSTS", sshd.known_hosts_file().display().to_string());
    let names = ["one", "two"];
    let remotes = names.map(|name| RemoteRepo::init(sshd.folder().join(format!("{name}.git"))));
    let entries = [0, 1].map(|n| {
        write_old_app(&fleet.apps(names[n]), "App");
        entry(names[n], &sshd.url(remotes[n].path()), &fleet.apps(names[n]), &format!("key = \"{KEY}\"\n"))
    });
    fleet.write(&entries);
    fleet.instance.start();
    for name in names {
        fleet.wait_for(name, "in sync", |status| is_in_sync(status) && status.local_tip.is_some());
    }

    // One that is away answers to no key pair.
    let away = remotes[1].path().with_extension("away");
    fs::rename(remotes[1].path(), &away).expect("take it away");
    fleet.wait_for("two", "that it is away", |status| status.last_error.is_some());
    let new = KeyPair::ed25519("new");
    sshd.authorize(&new.public_line);
    let file = fleet.instance.aside().join("new.pem");
    fs::write(&file, &new.private_pem).expect("write the key");
    fleet.instance.cli_text(&["keys", "rotate", KEY, "--file", &file.display().to_string()]);
    fleet.instance.wait(PATIENCE, "both services of the first one", || answers(&fleet) == 2);
    assert!(is_rotating(&fleet), "the second one may still need the pair before");

    fs::rename(&away, remotes[1].path()).expect("put it back");
    fleet.instance.cli(&["sync", "-r", "two", "push"]); // does not wait for its time
    fleet.instance.wait(PATIENCE, "the end of the rotation", || !is_rotating(&fleet));
    let shown = fleet.instance.cli_text(&["keys", "show", KEY]);
    assert!(shown.contains(&new.fingerprint), "{shown}");
    sshd.revoke_all();
    sshd.authorize(&new.public_line);
    sshd.cut_connections();
    for (name, remote) in names.iter().zip(&remotes) {
        set(&fleet.apps(name).join("App/App.json"), "app", "after");
        fleet.instance.wait(PATIENCE, "a save with the new pair alone", || {
            remote.show("main", "App/App/App.json").is_some_and(|text| text.contains("after"))
        });
    }
    fleet.instance.stop();
}
