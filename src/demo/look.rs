//! What the demo sees in an apps folder.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;

use sha1::{Digest as _, Sha1};

use crate::domain::ObjectId;

/// A number for each app that changes with any of its files.
pub(super) type Fingerprints = BTreeMap<String, u64>;

/// Looks at names, sizes and times only.
pub(super) fn fingerprints(apps_dir: &Path) -> io::Result<Fingerprints> {
    let mut apps = Fingerprints::new();
    for entry in std::fs::read_dir(apps_dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || !entry.file_type()?.is_dir() {
            continue;
        }
        let mut hasher = DefaultHasher::new();
        let mut files = 0_usize;
        walk(&entry.path(), String::new(), &mut |path, file| {
            let metadata = std::fs::metadata(file)?;
            (path, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
            files += 1;
            Ok(())
        })?;
        if files > 0 {
            apps.insert(name, hasher.finish());
        }
    }
    Ok(apps)
}

/// The files of one app with the names that Git gives their content.
pub(super) fn blobs(app_dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut blobs = BTreeMap::new();
    walk(app_dir, String::new(), &mut |path, file| {
        let content = std::fs::read(file)?;
        let mut hasher = Sha1::new();
        hasher.update(format!("blob {}\0", content.len()));
        hasher.update(&content);
        let name = ObjectId::from_bytes(hasher.finalize().into()).to_string();
        blobs.insert(path.to_owned(), name);
        Ok(())
    })?;
    Ok(blobs)
}

/// Calls `visit` with every file below `folder`, in order of their names, and its path relative to where it began.
fn walk(folder: &Path, prefix: String, visit: &mut dyn FnMut(&str, &Path) -> io::Result<()>) -> io::Result<()> {
    let mut pending = vec![(folder.to_owned(), prefix)];
    while let Some((folder, prefix)) = pending.pop() {
        let mut entries = std::fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push((entry.path(), format!("{path}/")));
            } else if kind.is_file() {
                visit(&path, &entry.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_the_names_that_git_gives_them_and_every_change_shows() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("A/b")).unwrap();
        std::fs::create_dir_all(folder.path().join("Empty")).unwrap();
        std::fs::write(folder.path().join("A/b/c"), "hello\n").unwrap();
        let blobs = blobs(&folder.path().join("A")).unwrap();
        assert_eq!(blobs.get("b/c").map(String::as_str), Some("ce013625030ba8dba906f756967f9e9ca394464a"));
        let before = fingerprints(folder.path()).unwrap();
        std::fs::write(folder.path().join("A/b/d"), "").unwrap();
        let after = fingerprints(folder.path()).unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), ["A"]);
        assert_ne!(before, after);
    }
}
