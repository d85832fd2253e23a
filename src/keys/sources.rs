//! Where master keys come from.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::error::MasterKeyError;
use super::master::{MAX_INPUT_LEN, MasterKey};
use crate::config::MasterKeySources;

/// The keys that the configuration names, in its order, and what is worth saying about them. Blocks.
///
/// # Errors
/// [`MasterKeyError::File`] or [`MasterKeyError::Format`] for the first source that holds no key.
pub fn load(sources: &MasterKeySources) -> Result<(Vec<MasterKey>, Vec<String>), MasterKeyError> {
    let mut keys = Vec::new();
    let mut notices = Vec::new();
    for path in sources.files.iter().chain(&sources.credential) {
        keys.push(read(path)?);
    }
    if let Some(variable) = &sources.variable {
        keys.push(MasterKey::from_text("APPFERRY_MASTER_KEY", variable.expose_secret().as_bytes())?);
        notices.push(
            "the master key comes from the variable APPFERRY_MASTER_KEY, which every process of this user can read in \
             /proc and which ends up in container inspections; use APPFERRY_MASTER_KEY_FILE instead"
                .to_owned(),
        );
    }
    Ok((keys, notices))
}

/// The key in the file at `path`. Blocks.
///
/// # Errors
/// [`MasterKeyError::File`] or [`MasterKeyError::Format`].
pub fn read(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let failed = |error: io::Error| MasterKeyError::File {
        path: path.to_owned(),
        what: "cannot be read",
        remedy: match error.kind() {
            io::ErrorKind::NotFound => "check that the secret is mounted and the path is right",
            _ => "give the user that appferry runs as read access to it",
        },
        error,
    };
    // One byte more than fits shows a file that is too long, however long it is. The room is there from the start: a
    // buffer that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(2 * MAX_INPUT_LEN));
    let limit = MAX_INPUT_LEN as u64 + 1;
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut content).map_err(failed)?;
    MasterKey::from_file_content(&format!("the master key file {}", path.display()), &content)
}
