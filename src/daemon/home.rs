//! The data folder: who may work in it, and as which instance.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

/// Longest name of an instance, in characters.
const LONGEST_NAME: usize = 64;

/// Holds what this instance was called among the users of a key.
const KEY_USER: &str = "key-user";

/// The data folder, locked for this process as long as this lives.
pub(super) struct Home {
    folder: PathBuf,
    instance: String,
    /// Tells instances of the same name apart, where several share a key store.
    id: String,
    /// The kernel takes the lock back when the process ends, however it ends.
    _lock: File,
}

impl Home {
    /// Makes the folder (0700) if need be, locks it, and finds the name of the instance.
    pub(super) fn take(folder: &Path, wanted_name: Option<&str>) -> anyhow::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| {
            format!(
                "cannot make the data folder {}; give APPFERRY_DATA_DIR a folder that can be written",
                folder.display()
            )
        })?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).with_context(|| {
            format!("cannot write to the data folder {}; give the user that appferry runs as access", folder.display())
        })?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "the data folder {} is in use by another `appferry run`; stop that one, or give this one an APPFERRY_DATA_DIR of its own",
                folder.display()
            );
        }
        let instance = fixed_name(folder, wanted_name)?;
        let id = fixed_id(folder)?;
        Ok(Self { folder: folder.to_owned(), instance, id, _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// What this instance's environment is called among the users of a key, and what it was called at the last start, if
    /// that was something else.
    pub(super) fn key_user(&self) -> (String, Option<String>) {
        let now = format!("environment of {} ({})", self.instance, self.id);
        let before = std::fs::read_to_string(self.folder.join(KEY_USER)).ok().map(|text| text.trim().to_owned());
        let before = before.filter(|before| !before.is_empty() && *before != now);
        (now, before)
    }

    /// Keeps that name for the next start, once the store no longer knows the one before.
    pub(super) fn keep_key_user(&self, user: &str) {
        if let Err(error) = replace(&self.folder.join(KEY_USER), user) {
            tracing::warn!(%error, "the file {KEY_USER} cannot be written; after a change of name, the old one stays a user of the key");
        }
    }
}

/// Made at the first start; a data folder keeps it.
fn fixed_id(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("instance-id");
    let known = std::fs::read_to_string(&path).ok().map(|id| id.trim().to_owned());
    if let Some(known) = known.filter(|id| id.len() == 8 && id.chars().all(|c| c.is_ascii_hexdigit())) {
        return Ok(known);
    }
    let id = format!("{:08x}", rand::random::<u32>());
    replace(&path, &id).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(id)
}

/// The whole line or the one before.
fn replace(path: &Path, line: &str) -> std::io::Result<()> {
    let writing = path.with_extension("new");
    std::fs::write(&writing, format!("{line}\n"))?;
    std::fs::rename(&writing, path)
}

/// A container's host name changes with each recreation: the name is fixed at the first start (rule 19). A name that is set wins.
fn fixed_name(folder: &Path, wanted: Option<&str>) -> anyhow::Result<String> {
    let path = folder.join("instance");
    let known = std::fs::read_to_string(&path).ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let name = match (wanted, &known) {
        (Some(wanted), _) => plain(wanted),
        (None, Some(known)) => plain(known),
        (None, None) => plain(&host_name()),
    };
    if known.as_ref() != Some(&name) {
        replace(&path, &name).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(name)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn plain(name: &str) -> String {
    let plain: String = name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    if plain.is_empty() { "appferry".to_owned() } else { plain }
}
