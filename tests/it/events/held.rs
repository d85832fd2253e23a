//! A log that does not answer: syncing does not wait for it.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::{kinds_of, list};
use crate::support::PATIENCE;
use crate::support::apps::{set, write_app};
use crate::support::instance::Instance;
use crate::support::world::World;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

/// Lets nobody else write into the log of events, for as long as the pool lives.
async fn hold(instance: &Instance) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(instance.data.join("events.db")).busy_timeout(PATIENCE);
    let pool = SqlitePool::connect_with(options).await.expect("the database");
    sqlx::query("BEGIN IMMEDIATE").execute(&pool).await.expect("hold it");
    pool
}

#[test]
fn a_log_that_somebody_holds_delays_no_push_and_the_events_are_told_afterwards() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the first events", || kinds_of(&list(&dev, 0), "PO App") == ["committed", "pushed"]);
    dev.wait_until_in_sync();

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let held = runtime.block_on(hold(&dev));
    for color in ["green", "blue"] {
        set(&dev.apps.join(SCREEN), "color", color);
        dev.wait(PATIENCE, "the save in Git", || {
            world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains(color))
        });
    }
    let words = "the log of events does not answer";
    dev.wait(PATIENCE, words, || dev.whole_log().contains(words));
    assert_eq!(kinds_of(&list(&dev, 0), "PO App").len(), 2, "it can be read meanwhile");

    runtime.block_on(held.close());
    dev.wait(PATIENCE, "the events of all three", || {
        kinds_of(&list(&dev, 0), "PO App") == ["committed", "pushed"].repeat(3)
    });
    dev.stop();
}
