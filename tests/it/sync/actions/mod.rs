//! What a person asks for, by the command line of the real program and by its API.

mod dry;
mod look;
mod push;
mod remove;
mod resolve;
mod restore;
mod tag;

use appferry::http::{ActionReport, RefFate};

use crate::support::apps::write_app;
use crate::support::instance::Instance;
use crate::support::world::World;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

/// An instance that saves and adds only when asked, with two apps in Git.
fn by_hand(world: &World) -> Instance {
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
        write_app(&tree.join("App"), "Other");
    });
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_IS_AUTO_SAVE", "false").set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "false");
    dev.start();
    dev.wait_until("both apps", |repository| repository.apps.len() == 2);
    dev.wait_until_in_sync();
    dev
}

/// Asks through the command line; answers whether the exit code says that all is done, and the report.
fn ask(instance: &Instance, words: &[&str]) -> (bool, ActionReport) {
    let output = instance.cli(&[&["sync"], words, &["--json"]].concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_str(&out).unwrap_or_else(|_| panic!("sync {words:?}: {out}{err}"));
    (output.status.success(), report)
}

/// As [`ask`], for what must be done.
fn done(instance: &Instance, words: &[&str]) -> ActionReport {
    let (success, report) = ask(instance, words);
    assert!(success && report.is_done(), "sync {words:?}: {report:#?}\n{}", instance.log());
    report
}

/// Asks for what is refused as a whole; answers the message.
fn refused(instance: &Instance, words: &[&str]) -> String {
    let output = instance.cli(&[&["sync"], words].concat());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "sync {words:?}: {error}");
    error
}

/// What was told of a ref the last time.
fn fate(report: &ActionReport, name: &str) -> Option<(RefFate, String)> {
    let told = report.refs.iter().rev().find(|told| told.name == name)?;
    Some((told.outcome, told.words.clone().unwrap_or_default()))
}
