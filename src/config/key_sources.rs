//! The part of the environment that is about keys from elsewhere.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use reqwest::Url;
use secrecy::ExposeSecret;

use super::reader::{Files, Findings};
use super::sync::unused;
use super::variables::{Setting, Settings};
use super::{KeySourcesConfig, TokenSource, VaultSettings};

/// Where Docker and others put secrets.
const DEFAULT_FOLDER: &str = "/run/secrets";
const DEFAULT_MOUNT: &str = "secret";
const DEFAULT_PATH: &str = "appferry/keys";

pub(super) fn read(settings: &Settings, files: &dyn Files, findings: &mut Findings) -> KeySourcesConfig {
    KeySourcesConfig {
        folder: folder(&settings.appferry_keys_dir, files, findings),
        vault: vault(settings, files, findings),
    }
}

fn folder(setting: &Setting, files: &dyn Files, findings: &mut Findings) -> Option<PathBuf> {
    let Some(path) = findings.path(setting) else {
        return files.exists(Path::new(DEFAULT_FOLDER)).then(|| PathBuf::from(DEFAULT_FOLDER));
    };
    if !files.exists(&path) {
        let problem = format!("there is no folder {}; mount it, or leave the variable out", path.display());
        findings.error(setting.name, problem);
    }
    Some(path)
}

fn vault(settings: &Settings, files: &dyn Files, findings: &mut Findings) -> Option<VaultSettings> {
    let (plain, file) = (&settings.appferry_vault_token, &settings.appferry_vault_token_file);
    let (mount, path) = (&settings.appferry_vault_mount, &settings.appferry_vault_path);
    if !settings.appferry_vault_addr.is_set() {
        let others = [plain, file, mount, path, &settings.appferry_vault_namespace];
        unused(findings, &others, "APPFERRY_VAULT_ADDR is not set");
        return None;
    }
    let address = address(&settings.appferry_vault_addr, findings);
    let token = token(plain, file, files, findings);
    let mount = names(mount, DEFAULT_MOUNT, findings);
    let path = names(path, DEFAULT_PATH, findings);
    let namespace = namespace(&settings.appferry_vault_namespace, findings);
    Some(VaultSettings { address: address?, token: token?, mount: mount?, path: path?, namespace })
}

fn address(setting: &Setting, findings: &mut Findings) -> Option<String> {
    let text = findings.text(setting)?;
    let url = Url::parse(&text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    let Some(url) = url else {
        // Not shown: what cannot be parsed may hold a password.
        findings.error(setting.name, "it is not an address; write one such as `https://vault.example.org:8200`");
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        findings.error(
            setting.name,
            "it holds more than an address; take out user name, password and what follows `?` or `#`",
        );
        return None;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        let problem =
            format!("{text:?} is not encrypted, and keys and the token would be read on the way; write `https://…`");
        findings.error(setting.name, problem);
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn token(plain: &Setting, file: &Setting, files: &dyn Files, findings: &mut Findings) -> Option<TokenSource> {
    if !plain.is_set() && !file.is_set() {
        findings.error(
            format!("{} (or {})", file.name, plain.name),
            "it is not set, and APPFERRY_VAULT_ADDR is; give a token that may read the keys",
        );
        return None;
    }
    let secret = findings.secret(plain, file, files)?;
    if !secret.value.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        let name = if secret.file.is_some() { file.name } else { plain.name };
        findings.error(name, "the token contains a space, a line break or a letter that no token has; give it alone");
        return None;
    }
    Some(secret.file.map_or(TokenSource::Value(secret.value), TokenSource::File))
}

/// One or more names with `/` between them, as they stand in a URL's path.
fn names(setting: &Setting, default: &str, findings: &mut Findings) -> Option<String> {
    let Some(text) = findings.text(setting) else {
        return (!setting.is_set()).then(|| default.to_owned());
    };
    let names = text.trim_matches('/');
    if names.split('/').any(|name| matches!(name, "" | "." | "..")) {
        let problem = format!("{text:?} is not a path; write names with `/` between them, such as `{default}`");
        findings.error(setting.name, problem);
        return None;
    }
    Some(names.to_owned())
}

fn namespace(setting: &Setting, findings: &mut Findings) -> Option<String> {
    let text = findings.text(setting)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        findings.error(setting.name, format!("{text:?} is not a namespace; write one such as `team/apps`"));
        return None;
    }
    Some(text)
}
