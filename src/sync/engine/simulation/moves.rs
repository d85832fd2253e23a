//! Random stories.

use proptest::prelude::*;

use super::super::{Condition, Save, SaveRefusal};
use super::world::Instance;
use crate::domain::AppName;

/// One step of a random story.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Save {
        who: usize,
        app: usize,
        key: usize,
        value: u32,
    },
    Delete {
        who: usize,
        app: usize,
    },
    Rename {
        who: usize,
        app: usize,
        to: usize,
    },
    Pass {
        who: usize,
        online: bool,
    },
    SaveDuringPass {
        who: usize,
        app: usize,
        key: usize,
        value: u32,
    },
    /// The remote accepts the next push, and the answer is lost.
    AnswerLost {
        who: usize,
    },
    /// Through the API, while the next push is under way.
    SaveDuringPush {
        who: usize,
        app: usize,
        key: usize,
        value: u32,
    },
    Restart {
        who: usize,
    },
    DiskFillsUp {
        who: usize,
        after: u32,
    },
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..5_usize;
    let step = prop_oneof![
        5 => (who.clone(), 0..4_usize, 0..5_usize, any::<u32>())
            .prop_map(|(who, app, key, value)| Step::Save { who, app, key, value }),
        1 => (who.clone(), 0..4_usize).prop_map(|(who, app)| Step::Delete { who, app }),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, online)| Step::Pass { who, online }),
        1 => (who.clone(), 0..4_usize, 0..4_usize)
            .prop_map(|(who, app, to)| Step::Rename { who, app, to }),
        2 => (who.clone(), 0..4_usize, 0..5_usize, any::<u32>())
            .prop_map(|(who, app, key, value)| Step::SaveDuringPass { who, app, key, value }),
        1 => who.clone().prop_map(|who| Step::AnswerLost { who }),
        2 => (who.clone(), 0..4_usize, 0..5_usize, any::<u32>())
            .prop_map(|(who, app, key, value)| Step::SaveDuringPush { who, app, key, value }),
        1 => who.clone().prop_map(|who| Step::Restart { who }),
        2 => (who, 1..25_u32).prop_map(|(who, after)| Step::DiskFillsUp { who, after }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Changes one key of an app and leaves the others as they are; an app that is not there is made. Of its three files one is its
/// own for good, so that it is known again under another name.
pub(super) fn save_key(instance: &Instance, app: usize, key: usize, value: u32) {
    let name = format!("A{app}");
    let file = if key < 3 { "x.json" } else { "y.json" };
    if instance.text(&name, file).is_none() {
        instance.save(&name, "x.json", "{\"k0\":0,\"k1\":0,\"k2\":0}");
        instance.save(&name, "y.json", "{\"k3\":0,\"k4\":0}");
        instance.save(&name, "z.json", &format!("{{\"own\":{}}}", value | 1));
    }
    let old = instance.text(&name, file).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&old).unwrap();
    json[format!("k{key}")] = value.into();
    instance.save(&name, file, &json.to_string());
}

/// As [`save_key`], through the API. A full disk may refuse it.
pub(super) fn put_key(instance: &mut Instance, app: usize, key: usize, value: u32) {
    let name = AppName::new(format!("A{app}")).unwrap();
    let before = instance.apps().get(&name).cloned();
    save_key(instance, app, key, value);
    let files = instance.apps()[&name].clone();
    match before {
        Some(before) => instance.folder.apps.lock().unwrap().insert(name.clone(), before),
        None => instance.folder.apps.lock().unwrap().remove(&name),
    };
    let tree = Some(instance.folder.store(&files));
    let save = Save { app: name, tree, condition: Condition::None, author: None, message: None, commit: true };
    let now = instance.now;
    let saved = instance.engine().save_app(&save, now);
    assert!(matches!(saved, Ok(_) | Err(SaveRefusal::Failed(_) | SaveRefusal::HalfWritten(_))), "{saved:?}");
}
