//! From variables to a [`Config`]: a pure function of the pairs and the files that they name.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::file::FileContent;
use super::reader::{Files, Findings};
use super::variables::{Setting, Settings, is_known};
use super::{
    BaseConfig, Config, ConfigError, ConfigErrors, ConfigFile, HostKeyPolicy, KeyStoreConfig, LogFormat,
    MasterKeySources, events, key_sources, near, sync, tunnels, web,
};
use crate::domain::RepoUrl;

const DEFAULT_PORT: u16 = 7420;
const MAX_SECRET_LEN: u64 = 64 * 1024;
/// Debian's own bundle of authorities is 220 kB.
const MAX_BUNDLE_LEN: u64 = 4 << 20;

/// The variables, and what the defaults depend on.
#[derive(Clone, Default)]
pub struct Environment {
    /// Names and values.
    pub variables: Vec<(String, String)>,
    /// Names whose values are not UTF-8.
    pub unreadable: Vec<String>,
    /// Whether the process runs as root.
    pub is_root: bool,
}

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct DiskFiles;

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        let mut environment = Self { is_root: rustix::process::geteuid().is_root(), ..Self::default() };
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.variables.push((name, value)),
                Err(_) => environment.unreadable.push(name),
            }
        }
        environment
    }

    /// Only these variables, for a user that is not root.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, ..Self::default() }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, value)| known == name && !value.trim().is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn settings(&self, findings: &mut Findings) -> Result<Settings, ConfigErrors> {
        for name in self.unreadable.iter().filter(|name| is_known(name)) {
            findings.error(name.as_str(), "its value is not UTF-8; write it as UTF-8 text");
        }
        findings.warnings.extend(near::misspelt(self.variables.iter().map(|(name, _)| name.as_str())));
        Settings::read(&self.variables).map_err(|error| {
            ConfigErrors(vec![ConfigError { variable: "the environment".into(), problem: error.to_string() }])
        })
    }
}

impl Config {
    /// Reads `environment`.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn from_environment(environment: &Environment, files: &dyn Files) -> Result<Self, ConfigErrors> {
        let mut findings = Findings::default();
        let settings = environment.settings(&mut findings)?;
        let on = sync::is_on(&settings, &mut findings);
        let data_dir = data_dir(&settings, environment, &mut findings);
        let tuning = sync::Tuning::read(&settings, &mut findings);
        let mut sync = if on { sync::read(&settings, tuning, files, &mut findings) } else { None };
        let mut events = events::read(&settings, environment, files, &mut findings);
        let for_https =
            sync.as_ref().is_some_and(|sync| matches!(sync.url, RepoUrl::Https { .. })) || !events.webhooks.is_empty();
        let web = web::read(&settings.appferry_ca_file, environment, for_https, files, &mut findings);
        events.web = web.clone();
        if let Some(sync) = &mut sync {
            sync.web = web;
        }
        if let Some(sync) = &sync
            && data_dir.starts_with(&sync.apps_dir)
        {
            findings.error(
                "APPFERRY_DATA_DIR and APPFERRY_APPS_DIR",
                format!(
                    "the data folder {} lies in the apps folder and would be synced; give it a place of its own",
                    data_dir.display()
                ),
            );
        }
        let keys = key_store(&settings, data_dir.clone(), environment, files, &mut findings);
        let ca_file = &settings.appferry_ca_file;
        let around = (data_dir.as_path(), sync.as_ref());
        let allowed_targets = tunnels::allowed(&settings.appferry_tunnels_allowed, &mut findings);
        let mut tunnels = tunnels::of_environment(environment, &allowed_targets, &mut findings);
        let file = ConfigFile::of(&settings.appferry_config, (environment, ca_file), around, files, &mut findings)
            .map(|file| file.beside(&tunnels, &allowed_targets));
        let content = file.as_ref().map(|file| file.read(files)).transpose();
        let content = content.unwrap_or_else(|ConfigErrors(errors)| {
            findings.errors.extend(errors);
            None
        });
        let FileContent { repositories, tunnels: of_file, warnings } = content.unwrap_or_default();
        tunnels.extend(of_file);
        findings.warnings.extend(warnings);
        let config = Self {
            data_dir,
            listen: listen(&settings.appferry_listen, &mut findings),
            known_hosts: known_hosts(&settings.appferry_known_hosts, files, &mut findings),
            host_keys: host_keys(&settings.appferry_host_keys, &mut findings),
            instance: instance(&settings.appferry_instance, &mut findings),
            log_format: log_format(&settings.appferry_log_format, &mut findings),
            keys,
            sync,
            upload_mib: findings.number(&settings.appferry_upload_limit, 1..=4096).unwrap_or(256),
            file,
            repositories,
            tunnels,
            allowed_targets,
            events,
            warnings: Vec::new(),
        };
        findings.into_result(config).map(|(config, warnings)| Self { warnings, ..config })
    }
}

impl BaseConfig {
    /// As [`Config::from_environment`], but only the part that concerns the data folder.
    ///
    /// # Errors
    /// Everything that is wrong with that part, at once.
    pub fn from_environment(environment: &Environment, files: &dyn Files) -> Result<Self, ConfigErrors> {
        let mut findings = Findings::default();
        let settings = environment.settings(&mut findings)?;
        findings.errors.retain(|error| error.variable.starts_with("APPFERRY_"));
        let data_dir = data_dir(&settings, environment, &mut findings);
        let base = Self {
            known_hosts: findings.path(&settings.appferry_known_hosts),
            log_format: log_format(&settings.appferry_log_format, &mut findings),
            keys: key_store(&settings, data_dir.clone(), environment, files, &mut findings),
            data_dir,
            warnings: Vec::new(),
        };
        findings.into_result(base).map(|(base, warnings)| Self { warnings, ..base })
    }
}

