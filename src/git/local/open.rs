//! Making, opening and tidying the repository's folder.

use std::path::{Path, PathBuf};

use git2::{ErrorClass, Repository, RepositoryInitOptions};

use super::{durable, mend, objects, packs};
use crate::domain::{Failure, FailureClass, ObjectId};

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
            ErrorClass::Os => objects::failure(&doing, &error),
            _ => Failure::new(FailureClass::Damaged, format!("{doing}: {}", error.message()), objects::REMEDY),
        }
    })
}

/// Makes the repository beside its place and moves it there whole, so that no crash leaves half a repository.
pub(super) fn create_if_absent(path: &Path) -> Result<(), Failure> {
    if path.join("HEAD").exists() {
        return Ok(());
    }
    if path.join("objects").is_dir() {
        return Ok(()); // it was one, and lost its head
    }
    let Some(parent) = path.parent() else {
        return Err(Failure::internal(format!("{} cannot be a repository", path.display())));
    };
    if mend::finish_replacing(path, &path.with_added_extension("new"))? {
        return Ok(());
    }
    let new = make_beside(path, |_| Ok(()))?;
    std::fs::rename(&new, path).map_err(|e| durable::disk("cannot make the repository", path, &e))?;
    durable::sync(parent)
}

/// Writes `HEAD` anew where it is missing or no `HEAD`. It means nothing to us, but nobody opens a repository without it.
pub(super) fn mend_head(path: &Path) -> Result<(), Failure> {
    let (head, new) = (path.join("HEAD"), path.join("HEAD.new"));
    let text = std::fs::read_to_string(&head).unwrap_or_default();
    if text.starts_with("ref: refs/") || ObjectId::from_hex(text.trim_end()).is_some() {
        return Ok(());
    }
    tracing::warn!(path = %head.display(), "damaged, and written anew");
    std::fs::write(&new, "ref: refs/heads/main\n").map_err(|e| durable::disk("cannot write", &new, &e))?;
    durable::sync(&new)?;
    durable::rename(&new, &head)
}

/// Opens the repository; one that cannot be opened any more is set aside for a fresh one.
pub(super) fn handle_or_replace(path: &Path) -> Result<(), Failure> {
    match handle(path) {
        Err(failure) if failure.class == FailureClass::Damaged => {
            tracing::warn!(%failure, "the local repository cannot be opened");
            mend::replace(path, &now_component())
        }
        opened => opened.map(|_| ()),
    }
}

fn now_component() -> String {
    jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Makes a repository beside `path`, whole and on the disk for good, and answers where.
pub(super) fn make_beside(path: &Path, furnish: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<PathBuf, Failure> {
    let new = path.with_added_extension("new");
    let disk = |error: &std::io::Error| durable::disk("cannot make the repository", path, error);
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(|e| disk(&e))?;
    }
    std::fs::create_dir_all(&new).map_err(|e| disk(&e))?;
    init(&new).map_err(|e| objects::failure(&format!("cannot make the repository {}", path.display()), &e))?;
    furnish(&new)?;
    sync_all_below(&new)?;
    Ok(new)
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
