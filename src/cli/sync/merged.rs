//! A merged version of an app, read from a folder or a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::{Content, MergedFiles};

/// A folder is the whole app; a file is the one at `as_path`.
pub(super) fn read(path: &Path, as_path: Option<String>) -> anyhow::Result<MergedFiles> {
    let shown = path.display();
    let found = fs::metadata(path)
        .with_context(|| format!("cannot read {shown}; give `ours`, `theirs`, a folder or a file after --take"))?;
    let mut files = BTreeMap::new();
    match (found.is_dir(), as_path) {
        (true, None) => {
            collect(path, "", &mut files)?;
            if files.is_empty() {
                bail!("{shown} has no files; give the folder of the merged app");
            }
            Ok(MergedFiles { files, whole: true })
        }
        (true, Some(_)) => bail!("{shown} is a folder, which is the whole app; leave --as out"),
        (false, None) => bail!("{shown} is one file; say with --as which file of the app it is"),
        (false, Some(inside)) => {
            files.insert(inside, Some(content(path)?));
            Ok(MergedFiles { files, whole: false })
        }
    }
}

fn collect(folder: &Path, inside: &str, files: &mut BTreeMap<String, Option<Content>>) -> anyhow::Result<()> {
    let reading = || format!("cannot read {}; check its mode", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let kind = entry.file_type().with_context(reading)?;
        let Ok(name) = entry.file_name().into_string() else {
            bail!("{} has a name that is not UTF-8; rename it", entry.path().display());
        };
        let inside = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        if kind.is_dir() {
            collect(&entry.path(), &inside, files)?;
        } else if kind.is_file() {
            files.insert(inside, Some(content(&entry.path())?));
        } else {
            bail!("{} is neither a file nor a folder; take it out", entry.path().display());
        }
    }
    Ok(())
}

fn content(path: &Path) -> anyhow::Result<Content> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}; check its mode", path.display()))?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Content::Text(text),
        Err(error) => Content::Base64 { base64: STANDARD.encode(error.as_bytes()) },
    })
}
