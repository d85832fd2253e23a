//! One changed file among 100,000: what finding and committing it costs, durable on disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use appferry::domain::AppName;
use appferry::sync::engine::{Engine, Look, Now};

use crate::Size;
use crate::engine::{accept, idle_pass, in_sync, settle};
use crate::peer;
use crate::place::{Place, run};
use crate::table::Table;

const FILES: usize = 100;

/// Ours: the look at the app, the plan of all, the commit and the state, written and secured. Git's: `git add -A && git
/// commit`, without securing.
pub(crate) fn one_change_among_many(place: &Place, size: Size, table: &mut Table) {
    let clone = place.path("many");
    run(place.git(Path::new("/"), place.port).args(["init", "-q", "-b", "main"]).arg(&clone));
    peer::write_apps(&clone.join("App"), size.large_apps, FILES);
    peer::commit(place, &clone);
    let apps = place.path("many_apps");
    peer::write_apps(&apps, size.large_apps, FILES);
    let mut engine = in_sync(place, "many", &apps);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=size.rounds {
        let app = (round * 13) % size.large_apps;
        let (path, content) = (peer::file_path(app, 0), peer::content(app, 0, round));
        std::fs::write(apps.join(&path), &content).unwrap();
        ours.push(commit(&mut engine, &path));
        accept(&mut engine);
        std::fs::write(clone.join("App").join(&path), content).unwrap();
        let begun = Instant::now();
        peer::commit(place, &clone);
        theirs.push(begun.elapsed());
    }
    let files = size.large_apps * FILES;
    let what = format!("commit of one changed file among {files}; `git add -A && git commit`");
    table.times(&what, &ours, &theirs);
}

/// What the engine does for a poll that finds nothing, with ten times the apps.
pub(crate) fn idle_among_many_apps(place: &Place, size: Size, table: &mut Table) {
    let count = size.large_apps * 10;
    let apps = place.path("apps_10k");
    peer::write_apps(&apps, count, 1);
    let mut engine = in_sync(place, "apps_10k", &apps);
    let mut passes: Vec<_> = (0..=size.rounds).map(|_| idle_pass(&mut engine)).collect();
    passes.sort_unstable();
    table.value(
        &format!("the engine's part of an idle poll, {count} apps"),
        &format!("{:.2?}", passes[passes.len() / 2]),
    );
}

fn commit(engine: &mut Engine, file: &Path) -> Duration {
    let app = file.iter().next().unwrap().to_str().unwrap();
    let look = Look::Apps(BTreeSet::from([AppName::new(app).unwrap()]));
    let begun = Instant::now();
    engine.look(&look, Now::read()).unwrap();
    settle(engine);
    begun.elapsed()
}
