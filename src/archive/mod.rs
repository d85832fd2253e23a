//! Whole apps on the wire: a tar, a zip, or a JSON map of path to content.
//!
//! What comes is not trusted: every path is checked, every size is counted while it is read, and one file at a time is in
//! memory. Nothing of it is anybody's app before all of it was read.

mod gather;
mod json;
mod metered;
mod names;
mod tarball;
mod zipped;

use std::io::{Read, Seek, Write};

use crate::domain::{AppFile, Failure, ObjectId};

use gather::Gather;

/// How an app is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A JSON object: each key a path, each value the text, or `{"base64": …}` for what is not text.
    Json,
    /// A tar.
    Tar,
    /// A tar, compressed by gzip.
    TarGz,
    /// A zip.
    Zip,
}

impl Form {
    /// All there are, the one to choose first.
    pub const ALL: [Self; 4] = [Self::Json, Self::Tar, Self::Zip, Self::TarGz];

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Tar => "application/x-tar",
            Self::TarGz => "application/gzip",
            Self::Zip => "application/zip",
        }
    }
}

/// What an app may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of all files.
    pub whole: u64,
    /// Files and folders.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 25_000_000, whole: 256 << 20, entries: 50_000 }
    }
}

/// Why an app cannot be read or written down.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is not what it says it is, or only a part of it came.
    #[error("the body is no whole {form}: {problem}")]
    Broken {
        /// What it should be.
        form: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Something in it must never be written.
    #[error("{path:?} is refused: {rule}")]
    Refused {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        rule: String,
    },
    /// More than the limits allow.
    #[error("{0}")]
    TooLarge(String),
    /// It holds no file at all.
    #[error("it holds no file; DELETE deletes an app")]
    Empty,
    /// The content cannot be stored here, or not be read from here.
    #[error(transparent)]
    Store(#[from] Failure),
}

/// Keeps the content of a file and answers where.
pub type Store<'a> = &'a mut dyn FnMut(&[u8]) -> Result<ObjectId, Failure>;
/// Brings the content of a file.
pub type Load<'a> = &'a dyn Fn(ObjectId) -> Result<Vec<u8>, Failure>;

/// Reads an app from `source`, from where that stands. Blocks.
///
/// # Errors
/// An [`ArchiveError`]; what was stored by then is nobody's.
pub fn read(
    form: Form,
    source: impl Read + Seek,
    limits: Limits,
    store: Store<'_>,
) -> Result<Vec<AppFile>, ArchiveError> {
    let mut gather = Gather::new(limits, store);
    match form {
        Form::Json => json::read(source, &mut gather)?,
        Form::Tar => tarball::read(source, &mut gather)?,
        Form::TarGz => tarball::read_compressed(source, limits, &mut gather)?,
        Form::Zip => zipped::read(source, limits, &mut gather)?,
    }
    gather.finish()
}

/// Writes an app into `target`. Equal apps give equal bytes: no times, no owners. Blocks.
///
/// # Errors
/// [`ArchiveError::Store`].
pub fn write(form: Form, files: &[AppFile], load: Load<'_>, target: impl Write + Seek) -> Result<(), ArchiveError> {
    match form {
        Form::Json => json::write(files, load, target),
        Form::Tar => tarball::write(files, load, target),
        Form::TarGz => tarball::write_compressed(files, load, target),
        Form::Zip => zipped::write(files, load, target),
    }
}

fn unwritten(error: impl std::fmt::Display) -> ArchiveError {
    let error = std::io::Error::other(error.to_string());
    ArchiveError::Store(Failure::disk("writing an app into a temporary file", &error))
}

#[cfg(test)]
mod tests;
