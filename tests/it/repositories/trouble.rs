//! One repository's trouble is its own.

use std::fs;
use std::net::TcpListener;

use appferry::domain::status::RepositoryState;

use super::{Fleet, entry};
use crate::support::PATIENCE;
use crate::support::apps::write_app;

#[test]
fn a_remote_that_hangs_delays_no_other() {
    let mut fleet = Fleet::new("hang");
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ssh://git@{}/apps.git", silent.local_addr().expect("its address"));
    let hanging: Vec<String> = (0..6)
        .map(|number| entry(&format!("hangs-{number}"), &url, &fleet.apps(&format!("hangs-{number}")), "key = \"K\"\n"))
        .collect();
    fleet.instance.generate_key("K");
    fleet.write(&[hanging, vec![fleet.entry("works", "")]].concat());
    fleet.instance.start();
    fleet.sync_an_app("works", "PO App");
    let remote = fleet.remote("works");
    let before = remote.tip("main");
    write_app(&fleet.apps("works"), "Stock");
    fleet.instance.wait(PATIENCE, "the save in Git", || remote.tip("main") != before);
    // Those that hang are still waiting for their first word: nobody stood behind them.
    for number in 0..6 {
        let hangs = fleet.of(&format!("hangs-{number}")).expect("there");
        assert_eq!((hangs.state, hangs.last_error), (RepositoryState::Starting, None));
    }
    fleet.instance.stop();
}

#[test]
fn what_cannot_be_opened_is_shown_with_its_failure_and_mends_itself() {
    let mut fleet = Fleet::new("broken");
    fleet.write(&[fleet.entry("broken", "")]);
    fleet.instance.start();
    fleet.sync_an_app("broken", "PO App");
    fleet.instance.stop();
    let local = fleet.instance.local_repositories().remove(0);
    let kept = local.with_extension("kept");
    fs::rename(&local, &kept).expect("move the repository away");
    fs::write(&local, "not a repository").expect("put a file in its place");
    let keyless = entry("keyless", "git@127.0.0.1:apps.git", &fleet.apps("keyless"), "key = \"Nobody\"\n");
    let homeless = fleet.entry("homeless", "");
    fs::remove_dir(fleet.apps("homeless")).expect("remove the folder");
    fleet.write(&[fleet.entry("broken", ""), keyless, homeless, fleet.entry("works", "")]);
    fleet.instance.start();
    fleet.sync_an_app("works", "PO App");
    fleet.wait_for("broken", "its failure, and when it is tried again", |status| {
        status.last_error.as_ref().is_some_and(|error| error.next_try.is_some())
    });
    fleet.wait_for("keyless", "blocked", |status| status.state == RepositoryState::Blocked);
    fleet.wait_for("homeless", "not mounted", |status| status.state == RepositoryState::DiskTrouble);
    let asked = fleet.instance.cli(&["sync", "-r", "broken", "push"]);
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(said.contains("the repository \"broken\" is not open: "), "{said}");
    fs::remove_file(&local).expect("remove the file");
    fs::rename(&kept, &local).expect("put the repository back");
    fleet.sync_an_app("broken", "Stock");
    fleet.instance.stop();
}
