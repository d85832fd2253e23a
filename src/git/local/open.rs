//! Making, opening and tidying the repository's folder.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use git2::{ErrorClass, Repository, RepositoryInitOptions};

use super::{durable, objects, packs};
use crate::domain::{Failure, FailureClass};

/// Files that were there before are not being written by this process.
static PROCESS_START: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// The folder beside `objects/pack` where maintenance writes; what is in it counts only once it was moved.
pub(super) fn staging(repository: &Path) -> PathBuf {
    repository.join("objects/tmp_maintenance")
}

/// libgit2's view of the repository.
pub(super) fn handle(path: &Path) -> Result<Repository, Failure> {
    Repository::open_bare(path).map_err(|error| {
        let doing = format!("the local repository {} cannot be opened", path.display());
        match error.class() {
            ErrorClass::Config if error.message().contains("owned") => Failure::new(
                FailureClass::Disk,
                format!("{doing}: {}", error.message()),
                "run appferry as the owner of its data folder",
            ),
            _ => objects::failure(&doing, &error),
        }
    })
}

/// Makes the repository beside its place and moves it there whole, so that no crash leaves half a repository.
pub(super) fn create_if_absent(path: &Path) -> Result<(), Failure> {
    if path.join("HEAD").exists() {
        return Ok(());
    }
    let Some(parent) = path.parent() else {
        return Err(Failure::internal(format!("{} cannot be a repository", path.display())));
    };
    let new = path.with_added_extension("new");
    let disk = |error: &std::io::Error| durable::disk("cannot make the repository", path, error);
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(|e| disk(&e))?;
    }
    std::fs::create_dir_all(&new).map_err(|e| disk(&e))?;
    init(&new).map_err(|e| objects::failure(&format!("cannot make the repository {}", path.display()), &e))?;
    sync_all_below(&new)?;
    std::fs::rename(&new, path).map_err(|e| disk(&e))?;
    durable::sync(parent)
}

fn init(path: &Path) -> Result<(), git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).mkdir(false).initial_head("main");
    let repository = Repository::init_opts(path, &options)?;
    let mut config = repository.config()?.open_level(git2::ConfigLevel::Local)?;
    // libgit2 takes this for the size above which it looks for no deltas; without it, large files take a minute each.
    config.set_str("pack.deltaCacheSize", "1m")?;
    config.set_str("core.logAllRefUpdates", "false")?;
    config.set_i32("gc.auto", 0) // a person's `git` must not collect what we have in mind
}

fn sync_all_below(folder: &Path) -> Result<(), Failure> {
    for path in packs::list(folder)? {
        if path.is_dir() { sync_all_below(&path)? } else { durable::sync(&path)? }
    }
    durable::sync(folder)
}

/// Removes what a killed process left: locks of refs, half-written packs and objects. Nobody else writes here.
pub(super) fn clear_leftovers(path: &Path) -> Result<(), Failure> {
    let staging = staging(path);
    if staging.exists() {
        std::fs::remove_dir_all(&staging).map_err(|e| durable::disk("cannot delete", &staging, &e))?;
    }
    for pack in packs::list(&path.join("objects/pack"))? {
        let name = pack.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let half = name.starts_with("tmp_") || name.starts_with("pack_git2_");
        let unseen =
            pack.extension().is_some_and(|extension| extension == "pack") && !pack.with_extension("idx").exists();
        if (half || unseen) && is_old(&pack) {
            durable::remove(&pack)?;
        }
    }
    for file in packs::list(&path.join("objects"))? {
        if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tmp_")) && is_old(&file) {
            durable::remove(&file)?;
        }
    }
    for file in packs::list(path)? {
        clear_lock(&file)?;
    }
    clear_locks_below(&path.join("refs"))
}

fn clear_locks_below(folder: &Path) -> Result<(), Failure> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in packs::list(&folder)? {
            if path.is_dir() { folders.push(path) } else { clear_lock(&path)? }
        }
    }
    Ok(())
}

fn clear_lock(path: &Path) -> Result<(), Failure> {
    let is_lock = path.extension().is_some_and(|extension| extension == "lock");
    if is_lock && is_old(path) { durable::remove(path) } else { Ok(()) }
}

fn is_old(path: &Path) -> bool {
    let start = *PROCESS_START;
    path.metadata().and_then(|found| found.modified()).is_ok_and(|time| time <= start)
}
