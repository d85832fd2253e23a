//! Backups of the key store at the command line.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use secrecy::SecretString;

use super::args::BackupPassphraseArgs;
use super::secrets;
use crate::cli::output::{complain, plain, say};
use crate::keys::KeyService;
use crate::keys::backup::{HostKey, Lock, Made, Opener, Report, Restored, RestoredHost};

/// The largest file that is read as a backup, in bytes.
const LARGEST: u64 = 256 << 20;

/// A backup to make.
pub(super) struct Backup {
    to: PathBuf,
    lock: Lock,
}

/// A backup to put back.
pub(super) struct Restore {
    file: Vec<u8>,
    opener: Opener,
}

impl Backup {
    /// Reads what is needed, and looks whether the file can be made.
    pub(super) fn prepare(
        to: PathBuf,
        recipients: Vec<String>,
        passphrase: &BackupPassphraseArgs,
    ) -> anyhow::Result<Self> {
        if to.symlink_metadata().is_ok() {
            bail!("{} is there already, and is left alone; choose another file", to.display());
        }
        let lock = match passphrase_of(passphrase)? {
            Some(passphrase) => Lock::Passphrase(passphrase),
            None if !recipients.is_empty() => Lock::Recipients(recipients),
            None => bail!("say who can open the backup: --recipient age1…, or --passphrase-file or --passphrase-stdin"),
        };
        Ok(Self { to, lock })
    }

    /// Makes the backup; an error, after all that is said, if a key is not in it.
    pub(super) async fn write(self, service: &KeyService) -> anyhow::Result<String> {
        let Made { file, keys, left_out } = service.backup(self.lock).await?;
        place(&self.to, &file).with_context(|| format!("the backup {} cannot be written", self.to.display()))?;
        if let Err(error) = service.note_backup(keys, left_out.len()).await {
            complain(&format!("the backup is made, but the audit log does not say so: {}", plain(&error.to_string())));
        }
        let to = self.to.display();
        let mut text = format!("{} in {to}. Without what opens it, nobody can read it.\n", keys_are(keys));
        for (name, error) in &left_out {
            let _infallible = writeln!(text, "{name}: NOT in the backup: {}", plain(&error.to_string()));
        }
        if left_out.is_empty() {
            return Ok(text);
        }
        say(&text)?;
        bail!("{} not in the backup; what is said of each tells why", keys_are(left_out.len()));
    }
}

impl Restore {
    /// Reads what is needed.
    pub(super) fn prepare(
        from: &Path,
        identity_file: Option<&Path>,
        passphrase: &BackupPassphraseArgs,
    ) -> anyhow::Result<Self> {
        let opener = match (identity_file, passphrase_of(passphrase)?) {
            (Some(path), _) => Opener::Identities(identities(path)?),
            (None, Some(passphrase)) => Opener::Passphrase(passphrase),
            (None, None) => {
                bail!("say what opens the backup: --identity-file, --passphrase-file or --passphrase-stdin")
            }
        };
        let mut file = Vec::new();
        let read = File::open(from).and_then(|opened| opened.take(LARGEST).read_to_end(&mut file));
        read.with_context(|| format!("the backup {} cannot be read", from.display()))?;
        Ok(Self { file, opener })
    }

    /// Puts the keys back; exits with 1 if a name was taken by another key.
    pub(super) async fn put_back(self, service: &KeyService) -> anyhow::Result<(String, ExitCode)> {
        let report = service.restore(self.file, self.opener).await?;
        let complete = !report.keys.values().any(|key| matches!(key, Restored::NameTaken | Restored::InFolder));
        Ok((shown(&report), if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
    }
}

fn shown(report: &Report) -> String {
    let mut text = format!("{} in the backup.\n", keys_are(report.keys.len()));
    for (name, restored) in &report.keys {
        let words = match restored {
            Restored::Added => "put back",
            Restored::AlreadyThere => "there already",
            Restored::NameTaken => "NOT put back: another key has that name; rename that one and run this again",
            Restored::InFolder => {
                "NOT put back: the secrets folder has a key of that name; rename that file and run this again"
            }
        };
        let _infallible = writeln!(text, "{name}: {words}");
    }
    for HostKey { host, kind, fingerprint, restored } in &report.hosts {
        let words = match restored {
            RestoredHost::Added => "trusted again",
            RestoredHost::AlreadyThere => "trusted already",
            RestoredHost::OthersTrusted => {
                "NOT trusted again: other keys are trusted for that host; see `appferry hosts list`"
            }
            RestoredHost::Forgotten => {
                "NOT trusted again: a key of that host was forgotten here; if it is right, use `appferry hosts trust`"
            }
        };
        let _infallible = writeln!(text, "host {} {} {fingerprint}: {words}", plain(host), plain(kind));
    }
    text
}

fn keys_are(count: usize) -> String {
    if count == 1 { "1 key is".to_owned() } else { format!("{count} keys are") }
}

fn passphrase_of(args: &BackupPassphraseArgs) -> anyhow::Result<Option<SecretString>> {
    secrets::passphrase(args.passphrase_file.as_deref(), args.passphrase_stdin)
}

fn identities(path: &Path) -> anyhow::Result<SecretString> {
    let bytes = secrets::content(path)?;
    let text = std::str::from_utf8(&bytes).ok().context("the identity file is not text")?;
    Ok(SecretString::from(text))
}

/// The whole file or none: durable, for its owner only, and never over one that is there.
fn place(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let written = write_new(&draft, content)
        .and_then(|()| Ok(renameat_with(CWD, &draft, CWD, path, RenameFlags::NOREPLACE)?))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _gone_already = fs::remove_file(&draft);
    }
    written
}

fn write_new(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}
