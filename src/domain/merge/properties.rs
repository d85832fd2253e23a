//! What must hold for every merge, and the cases of JSON merging one by one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn merged(base: &str, ours: &str, theirs: &str) -> Outcome {
    let one = merge_json(Some(base.as_bytes()), ours.as_bytes(), theirs.as_bytes(), &MergeRules::default());
    let other = merge_json(Some(base.as_bytes()), theirs.as_bytes(), ours.as_bytes(), &MergeRules::default());
    match (one, other) {
        (MergedFile::Merged(one), MergedFile::Merged(other)) => {
            assert_eq!(one, other, "the sides may be exchanged");
            Ok(String::from_utf8(one).unwrap())
        }
        (MergedFile::Conflict { clashes: one, candidate }, MergedFile::Conflict { clashes: other, .. }) => {
            assert_eq!(json_problem(&candidate), None);
            assert_eq!(one.len(), other.len(), "the sides may be exchanged");
            Err(one.into_iter().map(|clash| clash.path).collect())
        }
        (one, other) => panic!("{one:?} and {other:?}"),
    }
}

type Outcome = Result<String, Vec<String>>;

#[expect(clippy::unnecessary_wraps, reason = "compared with what `merged` answers")]
fn ok(text: &str) -> Outcome {
    Ok(text.to_owned())
}

fn clash(path: &str) -> Outcome {
    Err(vec![path.to_owned()])
}

