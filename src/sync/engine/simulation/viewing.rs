//! Conflicts as data.

use super::world::{EDITING, Instance, quiet, world};
use super::*;
use crate::domain::conflict_view::{ClashKind, ConflictSide, ConflictView, MergedFile, ShownValue};

/// Both change the app `A` after they had it in common; the second one is in conflict.
fn clash(
    before: &[(&str, &str)],
    first: impl Fn(&Instance),
    second: impl Fn(&Instance),
) -> (Vec<Instance>, ConflictView) {
    let mut all = world(&[EDITING, EDITING]);
    for (file, text) in before {
        all[0].save("A", file, text);
    }
    all[0].save("Other", "o.json", "{}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    first(&all[0]);
    second(&all[1]);
    for _ in 0..2 {
        all[0].pass(true, quiet);
    }
    for _ in 0..3 {
        all[1].pass(true, quiet);
    }
    let view = all[1].engine().conflict_view(&AppName::new("A").unwrap()).unwrap();
    (all, view)
}

#[test]
fn a_conflict_shows_each_clash_with_its_three_values_who_made_theirs_and_what_merges() {
    let before =
        [("x.json", "{\n  \"l\": 1,\n  \"r\": 1,\n  \"both\": 1\n}\n"), ("t.js", "a\nb\nc\n"), ("m.json", "{}")];
    let first = |one: &Instance| {
        one.save("A", "x.json", "{\n  \"l\": 2,\n  \"r\": 1,\n  \"both\": 2\n}\n");
        one.save("A", "t.js", "a\ntheirs\nc\n");
        one.save("A", "i.png", "\0theirs");
    };
    let second = |other: &Instance| {
        other.save("A", "x.json", "{\n  \"l\": 1,\n  \"r\": 3,\n  \"both\": 3\n}\n");
        other.save("A", "t.js", "a\nours\nc\n");
        other.save("A", "m.json", "{\"m\": 1}");
        other.save("A", "i.png", "\0ours");
    };
    let (all, view) = clash(&before, first, second);
    assert!(view.ours.pushed && view.ours.branch.starts_with("conflict/i1/A/"), "{:?}", view.ours);
    let by = view.theirs.changed_by.unwrap();
    assert_eq!((by.author.as_str(), by.email.as_str()), ("appferry", "appferry@i0"));
    assert_eq!(by.commit, all[0].remote.lock().unwrap()["refs/heads/main"].to_string());
    assert_eq!(view.merged, [MergedFile { path: "m.json".to_owned(), changed_by: Some(ConflictSide::Ours) }]);
    let [image, text, json] = &view.files[..] else { panic!("{:?}", view.files) };

    assert_eq!((image.path.as_str(), image.kind), ("i.png", ClashKind::Whole));
    assert_eq!((image.ours.as_ref().unwrap().bytes, image.theirs.as_ref().unwrap().bytes), (5, 7));
    assert_eq!((&image.base, &image.candidate), (&None, &None));

    assert_eq!((text.path.as_str(), text.kind), ("t.js", ClashKind::Text));
    assert_eq!((text.lines[0].ours.first, text.lines[0].ours.count), (2, 1));
    assert_eq!(text.lines[0].base.text.text, "b\n");
    assert!(text.candidate.as_ref().unwrap().text.contains("<<<<<<< ours\nours\n"));

    assert_eq!((json.path.as_str(), json.kind), ("x.json", ClashKind::Json));
    let [value] = &json.values[..] else { panic!("{:?}", json.values) };
    assert_eq!(value.path, "/both");
    let shown = |number: u32| Some(ShownValue::Value(number.into()));
    assert_eq!((&value.base, &value.ours, &value.theirs), (&shown(1), &shown(3), &shown(2)));
    assert_eq!(json.candidate.as_ref().unwrap().text, "{\n  \"l\": 2,\n  \"r\": 3,\n  \"both\": 3\n}\n");
    assert_eq!(json.changed_by.as_ref().unwrap().commit, by.commit);
}

#[test]
fn the_conflict_of_a_deleted_app_shows_what_the_other_side_changed() {
    let before = [("x.json", "{\"a\":1}"), ("y.json", "{}")];
    let (_, view) = clash(&before, |one| one.save("A", "x.json", "{\"a\":2}"), |other| other.delete("A"));
    assert_eq!(view.deleted_by, Some(ConflictSide::Ours));
    assert_eq!(view.files.len(), 1);
    assert_eq!((view.files[0].kind, view.files[0].deleted_by), (ClashKind::Deleted, Some(ConflictSide::Ours)));
}

#[test]
fn the_conflict_of_a_renamed_app_shows_its_files_side_by_side() {
    let text = |n: u32| format!("{{\"some\":\"keys\",\"that\":\"stay\",\"as\":\"they were\",\"n\":{n}}}");
    let first = |one: &Instance| one.save("A", "A.json", &text(2));
    let second = |other: &Instance| {
        other.delete("A");
        other.save("B", "B.json", &text(3));
    };
    let (_, view) = clash(&[("A.json", &text(1))], first, second);
    assert_eq!((view.renamed_here.as_deref(), view.renamed_there.as_deref()), (Some("B"), None));
    assert_eq!(view.files.len(), 1, "{:?}", view.files);
    assert_eq!((view.files[0].path.as_str(), view.files[0].values[0].path.as_str()), ("B.json", "/n"));
    assert!(view.files[0].changed_by.is_some());
}

#[test]
fn an_app_without_a_conflict_has_none_to_show() {
    let mut all = world(&[EDITING]);
    let failure = all[0].engine().conflict_view(&AppName::new("A").unwrap()).unwrap_err();
    assert!(failure.message.contains("in no conflict"), "{failure}");
}
