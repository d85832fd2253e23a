//! The part of the environment that is about Git Sync.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::reader::{Files, Findings};
use super::variables::{Setting, Settings};
use super::{AutoPull, Credential, InputConfig, Provider, SyncConfig, TokenSource, WebConfig};
use crate::domain::app_name::broken_component_rule;
use crate::domain::merge::DEFAULT_IDENTITY_FIELDS;
use crate::domain::{BranchName, KeyName, OnProtected, RepoUrl};

const DAY: Duration = Duration::from_hours(24);

/// What is ours and has a default: read even while Git Sync is off, so that a mistake shows early.
pub(super) struct Tuning {
    prefix: String,
    poll_interval: Duration,
    debounce: Duration,
    file_mode: u32,
    dir_mode: u32,
    author_name: Option<String>,
    author_email: Option<String>,
    volatile_keys: Vec<String>,
    identity_fields: Vec<String>,
    kept_days: u32,
    input: InputConfig,
    upload_mib: u32,
    on_protected: OnProtected,
    auto_pull: AutoPull,
    allow_path: bool,
}

impl Tuning {
    pub(super) fn read(settings: &Settings, findings: &mut Findings) -> Self {
        let milliseconds = Duration::from_millis;
        let interval = findings.duration(&settings.appferry_poll_interval, milliseconds(100)..=DAY);
        let debounce = findings.duration(&settings.appferry_debounce, milliseconds(10)..=Duration::from_mins(10));
        Self {
            prefix: prefix(&settings.appferry_prefix, findings),
            poll_interval: interval.unwrap_or(Duration::from_secs(10)),
            debounce: debounce.unwrap_or(Duration::from_secs(1)),
            file_mode: findings.mode(&settings.appferry_file_mode, 0o600, 0o777).unwrap_or(0o644),
            dir_mode: findings.mode(&settings.appferry_dir_mode, 0o700, 0o7777).unwrap_or(0o755),
            author_name: identity(&settings.appferry_author_name, findings),
            author_email: identity(&settings.appferry_author_email, findings),
            volatile_keys: names(&settings.appferry_volatile_keys, &["updated_time"], findings),
            identity_fields: names(&settings.appferry_identity_fields, &DEFAULT_IDENTITY_FIELDS, findings),
            kept_days: findings.number(&settings.appferry_kept_days, 1..=36_500).unwrap_or(90),
            input: super::input::read(settings, findings),
            upload_mib: findings.number(&settings.appferry_upload_limit, 1..=4096).unwrap_or(256),
            on_protected: on_protected(&settings.appferry_on_protected, findings),
            auto_pull: auto_pull(&settings.appferry_auto_pull, findings).unwrap_or_default(),
            allow_path: findings.boolean(&settings.appferry_allow_path_remote).unwrap_or(false),
        }
    }
}

/// Whether Git Sync is on. A switch that cannot be read, or says both, counts as on, so that the rest is checked too.
pub(super) fn is_on(settings: &Settings, findings: &mut Findings) -> bool {
    let before = findings.errors.len();
    let on = both(findings, (&settings.git_sync_is_global, &settings.git_sync), Findings::boolean);
    if on.is_none() && findings.errors.len() == before {
        let repository = [&settings.git_sync_ssh_repo_url, &settings.git_sync_repository_url];
        if let Some(url) = repository.iter().find(|setting| setting.is_set()) {
            let warning =
                format!("{} is set, but Git Sync is off; set GIT_SYNC_IS_GLOBAL=true to switch it on", url.name);
            findings.warnings.push(warning);
        }
    }
    findings.errors.len() > before || on.unwrap_or(false)
}

