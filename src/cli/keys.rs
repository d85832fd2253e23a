//! `appferry keys …`: the key store at the command line. Needs no worker and no `GIT_SYNC_…` variable.

use std::io::{self, Write};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use crate::config::{KeyStoreConfig, account_name};
use crate::domain::KeyName;
use crate::keys::{KeyKind, KeyRecord, KeyService, Protection};

/// Named SSH keys.
#[derive(Args, Clone, Debug)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum KeysCommand {
    /// Make a key, and print the public key line to give to the Git host.
    Generate {
        /// Letters, digits, `.`, `_` and `-`; compared exactly.
        name: KeyName,
        /// The type of the key; some hosts (Azure DevOps) take only RSA.
        #[arg(long = "type", value_enum, default_value_t)]
        kind: KindArg,
        /// Size of an RSA key, 2048 to 8192; 3072 if not given.
        #[arg(long)]
        bits: Option<u32>,
    },
    /// List the keys.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a key: type, fingerprint, public key, last use, what uses it.
    Show {
        /// Its name.
        name: KeyName,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the public key line of a key.
    Public {
        /// Its name.
        name: KeyName,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug, Default)]
enum KindArg {
    #[default]
    Ed25519,
    Rsa,
}

/// Runs one subcommand on the store in `data_dir`.
///
/// # Errors
/// What is wrong, then what to do, in one line.
pub async fn run(args: KeysArgs, config: &KeyStoreConfig) -> anyhow::Result<()> {
    let kind = match &args.command {
        KeysCommand::Generate { kind, bits, .. } => Some(chosen_kind(*kind, *bits)?), // before a store is made
        _ => None,
    };
    let (service, notices) = KeyService::open(config, &account_name()).await?;
    for notice in notices {
        let _ = writeln!(io::stderr(), "note: {notice}");
    }
    let answered = answer(&service, args.command, kind.unwrap_or_default()).await;
    service.close().await;
    write_out(&answered?)
}

fn chosen_kind(kind: KindArg, bits: Option<u32>) -> anyhow::Result<KeyKind> {
    match (kind, bits) {
        (KindArg::Ed25519, None | Some(256)) => Ok(KeyKind::Ed25519),
        (KindArg::Ed25519, Some(_)) => {
            anyhow::bail!("an ED25519 key always has 256 bits; leave `--bits` away, or add `--type rsa`")
        }
        (KindArg::Rsa, bits) => Ok(KeyKind::rsa(bits)?),
    }
}

async fn answer(service: &KeyService, command: KeysCommand, kind: KeyKind) -> anyhow::Result<String> {
    Ok(match command {
        KeysCommand::Generate { name, .. } => {
            line(service.generate(&name, kind, Protection::None).await?.pair.public_key)
        }
        KeysCommand::List { json: true } => json(&service.list().await?)?,
        KeysCommand::List { json: false } => table(&service.list().await?),
        KeysCommand::Show { name, json: true } => json(&service.show(&name).await?)?,
        KeysCommand::Show { name, json: false } => details(&service.show(&name).await?),
        KeysCommand::Public { name } => line(service.public(&name).await?),
    })
}

fn line(mut text: String) -> String {
    text.push('\n');
    text
}

fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(line(serde_json::to_string_pretty(value)?))
}

fn table(keys: &[KeyRecord]) -> String {
    if keys.is_empty() {
        return "The key store is empty. Make a key with: appferry keys generate NAME\n".to_owned();
    }
    let header = ["NAME", "TYPE", "BITS", "FINGERPRINT", "CREATED", "LAST USED", "USED BY"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(keys.iter().map(row)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..7).map(|column| width(column).unwrap_or(0)).collect();
    let aligned = |row: &[String; 7]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        line(cells.join("  ").trim_end().to_owned())
    };
    rows.iter().map(aligned).collect()
}

fn row(key: &KeyRecord) -> [String; 7] {
    [
        key.name.to_string(),
        key.pair.kind.clone(),
        key.pair.bits.to_string(),
        key.pair.fingerprint.clone(),
        key.created.clone().unwrap_or_default(),
        key.last_used.as_ref().map_or_else(|| "never".to_owned(), |used| used.at.clone()),
        used_by(key),
    ]
}