#[test]
fn the_export_meta_of_two_saves_merges_and_the_newest_time_wins() {
    let file = |time: &str, engine: &str| {
        format!(r#"{{"updated_time": "{time}", "onprem_version": "3.5.7-edge", "engine": "{engine}"}}"#)
    };
    let base = file("27-03-2025 06:23:08", "1.0.0");
    let ours = file("05-04-2025 10:00:00", "1.0.0");
    let theirs = file("30-03-2025 10:00:00", "1.0.1");
    assert_eq!(merged(&base, &ours, &theirs), ok(&file("05-04-2025 10:00:00", "1.0.1")));
    let no_time = file("today", "1.0.0");
    assert_eq!(merged(&base, &no_time, &theirs), clash("/updated_time"));
}

#[test]
fn untouched_values_keep_their_bytes() {
    let base = "\u{feff}{\r\n\t\"a\": \"caf\\u00e9\",\r\n\t\"n\": 1.0e5,\r\n\t\"big\": 12345678901234567890.10,\r\n\t\"l\": [1,  2],\r\n\t\"z\": 0\r\n}\r\n";
    let ours = base.replace("\"z\": 0", "\"z\": 1");
    let theirs = base.replace("[1,  2]", "[1,  2,  3]");
    assert_eq!(merged(base, &ours, &theirs), ok(&ours.replace("[1,  2]", "[1,  2,  3]")));
}

#[test]
fn objects_merge_by_key_and_additions_keep_their_place() {
    let base = "{\n  \"a\": 1,\n  \"b\": {\"x\": 1, \"y\": 2}\n}";
    let ours = "{\n  \"a\": 1,\n  \"new\": true,\n  \"b\": {\"x\": 9, \"y\": 2}\n}";
    let theirs = "{\n  \"a\": 1,\n  \"b\": {\"x\": 1, \"y\": 8, \"z\": 3},\n  \"end\": null\n}";
    let both = "{\n  \"a\": 1,\n  \"new\": true,\n  \"b\": {\"x\": 9, \"y\": 8, \"z\": 3},\n  \"end\": null\n}";
    assert_eq!(merged(base, ours, theirs), ok(both));
}

#[test]
fn additions_to_an_empty_object_and_deletions_of_all_members_leave_sound_layout() {
    assert_eq!(merged("{}", r#"{"a": 1}"#, r#"{"b": 2}"#), ok(r#"{"a": 1,"b": 2}"#));
    assert_eq!(merged(r#"{"a": 1, "b": 2}"#, r#"{"b": 2}"#, r#"{"a": 1}"#), ok("{}"));
    assert_eq!(merged(r#"{"a": 1, "b": 2, "c": 3}"#, r#"{"b": 2, "c": 3}"#, r#"{"a": 1, "b": 2}"#), ok(r#"{"b": 2}"#));
}

#[test]
fn what_both_changed_differently_clashes_with_its_pointer() {
    assert_eq!(merged(r#"{"a/b": {"c": 1}}"#, r#"{"a/b": {"c": 2}}"#, r#"{"a/b": {"c": 3}}"#), clash("/a~1b/c"));
    assert_eq!(merged(r#"{"a": 1}"#, r#"{"a": 2}"#, "{}"), clash("/a"));
    assert_eq!(merged("1", "2", "3"), clash(""));
    assert_eq!(merged(r#"{"a": 1}"#, r#"{"a": 2}"#, r#"{"a": 2}"#), ok(r#"{"a": 2}"#));
}

#[test]
fn elements_with_an_identity_merge_by_it() {
    let base = r#"[{"id": 1, "t": "a"}, {"id": 2, "t": "b"}]"#;
    let ours = r#"[{"id": 1, "t": "A"}, {"id": 2, "t": "b"}, {"id": 3, "t": "c"}]"#;
    let theirs = r#"[{"id": 0, "t": "z"}, {"id": 1, "t": "a", "u": 1}]"#;
    assert_eq!(
        merged(base, ours, theirs),
        ok(r#"[{"id": 0, "t": "z"}, {"id": 1, "t": "A", "u": 1}, {"id": 3, "t": "c"}]"#)
    );
}

#[test]
fn elements_inserted_at_one_place_clash_and_so_does_moving_one_two_ways() {
    let base = r#"[{"id":1},{"id":2},{"id":3},{"id":4}]"#;
    assert_eq!(
        merged(
            base,
            r#"[{"id":1},{"id":2},{"id":3},{"id":4},{"id":5}]"#,
            r#"[{"id":1},{"id":2},{"id":3},{"id":4},{"id":6}]"#
        ),
        clash("")
    );
    assert_eq!(
        merged(base, r#"[{"id":4},{"id":1},{"id":2},{"id":3}]"#, r#"[{"id":1},{"id":4},{"id":2},{"id":3}]"#),
        clash("")
    );
    assert_eq!(
        merged(base, r#"[{"id":4},{"id":1},{"id":2},{"id":3}]"#, r#"[{"id":1,"x":1},{"id":2},{"id":3},{"id":4}]"#),
        ok(r#"[{"id":4},{"id":1,"x":1},{"id":2},{"id":3}]"#)
    );
    assert_eq!(
        merged(base, r#"[{"id":1},{"id":2,"x":1},{"id":3},{"id":4}]"#, r#"[{"id":1},{"id":3},{"id":4}]"#),
        clash("/1")
    );
}

#[test]
fn other_arrays_merge_as_sequences() {
    assert_eq!(merged("[1, 2, 3]", "[1, 9, 3]", "[1, 2, 3, 4]"), ok("[1, 9, 3, 4]"));
    assert_eq!(merged("[1, 2, 3]", "[0, 1, 2, 3]", "[1, 2]"), ok("[0, 1, 2]"));
    assert_eq!(merged("[1, 2]", "[1, 3, 2]", "[1, 4, 2]"), clash(""));
    assert_eq!(merged("[[1, 2], 5]", "[[9, 2], 5]", "[[1, 2, 3], 5]"), ok("[[9, 2, 3], 5]"));
}

#[test]
fn a_file_laid_out_anew_by_one_side_keeps_that_layout() {
    let base = "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 1.50\n  }\n}\n";
    let ours = "{\"a\":1,\"b\":{\"c\":1.50}}";
    let theirs = "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 1.50,\n    \"d\": []\n  }\n}\n";
    assert_eq!(merged(base, ours, theirs), ok("{\"a\":1,\"b\":{\"c\":1.50,\"d\":[]}}"));
    let wide = base.replace("  ", "    ");
    assert_eq!(merged(base, &wide, theirs), ok(&theirs.replace("  ", "    ")));
}

#[test]
fn without_a_base_equal_values_unite_and_differing_ones_clash() {
    let merge = |ours: &str, theirs: &str| merge_json(None, ours.as_bytes(), theirs.as_bytes(), &MergeRules::default());
    assert_eq!(merge(r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#), MergedFile::Merged(br#"{"a": 1, "b": 2}"#.to_vec()));
    let MergedFile::Conflict { clashes, .. } = merge(r#"{"a": 1}"#, r#"{"a": 2}"#) else { panic!() };
    assert_eq!(clashes, [JsonClash { path: "/a".into(), base: None, ours: Some(json!(1)), theirs: Some(json!(2)) }]);
}

#[test]
fn a_key_given_twice_is_left_to_the_merge_by_lines() {
    let twice = br#"{"a": 1, "\u0061": 2}"#;
    assert_eq!(merge_json(None, twice, b"{}", &MergeRules::default()), MergedFile::NotJson);
}

#[test]
fn the_deepest_nesting_that_is_read_can_be_merged_too() {
    let nested = |depth: usize, core: &str| format!("{}{core}{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let (base, ours, theirs) = (nested(127, r#"1,"b":1"#), nested(127, r#"2,"b":1"#), nested(127, r#"1,"b":2"#));
    assert_eq!(merged(&base, &ours, &theirs), ok(&nested(127, r#"2,"b":2"#)));
}

/// JSON of the kinds that merges meet: nested, with identities, and few names so that sides collide.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (0..4i32).prop_map(Value::from),
        "[aé\"]{0,2}".prop_map(Value::from),
        Just(Value::Null),
        Just(json!("27-03-2025 06:23:08"))
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![Just("id"), Just("a"), Just("b"), Just("c"), Just("updated_time")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|list| list.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn laid_out(value: &Value, pretty: bool) -> Vec<u8> {
    if pretty { serde_json::to_vec_pretty(value).unwrap() } else { serde_json::to_vec(value).unwrap() }
}

fn outcome(merge: FileMerge) -> Option<Vec<u8>> {
    match merge {
        FileMerge::Merged(bytes) => Some(bytes),
        FileMerge::Conflict(FileConflict { clashes, .. }) => {
            assert!(!clashes.is_empty() && clashes.len() <= MAX_CLASHES);
            None
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn json_merges_are_symmetric_and_parse(
        base in any_json(), ours in any_json(), theirs in any_json(), pretty in any::<[bool; 3]>(), with_base in any::<bool>(),
    ) {
        let (base, ours, theirs) = (laid_out(&base, pretty[0]), laid_out(&ours, pretty[1]), laid_out(&theirs, pretty[2]));
        let base = with_base.then_some(base.as_slice());
        let volatile = MergeRules::default();
        let one = outcome(merge_file("a.json", base, &ours, &theirs, &volatile));
        let other = outcome(merge_file("a.json", base, &theirs, &ours, &volatile));
        prop_assert_eq!(&one, &other);
        if let Some(bytes) = one {
            prop_assert_eq!(json_problem(&bytes), None);
        }
    }

    #[test]
    fn edits_of_different_members_both_survive(base in prop::collection::vec(any_json(), 2..6), ours in any_json(), theirs in any_json(), pretty in any::<bool>()) {
        let object = |list: &[Value]| -> Value { list.iter().enumerate().map(|(i, v)| (format!("k{i}"), v.clone())).collect() };
        let (mut our_list, mut their_list, mut both) = (base.clone(), base.clone(), base.clone());
        let last = base.len() - 1;
        our_list[0] = ours.clone();
        both[0] = ours;
        their_list[last] = theirs.clone();
        both[last] = theirs;
        let text = |list: &[Value]| laid_out(&object(list), pretty);
        let merged = outcome(merge_file("a.json", Some(&text(&base)), &text(&our_list), &text(&their_list), &MergeRules::default()));
        prop_assert_eq!(merged, Some(text(&both)));
    }

    #[test]
    fn any_bytes_merge_without_panic_and_alike_from_both_sides(
        base in "[ab\n\r\\{\\}\\[\\]\",:0-9 \0]{0,40}", ours in prop::collection::vec(any::<u8>(), 0..60), theirs in "[ab\n]{0,40}",
    ) {
        let volatile = MergeRules::default();
        for path in ["a.json", "a.js"] {
            for (a, b, c) in [(base.as_bytes(), ours.as_slice(), theirs.as_bytes()), (theirs.as_bytes(), base.as_bytes(), ours.as_slice())] {
                prop_assert_eq!(outcome(merge_file(path, Some(a), b, c, &volatile)), outcome(merge_file(path, Some(a), c, b, &volatile)));
                prop_assert_eq!(outcome(merge_file(path, Some(a), a, c, &volatile)), Some(c.to_vec()));
                prop_assert_eq!(outcome(merge_file(path, Some(a), b, a, &volatile)), Some(b.to_vec()));
                prop_assert_eq!(outcome(merge_file(path, None, b, b, &volatile)), Some(b.to_vec()));
                let _ = differs_only_in_volatile(path, b, c, &volatile.volatile);
                let _ = json_problem(b);
            }
        }
    }
}
