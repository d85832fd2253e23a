//! A merge never loses an edit that the other side did not touch, and never settles a clash by itself.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// One edit: where (steps are taken modulo what there is), and what.
#[derive(Clone, Debug)]
struct Edit {
    route: Vec<usize>,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Set(u32),
    Remove,
    Add(u8, u32),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let action = prop_oneof![
        3 => any::<u32>().prop_map(Action::Set),
        1 => Just(Action::Remove),
        2 => (any::<u8>(), any::<u32>()).prop_map(|(name, value)| Action::Add(name, value)),
    ];
    let edit = (prop::collection::vec(0..6_usize, 1..5), action).prop_map(|(route, action)| Edit { route, action });
    prop::collection::vec(edit, 1..5)
}

/// Values with equal content are rare, so that an edit can be followed.
fn document() -> impl Strategy<Value = Value> {
    let leaf = any::<u32>().prop_map(Value::from);
    let inner = leaf.prop_recursive(3, 20, 4, |inner| {
        let members = prop::collection::btree_map("[a-d]", inner.clone(), 1..4);
        let elements = prop::collection::btree_map(0..9_u8, inner, 0..4);
        prop_oneof![
            members.prop_map(|members| Value::Object(members.into_iter().collect())),
            elements.prop_map(|list| list.into_iter().map(|(id, value)| json!({ "id": id, "in": value })).collect()),
        ]
    });
    prop::collection::btree_map("[a-d]", inner, 1..5).prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn apply(value: &mut Value, Edit { route, action }: &Edit) {
    let Some((step, rest)) = route.split_first() else { return change(value, action) };
    let below = match value {
        Value::Object(members) if !members.is_empty() => {
            let at = step % members.len();
            members.values_mut().nth(at)
        }
        // The identity of an element stays; what is in it changes.
        Value::Array(list) if !list.is_empty() => {
            let at = step % list.len();
            list[at].get_mut("in")
        }
        _ => None,
    };
    if let Some(below) = below {
        return apply(below, &Edit { route: rest.to_vec(), action: action.clone() });
    }
    change(value, action);
}

fn change(value: &mut Value, action: &Action) {
    match (value, action) {
        (Value::Object(members), Action::Add(name, new)) => {
            members.insert(format!("n{name}"), (*new).into());
        }
        (Value::Array(list), Action::Add(name, new)) => {
            let id = 10 + u32::from(*name);
            if list.iter().all(|element| element["id"] != json!(id)) {
                list.insert(usize::from(*name) % (list.len() + 1), json!({ "id": id, "in": new }));
            }
        }
        (Value::Object(members), Action::Remove) => {
            let first = members.keys().next().cloned();
            first.map(|key| members.shift_remove(&key));
        }
        (Value::Array(list), Action::Remove) => drop(list.pop()),
        (value, Action::Set(new) | Action::Add(_, new)) => *value = (*new).into(),
        (_, Action::Remove) => {}
    }
}

/// Every plain value by its place; an element of an array by its identity.
fn leaves(value: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    let mut members = |members: &Map<String, Value>| {
        members.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), found));
    };
    match value {
        Value::Object(object) => members(object),
        Value::Array(list) => {
            for element in list {
                leaves(element, &format!("{path}/#{}", element["id"]), found);
            }
        }
        plain => drop(found.insert(path.to_owned(), plain.clone())),
    }
}

