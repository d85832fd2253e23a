//! The part of the environment that is about keys from elsewhere.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use reqwest::Url;
use secrecy::ExposeSecret;

use super::reader::{Files, Findings};
use super::sync::unused;
use super::variables::{Setting, Settings};
use super::{KeySourcesConfig, TokenSource, VaultSettings, web};

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
        // With the dot, a folder that may not be searched is as good as none: it holds nothing for this user.
        let can_be_searched = files.exists(&Path::new(DEFAULT_FOLDER).join("."));
        return can_be_searched.then(|| PathBuf::from(DEFAULT_FOLDER));
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
    let authorities = web::authorities(&settings.appferry_ca_file, files, findings);
    Some(VaultSettings { address: address?, token: token?, mount: mount?, path: path?, namespace, authorities })
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::{BaseConfig, ConfigErrors, Environment};

    struct Fake(&'static [(&'static str, &'static str)]);

    impl Files for Fake {
        fn read(&self, path: &Path) -> io::Result<String> {
            let found = self.0.iter().find(|(known, _)| Path::new(known) == path);
            found.map(|(_, content)| (*content).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn exists(&self, path: &Path) -> bool {
            self.read(path).is_ok()
        }
    }

    const ADDRESS: (&str, &str) = ("APPFERRY_VAULT_ADDR", "https://vault.example.org:8200/");
    const TOKEN: (&str, &str) = ("APPFERRY_VAULT_TOKEN", "hvs.s3cret");

    fn base(pairs: &[(&str, &str)], files: &'static [(&str, &str)]) -> Result<BaseConfig, String> {
        let read = BaseConfig::from_environment(&Environment::of(pairs.iter().copied()), &Fake(files));
        read.map_err(|ConfigErrors(errors)| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    fn problem(pairs: &[(&str, &str)]) -> String {
        base(pairs, &[]).expect_err("should not be accepted")
    }

    #[test]
    fn the_folder_is_the_given_one_or_the_usual_one_if_it_is_there() {
        let folder = |pairs, files| base(pairs, files).expect("valid").keys.sources.folder;
        assert_eq!(folder(&[], &[]), None);
        assert_eq!(folder(&[], &[("/run/secrets", "")]), Some("/run/secrets".into()));
        let given = [("APPFERRY_KEYS_DIR", "/keys")];
        assert_eq!(folder(&given, &[("/run/secrets", ""), ("/keys", "")]), Some("/keys".into()));
        assert_eq!(problem(&given), "APPFERRY_KEYS_DIR: there is no folder /keys; mount it, or leave the variable out");
    }

    #[test]
    fn an_address_and_a_token_are_enough() {
        let vault = base(&[ADDRESS, TOKEN], &[]).expect("valid").keys.sources.vault.expect("set");
        assert_eq!(vault.address, "https://vault.example.org:8200");
        assert_eq!((vault.mount.as_str(), vault.path.as_str(), vault.namespace), ("secret", "appferry/keys", None));
        let file = ("APPFERRY_VAULT_TOKEN_FILE", "/token");
        let more = [("APPFERRY_VAULT_MOUNT", "/team/kv/"), ("APPFERRY_VAULT_NAMESPACE", "apps/dev")];
        let vault = base(&[ADDRESS, file, more[0], more[1]], &[("/token", "hvs.x\n")]).expect("valid");
        let vault = vault.keys.sources.vault.expect("set");
        assert!(matches!(vault.token, TokenSource::File(path) if path == Path::new("/token")));
        assert_eq!((vault.mount.as_str(), vault.namespace.as_deref()), ("team/kv", Some("apps/dev")));
    }

    #[test]
    fn a_token_goes_out_encrypted_or_stays_on_this_machine() {
        for address in ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200"] {
            assert!(base(&[("APPFERRY_VAULT_ADDR", address), TOKEN], &[]).is_ok(), "{address}");
        }
        assert!(problem(&[("APPFERRY_VAULT_ADDR", "http://vault:8200"), TOKEN]).contains("is not encrypted"));
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_no_secret_is_shown() {
        let said = problem(&[
            ("APPFERRY_KEYS_DIR", "/nowhere"),
            ("APPFERRY_VAULT_ADDR", "https://jo:s3cret@vault"),
            ("APPFERRY_VAULT_TOKEN", "hvs.s3 cret"),
            ("APPFERRY_VAULT_PATH", "a/../b"),
            ("APPFERRY_VAULT_NAMESPACE", "a b"),
        ]);
        assert_eq!(said.lines().count(), 5, "{said}");
        assert!(!said.contains("s3"), "{said}");
        assert!(problem(&[ADDRESS]).starts_with("APPFERRY_VAULT_TOKEN_FILE (or APPFERRY_VAULT_TOKEN): it is not set"));
        let both = problem(&[ADDRESS, TOKEN, ("APPFERRY_VAULT_TOKEN_FILE", "/token")]);
        assert!(both.contains("both are set"), "{both}");
        for address in ["vault:8200", "ftp://vault", "https://vault/?a=b", "https://"] {
            assert!(
                problem(&[("APPFERRY_VAULT_ADDR", address), TOKEN]).starts_with("APPFERRY_VAULT_ADDR:"),
                "{address}"
            );
        }
        let shown = format!("{:?}", base(&[ADDRESS, TOKEN], &[]).expect("valid"));
        assert!(shown.contains("vault.example.org") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_set_without_an_address_is_mentioned() {
        let base = base(&[TOKEN], &[]).expect("valid");
        assert!(base.keys.sources.vault.is_none());
        assert_eq!(base.warnings, ["APPFERRY_VAULT_TOKEN is not used: APPFERRY_VAULT_ADDR is not set"]);
    }
}
