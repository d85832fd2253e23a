//! The engine alone, with a real folder and a real local repository, and a remote that takes whatever comes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appferry::domain::BranchName;
use appferry::domain::input::ignore;
use appferry::domain::input::size::FileSize;
use appferry::domain::merge::{IdentityFields, VolatileKeys};
use appferry::domain::patterns::AppFilter;
use appferry::domain::plan::Mode;
use appferry::git::local::LocalRepo;
use appferry::ports::{RefOutcome, RemoteTip};
use appferry::sync::engine::{Engine, InputRules, Look, Now, Progress, Settings};
use appferry::workspace::{AppsFolder, Settings as FolderSettings};

use crate::place::Place;

/// As the worker does while the remote is away: everything is committed, and the state says so durably.
pub(crate) fn settle(engine: &mut Engine) {
    while engine.advance(false, Now::read()).unwrap() != Progress::Rest {}
    engine.save(Now::read()).unwrap();
}

/// The remote takes what waits.
pub(crate) fn accept(engine: &mut Engine) {
    let outgoing = engine.outgoing(Now::read());
    assert!(!outgoing.is_empty(), "there is a commit to push");
    engine.take_outcomes(&outgoing, &[RefOutcome::Accepted], Now::read()).unwrap();
    settle(engine);
}

/// What the engine does when a poll found nothing.
pub(crate) fn idle_pass(engine: &mut Engine) -> Duration {
    let tip = RemoteTip::At(engine.tip().unwrap());
    let begun = Instant::now();
    engine.take_tip(&tip, Now::read()).unwrap();
    settle(engine);
    drop(engine.report());
    begun.elapsed()
}

/// An engine whose apps are all in sync.
pub(crate) fn in_sync(place: &Place, name: &str, apps: &Path) -> Engine {
    let mut engine = engine(place, name, apps);
    engine.take_tip(&RemoteTip::Unborn, Now::read()).unwrap();
    engine.look(&Look::All, Now::read()).unwrap();
    settle(&mut engine);
    accept(&mut engine);
    engine
}

fn engine(place: &Place, name: &str, apps: &Path) -> Engine {
    let repo = Arc::new(LocalRepo::open_or_create(&place.path(&format!("{name}_local.git"))).unwrap());
    let data = place.path(&format!("{name}_data"));
    std::fs::create_dir_all(&data).unwrap();
    let folder = FolderSettings {
        apps_dir: apps.to_owned(),
        data,
        debounce: Duration::ZERO,
        file_mode: 0o644,
        dir_mode: 0o755,
        ignore: ignore::defaults(),
        largest_file: FileSize(25_000_000),
    };
    let folder = AppsFolder::open(folder, Arc::clone(&repo) as _).unwrap();
    let settings = Settings {
        mode: Mode { locked: false, auto_save: true, auto_add: true, auto_pull: true },
        branch: BranchName::new("main").unwrap(),
        prefix: "App".into(),
        instance: "bench".into(),
        author_name: "bench".into(),
        author_email: "bench@example.org".into(),
        debounce: Duration::ZERO,
        install_for: Duration::MAX,
        volatile_keys: VolatileKeys::default(),
        identity_fields: IdentityFields::default(),
        kept_days: 90,
        filter: AppFilter::default(),
        input: InputRules::default(),
        on_protected: appferry::domain::OnProtected::Hold,
    };
    Engine::open(repo, Box::new(folder), settings).unwrap()
}