fn leaves_of(bytes: &[u8]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    leaves(&serde_json::from_slice(bytes).unwrap(), "", &mut found);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn json_keeps_every_edit_that_the_other_side_did_not_touch(
        base in document(), our_edits in edits(), their_edits in edits(), pretty in any::<[bool; 3]>(),
    ) {
        let edited = |edits: &[Edit]| {
            let mut value = base.clone();
            for edit in edits {
                apply(&mut value, edit);
            }
            value
        };
        let write = |value: &Value, pretty| {
            if pretty { serde_json::to_vec_pretty(value).unwrap() } else { serde_json::to_vec(value).unwrap() }
        };
        let bytes = [
            write(&base, pretty[0]), write(&edited(&our_edits), pretty[1]), write(&edited(&their_edits), pretty[2]),
        ];
        let merge = merge_file("a.json", Some(&bytes[0]), &bytes[1], &bytes[2], &MergeRules::default());
        let (merged, may_clash) = match merge {
            FileMerge::Merged(bytes) => (bytes, false),
            FileMerge::Conflict(conflict) => (conflict.candidate.unwrap(), true),
        };
        let [base, ours, theirs] = bytes.each_ref().map(|bytes| leaves_of(bytes));
        let merged = leaves_of(&merged);
        let places: BTreeSet<&String> = [&base, &ours, &theirs, &merged].into_iter().flat_map(BTreeMap::keys).collect();
        for place in places {
            let [base, ours, theirs] = [&base, &ours, &theirs].map(|side| side.get(place));
            let found = merged.get(place);
            if may_clash {
                // Where values clash ours stands; and no value comes from nowhere.
                prop_assert!(found == base || found == ours || found == theirs, "{}", place);
            } else if ours == base {
                prop_assert_eq!(found, theirs, "theirs at {}", place);
            } else {
                prop_assert!(theirs == base || theirs == ours, "a clash was settled at {}", place);
                prop_assert_eq!(found, ours, "ours at {}", place);
            }
        }
    }

    #[test]
    fn text_keeps_every_edit_that_the_other_side_did_not_touch(
        length in 1..20_usize,
        our_edits in prop::collection::vec((0..20_usize, 0..3_u8), 1..5),
        their_edits in prop::collection::vec((0..20_usize, 0..3_u8), 1..5),
    ) {
        let base: Vec<String> = (0..length).map(|line| format!("line {line}\n")).collect();
        let edited = |edits: &[(usize, u8)], side: &str| {
            let mut lines = base.clone();
            for (nth, (at, kind)) in edits.iter().enumerate() {
                let at = at % base.len();
                match kind {
                    0 => lines[at] = format!("{side} changed {nth}\n"),
                    1 => lines[at] = String::new(),
                    _ => lines[at] = format!("{}{side} added {nth}\n", lines[at]),
                }
            }
            lines.concat()
        };
        let (ours, theirs) = (edited(&our_edits, "ours"), edited(&their_edits, "theirs"));
        let merge = |ours: &str, theirs: &str| {
            merge_file("a.js", Some(base.concat().as_bytes()), ours.as_bytes(), theirs.as_bytes(), &MergeRules::default())
        };
        let FileMerge::Merged(merged) = merge(&ours, &theirs) else { return Ok(()) };
        prop_assert_eq!(merge(&theirs, &ours), FileMerge::Merged(merged.clone()));
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
        let (base, ours, theirs) = (lines(&base.concat()), lines(&ours), lines(&theirs));
        let merged = lines(std::str::from_utf8(&merged).unwrap());
        let expected: BTreeSet<String> = base.union(&ours).chain(&theirs)
            .filter(|line| if base.contains(*line) { ours.contains(*line) && theirs.contains(*line) } else { true })
            .cloned()
            .collect();
        prop_assert_eq!(merged, expected);
    }
}

#[test]
fn the_fields_that_name_elements_can_be_set() {
    let base = r#"[{"slot": 1, "v": 1}, {"slot": 2, "v": 1}]"#;
    let ours = r#"[{"slot": 2, "v": 1}, {"slot": 1, "v": 1}]"#;
    let theirs = r#"[{"slot": 1, "v": 9}, {"slot": 2, "v": 1}]"#;
    let rules = MergeRules { identity: IdentityFields::new(["slot"]), ..MergeRules::default() };
    let merge = |rules| merge_file("a.json", Some(base.as_bytes()), ours.as_bytes(), theirs.as_bytes(), rules);
    assert_eq!(merge(&rules), FileMerge::Merged(br#"[{"slot": 2, "v": 1}, {"slot": 1, "v": 9}]"#.to_vec()));
    assert!(matches!(merge(&MergeRules::default()), FileMerge::Conflict(_)), "a sequence does not know that it moved");
}

#[test]
fn a_candidate_holds_ours_where_it_clashes_and_everything_else_merged() {
    let base = "{\n  \"a\": 1,\n  \"list\": [{\"id\": 1}, {\"id\": 2}],\n  \"n\": [1]\n}\n";
    let ours = "{\n  \"a\": 2,\n  \"list\": [{\"id\": 1}, {\"id\": 2}, {\"id\": 3}],\n  \"n\": [1, 2]\n}\n";
    let theirs = "{\n  \"a\": 3,\n  \"list\": [{\"id\": 1, \"x\": 0}, {\"id\": 2}, {\"id\": 4}],\n  \"n\": [1, 3],\n  \"new\": true\n}\n";
    let both = "{\n  \"a\": 2,\n  \"list\": [{\"id\": 1, \"x\": 0}, {\"id\": 2}, {\"id\": 3}, {\"id\": 4}],\n  \"n\": [1, 2],\n  \"new\": true\n}\n";
    let merge = merge_file("a.json", Some(base.as_bytes()), ours.as_bytes(), theirs.as_bytes(), &MergeRules::default());
    let FileMerge::Conflict(conflict) = merge else { panic!("{merge:?}") };
    assert_eq!(String::from_utf8(conflict.candidate.unwrap()).unwrap(), both);
    let places: Vec<String> = conflict.clashes.iter().map(ToString::to_string).collect();
    assert_eq!(places, ["both sides changed /a", "both sides changed /list", "both sides changed /n"]);
}
