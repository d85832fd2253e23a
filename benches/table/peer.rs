//! Repositories and apps for a measurement, and `git` as the peer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::place::{Place, run};

/// Writes `apps` apps of `files` files each.
pub(crate) fn write_apps(folder: &Path, apps: usize, files: usize) {
    for app in 0..apps {
        for file in 0..files {
            let path = folder.join(file_path(app, file));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content(app, file, 0)).unwrap();
        }
    }
}

/// Where a file of an app is, below the folder of the apps.
pub(crate) fn file_path(app: usize, file: usize) -> PathBuf {
    PathBuf::from(format!("App_{app:04}/screens/Screen {}/meta_{file}.json", file % 5))
}

/// What is in it; another round, another content.
pub(crate) fn content(app: usize, file: usize, round: usize) -> String {
    let text = "a control that shows a field of the query ".repeat(6);
    format!("{{\n  \"name\": \"text{app}_{file}\",\n  \"round\": {round},\n  \"text\": \"{text}\"\n}}\n")
}

/// A bare repository that holds the apps of `folder` below `App/`.
pub(crate) fn bare_of(place: &Place, name: &str, apps: usize, files: usize) -> PathBuf {
    let bare = place.path(&format!("{name}.git"));
    run(place.git(Path::new("/"), place.port).args(["init", "-q", "--bare", "-b", "main"]).arg(&bare));
    for (key, value) in [("receive.autogc", "false"), ("gc.auto", "0")] {
        run(place.git(&bare, place.port).args(["config", key, value]));
    }
    let seed = clone_of(place, &format!("{name}_seed"), &bare);
    write_apps(&seed.join("App"), apps, files);
    save(place, &seed, place.port);
    bare
}

/// A clone over no network, for the other side's changes.
pub(crate) fn clone_of(place: &Place, name: &str, bare: &Path) -> PathBuf {
    let clone = place.path(name);
    run(place.git(Path::new("/"), place.port).args(["clone", "-q"]).arg(bare).arg(&clone));
    run(place.git(&clone, place.port).args(["symbolic-ref", "HEAD", "refs/heads/main"]));
    run(place.git(&clone, place.port).args(["config", "gc.auto", "0"]));
    clone
}

/// A clone whose remote is `url`, made over SSH.
pub(crate) fn clone_over_ssh(place: &Place, name: &str, bare: &Path, port: u16) -> PathBuf {
    let clone = place.path(name);
    run(place.git(Path::new("/"), port).args(["clone", "-q", &place.url(bare, port)]).arg(&clone));
    run(place.git(&clone, port).args(["config", "gc.auto", "0"]));
    clone
}

/// `git add -A && git commit && git push`, and how long it took.
pub(crate) fn save(place: &Place, clone: &Path, port: u16) -> Duration {
    let begun = Instant::now();
    commit(place, clone);
    run(place.git(clone, port).args(["push", "-q", "origin", "main"]));
    begun.elapsed()
}

/// `git add -A && git commit`.
pub(crate) fn commit(place: &Place, clone: &Path) {
    run(place.git(clone, place.port).args(["add", "-A"]));
    run(place.git(clone, place.port).args(["commit", "-q", "-m", "peer"]));
}
