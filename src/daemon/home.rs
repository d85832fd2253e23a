//! The data folder: who may work in it, and as which instance.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

/// Longest name of an instance, in characters.
const LONGEST_NAME: usize = 64;

/// Tells instances of the same name apart; in the data folder.
pub(crate) const INSTANCE_ID: &str = "instance-id";

/// Holds what the repositories of this instance were called among the users of their keys, a line each.
const KEY_USERS: &str = "key-user";

/// The data folder.
pub(super) struct Home {
    folder: PathBuf,
    instance: String,
    /// Tells instances of the same name apart, where several share a key store.
    id: String,
}

/// The data folder is this process's as long as this lives. The kernel takes it back when the process ends, however it ends.
pub(super) struct Lock(#[allow(dead_code, reason = "held, not used")] File);

impl Home {
    /// Makes the folder (0700) if need be, locks it, and finds the name of the instance.
    pub(super) fn take(folder: &Path, wanted_name: Option<&str>) -> anyhow::Result<(Self, Lock)> {
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
        Ok((Self { folder: folder.to_owned(), instance, id }, Lock(lock)))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// Tells this instance from another of the same name.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What a repository is called among the users of its key.
    pub(super) fn key_user(&self, repository: &str) -> String {
        format!("repository {repository} of {} ({})", self.instance, self.id)
    }

    /// The users of keys that were noted before: at the last start, perhaps under another name.
    pub(super) fn key_users_before(&self) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.folder.join(KEY_USERS)).unwrap_or_default();
        text.lines().map(str::trim).filter(|user| !user.is_empty()).map(str::to_owned).collect()
    }

    /// Keeps them for the next start.
    pub(super) fn keep_key_users(&self, users: &BTreeSet<String>) {
        let lines: Vec<&str> = users.iter().map(String::as_str).collect();
        if let Err(error) = replace(&self.folder.join(KEY_USERS), &lines.join("\n")) {
            tracing::warn!(%error, "the file {KEY_USERS} cannot be written; what is renamed or removed stays a user of its key");
        }
    }
}

/// Made at the first start; a data folder keeps it.
fn fixed_id(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join(INSTANCE_ID);
    let known = std::fs::read_to_string(&path).ok().map(|id| id.trim().to_owned());
    if let Some(known) = known.filter(|id| id.len() == 8 && id.chars().all(|c| c.is_ascii_hexdigit())) {
        return Ok(known);
    }
    let id = format!("{:08x}", rand::random::<u32>());
    replace(&path, &id).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(id)
}

/// The whole text or the one before.
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
