//! Which files of the folder are keys.

use std::fs;
use std::path::Path;

use super::file::{self, Sight};
use crate::domain::{Failure, KeyName};
use crate::key_sources::private::{HEADER_LEN, looks_private};

/// The names of the files that look like private keys, sorted. Other secrets lie there, too; of them nothing is kept. Blocks.
///
/// # Errors
/// [`FailureClass::Disk`](crate::domain::FailureClass::Disk): the folder cannot be read.
pub(super) fn keys(dir: &Path) -> Result<Vec<KeyName>, Failure> {
    let failed = |error| Failure::disk(format!("the folder of keys {} cannot be read", dir.display()), &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Names that start with a dot are no key names: Kubernetes keeps what it swaps under `..data`.
        let Some(name) = entry.file_name().to_str().and_then(|name| KeyName::new(name).ok()) else { continue };
        match file::read_up_to(&entry.path(), HEADER_LEN as u64) {
            Ok(Sight::File(snapshot)) if looks_private(&snapshot.content) => found.push(name),
            Ok(_) => {}
            Err(error) => tracing::debug!(path = %entry.path().display(), %error, "left out of the list of keys"),
        }
    }
    found.sort();
    Ok(found)
}
