//! One entry: from keys and texts to a repository.

use std::path::Path;

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use super::super::error::ConfigError;
use super::super::reader::{Files, Findings};
use super::super::variables::Settings;
use super::super::{Credential, sync};
use super::node::{Entry, Node, Value};
use super::{ConfigFile, RepositoryConfig, keys};
use crate::domain::patterns::{AppFilter, Patterns};
use crate::domain::status::GLOBAL;
use crate::domain::{AppName, RepoUrl};

/// A key with what it was given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    key: &'static str,
    line: usize,
    /// None: what was given is wrong, and said to be.
    texts: Vec<String>,
    is_default: bool,
}

/// The keys of one table; what is wrong with them is noted.
pub(super) fn givens(file: &ConfigFile, place: &[&str], table: Vec<Entry>, findings: &mut Findings) -> Vec<Given> {
    let is_default = place == ["defaults"];
    let mut givens = Vec::new();
    for Entry { key, line, node } in table {
        let known = keys::known(&key, is_default);
        let texts = known.clone().and_then(|known| texts(known, node));
        if let Err(problem) = &texts {
            findings.error(file.at(line, &[place, &[&key]].concat()), problem);
        }
        givens.extend(known.ok().map(|key| Given { key, line, texts: texts.unwrap_or_default(), is_default }));
    }
    givens
}

fn texts(key: &'static str, node: Node) -> Result<Vec<String>, String> {
    let text = |value| match value {
        Value::Text(text) if text.trim().is_empty() && key == "prefix" => Ok(".".to_owned()), // the root
        Value::Text(text) if text.trim().is_empty() => Err("it is empty; give it a value, or leave it out".to_owned()),
        Value::Text(text) if keys::PATHS.contains(&key) && !Path::new(&text).is_absolute() => {
            Err(format!("{text:?} depends on where the program is started; write the path from `/` on"))
        }
        Value::Text(text) => Ok(text),
        Value::Nothing => Err("it is empty; give it a value, or leave it out".to_owned()),
        other => Err(format!("it is {}, and takes a single value", other.kind())),
    };
    match node.value {
        Value::List(items) if keys::takes_list(key) => items.into_iter().map(|item| text(item.value)).collect(),
        other => Ok(vec![text(other)?]),
    }
}

/// Reads an entry; `None` if it cannot be used (the findings say why). Answers its line, too.
pub(super) fn read(
    file: &ConfigFile,
    (number, line): (usize, usize),
    table: &[Entry],
    defaults: &[Given],
    files: &dyn Files,
    findings: &mut Findings,
) -> Option<(usize, RepositoryConfig)> {
    let called = table.iter().find_map(|entry| match (&*entry.key, &entry.node.value) {
        ("name", Value::Text(name)) => Some(format!("repository {name:?}")),
        _ => None,
    });
    let called = called.unwrap_or_else(|| format!("repository {number}"));
    let mut own = givens(file, &[&called], table.to_vec(), findings);
    let url = own.iter().find(|given| given.key == "url").and_then(|given| RepoUrl::parse(given.texts.first()?).ok());
    let missing = |key: &&Given| own.iter().all(|given| given.key != key.key) && suits(key.key, url.as_ref());
    let inherited: Vec<Given> = defaults.iter().filter(missing).cloned().collect();
    own.extend(inherited);
    let place = Place { file, line, called, givens: &own };
    let name = name(&place, findings);
    let single = single(&place, findings);
    let sync = place.sync(files, findings);
    let include = patterns(&place, "include", findings);
    let filter = AppFilter { include, exclude: patterns(&place, "exclude", findings) };
    let mut sync = sync?;
    sync.web = file.web(&sync.url, findings);
    let stamp = stamp(&own, &sync.credential);
    Some((line, RepositoryConfig { name: name?, single: single?, filter, sync, stamp }))
}

/// Whether a default for all is of use to a repository of this URL: of the credentials only one is.
fn suits(key: &str, url: Option<&RepoUrl>) -> bool {
    match key {
        "key" | "passphrase_file" => matches!(url, Some(RepoUrl::Ssh { .. })),
        "token_file" => matches!(url, Some(RepoUrl::Https { .. })),
        _ => true,
    }
}

struct Place<'a> {
    file: &'a ConfigFile,
    line: usize,
    called: String,
    givens: &'a [Given],
}