/// Reads everything about Git Sync; `None` if something mandatory is missing or wrong (the findings say what).
pub(super) fn read(
    settings: &Settings,
    tuning: Tuning,
    files: &dyn Files,
    findings: &mut Findings,
) -> Option<SyncConfig> {
    let url = repository(settings, &tuning, findings);
    let branch = branch(&settings.git_sync_branch_name, findings);
    let credential = credential(settings, url.as_ref(), files, findings);
    let auto_save = both(findings, (&settings.git_sync_is_auto_save, &settings.git_sync_auto_save), Findings::boolean);
    let locked = locked(settings, findings);
    let auto_add = (&settings.git_sync_create_repo_on_app_add, &settings.git_sync_auto_add_new_resources);
    let auto_add = both(findings, auto_add, Findings::boolean);
    let provider = provider(&settings.git_provider, findings);
    let apps_dir = findings.path(&settings.appferry_apps_dir);
    if !settings.appferry_apps_dir.is_set() {
        findings.error(
            settings.appferry_apps_dir.name,
            "it is not set; give the folder that the builder keeps its apps in",
        );
    }
    Some(SyncConfig {
        url: url?,
        branch: branch?,
        credential: credential?,
        auto_save: auto_save.unwrap_or(false),
        locked: locked.unwrap_or(false),
        auto_add: auto_add.unwrap_or(false),
        auto_pull: tuning.auto_pull,
        apps_dir: apps_dir?,
        prefix: tuning.prefix,
        poll_interval: tuning.poll_interval,
        debounce: tuning.debounce,
        file_mode: tuning.file_mode,
        dir_mode: tuning.dir_mode,
        author_name: tuning.author_name,
        author_email: tuning.author_email,
        provider,
        volatile_keys: tuning.volatile_keys,
        identity_fields: tuning.identity_fields,
        kept_days: tuning.kept_days,
        input: tuning.input,
        upload_mib: tuning.upload_mib,
        on_protected: tuning.on_protected,
        web: WebConfig::default(),
    })
}

fn both<T: PartialEq>(
    findings: &mut Findings,
    (older, newer): (&Setting, &Setting),
    read: impl Fn(&mut Findings, &Setting) -> Option<T>,
) -> Option<T> {
    let (old, new) = (read(findings, older), read(findings, newer));
    findings.either((older, old), (newer, new))
}

/// The two generations say the opposite of each other here.
fn locked(settings: &Settings, findings: &mut Findings) -> Option<bool> {
    let lock = findings.boolean(&settings.git_sync_is_lock_app_edit);
    let allow = findings.boolean(&settings.git_sync_allow_edit);
    findings
        .either((&settings.git_sync_is_lock_app_edit, lock), (&settings.git_sync_allow_edit, allow.map(|allow| !allow)))
}

fn repository(settings: &Settings, tuning: &Tuning, findings: &mut Findings) -> Option<RepoUrl> {
    let (older, newer) = (&settings.git_sync_ssh_repo_url, &settings.git_sync_repository_url);
    if !older.is_set() && !newer.is_set() {
        let names = format!("{} (or {})", older.name, newer.name);
        findings.error(names, "it is not set; give the repository, such as `git@github.com:team/apps.git`");
        return None;
    }
    let url = both(findings, (older, newer), |findings, setting| match RepoUrl::parse(setting.text()?) {
        Ok(url) => Some(url),
        Err(error) => {
            findings.error(setting.name, error.to_string());
            None
        }
    })?;
    if matches!(url, RepoUrl::Path(_)) && !tuning.allow_path {
        let name = if newer.is_set() { newer.name } else { older.name };
        findings.error(
            name,
            format!("\"{url}\" is a path on this machine; give an SSH or HTTPS URL, or set APPFERRY_ALLOW_PATH_REMOTE=true for a test"),
        );
        return None;
    }
    Some(url)
}

fn branch(setting: &Setting, findings: &mut Findings) -> Option<BranchName> {
    let Some(name) = setting.text() else {
        findings.error(setting.name, "it is not set; give the branch that this instance follows, such as `main`");
        return None;
    };
    BranchName::new(name).map_err(|error| findings.error(setting.name, error.to_string())).ok()
}

/// The URL's scheme chooses; the other credential, if set, is only worth a warning.
fn credential(
    settings: &Settings,
    url: Option<&RepoUrl>,
    files: &dyn Files,
    findings: &mut Findings,
) -> Option<Credential> {
    let key = &settings.git_sync_auth_ssh_key_friendly_name;
    let passphrase = (&settings.git_sync_auth_ssh_key_passphrase, &settings.git_sync_auth_ssh_key_passphrase_file);
    let token = (&settings.git_sync_personal_access_token, &settings.git_sync_personal_access_token_file);
    match url? {
        RepoUrl::Ssh { .. } => {
            unused(findings, &[token.0, token.1], "the repository's URL is SSH, so the stored key is used");
            named_key(key, passphrase, files, findings)
        }
        RepoUrl::Https { .. } => {
            unused(
                findings,
                &[key, passphrase.0, passphrase.1],
                "the repository's URL is HTTPS, so the access token is used",
            );
            access_token(token, files, findings)
        }
        RepoUrl::Path(_) => {
            unused(
                findings,
                &[key, passphrase.0, passphrase.1, token.0, token.1],
                "the repository is a path, which needs none",
            );
            Some(Credential::None)
        }
    }
}

