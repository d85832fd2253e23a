//! The arguments of `appferry keys`. A passphrase or a private key is never one of them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::domain::KeyName;
use crate::keys::KeyKind;

/// Named SSH keys.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(super) command: KeysCommand,
}

#[derive(Subcommand, Clone, Debug)]
pub(super) enum KeysCommand {
    /// Make a key, and print the public key line to give to the Git host.
    Generate {
        /// Letters, digits, `.`, `_` and `-`; compared exactly.
        name: KeyName,
        #[command(flatten)]
        kind: KindArgs,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Store a key that you have: OpenSSH, PEM (PKCS#1, PKCS#8, SEC1) or PuTTY, encrypted or not.
    Import {
        /// The name to store it under.
        name: KeyName,
        /// The file with the private key; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// List the keys.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a key: type, fingerprint, public key, last use, what uses it, a rotation under way.
    Show {
        /// Its name.
        name: KeyName,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the public key line of a key; during a rotation, that of the new one.
    Public {
        /// Its name.
        name: KeyName,
    },
    /// Give a key another name.
    Rename {
        /// Its name now.
        name: KeyName,
        /// Its name from now on.
        new_name: KeyName,
        /// Also when something uses it, which will then not find it.
        #[arg(long)]
        force: bool,
    },
    /// Change the passphrase of a key, or whether it is remembered.
    Passphrase {
        /// Its name.
        name: KeyName,
        /// A file with the passphrase of now, where it is not remembered.
        #[arg(long, value_name = "FILE")]
        old_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// Take the passphrase off; the key is then protected by the store's encryption alone.
        #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_stdin", "no_remember"])]
        remove: bool,
    },
    /// Put a new key pair under a name. The one before stays valid until the new one has been seen to work.
    Rotate {
        /// Its name.
        name: KeyName,
        #[command(flatten)]
        kind: KindArgs,
        /// Take the new key from this file; `-` for standard input.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "bits"])]
        file: Option<PathBuf>,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// Make the new key without a passphrase, although the one before has one.
        #[arg(long, conflicts_with_all = ["file", "passphrase_file", "passphrase_stdin", "no_remember"])]
        no_passphrase: bool,
        /// End the rotation: drop the key before.
        #[arg(long, conflicts_with_all = ["kind", "bits", "file", "PassphraseArgs", "no_passphrase", "undo"])]
        confirm: bool,
        /// Take the rotation back: drop the new key.
        #[arg(long, conflicts_with_all = ["kind", "bits", "file", "PassphraseArgs", "no_passphrase"])]
        undo: bool,
    },
    /// Take somebody off the users of a key: an instance that is gone for good, and will not say so itself.
    Release {
        /// The key's name.
        name: KeyName,
        /// Who, as `show` lists it: `repository global of prod (…)`.
        #[arg(long)]
        user: String,
    },
    /// Delete a key that nothing uses.
    Delete {
        /// Its name.
        name: KeyName,
    },
    /// Move all keys to the first master key of `APPFERRY_MASTER_KEY_FILE`. Can be interrupted and run again.
    Rewrap,
    /// Show the audit log: who did what with which key and host, and when.
    Audit(AuditArgs),
    /// Write all keys into one file, encrypted with age.
    Backup {
        /// The file to make; one that is there is left alone.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Who can open it: an age recipient (`age1…`). Can be given several times.
        #[arg(long = "recipient", value_name = "AGE1…", conflicts_with_all = ["passphrase_file", "passphrase_stdin"])]
        recipients: Vec<String>,
        #[command(flatten)]
        passphrase: BackupPassphraseArgs,
    },
    /// Put the keys of a backup back. What is there already stays as it is.
    Restore {
        /// The file that `backup` wrote.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// A file with the age identity that opens it (`AGE-SECRET-KEY-1…`).
        #[arg(long, value_name = "FILE", conflicts_with_all = ["passphrase_file", "passphrase_stdin"])]
        identity_file: Option<PathBuf>,
        #[command(flatten)]
        passphrase: BackupPassphraseArgs,
    },
}

/// Which kind of key to make.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct KindArgs {
    /// The type of the key; some hosts (Azure DevOps) take only RSA [default: ed25519; for rotate, as before].
    #[arg(long = "type", value_enum)]
    kind: Option<KindArg>,
    /// Size of an RSA key, 2048 to 8192; 3072 if not given.
    #[arg(long)]
    bits: Option<u32>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum KindArg {
    Ed25519,
    Rsa,
}

/// Where a passphrase comes from, and whether it is kept.
#[derive(Args, Clone, Debug)]
pub(super) struct PassphraseArgs {
    /// A file with the passphrase of the key, at least 5 characters; one newline at its end is left out.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_stdin")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Read that passphrase from standard input.
    #[arg(long)]
    pub(super) passphrase_stdin: bool,
    /// Do not keep the passphrase: it must be given in `GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE(_FILE)` at each start.
    #[arg(long)]
    pub(super) no_remember: bool,
}

/// Where a backup's passphrase comes from.
#[derive(Args, Clone, Debug)]
pub(super) struct BackupPassphraseArgs {
    /// A file with the passphrase of the backup.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_stdin")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// Read that passphrase from standard input.
    #[arg(long)]
    pub(super) passphrase_stdin: bool,
}

/// Which rows of the audit log.
#[derive(Args, Clone, Debug)]
pub(super) struct AuditArgs {
    /// Go on and show what comes, until a signal ends it.
    #[arg(long)]
    pub(super) follow: bool,
    /// One JSON object a line.
    #[arg(long)]
    pub(super) json: bool,
    /// Only rows about the key of this name.
    #[arg(long, value_name = "NAME")]
    pub(super) key: Option<KeyName>,
    /// Only rows of this event, such as `ssh_key_used`.
    #[arg(long, value_name = "EVENT")]
    pub(super) event: Option<String>,
    /// Only rows younger than this: `30m`, `7d`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) since: Option<std::time::Duration>,
    /// The last so many rows.
    #[arg(long, value_name = "ROWS", default_value_t = 1_000)]
    pub(super) last: u32,
}

impl PassphraseArgs {
    /// Where it comes from; `-` is standard input.
    pub(super) fn place(&self) -> Option<&Path> {
        if self.passphrase_stdin { Some(Path::new("-")) } else { self.passphrase_file.as_deref() }
    }
}

impl KindArgs {
    /// The kind that was asked for, if one was.
    pub(super) fn chosen(self) -> anyhow::Result<Option<KeyKind>> {
        match (self.kind, self.bits) {
            (None, None) => Ok(None),
            (Some(KindArg::Ed25519), None | Some(256)) => Ok(Some(KeyKind::Ed25519)),
            (Some(KindArg::Ed25519), Some(_)) => {
                anyhow::bail!("an ED25519 key always has 256 bits; leave `--bits` away, or add `--type rsa`")
            }
            (None, Some(_)) => anyhow::bail!("`--bits` is about RSA keys; add `--type rsa`"),
            (Some(KindArg::Rsa), bits) => Ok(Some(KeyKind::rsa(bits)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        keys: KeysArgs,
    }

    fn parse(args: &[&str]) -> Result<KeysCommand, clap::Error> {
        Program::try_parse_from([&["appferry"], args].concat()).map(|program| program.keys.command)
    }

    #[test]
    fn a_size_must_fit_the_type() {
        let chosen = |args: &[&str]| match parse(&[&["generate", "k"], args].concat()).unwrap() {
            KeysCommand::Generate { kind, .. } => kind.chosen(),
            _ => unreachable!(),
        };
        assert_eq!(chosen(&[]).unwrap(), None);
        assert_eq!(chosen(&["--type", "rsa", "--bits", "4096"]).unwrap(), Some(KeyKind::rsa(Some(4096)).unwrap()));
        assert!(chosen(&["--bits", "4096"]).unwrap_err().to_string().contains("--type rsa"));
        assert!(chosen(&["--type", "rsa", "--bits", "1024"]).unwrap_err().to_string().contains("from 2048 to 8192"));
        assert!(parse(&["generate", "k", "--type", "dsa"]).is_err());
    }

    #[test]
    fn a_bad_name_is_refused_with_its_reason() {
        let error = parse(&["generate", "my key"]).unwrap_err();
        assert!(error.to_string().contains("contains ' '"), "{error}");
    }

    #[test]
    fn a_rotation_is_begun_confirmed_or_taken_back_but_not_two_of_these() {
        assert!(parse(&["rotate", "k"]).is_ok() && parse(&["rotate", "k", "--confirm"]).is_ok());
        assert!(parse(&["rotate", "k", "--confirm", "--undo"]).is_err());
        for end in ["--confirm", "--undo"] {
            for with in [&["--type", "rsa"][..], &["--no-remember"], &["--passphrase-stdin"], &["--no-passphrase"]] {
                assert!(parse(&[&["rotate", "k", end], with].concat()).is_err(), "{end} {with:?}");
            }
        }
        assert!(parse(&["rotate", "k", "--file", "f", "--no-passphrase"]).is_err());
        assert!(parse(&["rotate", "k", "--file", "f", "--type", "rsa"]).is_err());
    }

    #[test]
    fn a_passphrase_comes_from_one_place() {
        assert!(parse(&["generate", "k", "--passphrase-file", "f", "--passphrase-stdin"]).is_err());
        assert!(parse(&["passphrase", "k", "--remove", "--passphrase-stdin"]).is_err());
        assert!(parse(&["backup", "--to", "f", "--recipient", "age1x", "--passphrase-stdin"]).is_err());
    }
}
