//! Lines of `NAME=value`, and of `path:content` for the files that they may name; `\n` is a line break.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use appferry::config::{BaseConfig, Config, ConfigErrors, Environment, Files};

/// The files of no machine.
struct InMemory(HashMap<PathBuf, String>);

impl Files for InMemory {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}

/// Whether `text` is an environment to start with. Every error names its variable, and no secret is in what may be shown.
pub(super) fn check(text: &str) -> bool {
    let (mut variables, mut files) = (Vec::new(), HashMap::new());
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('=') {
            variables.push((name, value.replace("\\n", "\n")));
        } else if let Some((path, content)) = line.split_once(':') {
            files.insert(PathBuf::from(path), content.replace("\\n", "\n"));
        }
    }
    // A secret that no other variable can hold by chance.
    let secret = "5ecret-d1d2a6bb";
    variables.retain(|(name, _)| *name != "GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE");
    variables.push(("GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE", secret.to_owned()));
    let (environment, files) = (Environment::of(variables), InMemory(files));
    let _base = BaseConfig::from_environment(&environment, &files);
    let (shown, is_ok) = match Config::from_environment(&environment, &files) {
        Ok(config) => (format!("{config:?}"), true),
        Err(errors) => {
            let shown = format!("{errors} {errors:?}");
            let ConfigErrors(errors) = errors;
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| !error.variable.is_empty() && !error.problem.is_empty()), "{shown}");
            (shown, false)
        }
    };
    assert!(!shown.contains(secret) || text.contains(secret), "{shown}");
    is_ok
}
