//! Many repositories on one server.

use std::fs;

use super::{Fleet, entry, is_in_sync};
use crate::support::PATIENCE;
use crate::support::apps::write;
use crate::support::remote::RemoteRepo;
use crate::support::sshd::Sshd;

const MANY: usize = 50;

#[test]
fn fifty_repositories_on_one_server_share_a_few_logins() {
    let Some(sshd) = Sshd::start() else { return };
    let mut fleet = Fleet::new("many");
    sshd.authorize(&fleet.instance.generate_key("TeamKey"));
    fleet.instance.set("APPFERRY_KNOWN_HOSTS", sshd.known_hosts_file().display().to_string());
    fleet.instance.set("APPFERRY_POLL_INTERVAL", "2s");
    let names: Vec<String> = (0..MANY).map(|number| format!("r{number}")).collect();
    let remotes: Vec<RemoteRepo> =
        names.iter().map(|name| RemoteRepo::init(sshd.folder().join(format!("{name}.git")))).collect();
    let entries = names.iter().zip(&remotes).map(|(name, remote)| {
        write(&fleet.apps(name).join("App/meta.json"), "{}\n");
        entry(name, &sshd.url(remote.path()), &fleet.apps(name), "key = \"TeamKey\"\n")
    });
    let entries: Vec<String> = entries.collect();
    fleet.write(&entries);
    fleet.instance.start();
    fleet.instance.wait(PATIENCE * 3, "all in sync", || {
        let status = fleet.instance.status();
        status.repositories.len() == MANY
            && status.repositories.iter().all(|one| is_in_sync(one) && one.local_tip.is_some())
    });
    assert!(remotes.iter().all(|remote| remote.tip("main").is_some()));
    // One session for questions and one for objects; more where a connection was lost on a busy machine.
    let logins = sshd.logins();
    assert!((1..=8).contains(&logins), "{logins} logins");
    let shown = fleet.instance.cli_text(&["keys", "show", "TeamKey", "--json"]);
    let key: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    let users = key["used_by"].as_array().expect("a list");
    assert_eq!(users.len(), MANY);
    assert!(users.iter().any(|user| user.as_str().is_some_and(|user| user.starts_with("repository r7 of many ("))));
    // What is taken out of the file uses the key no more.
    fleet.write(&entries[..2]);
    fleet.instance.wait(PATIENCE, "two users", || {
        let shown = fleet.instance.cli_text(&["keys", "show", "TeamKey", "--json"]);
        let key: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        key["used_by"].as_array().expect("a list").len() == 2
    });
    fleet.instance.stop();
    assert!(fs::read_dir(&fleet.instance.data).expect("the data folder").count() > 0);
}
