//! What arrives from Git and waits, and what a person does with it: the real program, its command line, a real bare repository.

mod branch;
mod elsewhere;
mod release;
mod waiting;

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::apps::{set, write, write_app};
use crate::support::instance::Instance;
use crate::support::remote::RemoteRepo;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

/// A bare repository, and instances that reach it by its path.
struct Place {
    _folder: TempDir,
    repo: RemoteRepo,
}

impl Place {
    /// With one app in it.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = RemoteRepo::init(folder.path().join("apps.git"));
        let place = Self { _folder: folder, repo };
        place.elsewhere("Start", |apps| {
            write_app(apps, "PO App");
        });
        place
    }

    /// Somebody else commits a change of the apps.
    fn elsewhere(&self, message: &str, change: impl Fn(&Path)) -> String {
        self.repo.somebody_commits(message, |tree| change(&tree.join("App")))
    }

    /// An instance that may do everything by itself but what `variables` say.
    fn instance(&self, name: &str, variables: &[(&str, &str)]) -> Instance {
        let mut instance = Instance::new(name);
        instance
            .set("GIT_SYNC_IS_GLOBAL", "true")
            .set("GIT_SYNC_SSH_REPO_URL", self.repo.path().display().to_string())
            .set("GIT_SYNC_BRANCH_NAME", "main")
            .set("APPFERRY_ALLOW_PATH_REMOTE", "true")
            .set("GIT_SYNC_IS_AUTO_SAVE", "true")
            .set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "true");
        for (variable, value) in variables {
            instance.set(variable, *value);
        }
        instance.start();
        instance
    }

    /// A locked one that waits for a person, and has what there is.
    fn waiting(&self) -> Instance {
        let production =
            self.instance("production", &[("GIT_SYNC_IS_LOCK_APP_EDIT", "true"), ("APPFERRY_AUTO_PULL", "never")]);
        production.wait_until("the branch", |repository| !repository.apps.is_empty());
        sync(&production, &["pull"]);
        production.wait_until_in_sync();
        production
    }
}

/// `appferry sync …`, which must work.
fn sync(instance: &Instance, args: &[&str]) -> String {
    instance.cli_text(&[&["sync"], args].concat())
}

/// `appferry sync …`, which must not; what it says.
fn sync_fails(instance: &Instance, args: &[&str]) -> String {
    let output = instance.cli(&[&["sync"], args].concat());
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

fn incoming(instance: &Instance) -> Value {
    serde_json::from_str(&sync(instance, &["incoming", "--json"])).expect("JSON")
}

/// The names in one part of the list.
fn names(incoming: &Value, part: &str) -> Vec<String> {
    let apps = incoming[part].as_array().expect("a list");
    apps.iter().map(|app| app["app"].as_str().expect("a name").to_owned()).collect()
}

/// Publishes the app there: its `last_release/` changes.
fn publish(apps: &Path, version: u32) {
    write(&apps.join("PO App/last_release/release_meta.json"), format!("{{\n  \"version\": {version}\n}}\n"));
}

fn released(instance: &Instance) -> Option<String> {
    fs::read_to_string(instance.apps.join("PO App/last_release/release_meta.json")).ok()
}

fn recolour(apps: &Path, color: &str) {
    set(&apps.join(SCREEN), "color", color);
}
