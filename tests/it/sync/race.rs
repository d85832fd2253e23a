//! Two instances push at once, for as long as the test is told to last.

use std::time::Instant;

use crate::support::apps::{set_at_once, snapshot, write_app};
use crate::support::instance::Instance;
use crate::support::world::World;
use crate::support::{Dice, endurance};

const APPS: [&str; 4] = ["PO App", "Stock", "Füße", "It's \"quoted\""];

#[test]
fn two_instances_pushing_at_once_end_equal_with_every_edit_in_history() {
    let Some(world) = World::new() else { return };
    let (mut dev, mut qa) = (world.instance("dev"), world.instance("qa"));
    for name in APPS {
        write_app(&dev.apps, name);
    }
    dev.start();
    dev.wait_until_in_sync();
    qa.start();
    qa.wait_until("all apps at qa", |repository| repository.apps.len() == APPS.len());
    qa.wait_until_in_sync();

    let tokens = edit_both(&dev, &qa);
    world.settle(&dev, &qa);

    let (remote, local) = (world.repo.snapshot("main"), snapshot(&dev.apps));
    assert_eq!(local, snapshot(&qa.apps), "the two folders differ");
    assert_eq!(local, remote, "folder and branch differ");
    let history = world.repo.everything_ever_added();
    let lost: Vec<&String> = tokens.iter().filter(|token| !history.contains(token.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} edits are not in history: {lost:?}", lost.len(), tokens.len());
    assert_eq!(world.repo.git(&["rev-list", "--count", "--merges", "main"]), "0", "history is linear");
    world.repo.fsck();
    eprintln!("{} edits in {} commits", tokens.len(), world.repo.subjects().len());
    dev.stop();
    qa.stop();
}

/// Random saves at both, each with a token of its own; answers the tokens.
fn edit_both(dev: &Instance, qa: &Instance) -> Vec<String> {
    let mut dice = Dice::new();
    let mut tokens = Vec::new();
    let end = Instant::now() + endurance();
    while Instant::now() < end {
        let (who, instance) = if dice.roll(2) == 0 { ("dev", dev) } else { ("qa", qa) };
        for _ in 0..=dice.roll(2) {
            let token = format!("{who}-{}-token", tokens.len());
            edit(instance, &mut dice, &token);
            tokens.push(token);
        }
        std::thread::sleep(std::time::Duration::from_millis(dice.roll(250)));
    }
    tokens
}

/// One save: a key that nobody else writes, in a file that everybody writes, and a new save time.
fn edit(instance: &Instance, dice: &mut Dice, token: &str) {
    let app = instance.apps.join(APPS[usize::try_from(dice.roll(4)).unwrap_or(0)]);
    let file = match dice.roll(3) {
        0 => app.join("screens/Screen 1/meta.json"),
        1 => app.join("configuration/page_config.json"),
        _ => app.join(format!("data_query/{token}/meta.json")),
    };
    set_at_once(&file, token, token, &instance.aside());
    let time = format!("{:02}-04-2025 {:02}:{:02}:00", 1 + dice.roll(28), dice.roll(24), dice.roll(60));
    set_at_once(&app.join("__export_meta.json"), "updated_time", time, &instance.aside());
}
