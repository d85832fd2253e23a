//! A repository that is one app: the older style, with the files at its root.

use std::fs;

use appferry::domain::status::AppState;

use super::{Fleet, is_in_sync};
use crate::support::apps::{write, write_app};
use crate::support::instance::app;
use crate::support::{PATIENCE, git};

fn single(fleet: &Fleet, name: &str, called: &str) -> String {
    let own = fleet.apps(name).display().to_string();
    let shared = fleet.apps("shared").display().to_string();
    fleet.entry(name, &format!("layout = \"single\"\napp = \"{called}\"\nprefix = \"\"\n")).replace(&own, &shared)
}

#[test]
fn two_apps_of_one_folder_are_each_the_root_of_a_repository_of_its_own() {
    let mut fleet = Fleet::new("single");
    let sales = fleet.remote("sales");
    sales.somebody_commits("Begin", |clone| {
        fs::write(clone.join("README.md"), "# Sales\n").expect("write");
        fs::write(clone.join(".gitattributes"), "* -text\n").expect("write");
    });
    fleet.write(&[single(&fleet, "sales", "PO App"), single(&fleet, "stock", "Stock")]);
    fleet.instance.start();
    let apps = fleet.apps("shared");
    for name in ["PO App", "Stock", "Nobody's"] {
        write_app(&apps, name);
    }
    fleet.instance.wait(PATIENCE, "both apps in Git", || {
        let added =
            |name: &str| fleet.remote(name).subjects().iter().any(|subject| subject.ends_with("App added to git"));
        added("sales") && added("stock")
    });
    let files = sales.git(&["ls-tree", "--name-only", "main"]);
    for file in ["README.md", ".gitattributes", "meta.json", "screens"] {
        assert!(files.lines().any(|line| line == file), "{files}");
    }
    assert!(!files.contains("PO App"), "{files}");
    // What somebody else changes at the root arrives in the app's folder, and what is the repository's does not.
    sales.somebody_commits("Change", |clone| {
        fs::write(clone.join("README.md"), "# More\n").expect("write");
        fs::write(clone.join("meta.json"), "{\n  \"template_name\": \"other\"\n}\n").expect("write");
    });
    fleet.instance.wait(PATIENCE, "the change", || {
        fs::read_to_string(apps.join("PO App/meta.json")).is_ok_and(|text| text.contains("other"))
    });
    fleet.wait_for("sales", "in sync", is_in_sync);
    assert!(!apps.join("PO App/README.md").exists() && !apps.join("PO App/.gitattributes").exists());
    write(&apps.join("Stock/meta.json"), "{\n  \"template_name\": \"mine\"\n}\n");
    fleet.instance.wait(PATIENCE, "the save at the root", || {
        fleet.remote("stock").git(&["show", "main:meta.json"]).contains("mine")
    });
    // A file that would be taken for the repository's holds the app.
    fleet.wait_for("stock", "in sync", is_in_sync);
    write(&apps.join("Stock/README.md"), "mine\n");
    fleet.wait_for("stock", "held", |status| {
        app(status, "Stock").is_some_and(|app| {
            app.state == AppState::Held
                && app.reason.as_ref().is_some_and(|reason| reason.contains("is the repository's"))
        })
    });
    assert!(fleet.of("sales").is_some_and(|status| status.apps.len() == 1), "the others' apps are not its own");
    fs::remove_file(apps.join("Stock/README.md")).expect("remove");
    fleet.wait_for("stock", "in sync again", is_in_sync);
    fleet.instance.stop();
    git(sales.path(), &["fsck", "--strict"]);
    fleet.instance.fsck();
}