impl Findings {
    fn into_result<T>(self, value: T) -> Result<(T, Vec<String>), ConfigErrors> {
        if self.errors.is_empty() { Ok((value, self.warnings)) } else { Err(ConfigErrors(self.errors)) }
    }
}

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        // Room for all of it: it may be a secret, and a buffer that grows leaves copies behind.
        let mut content = String::with_capacity(usize::try_from(MAX_SECRET_LEN).unwrap_or(0) + 64);
        File::open(path)?.take(MAX_SECRET_LEN + 1).read_to_string(&mut content)?;
        if content.len() as u64 > MAX_SECRET_LEN {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 KiB"));
        }
        Ok(content)
    }

    fn read_bundle(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        File::open(path)?.take(MAX_BUNDLE_LEN + 1).read_to_end(&mut content)?;
        if content.len() as u64 > MAX_BUNDLE_LEN {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB"));
        }
        Ok(content)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn resolved(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}

fn data_dir(settings: &Settings, environment: &Environment, findings: &mut Findings) -> PathBuf {
    let home = |name: &str| environment.value(name).map(PathBuf::from).filter(|path| path.is_absolute());
    findings.path(&settings.appferry_data_dir).unwrap_or_else(|| {
        let share = home("XDG_DATA_HOME").or_else(|| home("HOME").map(|home| home.join(".local/share")));
        match share {
            Some(share) if !environment.is_root => share.join("appferry"),
            _ => PathBuf::from("/var/lib/appferry"),
        }
    })
}

fn listen(setting: &Setting, findings: &mut Findings) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let Some(text) = findings.text(setting) else { return default };
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.clone(), |port| format!("127.0.0.1:{port}"));
    let Ok(address) = numeric.parse::<SocketAddr>() else {
        let problem = format!("{text:?} is not an address with a port; write one such as `127.0.0.1:{DEFAULT_PORT}`");
        findings.error(setting.name, problem);
        return default;
    };
    if !address.ip().is_loopback() {
        let warning = format!("{} is {address}: other machines reach the API, which has no TLS", setting.name);
        findings.warnings.push(warning);
    }
    address
}

fn known_hosts(setting: &Setting, files: &dyn Files, findings: &mut Findings) -> Option<PathBuf> {
    let path = findings.path(setting)?;
    if !files.exists(&path) {
        findings
            .error(setting.name, format!("there is no file {}; mount it, or leave the variable out", path.display()));
    }
    Some(path)
}

fn host_keys(setting: &Setting, findings: &mut Findings) -> HostKeyPolicy {
    let Some(text) = findings.text(setting) else { return HostKeyPolicy::default() };
    match text.to_ascii_lowercase().as_str() {
        "strict" => HostKeyPolicy::Strict,
        "accept-new" => HostKeyPolicy::AcceptNew,
        _ => {
            findings.error(setting.name, format!("{text:?} is no way to treat host keys; write strict or accept-new"));
            HostKeyPolicy::default()
        }
    }
}

fn instance(setting: &Setting, findings: &mut Findings) -> Option<String> {
    let name = findings.text(setting)?;
    if name.len() > 100 || name.contains(['<', '>']) {
        findings.error(
            setting.name,
            format!("{name:?} does not fit into commits; give at most 100 bytes without `<` and `>`"),
        );
    }
    Some(name)
}

fn log_format(setting: &Setting, findings: &mut Findings) -> LogFormat {
    let Some(text) = findings.text(setting) else { return LogFormat::default() };
    match text.to_ascii_lowercase().as_str() {
        "human" => LogFormat::Human,
        "json" => LogFormat::Json,
        _ => {
            findings.error(setting.name, format!("{text:?} is not a log format; write human or json"));
            LogFormat::default()
        }
    }
}

fn key_store(
    settings: &Settings,
    data_dir: PathBuf,
    environment: &Environment,
    files: &dyn Files,
    findings: &mut Findings,
) -> KeyStoreConfig {
    let database = (&settings.appferry_database_url, &settings.appferry_database_url_file);
    KeyStoreConfig {
        data_dir,
        master_keys: master_keys(settings, environment, files, findings),
        database: database_url(database, files, findings),
        sources: key_sources::read(settings, files, findings),
    }
}

/// The URL may hold a password: it is never shown.
fn database_url(
    (plain, file): (&Setting, &Setting),
    files: &dyn Files,
    findings: &mut Findings,
) -> Option<SecretString> {
    let secret = findings.secret(plain, file, files)?;
    let url = secret.value.expose_secret();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Some(secret.value);
    }
    let name = if secret.file.is_some() { file.name } else { plain.name };
    findings.error(
        name,
        "it is not the URL of a PostgreSQL database; write postgres://user:password@host:5432/database, or leave it out for the embedded store",
    );
    None
}

fn master_keys(
    settings: &Settings,
    environment: &Environment,
    files: &dyn Files,
    findings: &mut Findings,
) -> MasterKeySources {
    let paths = findings.text(&settings.appferry_master_key_file).unwrap_or_default();
    let variable = settings.appferry_master_key.text();
    if variable.is_some() {
        let name = settings.appferry_master_key.name;
        findings
            .warnings
            .push(format!("{name} can be read by whoever sees this process's environment; prefer {name}_FILE"));
    }
    let credential = environment.value("CREDENTIALS_DIRECTORY").map(|dir| Path::new(dir).join("appferry-master-key"));
    MasterKeySources {
        files: paths.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
        credential: credential.filter(|path| files.exists(path)),
        variable: variable.map(|text| text.to_owned().into()),
    }
}

#[cfg(test)]
mod tests;
