//! `appferry hosts …`: host keys at the command line. Needs no worker and no `GIT_SYNC_…` variable.

mod address;
mod show;

use anyhow::bail;

pub(super) use address::{Address, AddressError};

use super::args::HostsAction;
use super::output::{complain, say};
use crate::config::{BaseConfig, account_name};
use crate::keys::KeyService;
use crate::ports::TrustedHostKey;
use crate::ssh::{Fingerprint, HostKeys, KnownPrint, Settings, scan};

/// Runs one subcommand.
pub(super) async fn run(action: HostsAction, base: &BaseConfig) -> anyhow::Result<()> {
    let who = account_name();
    let (keys, notices) = KeyService::open(&base.keys, &who).await?;
    for notice in notices {
        complain(&format!("note: {notice}"));
    }
    let host_keys = HostKeys::new(base.known_hosts.clone()).with_store(keys.host_trust(), None);
    let answered = answer(action, &host_keys, &who).await;
    keys.close().await;
    Ok(say(&answered?)?)
}

async fn answer(action: HostsAction, host_keys: &HostKeys, who: &str) -> anyhow::Result<String> {
    let settings = Settings::default();
    match action {
        HostsAction::List { json } => {
            let known = host_keys.list().await?;
            if json { show::json(&known) } else { Ok(show::list(&known)) }
        }
        HostsAction::Scan { host, json } => {
            let shown = scan(&host.host, host.port, &settings).await?;
            let standings = host_keys.standings(&host.host, host.port, &shown).await?;
            let scanned = show::scanned(&shown, &standings);
            if json { show::json(&scanned) } else { Ok(show::scan(&host, &scanned)) }
        }
        HostsAction::Trust { host, fingerprints, replace } => {
            let shown = scan(&host.host, host.port, &settings).await?;
            let at = (host.host.as_str(), host.port);
            Ok(show::trusted(&host, &host_keys.trust(at, &shown, &fingerprints, who, replace).await?))
        }
        HostsAction::Forget { host, fingerprints } => {
            let (forgotten, left) = forget(host_keys, &host, &fingerprints).await?;
            if forgotten.is_empty() {
                bail!(show::nothing_forgotten(&host, &left));
            }
            Ok(show::forgotten(&host, &forgotten, &left))
        }
    }
}

/// What was forgotten, and what is still trusted.
async fn forget(
    host_keys: &HostKeys,
    at: &Address,
    fingerprints: &[Fingerprint],
) -> anyhow::Result<(Vec<TrustedHostKey>, Vec<KnownPrint>)> {
    if fingerprints.is_empty() {
        return Ok(host_keys.forget(&at.host, at.port, None).await?);
    }
    let (mut forgotten, mut left) = (Vec::new(), Vec::new());
    for fingerprint in fingerprints {
        let (more, now_left) = host_keys.forget(&at.host, at.port, Some(fingerprint)).await?;
        forgotten.extend(more);
        left = now_left;
    }
    Ok((forgotten, left))
}
