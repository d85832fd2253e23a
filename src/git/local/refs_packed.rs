//! `packed-refs`: many refs in one file. We write none there, but a person's `git pack-refs` does.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::durable;
use crate::domain::{Failure, ObjectId};

/// All packed refs by name.
pub(super) fn read(repository: &Path) -> Result<BTreeMap<String, ObjectId>, Failure> {
    Ok(text(repository)?.lines().filter_map(entry).map(|(name, id)| (name.to_owned(), id)).collect())
}

/// Writes the file again without one ref, if that is in it.
pub(super) fn remove(repository: &Path, name: &str) -> Result<(), Failure> {
    let text = text(repository)?;
    if !text.lines().filter_map(entry).any(|(found, _)| found == name) {
        return Ok(());
    }
    let path = repository.join("packed-refs");
    let lock = repository.join("packed-refs.lock");
    let written = write(&lock, &without(&text, name)).map_err(|e| durable::disk("cannot write", &path, &e));
    let placed = written.and_then(|()| durable::rename(&lock, &path));
    if placed.is_err() {
        let _ = durable::remove(&lock);
    }
    placed?;
    durable::sync(repository)
}

fn text(repository: &Path) -> Result<String, Failure> {
    let path = repository.join("packed-refs");
    match std::fs::read(&path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(durable::disk("cannot read", &path, &error)),
    }
}

/// `<object> <name>`; the header and the peeled tags (`^<object>`) are none.
fn entry(line: &str) -> Option<(&str, ObjectId)> {
    let (id, name) = line.split_once(' ')?;
    Some((name, ObjectId::from_hex(id)?))
}

/// A peeled tag belongs to the line before it.
fn without(text: &str, name: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut dropping = false;
    for line in text.lines() {
        dropping = entry(line).is_some_and(|(found, _)| found == name) || (dropping && line.starts_with('^'));
        if !dropping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_tag_takes_its_peeled_line_along() {
        let (a, b) = ("1".repeat(40), "2".repeat(40));
        let text = format!("# pack-refs with: peeled\n{a} refs/tags/a\n^{b}\n{b} refs/tags/b\n^{a}\n");
        assert_eq!(without(&text, "refs/tags/a"), format!("# pack-refs with: peeled\n{b} refs/tags/b\n^{a}\n"));
    }
}