impl Place<'_> {
    fn find(&self, key: &str) -> Option<&Given> {
        self.givens.iter().find(|given| given.key == key)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.find(key)?.texts.first().map(String::as_str)
    }

    /// Where a key is, or should be.
    fn of(&self, key: &str) -> String {
        match self.find(key) {
            Some(given) if given.is_default => self.file.at(given.line, &["defaults", key]),
            Some(given) => self.file.at(given.line, &[&self.called, key]),
            None => self.file.at(self.line, &[&self.called, key]),
        }
    }

    /// What the variables' own readers make of the entry.
    fn sync(&self, files: &dyn Files, findings: &mut Findings) -> Option<super::SyncConfig> {
        let right = self.givens.iter().filter(|given| !given.texts.is_empty());
        let given = right.filter_map(|given| Some((keys::variable(given.key)?, given.texts.join(","))));
        let given: Vec<(String, String)> = given.map(|(name, text)| (name.to_owned(), text)).collect();
        let inherited = self.file.inherited.iter().filter(|(name, _)| given.iter().all(|(known, _)| known != name));
        let pairs: Vec<(String, String)> = inherited.cloned().chain(given.iter().cloned()).collect();
        let mut here = Findings::default();
        let settings = Settings::read(&pairs).ok()?; // texts are always read
        let tuning = sync::Tuning::read(&settings, &mut here);
        let read = sync::read(&settings, tuning, files, &mut here);
        for ConfigError { variable, problem } in here.errors {
            let named = keys_in(&variable);
            let problem = in_keys(&problem);
            // What is wrong with the environment is said of the environment.
            let is_of_environment = self.file.inherited.iter().any(|(name, _)| *name == variable)
                && given.iter().all(|(name, _)| *name != variable);
            match named.as_slice() {
                _ if is_of_environment => {}
                [first, ..] if self.find(first).is_some_and(|given| given.texts.is_empty()) => {}
                [] => findings.error(self.file.at(self.line, &[&self.called]), problem),
                [first, ..] => findings.error(self.of(first), problem),
            }
        }
        for warning in here.warnings {
            findings.warnings.push(format!("{}: {}", self.file.at(self.line, &[&self.called]), in_keys(&warning)));
        }
        read
    }
}

/// The keys that the name of an error stands for: `GIT_SYNC_SSH_REPO_URL (or GIT_SYNC_REPOSITORY_URL)` is `url`.
fn keys_in(variable: &str) -> Vec<&'static str> {
    let words = variable.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter_map(keys::of_variable).collect()
}

/// A message of the variables' readers, about keys.
fn in_keys(text: &str) -> String {
    let text = text.replace("GIT_SYNC_PERSONAL_ACCESS_TOKEN(_FILE)", "`token_file`");
    keys::LIKE_VARIABLES.iter().fold(text, |text, (key, name)| text.replace(name, key))
}

fn name(place: &Place<'_>, findings: &mut Findings) -> Option<String> {
    let problem = match place.text("name") {
        None if place.find("name").is_none() => "it is not set; give each repository a name of its own".to_owned(),
        None => return None,
        Some(GLOBAL) => format!("{GLOBAL:?} is the repository of the environment; give it another name"),
        Some(name) => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
            if begins && name.len() <= 64 && name.chars().all(allowed) {
                return Some(name.to_owned());
            }
            format!(
                "{name:?} is not a name; give 1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
            )
        }
    };
    findings.error(place.of("name"), problem);
    None
}

/// The outer `None` is a mistake.
#[allow(clippy::option_option, reason = "absent, and wrong")]
fn single(place: &Place<'_>, findings: &mut Findings) -> Option<Option<AppName>> {
    let app = place.text("app").map(AppName::new);
    match (place.text("layout").unwrap_or("folders"), app) {
        ("folders", None) => Some(None),
        ("folders", Some(_)) => {
            findings.error(place.of("app"), "it is for a repository that is one app; set `layout = \"single\"`, too");
            None
        }
        ("single", Some(Ok(app))) => Some(Some(app)),
        ("single", Some(Err(error))) => {
            findings.error(place.of("app"), format!("{error}; give the name of the app's folder"));
            None
        }
        ("single", None) => {
            findings
                .error(place.of("app"), "it is not set, and the layout is `single`; give the name of the app's folder");
            None
        }
        (other, _) => {
            findings.error(place.of("layout"), format!("{other:?} is not a layout; write `folders` or `single`"));
            None
        }
    }
}

fn patterns(place: &Place<'_>, key: &str, findings: &mut Findings) -> Patterns {
    let mut all = Patterns::default();
    for text in place.find(key).map(|given| given.texts.as_slice()).unwrap_or_default() {
        match Patterns::parse(text) {
            // As a comment, it would make a filter that follows everything.
            Ok(patterns) if patterns.is_empty() => {
                let problem = format!("{text:?} names no app; give patterns such as `PO *`, or leave it out");
                findings.error(place.of(key), problem);
            }
            Ok(patterns) => all = all.followed_by(patterns),
            Err(error) => findings.error(place.of(key), error.to_string()),
        }
    }
    all
}

fn stamp(givens: &[Given], credential: &Credential) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut sorted: Vec<&Given> = givens.iter().collect();
    sorted.sort_by_key(|given| given.key);
    for given in sorted {
        hash.update(given.key);
        given.texts.iter().for_each(|text| hash.update(format!("\0{}\0{text}", text.len())));
    }
    if let Credential::Key { passphrase: Some(passphrase), .. } = credential {
        hash.update(passphrase.expose_secret());
    }
    hash.finalize().into()
}
