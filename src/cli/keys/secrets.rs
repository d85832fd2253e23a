//! Secrets that come in by a file or by standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// The longest content that is read, in bytes; one more shows that there is more.
const LONGEST: usize = 64 * 1024;

/// The content of a file, or of standard input for `-`. Blocks.
pub(super) fn content(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    if path == Path::new("-") {
        return read(io::stdin().lock()).context("standard input cannot be read");
    }
    let opened = File::open(path)
        .and_then(|file| if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) });
    opened.and_then(read).with_context(|| format!("the file {} cannot be read", path.display()))
}

/// A passphrase from a file or from standard input; it loses one newline at its end. Blocks.
pub(super) fn passphrase(file: Option<&Path>, stdin: bool) -> anyhow::Result<Option<SecretString>> {
    let path = match (file, stdin) {
        (Some(path), _) => path,
        (None, true) => Path::new("-"),
        (None, false) => return Ok(None),
    };
    let bytes = content(path)?;
    let Ok(text) = std::str::from_utf8(&bytes) else { bail!("the passphrase is not UTF-8 text") };
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        bail!("the passphrase is empty; leave the option away for a key without one");
    }
    Ok(Some(SecretString::from(line)))
}

/// The room is there from the start: a buffer that grows leaves copies behind.
fn read(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    source.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 64 KiB; is that the right file?"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_passphrase_loses_one_newline_and_nothing_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, expected) in [("a b \n", "a b "), ("x\r\n", "x"), ("x\n\n", "x\n"), ("x", "x")] {
            std::fs::write(file.path(), content).unwrap();
            let read = passphrase(Some(file.path()), false).unwrap().unwrap();
            assert_eq!(read.expose_secret(), expected);
        }
        std::fs::write(file.path(), "\n").unwrap();
        assert!(passphrase(Some(file.path()), false).is_err());
        assert!(passphrase(Some(Path::new("/")), false).is_err());
        assert!(passphrase(None, false).unwrap().is_none());
    }
}
