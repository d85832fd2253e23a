//! The file of `APPFERRY_CONFIG`: any number of repositories beside the one of the environment.
//!
//! An entry is read like an environment: its keys stand for variables, and those readers check them. So a setting means the
//! same in both places, and has the same messages. The file is right as a whole or not at all.

mod clash;
mod entry;
mod keys;
mod node;
mod toml_text;
mod tunnel;
mod yaml;

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors};
use super::reader::{Files, Findings};
use super::tunnels::TunnelConfig;
use super::variables::Setting;
use super::{SyncConfig, WebConfig, web};
use crate::domain::patterns::AppFilter;
use crate::domain::tunnel::AllowedTargets;
use crate::domain::{AppName, RepoUrl};

use entry::Given;
use node::{Entry, Node, Value};

/// The file, and what its entries take over from the environment.
#[derive(Clone)]
pub struct ConfigFile {
    /// `APPFERRY_CONFIG`.
    pub path: PathBuf,
    inherited: Vec<(String, String)>,
    web: Result<WebConfig, Vec<ConfigError>>,
    data_dir: PathBuf,
    /// The apps folder of the repository of the environment.
    global: Option<PathBuf>,
    /// The tunnels of the environment, and where any may lead to.
    tunnels: Vec<TunnelConfig>,
    allowed: AllowedTargets,
}

/// What the file says, checked.
#[derive(Clone, Debug, Default)]
pub struct FileContent {
    /// The repositories, in the order of the file.
    pub repositories: Vec<RepositoryConfig>,
    /// The tunnels, in the order of the file.
    pub tunnels: Vec<TunnelConfig>,
    /// Worth saying, but no reason to refuse it.
    pub warnings: Vec<String>,
}

/// One repository of the file.
#[derive(Clone, Debug)]
pub struct RepositoryConfig {
    /// What it is called here.
    pub name: String,
    /// The app that the repository is, in place of a folder of apps (`layout = "single"`).
    pub single: Option<AppName>,
    /// `include` and `exclude`: which apps are followed.
    pub filter: AppFilter,
    /// Everything that a variable could say, too.
    pub sync: SyncConfig,
    /// Tells two states of an entry apart.
    stamp: [u8; 32],
}

impl RepositoryConfig {
    /// The repository that the environment gives.
    #[must_use]
    pub fn of_the_environment(sync: SyncConfig) -> Self {
        let name = crate::domain::status::GLOBAL.to_owned();
        Self { name, single: None, filter: AppFilter::default(), sync, stamp: [0; 32] }
    }

    /// The folder that nobody else may have.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        match &self.single {
            Some(app) => self.sync.apps_dir.join(app.as_str()),
            None => self.sync.apps_dir.clone(),
        }
    }
}

