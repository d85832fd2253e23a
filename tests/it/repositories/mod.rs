//! Several repositories in one service: a file names them, each works on its own, and the file may change at any time.

mod keys;
mod many;
mod reload;
mod single;
mod trouble;
mod wired;

use std::fs;
use std::path::{Path, PathBuf};

use appferry::domain::status::RepositoryStatus;

use super::support::PATIENCE;
use super::support::apps::write_app;
use super::support::instance::{Instance, is_in_sync};
use super::support::remote::RemoteRepo;

/// An instance whose repositories are in a file, all on this machine's disk, and none in its environment.
struct Fleet {
    instance: Instance,
    file: PathBuf,
}

impl Fleet {
    fn new(name: &str) -> Self {
        let mut instance = Instance::new(name);
        let file = instance.aside().join("appferry.toml");
        instance.set("APPFERRY_CONFIG", file.display().to_string());
        instance.set("APPFERRY_ALLOW_PATH_REMOTE", "true");
        instance.env.remove("APPFERRY_APPS_DIR");
        Self { instance, file }
    }

    /// The folder of a repository's apps.
    fn apps(&self, name: &str) -> PathBuf {
        let apps = self.instance.aside().join("apps").join(name);
        fs::create_dir_all(&apps).expect("make the folder");
        apps
    }

    /// A bare repository, made when it is first asked for.
    fn remote(&self, name: &str) -> RemoteRepo {
        let path = self.instance.aside().join("remotes").join(format!("{name}.git"));
        if path.exists() { RemoteRepo::at(path) } else { RemoteRepo::init(path) }
    }

    /// An entry that does everything by itself, with a remote and a folder of the same name.
    fn entry(&self, name: &str, more: &str) -> String {
        let url = self.remote(name).path().display().to_string();
        entry(name, &url, &self.apps(name), more)
    }

    fn write(&self, entries: &[String]) {
        fs::write(&self.file, entries.concat()).expect("write the file");
    }

    fn of(&self, name: &str) -> Option<RepositoryStatus> {
        self.instance.status().repositories.into_iter().find(|repository| repository.name == name)
    }

    fn wait_for(&self, name: &str, what: &str, wanted: impl Fn(&RepositoryStatus) -> bool) {
        self.instance
            .wait(PATIENCE, &format!("{name}: {what}"), || self.of(name).is_some_and(|status| wanted(&status)));
    }

    /// Saves an app and waits until it is in the remote.
    fn sync_an_app(&self, name: &str, app: &str) {
        write_app(&self.apps(name), app);
        let remote = self.remote(name);
        self.instance.wait(PATIENCE, &format!("{app} in {name}"), || {
            remote.subjects().iter().any(|subject| subject.contains(&format!("'{app}' App added")))
        });
        self.wait_for(name, "in sync", is_in_sync);
    }
}

fn entry(name: &str, url: &str, apps: &Path, more: &str) -> String {
    format!(
        "[[repository]]\nname = \"{name}\"\nurl = \"{url}\"\nbranch = \"main\"\napps_dir = \"{}\"\nauto_save = true\nauto_add = true\n{more}\n",
        apps.display()
    )
}

#[test]
fn each_repository_syncs_with_its_own_remote_and_is_addressed_by_name() {
    let mut fleet = Fleet::new("several");
    fleet.write(&[
        fleet.entry("sales", ""),
        fleet.entry("reports", "auto_save = false\n".replace("auto_save", "locked").as_str()),
    ]);
    fleet.instance.start();
    fleet.sync_an_app("sales", "PO App");
    fleet.wait_for("reports", "started", |status| status.last_sync.is_some());
    assert!(fleet.remote("reports").tip("main").is_none());
    let unnamed = fleet.instance.cli(&["sync", "push"]);
    let said = String::from_utf8_lossy(&unnamed.stderr).into_owned();
    assert!(!unnamed.status.success() && said.contains("there are several repositories: sales, reports"), "{said}");
    assert!(said.contains("--repository NAME"), "{said}");
    let unknown = fleet.instance.cli(&["sync", "-r", "sale", "push"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no repository \"sale\"; there are: sales, reports"));
    assert!(fleet.instance.cli_text(&["sync", "-r", "sales", "push"]).contains("nothing to do"));
    let shown = fleet.instance.cli_text(&["status"]);
    assert!(shown.contains("name        sales\n") && shown.contains("name        reports\n"), "{shown}");
    assert!(shown.contains(&format!("config      {}, read 2", fleet.file.display())), "{shown}");
    let checked = fleet.instance.cli_text(&["check"]);
    assert!(checked.contains("2 repositories"), "{checked}");
    assert!(checked.contains("ok    sales: branch       main is at"), "{checked}");
    assert!(checked.contains("ok    reports: apps folder"), "{checked}");
    fleet.instance.stop();
}

#[test]
fn the_repository_of_the_environment_runs_beside_those_of_the_file() {
    let mut fleet = Fleet::new("beside");
    let remote = fleet.remote("of-the-environment");
    let apps = fleet.instance.apps.clone();
    fleet
        .instance
        .set("GIT_SYNC_IS_GLOBAL", "true")
        .set("GIT_SYNC_SSH_REPO_URL", remote.path().display().to_string())
        .set("GIT_SYNC_BRANCH_NAME", "main")
        .set("GIT_SYNC_IS_AUTO_SAVE", "true")
        .set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "true")
        .set("APPFERRY_APPS_DIR", apps.display().to_string());
    fleet.write(&[fleet.entry("more", "")]);
    fleet.instance.start();
    write_app(&apps, "Stock");
    fleet.instance.wait(PATIENCE, "the app of the environment", || remote.tip("main").is_some());
    fleet.sync_an_app("more", "PO App");
    let names: Vec<String> = fleet.instance.status().repositories.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["global", "more"]);
    fleet.instance.stop();
}

#[test]
fn a_start_with_a_wrong_file_tells_everything_at_once() {
    let mut fleet = Fleet::new("wrong");
    fleet.write(&[fleet.entry("twice", ""), fleet.entry("twice", "colour = \"blue\"\n")]);
    fleet.instance.spawn();
    assert_eq!(fleet.instance.wait_for_end().code(), Some(2));
    let log = fleet.instance.whole_log();
    for part in [
        "the configuration is wrong in 3 places",
        "has the same name",
        "is the folder of the repository",
        "colour: there is no such key",
    ] {
        assert!(log.contains(part), "{part}\n{log}");
    }
    let checked = fleet.instance.cli(&["check"]);
    assert!(!checked.status.success() && String::from_utf8_lossy(&checked.stdout).contains("has the same name"));
}
