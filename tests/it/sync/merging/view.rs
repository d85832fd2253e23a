//! A conflict is shown as data, to settle it by hand.

use appferry::domain::conflict_view::{ClashKind, ConflictView};

use super::conflict;
use crate::support::world::World;

#[test]
fn a_conflict_is_shown_by_the_program_and_the_api_with_all_three_values() {
    let Some(world) = World::new() else { return };
    let (_dev, qa) = conflict(&world);
    let (status, body) = qa.http_get("/api/v1/sync/conflict?app=PO%20App", true).expect("an answer");
    assert_eq!(status, 200);
    let view: ConflictView = serde_json::from_slice(&body).expect("a conflict");
    let printed = qa.cli_text(&["sync", "conflict", "PO App", "--json"]);
    assert_eq!(serde_json::from_str::<ConflictView>(&printed).expect("a conflict").files, view.files);

    let [file] = &view.files[..] else { panic!("{:?}", view.files) };
    assert_eq!((file.path.as_str(), file.kind), ("screens/Screen 1/meta.json", ClashKind::Json));
    assert_eq!(file.values[0].path, "/color");
    assert_eq!(file.changed_by.as_ref().map(|by| by.commit.clone()), world.repo.tip("main"));
    assert!(file.candidate.as_ref().is_some_and(|candidate| candidate.text.contains("\"color\": \"blue\"")));

    let text = qa.cli_text(&["sync", "conflict", "PO App"]);
    for line in [
        "base    \"red\"",
        "ours    \"blue\"",
        "theirs  \"green\"",
        "on branch conflict/qa/PO%20App/",
        "on branch main",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let none = qa.cli(&["sync", "conflict", "Other"]);
    assert!(!none.status.success());
    assert!(String::from_utf8_lossy(&none.stderr).contains("in no conflict"));
    assert_eq!(qa.http_get("/api/v1/sync/conflict?app=PO%20App", false).map(|(status, _)| status), Some(401));
    assert_eq!(qa.http_get("/api/v1/sync/conflict", true).map(|(status, _)| status), Some(400));
}
