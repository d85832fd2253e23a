//! Zip, stored or deflated.

use std::io::{BufReader, BufWriter, Read, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::gather::{Gather, refused};
use super::{ArchiveError, Limits, Load, unwritten};
use crate::domain::{AppFile, EntryKind};

const FORM: &str = "zip";
const KIND_BITS: u32 = 0o170_000;
const SYMLINK: u32 = 0o120_000;
const REGULAR: u32 = 0o100_000;

pub(super) fn read(source: impl Read + Seek, limits: Limits, gather: &mut Gather<'_>) -> Result<(), ArchiveError> {
    let mut archive = ZipArchive::new(BufReader::new(source)).map_err(broken)?;
    if archive.len() > limits.entries {
        return Err(ArchiveError::TooLarge(format!("the app has more than {} files and folders", limits.entries)));
    }
    // Readers disagree on which of two is meant; what overlaps is how a small zip unpacks to terabytes.
    if archive.has_duplicate_names() {
        return Err(broken("it has two entries of one name"));
    }
    if archive.has_overlapping_files().map_err(broken)? {
        return Err(broken("its entries overlap"));
    }
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(broken)?;
        let Ok(path) = std::str::from_utf8(entry.name_raw()).map(str::to_owned) else {
            return Err(refused(&String::from_utf8_lossy(entry.name_raw()), "its name is not UTF-8"));
        };
        let mode = entry.unix_mode().unwrap_or(REGULAR);
        if entry.is_dir() {
            gather.folder(&path)?;
        } else if mode & KIND_BITS == SYMLINK {
            return Err(refused(&path, "it is a symbolic link; send the file itself"));
        } else if mode & KIND_BITS != REGULAR && mode & KIND_BITS != 0 {
            return Err(refused(&path, "it is neither a file nor a folder"));
        } else {
            gather.file((FORM, &path), mode & 0o100 != 0, entry)?;
        }
    }
    Ok(())
}

fn broken(error: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::Broken { form: FORM, problem: error.to_string() }
}

pub(super) fn write(files: &[AppFile], load: Load<'_>, target: impl Write + Seek) -> Result<(), ArchiveError> {
    let mut archive = ZipWriter::new(BufWriter::new(target));
    for file in files {
        let content = load(file.id)?;
        let mode = if file.kind == EntryKind::Executable { 0o755 } else { 0o644 };
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(mode);
        archive.start_file(file.path.as_str(), options).map_err(unwritten)?;
        archive.write_all(&content).map_err(unwritten)?;
    }
    archive.finish().map_err(unwritten)?.flush().map_err(unwritten)
}