fn details(key: &KeyRecord) -> String {
    let last_used = key.last_used.as_ref();
    let last_used = last_used.map_or_else(|| "never".to_owned(), |used| format!("{}, {}", used.at, used.purpose));
    let lines = [
        ("Name", key.name.to_string()),
        ("Type", format!("{}, {} bits", key.pair.kind, key.pair.bits)),
        ("Fingerprint", key.pair.fingerprint.clone()),
        ("Public key", key.pair.public_key.clone()),
        ("Created", key.created.clone().unwrap_or_default()),
        ("Last used", last_used),
        ("Used by", used_by(key)),
        ("Generation", key.pair.generation.to_string()),
    ];
    lines.map(|(label, value)| format!("{label:<12} {value}\n")).concat()
}

fn used_by(key: &KeyRecord) -> String {
    if key.used_by.is_empty() { "nothing".to_owned() } else { key.used_by.join(", ") }
}

/// A reader that has gone away (`… | head -1`) is no error.
fn write_out(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("the answer cannot be written"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::keys::{LastUse, PairRecord, PassphraseState};

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        keys: KeysArgs,
    }

    fn key(name: &str) -> KeyRecord {
        KeyRecord {
            name: KeyName::new(name).unwrap(),
            source: "store",
            pair: PairRecord {
                generation: 1,
                kind: "ed25519".into(),
                bits: 256,
                fingerprint: "SHA256:abc".into(),
                public_key: format!("ssh-ed25519 AAAA {name}"),
                passphrase: PassphraseState::None,
                first_login: None,
            },
            created: Some("2026-01-02T03:04:05Z".into()),
            last_used: None,
            used_by: Vec::new(),
            previous: None,
        }
    }

    #[test]
    fn the_table_is_aligned() {
        let used = LastUse { at: "2026-02-02T03:04:05Z".into(), purpose: "git git@host:22".into() };
        let long = KeyRecord { last_used: Some(used), used_by: vec!["environment".into()], ..key("a-longer-name") };
        insta::assert_snapshot!(table(&[key("a"), long.clone()]), @"
        NAME           TYPE     BITS  FINGERPRINT  CREATED               LAST USED             USED BY
        a              ed25519  256   SHA256:abc   2026-01-02T03:04:05Z  never                 nothing
        a-longer-name  ed25519  256   SHA256:abc   2026-01-02T03:04:05Z  2026-02-02T03:04:05Z  environment
        ");
        insta::assert_snapshot!(details(&long), @"
        Name         a-longer-name
        Type         ed25519, 256 bits
        Fingerprint  SHA256:abc
        Public key   ssh-ed25519 AAAA a-longer-name
        Created      2026-01-02T03:04:05Z
        Last used    2026-02-02T03:04:05Z, git git@host:22
        Used by      environment
        Generation   1
        ");
    }

    #[test]
    fn an_empty_store_says_so() {
        assert!(table(&[]).starts_with("The key store is empty."));
    }

    #[test]
    fn a_size_must_fit_the_type() {
        let parse = |args: &[&str]| Program::try_parse_from([&["appferry", "generate", "k"], args].concat());
        let chosen = |args: &[&str]| match parse(args).unwrap().keys.command {
            KeysCommand::Generate { kind, bits, .. } => chosen_kind(kind, bits),
            _ => unreachable!(),
        };
        assert_eq!(chosen(&[]).unwrap(), KeyKind::Ed25519);
        assert_eq!(chosen(&["--type", "rsa", "--bits", "4096"]).unwrap(), KeyKind::rsa(Some(4096)).unwrap());
        assert!(chosen(&["--bits", "4096"]).unwrap_err().to_string().contains("--type rsa"));
        assert!(chosen(&["--type", "rsa", "--bits", "1024"]).unwrap_err().to_string().contains("from 2048 to 8192"));
        assert!(parse(&["--type", "dsa"]).is_err());
    }

    #[test]
    fn a_bad_name_is_refused_with_its_reason() {
        let error = Program::try_parse_from(["appferry", "generate", "my key"]).err().unwrap();
        assert!(error.to_string().contains("contains ' '"), "{error}");
    }
}
