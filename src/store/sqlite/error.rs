//! What `SQLite` says, in words for people.

use std::io;
use std::path::Path;

use sqlx::migrate::MigrateError;

use crate::domain::{Failure, FailureClass};

// Primary result codes, https://www.sqlite.org/rescode.html
const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const CONSTRAINT: i32 = 19;
const NOTADB: i32 = 26;

const DAMAGED: &str = "is damaged, or is not a store of appferry";

/// A [`Failure`] for what `error` says about the store in `file`.
pub(in crate::store) fn failure(file: &Path, doing: &str, error: &sqlx::Error) -> Failure {
    let file = file.display();
    let disk = |what: &str, remedy: &str| Failure::new(FailureClass::Disk, format!("{doing}: {file} {what}"), remedy);
    match code(error) {
        Some(CORRUPT | NOTADB) => damaged(doing, &file),
        Some(FULL) => Failure::disk(format!("{doing}: {file}"), &io::Error::from(io::ErrorKind::StorageFull)),
        Some(READONLY | PERM) => {
            disk("cannot be written", "mount it writable and give it to the user that appferry runs as")
        }
        Some(CANTOPEN) => disk(
            "or the files beside it cannot be opened",
            "give the data folder to the user that appferry runs as, and check that its disk is not full",
        ),
        Some(IOERR) => {
            disk(&format!("cannot be read or written ({error})"), "check its file system and free space on it")
        }
        Some(BUSY | LOCKED) => busy(doing, &file),
        Some(_) => Failure::internal(format!("{doing}: {file}: {error}")),
        None => match error {
            sqlx::Error::PoolTimedOut => busy(doing, &file),
            sqlx::Error::Io(error) => Failure::disk(format!("{doing}: {file}"), error),
            // A value that our own tables cannot hold.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => damaged(doing, &file),
            _ => Failure::internal(format!("{doing}: {file}: {error}")),
        },
    }
}

/// A [`Failure`] for a store that cannot be brought up to date.
pub(super) fn migration(file: &Path, error: &MigrateError) -> Failure {
    let shown = file.display();
    match error {
        MigrateError::VersionMissing(found) => Failure::new(
            FailureClass::Disk,
            format!("{shown} was written by a newer appferry (its schema {found} is not known to this one)"),
            "start that version or a newer one, or put back the data folder's backup from before the update",
        ),
        MigrateError::VersionMismatch(found) | MigrateError::Dirty(found) => Failure::new(
            FailureClass::Disk,
            format!("{shown} was written by another build of appferry (its schema {found} differs)"),
            "start the build that wrote it, or put back a backup of the data folder",
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failure(file, "bringing the key store up to date", error)
        }
        other => Failure::internal(format!("bringing {shown} up to date: {other}")),
    }
}

/// A [`Failure`] for a file whose content makes no sense.
pub(super) fn damaged(doing: &str, file: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        FailureClass::Disk,
        format!("{doing}: {file} {DAMAGED}"),
        "stop appferry, keep the file aside, and put back a backup of the data folder",
    )
}

/// Whether `failure` says that a file's content makes no sense.
pub(in crate::store) fn is_damaged(failure: &Failure) -> bool {
    failure.class == FailureClass::Disk && failure.message.contains(DAMAGED)
}

/// Whether another process holds the file right now.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(BUSY | LOCKED))
}

/// Whether `code` (extended, as text) is that of a constraint or a trigger that said no.
pub(in crate::store) fn is_constraint(code: &str) -> bool {
    code.parse::<i32>().is_ok_and(|code| code & 0xff == CONSTRAINT)
}

fn busy(doing: &str, file: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        FailureClass::Disk,
        format!("{doing}: another process has held {file} for seconds"),
        "end the program that holds it, or try again",
    )
}

/// The primary result code: the low byte of the extended one.
fn code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
