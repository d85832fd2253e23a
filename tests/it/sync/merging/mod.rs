//! Two people work on one app: through the real program, with two instances.

mod files;
mod renames;
mod view;

use crate::support::instance::Instance;
use crate::support::world::World;
use crate::support::{DELETION, apps};

pub(super) use super::conflict::{conflict, conflict_branches, meet, two};

/// Both instances are in sync, with the same content.
fn wait_until_equal(world: &World, dev: &Instance, qa: &Instance) {
    dev.wait(DELETION, "both in sync at one tip, with the same content", || {
        let tip = world.repo.tip("main");
        let at_tip = |instance: &Instance| {
            let repository = instance.repository();
            crate::support::instance::is_in_sync(&repository) && repository.remote_tip == tip
        };
        at_tip(dev) && at_tip(qa) && apps::snapshot(&dev.apps) == apps::snapshot(&qa.apps)
    });
}
