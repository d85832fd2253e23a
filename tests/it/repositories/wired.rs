//! What is wired for one repository of the environment reaches those of the file, too.

use std::fs;

use super::Fleet;
use crate::events::{hmac_hex, post};
use crate::support::PATIENCE;
use crate::support::apps::write_app;

#[test]
fn a_hook_polls_the_repositories_that_it_names_also_those_that_came_later() {
    let mut fleet = Fleet::new("hinted");
    fleet.instance.set("APPFERRY_HOOK_SECRET", "s3cret").set("APPFERRY_POLL_INTERVAL", "1h");
    fleet.write(&[fleet.entry("sales", "")]);
    fleet.instance.start();
    fleet.sync_an_app("sales", "PO App");
    fleet.write(&[fleet.entry("sales", ""), fleet.entry("stock", "")]);
    fleet.sync_an_app("stock", "Bin");
    for name in ["stock", "sales"] {
        let tip = fleet.remote(name).somebody_commits("Somebody's work", |tree| {
            write_app(&tree.join("App"), "Theirs");
        });
        let body = format!(r#"{{"after":"{tip}","repository":{{"full_name":"remotes/{name}"}}}}"#);
        let proof = format!("sha256={}", hmac_hex("s3cret", body.as_bytes()));
        let answer = post(&fleet.instance, "/hooks/github", &[("X-Hub-Signature-256", &proof)], body.as_bytes());
        assert_eq!(answer, (202, r#"{"seen":false,"polled":1}"#.to_owned()), "{name}");
        fleet.wait_for(name, "polled", |status| status.remote_tip.as_deref() == Some(tip.as_str()));
    }
    let kept = fleet.instance.http_get("/api/v1/events?after=0&limit=1000", true).expect("an answer").1;
    let kept = String::from_utf8_lossy(&kept).into_owned();
    for name in ["sales", "stock"] {
        assert!(kept.contains(&format!("remotes/{name}.git")), "{kept}");
    }
    fleet.instance.stop();
}

#[test]
fn only_the_apps_that_the_patterns_name_are_followed() {
    let mut fleet = Fleet::new("filtered");
    let more = "include = [\"PO *\", \"Stock\"]\nexclude = \"*Old\"\n";
    fleet.remote("some").somebody_commits("Begin", |tree| {
        write_app(&tree.join("App"), "Theirs");
        write_app(&tree.join("App"), "PO Theirs");
    });
    fleet.write(&[fleet.entry("some", more)]);
    let apps = fleet.apps("some");
    for name in ["PO Old", "Mine"] {
        write_app(&apps, name);
    }
    fleet.instance.start();
    fleet.sync_an_app("some", "PO App");
    fleet.instance.wait(PATIENCE, "what others have", || apps.join("PO Theirs/meta.json").exists());
    fleet.wait_for("some", "those two apps", |status| {
        status.apps.iter().map(|app| app.name.as_str()).eq(["PO App", "PO Theirs"])
    });
    assert!(!apps.join("Theirs").exists());
    let files = fleet.remote("some").git(&["ls-tree", "--name-only", "main:App"]);
    assert_eq!(files.lines().collect::<Vec<_>>(), ["PO App", "PO Theirs", "Theirs"]);
    // What is followed no more stays where it is, on both sides.
    fleet.write(&[fleet.entry("some", "include = \"Stock\"\n")]);
    fleet.sync_an_app("some", "Stock");
    assert!(fs::exists(apps.join("PO App/meta.json")).expect("a look"));
    assert_eq!(fleet.remote("some").git(&["ls-tree", "--name-only", "main:App"]).lines().count(), 4);
    fleet.instance.stop();
}
