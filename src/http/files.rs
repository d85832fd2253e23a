//! The two files in the data folder by which the command line finds the worker: `api.addr` and `api.token`.
//!
//! All calls block, briefly.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use crate::domain::Failure;

const ADDRESS_FILE: &str = "api.addr";
const TOKEN_FILE: &str = "api.token";
const RUN_TOKEN_FILE: &str = "run.token";
const TOKEN_DIGITS: usize = 64;

/// The token of the API: the one in `data_dir`, or a new one (256 random bits, in a file only its owner can read).
///
/// # Errors
/// Class disk.
pub fn api_token(data_dir: &Path) -> Result<SecretString, Failure> {
    token(data_dir, TOKEN_FILE)
}

/// The token that may run saved shell commands and do nothing else; kept in the same way, beside the other.
///
/// # Errors
/// Class disk.
pub fn run_token(data_dir: &Path) -> Result<SecretString, Failure> {
    token(data_dir, RUN_TOKEN_FILE)
}

fn token(data_dir: &Path, file: &str) -> Result<SecretString, Failure> {
    let path = data_dir.join(file);
    let failed = |error: &io::Error| Failure::disk(format!("cannot keep the API's token in {}", path.display()), error);
    if let Ok(token) = read(&path) {
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|error| failed(&error))?;
        return Ok(token);
    }
    let token = SecretString::from(format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()));
    replace(&path, token.expose_secret()).map_err(|error| failed(&error))?;
    Ok(token)
}

/// The token that a worker left in `data_dir`.
///
/// # Errors
/// There is none, it may not be read, or it is damaged.
pub fn read_token(data_dir: &Path) -> io::Result<SecretString> {
    read(&data_dir.join(TOKEN_FILE))
}

fn read(path: &Path) -> io::Result<SecretString> {
    let text = fs::read_to_string(path)?;
    let token = text.trim();
    let whole = token.len() == TOKEN_DIGITS && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { Ok(token.to_owned().into()) } else { Err(io::Error::other("it does not hold a token")) }
}

/// Writes down where the API listens. An address that means *all interfaces* is written as loopback.
///
/// # Errors
/// Class disk.
pub fn announce(data_dir: &Path, address: SocketAddr) -> Result<(), Failure> {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback: SocketAddr =
            if address.is_ipv4() { ([127, 0, 0, 1], 0).into() } else { ([0, 0, 0, 0, 0, 0, 0, 1u16], 0).into() };
        address.set_ip(loopback.ip());
    }
    let path = data_dir.join(ADDRESS_FILE);
    replace(&path, &address.to_string())
        .map_err(|error| Failure::disk(format!("cannot write the API's address into {}", path.display()), &error))
}

/// Takes the address back when the worker stops. What cannot be removed is found stale by whoever connects.
pub fn withdraw(data_dir: &Path) {
    if let Err(error) = fs::remove_file(data_dir.join(ADDRESS_FILE))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, "the API's address stays in the data folder");
    }
}

/// Where the worker of `data_dir` listens.
///
/// # Errors
/// Nothing was announced, it may not be read, or it is damaged.
pub fn announced_address(data_dir: &Path) -> io::Result<SocketAddr> {
    let text = fs::read_to_string(data_dir.join(ADDRESS_FILE))?;
    text.trim().parse().map_err(|_| io::Error::other("it does not hold an address"))
}

/// Whoever reads sees the old content or the new one; only the owner may read.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let staged = path.with_extension("new");
    if let Err(error) = fs::remove_file(&staged)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&staged, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_made_once_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let token = api_token(dir.path()).expect("a token");
        assert_eq!(token.expose_secret().len(), 64);
        let path = dir.path().join("api.token");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("loosened");
        assert_eq!(api_token(dir.path()).expect("the same").expose_secret(), token.expose_secret());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::write(&path, "half a tok").expect("damaged");
        assert_ne!(api_token(dir.path()).expect("a new one").expose_secret(), "half a tok");
    }

    #[test]
    fn the_address_is_announced_and_withdrawn() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(announced_address(dir.path()).is_err());
        announce(dir.path(), ([0, 0, 0, 0], 81).into()).expect("written");
        assert_eq!(announced_address(dir.path()).expect("read").to_string(), "127.0.0.1:81");
        withdraw(dir.path());
        withdraw(dir.path());
        assert!(announced_address(dir.path()).is_err());
    }
}
