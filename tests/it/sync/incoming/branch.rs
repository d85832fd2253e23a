//! Making a branch at the remote.

use appferry::domain::status::RepositoryState;

use super::{Place, sync, sync_fails};

#[test]
fn an_absent_branch_is_offered_and_made_and_then_followed() {
    let place = Place::new();
    let development = place.instance("development", &[("GIT_SYNC_BRANCH_NAME", "dev")]);
    let repository = development.wait_for_state(RepositoryState::BranchAbsent);
    let remedy = repository.last_error.expect("an error").failure.remedy;
    assert!(remedy.contains("`appferry sync create-branch \"dev\" --from \"main\"`"), "{remedy}");
    assert!(sync_fails(&development, &["incoming"]).contains("the branch is not at the remote"));

    let text = sync(&development, &["create-branch", "dev", "--from", "main", "--dry-run"]);
    assert!(text.starts_with("the branch dev would be made from main"), "{text}");
    assert_eq!(place.repo.branches(), ["main"]);
    let text = sync(&development, &["create-branch", "dev", "--from", "main"]);
    assert!(text.starts_with("the branch dev was made from main"), "{text}");
    assert_eq!(place.repo.tip("dev"), place.repo.tip("main"));
    development.wait_until_in_sync();
    development.wait_until("the app", |repository| repository.apps.len() == 1);
    let text = sync(&development, &["create-branch", "dev", "--from", "main"]);
    assert!(text.starts_with("the branch dev is there already"), "{text}");
    let text = sync(&development, &["create-branch", "dev", "--from", "main", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&text).expect("a report");
    assert!(report["made"] == false && report["branch"] == "dev", "{report}");
    assert_eq!(report["commit"].as_str(), place.repo.tip("dev").as_deref());
    let pulled: serde_json::Value =
        serde_json::from_str(&sync(&development, &["pull", "PO App", "--json"])).expect("a report");
    assert_eq!(pulled["apps"][0]["app"], "PO App");
}

#[test]
fn a_branch_that_is_elsewhere_is_never_moved() {
    let place = Place::new();
    let development = place.instance("development", &[]);
    development.wait_until_in_sync();
    let start = place.repo.tip("main").expect("a tip");
    place.repo.git(&["tag", "-a", "-m", "First", "v1", "main"]);
    place.elsewhere("Go on", |apps| super::recolour(apps, "green"));
    sync(&development, &["create-branch", "release/1", "--from", "v1"]);
    assert_eq!(place.repo.tip("release/1"), Some(start.clone()));
    let text = sync_fails(&development, &["create-branch", "release/1", "--from", "main"]);
    assert!(text.contains("is there already, at") && text.contains("moves no branch"), "{text}");
    let text = sync_fails(&development, &["create-branch", "release", "--from", "main"]);
    assert!(text.contains("refs/heads/release/1"), "{text}");
    sync(&development, &["create-branch", "old", "--from", &start]);
    assert_eq!(place.repo.tip("old"), Some(start.clone()));
    assert!(sync_fails(&development, &["create-branch", "x", "--from", "nothing"]).contains("there are: main"));
    assert_eq!(place.repo.tip("release/1"), Some(start));
}
