//! Which host keys are trusted: those of the known providers, those of a `known_hosts` file, and those that people have
//! trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::host_pattern::{plain_name, spec};
use super::keeper::{Keeper, key_of};
use super::known_file::{KnownFile, Loaded};
use super::known_hosts::{Line, Marker, parse};
use super::pins::{Pin, Pins, Source};
use crate::domain::Failure;
use crate::ports::{HostTrust, TrustedHostKey};

const BUILT_IN: &str = include_str!("known_hosts");

/// The host keys that are trusted.
///
/// All sources are asked before each connection, so that what a person does to the file or, in another process, to the
/// store counts at once.
#[derive(Debug)]
pub struct HostKeys {
    pub(super) built_in: Vec<Line>,
    pub(super) file: Option<KnownFile>,
    pub(super) keeper: Arc<Keeper>,
}

impl HostKeys {
    /// The keys of the known providers, and those of `file` when one is given.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { built_in: parse(BUILT_IN).0, file: file.map(KnownFile::new), keeper: Arc::default() }
    }

    /// And those that people have trusted. When `first_use_by` names who does it, the key that an unknown host shows at
    /// the first connection is trusted, too; a changed one never is.
    #[must_use]
    pub fn with_store(self, store: Arc<dyn HostTrust>, first_use_by: Option<String>) -> Self {
        Self { keeper: Arc::new(Keeper::new(store, first_use_by)), ..self }
    }

    /// What is known of one host now.
    pub(super) async fn pins(&self, host: &str, port: u16) -> Result<Pins, Failure> {
        let file = self.load_file().await?;
        let mut pins = self.collect(host, port, port, &file).await;
        if !pins.is_known() && port != 22 {
            // As OpenSSH: a host that is not known at this port may show the keys it has at port 22.
            let plain = self.collect(host, port, 22, &file).await;
            pins.revoked.extend(plain.revoked);
            pins.store_problem = pins.store_problem.or(plain.store_problem);
            (pins.keys, pins.authorities, pins.borrowed) = (plain.keys, plain.authorities, true);
        }
        match pins.store_problem.take() {
            Some(problem) if !pins.is_known() => Err(problem),
            problem => Ok(Pins { store_problem: problem, ..pins }),
        }
    }

    pub(super) async fn load_file(&self) -> Result<Loaded, Failure> {
        match &self.file {
            Some(file) => file.load().await,
            None => Ok(Loaded::default()),
        }
    }

    /// The lines of the file, each as a source.
    pub(super) fn lines_of<'a>(&'a self, loaded: &'a Loaded) -> impl Iterator<Item = (&'a Line, Source)> {
        let path = self.file.as_ref().map_or(Path::new(""), |file| &file.path);
        loaded.lines.iter().map(move |line| (line, Source::File { file: path.to_owned(), line: line.number }))
    }

    /// What is said of the host as it is called at port `at`.
    async fn collect(&self, host: &str, port: u16, at: u16, file: &Loaded) -> Pins {
        let named = spec(host, at);
        let mut pins = Pins {
            host: plain_name(host),
            port,
            spec: spec(host, port),
            keys: Vec::new(),
            authorities: Vec::new(),
            borrowed: false,
            revoked: Vec::new(),
            file: self.file.as_ref().map(|file| file.path.clone()),
            file_problem: file.problem.clone(),
            store_problem: None,
            keeper: Arc::clone(&self.keeper),
        };
        let built_in = self.built_in.iter().map(|line| (line, Source::BuiltIn));
        let from_file = self.lines_of(file);
        for (line, source) in built_in.chain(from_file).filter(|(line, _)| line.hosts.matches(&named)) {
            match line.marker {
                Marker::Trusted => pins.keys.push(Pin { key: line.key.clone(), source }),
                Marker::Revoked => pins.revoked.push(line.key.clone()),
                Marker::Authority => pins.authorities.push(Pin { key: line.key.clone(), source }),
            }
        }
        match self.keeper.trusted(Some(&named)).await {
            Ok(stored) => pins.keys.extend(stored.iter().filter_map(pin)),
            Err(problem) => pins.store_problem = Some(problem),
        }
        pins
    }
}

/// A key that somebody trusted. One that cannot be read is left out: nothing matches it.
pub(super) fn pin(stored: &TrustedHostKey) -> Option<Pin> {
    let Some(key) = key_of(stored) else {
        tracing::warn!(host = stored.host, fingerprint = stored.fingerprint, "a stored host key is damaged; forget it");
        return None;
    };
    let trusted_at = jiff::Timestamp::from_second(stored.trusted_ms.div_euclid(1000)).unwrap_or_default().to_string();
    Some(Pin { key, source: Source::Store { trusted_by: stored.trusted_by.clone(), trusted_at } })
}

#[cfg(test)]
mod tests;
