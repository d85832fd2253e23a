//! Repositories that would be in each other's way.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::super::reader::{Files, Findings};
use super::{ConfigFile, RepositoryConfig};
use crate::domain::status::GLOBAL;

/// Notes names that are there twice, and folders that lie in each other.
pub(super) fn find(
    file: &ConfigFile,
    repositories: &[(usize, RepositoryConfig)],
    files: &dyn Files,
    findings: &mut Findings,
) {
    same_names(file, repositories, findings);
    let mut folders: BTreeMap<PathBuf, &str> = BTreeMap::new();
    folders.insert(plain(&file.data_dir, files), DATA);
    folders.extend(file.global.iter().map(|global| (plain(global, files), GLOBAL)));
    let mut claims = Vec::new();
    for (line, repository) in repositories {
        let path = plain(&repository.folder(), files);
        if let Some(other) = folders.insert(path.clone(), &repository.name) {
            let of = described(other);
            findings.error(
                place(file, *line, repository),
                format!("{} is the folder {of} already; give it another", path.display()),
            );
        }
        claims.push((line, repository, path));
    }
    let global = file.global.iter().map(|global| plain(global, files));
    let theirs: Vec<PathBuf> = claims.iter().map(|(_, _, path)| path.clone()).chain(global).collect();
    for (line, repository, path) in &claims {
        let inside = path.ancestors().skip(1).find_map(|above| folders.get_key_value(above));
        if let Some((above, other)) = inside {
            let problem = format!(
                "{} lies in {}, the folder {}; give it a folder beside it",
                path.display(),
                above.display(),
                described(other)
            );
            findings.error(place(file, **line, repository), problem);
        }
    }
    let data_dir = plain(&file.data_dir, files);
    if let Some(above) = data_dir.ancestors().skip(1).find(|above| theirs.iter().any(|path| path == above))
        && let Some((line, repository, _)) = claims.iter().find(|(_, _, path)| path == above)
    {
        let problem = format!(
            "the data folder {} lies in it and would be synced; give that a place of its own",
            data_dir.display()
        );
        findings.error(place(file, **line, repository), problem);
    }
    if let Some(global) = &file.global {
        global_inside(file, &plain(global, files), &claims, findings);
    }
}

/// The folder of the environment's repository may lie in one of the file, too.
fn global_inside(
    file: &ConfigFile,
    global: &Path,
    claims: &[(&usize, &RepositoryConfig, PathBuf)],
    findings: &mut Findings,
) {
    let around = claims.iter().find(|(_, _, path)| global != path && global.starts_with(path));
    if let Some((line, repository, path)) = around {
        let problem = format!(
            "{}, the folder of the environment, lies in {}; give it a folder beside it",
            global.display(),
            path.display()
        );
        findings.error(place(file, **line, repository), problem);
    }
}

const DATA: &str = "";

fn described(owner: &str) -> String {
    match owner {
        DATA => "of APPFERRY_DATA_DIR".to_owned(),
        GLOBAL => "of the environment (APPFERRY_APPS_DIR)".to_owned(),
        name => format!("of the repository {name:?}"),
    }
}

fn same_names(file: &ConfigFile, repositories: &[(usize, RepositoryConfig)], findings: &mut Findings) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (line, repository) in repositories {
        if let Some(before) = seen.insert(&repository.name, *line) {
            let place = file.at(*line, &[&format!("repository {:?}", repository.name), "name"]);
            findings.error(place, format!("the repository of line {before} has the same name; give it another"));
        }
    }
}

fn place(file: &ConfigFile, line: usize, repository: &RepositoryConfig) -> String {
    file.at(line, &[&format!("repository {:?}", repository.name), "apps_dir"])
}

/// Without links, doubled slashes and dots, as far as the folder is there.
fn plain(path: &Path, files: &dyn Files) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    files.resolved(&absolute).components().collect()
}