pub(super) fn unused(findings: &mut Findings, settings: &[&Setting], why: &str) {
    for setting in settings.iter().filter(|setting| setting.is_set()) {
        findings.warnings.push(format!("{} is not used: {why}", setting.name));
    }
}

fn named_key(
    key: &Setting,
    (passphrase, passphrase_file): (&Setting, &Setting),
    files: &dyn Files,
    findings: &mut Findings,
) -> Option<Credential> {
    let passphrase = findings.secret(passphrase, passphrase_file, files).map(|secret| secret.value);
    let Some(name) = key.text() else {
        findings.error(key.name, "it is not set, and the repository's URL is SSH; give the name of a stored key");
        return None;
    };
    match KeyName::new(name) {
        Ok(name) => Some(Credential::Key { name, passphrase }),
        Err(error) => {
            findings.error(key.name, format!("{error}; {}", probably_meant(name)));
            None
        }
    }
}

/// A space that slipped into the name is the likely mistake; which keys there are is not known here.
fn probably_meant(name: &str) -> String {
    let list = "`appferry keys list` shows the names";
    let without: String = name.split_whitespace().collect();
    match KeyName::new(&without) {
        Ok(_) if without != name => format!("did you mean `{without}`? {list}"),
        _ => list.to_owned(),
    }
}

fn access_token((plain, file): (&Setting, &Setting), files: &dyn Files, findings: &mut Findings) -> Option<Credential> {
    if !plain.is_set() && !file.is_set() {
        findings.error(
            format!("{} (or {})", plain.name, file.name),
            "it is not set, and the repository's URL is HTTPS; give an access token",
        );
        return None;
    }
    let secret = findings.secret(plain, file, files)?;
    if secret.value.expose_secret().chars().any(|c| c.is_control() || c.is_whitespace()) {
        let name = if secret.file.is_some() { file.name } else { plain.name };
        findings.error(name, "the token contains a space or a line break; give the token alone");
        return None;
    }
    Some(Credential::Token(secret.file.map_or(TokenSource::Value(secret.value), TokenSource::File)))
}

fn auto_pull(setting: &Setting, findings: &mut Findings) -> Option<AutoPull> {
    let text = setting.text()?;
    match text.to_ascii_lowercase().as_str() {
        "always" => Some(AutoPull::Always),
        "locked" => Some(AutoPull::Locked),
        "never" => Some(AutoPull::Never),
        _ => {
            findings.error(setting.name, format!("{text:?} is none of its values; write always, locked or never"));
            None
        }
    }
}

fn provider(setting: &Setting, findings: &mut Findings) -> Option<Provider> {
    let text = setting.text()?;
    match text.to_ascii_uppercase().as_str() {
        "GITHUB" => Some(Provider::GitHub),
        "GITLAB" => Some(Provider::GitLab),
        "BITBUCKET" => Some(Provider::Bitbucket),
        _ => {
            findings.error(
                setting.name,
                format!("{text:?} is not a provider it knows; write GITHUB, GITLAB or BITBUCKET, or leave it out"),
            );
            None
        }
    }
}

fn prefix(setting: &Setting, findings: &mut Findings) -> String {
    let Some(text) = findings.text(setting) else { return "App".to_owned() };
    let prefix = text.trim_matches('/');
    if matches!(prefix, "" | ".") {
        return String::new();
    }
    if let Some(rule) = prefix.split('/').find_map(broken_component_rule) {
        findings.error(
            setting.name,
            format!("{text:?} is not a folder in a repository: {rule}; write one such as `App`, or `.` for the root"),
        );
    }
    prefix.to_owned()
}

/// Git puts names and addresses into one line, with `<` and `>` around the address.
fn identity(setting: &Setting, findings: &mut Findings) -> Option<String> {
    let text = findings.text(setting)?;
    if text.contains(['<', '>']) {
        findings.error(setting.name, format!("{text:?} contains `<` or `>`, which Git does not allow; take them out"));
        return None;
    }
    Some(text)
}

fn names(setting: &Setting, default: &[&str], findings: &mut Findings) -> Vec<String> {
    let text = findings.text(setting).unwrap_or_else(|| default.join(","));
    text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

fn on_protected(setting: &Setting, findings: &mut Findings) -> OnProtected {
    let Some(text) = findings.text(setting) else { return OnProtected::Hold };
    match text.to_ascii_lowercase().as_str() {
        "hold" => OnProtected::Hold,
        "branch" => OnProtected::Branch,
        _ => {
            findings
                .error(setting.name, format!("{text:?} is no way to treat a protected branch; write hold or branch"));
            OnProtected::Hold
        }
    }
}
