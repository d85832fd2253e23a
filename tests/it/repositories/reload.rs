//! The file changes while the service runs.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Fleet, is_in_sync};
use crate::support::PATIENCE;

#[test]
fn repositories_come_and_go_with_the_file_and_the_others_notice_nothing() {
    let mut fleet = Fleet::new("reload");
    fleet.write(&[fleet.entry("stays", ""), fleet.entry("changes", ""), fleet.entry("goes", "")]);
    fleet.instance.start();
    for name in ["stays", "changes", "goes"] {
        fleet.sync_an_app(name, "PO App");
    }
    fleet.write(&[
        fleet.entry("comes", ""),
        fleet.entry("stays", ""),
        fleet.entry("changes", "author_name = \"Jo\"\n"),
    ]);
    fleet.sync_an_app("comes", "PO App");
    assert!(fleet.of("goes").is_none());
    fleet.sync_an_app("changes", "Stock");
    let author = fleet.remote("changes").git(&["log", "-1", "--format=%an", "main"]);
    assert_eq!(author, "Jo");
    fleet.sync_an_app("stays", "Stock");
    let names: Vec<String> = fleet.instance.status().repositories.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["comes", "stays", "changes"], "in the order of the file");
    fleet.instance.stop();
    let log = fleet.instance.whole_log();
    let stopped: Vec<&str> = log.lines().filter(|line| line.contains("stops: its entry")).collect();
    assert_eq!(stopped.len(), 2, "{stopped:#?}");
    assert!(!stopped.iter().any(|line| line.contains("stays")), "{stopped:#?}");
}

#[test]
fn a_wrong_version_is_refused_and_the_one_before_stays() {
    let mut fleet = Fleet::new("refused");
    fleet.write(&[fleet.entry("one", "")]);
    fleet.instance.start();
    fleet.sync_an_app("one", "PO App");
    let wrong = fleet.entry("two", "auto_sav = true\n");
    fleet.write(&[fleet.entry("one", "locked = true\n"), wrong]);
    let config = |fleet: &Fleet| fleet.instance.status().config.expect("a file");
    fleet.instance.wait(PATIENCE, "the refusal", || !config(&fleet).errors.is_empty());
    let errors = config(&fleet).errors;
    assert!(
        errors.len() == 1 && errors[0].contains("auto_sav: there is no such key; did you mean `auto_save`?"),
        "{errors:?}"
    );
    assert!(fleet.instance.cli_text(&["status"]).contains("the file is wrong now; what was read before stays"));
    fleet.sync_an_app("one", "Stock");
    assert!(fleet.of("two").is_none() && !fleet.of("one").expect("there").locked);
    // It is said once, however often the file is looked at.
    let said = fleet.instance.whole_log().matches("the configuration file is refused").count();
    assert_eq!(said, 1);
    fleet.write(&[fleet.entry("one", "locked = true\n"), fleet.entry("two", "")]);
    fleet.instance.wait(PATIENCE, "the acceptance", || config(&fleet).errors.is_empty() && fleet.of("two").is_some());
    fleet.wait_for("one", "locked", |status| status.locked);
    fs::remove_file(&fleet.file).expect("remove the file");
    fleet
        .instance
        .wait(PATIENCE, "its absence", || config(&fleet).errors.iter().any(|error| error.contains("cannot be read")));
    fleet.sync_an_app("two", "PO App");
    fleet.instance.stop();
}

#[test]
fn a_file_behind_links_that_are_swapped_is_read_again() {
    // As Kubernetes updates a ConfigMap: appferry.toml -> ..data/appferry.toml, ..data -> ..version.
    let mut fleet = Fleet::new("configmap");
    let mount = fleet.instance.aside().join("config");
    let version = |name: &str, content: String| {
        let folder = mount.join(name);
        fs::create_dir_all(&folder).expect("make the folder");
        fs::write(folder.join("appferry.toml"), content).expect("write the file");
        symlink(name, mount.join("..data_tmp")).expect("link");
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("swap");
    };
    version("..1", fleet.entry("one", ""));
    fleet.file = mount.join("appferry.toml");
    symlink("..data/appferry.toml", &fleet.file).expect("link");
    let path = fleet.file.display().to_string();
    fleet.instance.set("APPFERRY_CONFIG", path).start();
    fleet.sync_an_app("one", "PO App");
    version("..2", fleet.entry("one", "") + &fleet.entry("two", ""));
    fleet.sync_an_app("two", "PO App");
    // An editor that writes a new file and moves it into place.
    let aside = fleet.instance.aside().join("new.toml");
    fs::write(&aside, fleet.entry("two", "") + &fleet.entry("three", "")).expect("write");
    fs::rename(&aside, &fleet.file).expect("replace");
    fleet.sync_an_app("three", "PO App");
    assert!(fleet.of("one").is_none());
    fleet.instance.stop();
}

#[test]
fn an_entry_under_another_name_goes_on_where_it_was() {
    let mut fleet = Fleet::new("renamed");
    fleet.write(&[fleet.entry("before", "")]);
    fleet.instance.start();
    fleet.sync_an_app("before", "PO App");
    fleet.write(&[fleet.entry("before", "").replace("name = \"before\"", "name = \"after\"")]);
    fleet.wait_for("after", "in sync", is_in_sync);
    assert_eq!(fleet.instance.local_repositories().len(), 1, "the state is that of the repository, not of its name");
    fleet.instance.stop();
    fleet.instance.fsck();
}

#[test]
fn a_file_that_is_refused_for_what_it_names_is_taken_once_that_is_there() {
    let mut fleet = Fleet::new("later");
    fleet.write(&[fleet.entry("one", "")]);
    fleet.instance.start();
    fleet.sync_an_app("one", "PO App");
    let secret = fleet.instance.aside().join("token");
    let https = super::entry(
        "two",
        "https://127.0.0.1:9/team/apps.git",
        &fleet.apps("two"),
        &format!("token_file = \"{}\"\n", secret.display()),
    );
    fleet.write(&[fleet.entry("one", ""), https]);
    let errors = |fleet: &Fleet| fleet.instance.status().config.expect("a file").errors;
    fleet.instance.wait(PATIENCE, "the refusal", || errors(&fleet).iter().any(|error| error.contains("token_file")));
    fs::write(&secret, "a-token-of-this-test").expect("mount the secret");
    fleet.instance.wait(PATIENCE, "the acceptance", || errors(&fleet).is_empty() && fleet.of("two").is_some());
    assert_eq!(fleet.instance.whole_log().matches("the configuration file is refused").count(), 1);
    fleet.instance.stop();
}
