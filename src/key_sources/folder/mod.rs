//! A folder of secrets: one file a key, named as the key, as Docker and Kubernetes mount secrets.

mod file;
mod listing;
mod mode;
mod mounts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use self::file::{MAX_LEN, Sight, Snapshot};
use super::private::{has_an_end, looks_private, passphrase};
use crate::domain::{Failure, FailureClass, KeyName};
use crate::ports::{KeySource, SourceKey, Stamp};

/// How long a file that was caught half written gets before it is read again, once.
const SETTLING: Duration = Duration::from_millis(200);

/// The secrets folder. Nothing that was read is kept: a changed file counts at once.
#[derive(Clone, Debug)]
pub struct SecretsFolder {
    dir: PathBuf,
}

/// What one look found, and whether it can be believed.
struct Look {
    answer: Result<Option<SourceKey>, Failure>,
    steady: bool,
}

/// The passphrase in a file of its own, and that file.
type FoundPassphrase = Option<(SecretString, Snapshot)>;

impl SecretsFolder {
    /// The folder at `dir`, which need not be there yet.
    #[must_use]
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    async fn look(&self, name: &KeyName) -> Result<Look, Failure> {
        let (dir, name) = (self.dir.clone(), name.clone());
        tokio::task::spawn_blocking(move || look(&dir, &name)).await.map_err(Failure::internal)
    }
}

#[async_trait]
impl KeySource for SecretsFolder {
    fn word(&self) -> &'static str {
        "folder"
    }

    async fn find(&self, name: &KeyName) -> Result<Option<SourceKey>, Failure> {
        let first = self.look(name).await?;
        if first.steady {
            return first.answer;
        }
        tokio::time::sleep(SETTLING).await;
        self.look(name).await?.answer
    }

    async fn names(&self) -> Result<Vec<KeyName>, Failure> {
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || listing::keys(&dir)).await.map_err(Failure::internal)?
    }

    async fn stamp(&self, name: &KeyName) -> Option<Stamp> {
        let (key, passphrase) = paths(&self.dir, name);
        tokio::task::spawn_blocking(move || file::stamp(&key, &passphrase)).await.ok().flatten()
    }
}

fn paths(dir: &Path, name: &KeyName) -> (PathBuf, PathBuf) {
    (dir.join(name.as_str()), dir.join(format!("{name}.passphrase")))
}

/// Blocks.
fn look(dir: &Path, name: &KeyName) -> Look {
    let (path, beside) = paths(dir, name);
    let settled = |answer| Look { answer, steady: true };
    let before = file::state(&path, &beside);
    let snapshot = match file::read(&path) {
        Ok(Sight::File(snapshot)) => snapshot,
        Ok(Sight::Absent) => return settled(folder_is_there(dir).map(|()| None)),
        Ok(Sight::Other) => return settled(Ok(None)),
        Ok(Sight::TooLong) => {
            return settled(Err(no_key(&path, &format!("is larger than {} KiB", MAX_LEN / 1024))));
        }
        Err(error) => return Look { answer: Err(unreadable(&path, &error)), steady: false },
    };
    match read_passphrase(&beside) {
        Ok((passphrase, whole)) => {
            // A key and a passphrase that belong together: nothing was swapped between the two.
            let same = before.is_some() && file::state(&path, &beside) == before;
            let steady = snapshot.steady && has_an_end(&snapshot.content) && whole && same;
            Look { answer: key(dir, (&path, &beside), &snapshot, passphrase).map(Some), steady }
        }
        Err(failure) => Look { answer: Err(failure), steady: false },
    }
}

fn key(
    dir: &Path,
    (path, beside): (&Path, &Path),
    snapshot: &Snapshot,
    passphrase: FoundPassphrase,
) -> Result<SourceKey, Failure> {
    let text = std::str::from_utf8(&snapshot.content).ok().filter(|text| looks_private(text.as_bytes()));
    let Some(text) = text else {
        let what = if snapshot.content.is_empty() { "is empty" } else { "holds no private key" };
        return Err(no_key(path, what));
    };
    let mut notices = Vec::from_iter(mode::notice(dir, path, snapshot));
    notices.extend(passphrase.as_ref().and_then(|(_, snapshot)| mode::notice(dir, beside, snapshot)));
    Ok(SourceKey {
        private: SecretString::from(text),
        passphrase: passphrase.map(|(passphrase, _)| passphrase),
        place: path.display().to_string(),
        notice: (!notices.is_empty()).then(|| notices.join("; ")),
    })
}

/// The passphrase in the file, if there is one, and whether the file was at rest.
fn read_passphrase(path: &Path) -> Result<(FoundPassphrase, bool), Failure> {
    match file::read(path) {
        Ok(Sight::File(snapshot)) => {
            let steady = snapshot.steady && !snapshot.content.is_empty();
            let Ok(text) = std::str::from_utf8(&snapshot.content) else {
                let message = format!("the passphrase in {} is no text", path.display());
                return Err(Failure::new(FailureClass::Key, message, "put the passphrase into it as UTF-8 text"));
            };
            let passphrase = passphrase(text);
            Ok((passphrase.map(|passphrase| (passphrase, snapshot)), steady))
        }
        Ok(Sight::Absent | Sight::Other | Sight::TooLong) => Ok((None, true)),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// A folder that has gone must not look like one without this key: a key of the same name elsewhere would be taken.
fn folder_is_there(dir: &Path) -> Result<(), Failure> {
    match std::fs::metadata(dir) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::disk(format!("the folder of keys {} cannot be read", dir.display()), &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("the key file {} cannot be read: {error}", path.display());
    let remedy = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("let the user that appferry runs as (uid {}) read it", rustix::process::geteuid())
        }
        std::io::ErrorKind::NotFound => "it is a link to nothing; mount what it points to, or take it away".to_owned(),
        _ => "mount the secret again, or take the file away".to_owned(),
    };
    Failure::new(FailureClass::Key, message, remedy)
}

/// The name was asked for, so another kind of secret in its place is a mistake that somebody wants to hear of.
fn no_key(path: &Path, what: &str) -> Failure {
    Failure::new(
        FailureClass::Key,
        format!("the file {} {what}, and it stands for the key of this name", path.display()),
        "put a private key into it (PEM, OpenSSH or PuTTY), or give the file or the key another name",
    )
}