/// Whether nothing in them differs that an entry can say.
impl PartialEq for RepositoryConfig {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.stamp == other.stamp
    }
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ConfigFile {
    /// The file that `setting` names, if it is set.
    pub(super) fn of(
        setting: &Setting,
        (environment, ca_file): (&Environment, &Setting),
        (data_dir, global): (&Path, Option<&SyncConfig>),
        files: &dyn Files,
        findings: &mut Findings,
    ) -> Option<Self> {
        let path = findings.path(setting)?;
        let inherited = environment
            .variables
            .iter()
            .filter(|(name, _)| keys::is_inherited(name) || name == "APPFERRY_ALLOW_PATH_REMOTE");
        // A proxy that cannot be used matters only once a repository is reached over HTTPS.
        let mut for_web = Findings::default();
        let web = web::read(ca_file, environment, true, files, &mut for_web);
        Some(Self {
            path,
            inherited: inherited.cloned().collect(),
            web: if for_web.errors.is_empty() { Ok(web) } else { Err(for_web.errors) },
            data_dir: data_dir.to_owned(),
            global: global.map(|sync| sync.apps_dir.clone()),
            tunnels: Vec::new(),
            allowed: AllowedTargets::default(),
        })
    }

    /// The same, beside these tunnels of the environment.
    pub(super) fn beside(self, tunnels: &[TunnelConfig], allowed: &AllowedTargets) -> Self {
        Self { tunnels: tunnels.to_vec(), allowed: allowed.clone(), ..self }
    }

    /// Reads the file as it is now.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn read(&self, files: &dyn Files) -> Result<FileContent, ConfigErrors> {
        let mut findings = Findings::default();
        let content = self.read_with(files, &mut findings);
        match content {
            Some(content) if findings.errors.is_empty() => Ok(FileContent { warnings: findings.warnings, ..content }),
            _ => {
                let mut said = std::collections::HashSet::new();
                findings.errors.retain(|error| said.insert(error.to_string()));
                findings.errors.sort_by_key(|error| line_of(&error.variable));
                Err(ConfigErrors(findings.errors))
            }
        }
    }

    fn read_with(&self, files: &dyn Files, findings: &mut Findings) -> Option<FileContent> {
        let text = self.text(files, findings)?;
        let parsed = match self.path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => yaml::parse(&text),
            _ => toml_text::parse(&text),
        };
        let root = match parsed {
            Ok(root) => root,
            Err(errors) => {
                for error in errors {
                    findings.error(self.at(error.line, &[]), error.problem);
                }
                return None;
            }
        };
        let Parts { defaults, entries, tunnels } = self.parts(root, findings);
        let mut repositories = Vec::new();
        for (number, (line, table)) in (1..).zip(entries) {
            repositories.extend(entry::read(self, (number, line), &table, &defaults, files, findings));
        }
        clash::find(self, &repositories, files, findings);
        let repositories = repositories.into_iter().map(|(_, repository)| repository).collect();
        let tunnels = tunnel::read(self, tunnels, findings);
        Some(FileContent { repositories, tunnels, warnings: Vec::new() })
    }

    fn text(&self, files: &dyn Files, findings: &mut Findings) -> Option<String> {
        let shown = self.path.display();
        let known = matches!(self.path.extension().and_then(|name| name.to_str()), Some("toml" | "yaml" | "yml"));
        let problem = match files.read_bundle(&self.path).map(String::from_utf8) {
            _ if !known => {
                format!("{shown} is neither TOML nor YAML by its name; call it `….toml`, `….yaml` or `….yml`")
            }
            Ok(Ok(text)) => return Some(text),
            Ok(Err(_)) => format!("the file {shown} is not UTF-8; write it as UTF-8 text"),
            Err(error) => format!("the file {shown} cannot be read: {error}; mount it, or correct the path"),
        };
        findings.error("APPFERRY_CONFIG", problem);
        None
    }

    /// What holds for all, and the entries with their lines.
    fn parts(&self, root: Node, findings: &mut Findings) -> Parts {
        let Parts { mut defaults, mut entries, mut tunnels } = Parts::default();
        let Value::Table(sections) = root.value else {
            findings.error(self.at(root.line, &[]), "it is not a table; begin with `repository`");
            return Parts::default();
        };
        for Entry { key, line, node } in sections {
            match (key.as_str(), node.value) {
                ("defaults", Value::Table(table)) => defaults = entry::givens(self, &["defaults"], table, findings),
                ("repository" | "repositories", Value::List(list)) => {
                    for node in list {
                        match node.value {
                            Value::Table(table) => entries.push((node.line, table)),
                            other => findings.error(
                                self.at(node.line, &[]),
                                format!("a repository is a table, and this is {}", other.kind()),
                            ),
                        }
                    }
                }
                ("defaults", other) => {
                    findings
                        .error(self.at(line, &["defaults"]), format!("it is {}; it is to be a table", other.kind()));
                }
                ("tunnel" | "tunnels", Value::List(list)) => tunnels.extend(list),
                ("repository" | "repositories" | "tunnel" | "tunnels", Value::Nothing) => {}
                ("tunnel" | "tunnels", other) => {
                    let problem = format!("it is {}; write `[[tunnel]]` (TOML) or a list (YAML)", other.kind());
                    findings.error(self.at(line, &[&key]), problem);
                }
                ("repository" | "repositories", other) => {
                    let problem = format!("it is {}; write `[[repository]]` (TOML) or a list (YAML)", other.kind());
                    findings.error(self.at(line, &[&key]), problem);
                }
                _ => findings
                    .error(self.at(line, &[&key]), "there is no such key; there are: repository, defaults, tunnel"),
            }
        }
        Parts { defaults, entries, tunnels }
    }

    /// A place in the file, for messages.
    fn at(&self, line: usize, parts: &[&str]) -> String {
        let place = format!("{}, line {line}", self.path.display());
        parts.iter().fold(place, |place, part| format!("{place}, {part}"))
    }

    /// How HTTPS is spoken, for a repository that needs it.
    fn web(&self, url: &RepoUrl, findings: &mut Findings) -> WebConfig {
        match &self.web {
            Ok(web) => web.clone(),
            Err(errors) => {
                if matches!(url, RepoUrl::Https { .. }) {
                    findings.errors.extend(errors.iter().cloned());
                }
                WebConfig::default()
            }
        }
    }
}

/// The sections of the file.
#[derive(Default)]
struct Parts {
    defaults: Vec<Given>,
    /// With their lines.
    entries: Vec<(usize, Vec<Entry>)>,
    tunnels: Vec<Node>,
}

/// The line in a place; those without one come first.
fn line_of(place: &str) -> usize {
    let after = place.split(", line ").nth(1).unwrap_or_default();
    after.split(',').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
