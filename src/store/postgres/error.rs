//! What `PostgreSQL` says, in words for people.

use std::borrow::Cow;
use std::io;

use sqlx::migrate::MigrateError;

use crate::domain::{Failure, FailureClass};

/// A [`Failure`] for what `error` says about the store in the database at `place`.
pub(super) fn failure_of_code(place: &str, doing: &str, code: &str, said: &str) -> Failure {
    let refused = |what: &str, remedy: &str| {
        Failure::new(FailureClass::Refused, format!("{doing}: the database {place} {what} ({said})"), remedy)
    };
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    match code {
        "53100" => {
            Failure::disk(format!("{doing}: the database {place}"), &io::Error::from(io::ErrorKind::StorageFull))
        }
        "25006" => {
            refused("is read-only", "name its primary in APPFERRY_DATABASE_URL, or wait until it takes writes again")
        }
        "42501" => refused(
            "does not let this user do that",
            "grant the user of APPFERRY_DATABASE_URL CREATE on the schema, or make it the owner of the database",
        ),
        _ if code.starts_with("28") || code == "3D000" => {
            refused("does not let us in", "check user, password and database name in APPFERRY_DATABASE_URL")
        }
        // A limit of time, a deadlock, or another that was faster.
        "55P03" | "57014" | "25P03" | "40P01" | "40001" => busy(place, doing, said),
        // Too many connections, shutting down, starting, lost.
        _ if code.starts_with("53") || code.starts_with("57P") || code.starts_with("08") => away(place, doing, said),
        _ => Failure::internal(format!("{doing}: the database {place}: {said} ({code})")),
    }
}

/// A [`Failure`] for what `error` says about the store in the database at `place`.
pub(in crate::store) fn failure(place: &str, doing: &str, error: &sqlx::Error) -> Failure {
    if let Some(database) = error.as_database_error() {
        let code = database.code().unwrap_or(Cow::Borrowed(""));
        return failure_of_code(place, doing, &code, database.message());
    }
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => Failure::new(
            FailureClass::Disk,
            format!("{doing}: the database {place} holds something that no appferry has written"),
            "put back a backup of that database, or give appferry one of its own",
        ),
        // A certificate that is not trusted comes as "invalid data".
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            insecure(place, doing, &error.to_string())
        }
        sqlx::Error::Io(error) => away(place, doing, &error.to_string()),
        sqlx::Error::Tls(error) => insecure(place, doing, &error.to_string()),
        sqlx::Error::PoolTimedOut => away(place, doing, "no connection within 10 s"),
        sqlx::Error::Protocol(said) => away(place, doing, said),
        other => Failure::internal(format!("{doing}: the database {place}: {other}")),
    }
}

/// A [`Failure`] for tables that cannot be brought up to date.
pub(super) fn migration(place: &str, error: &MigrateError) -> Failure {
    match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionMismatch(found) | MigrateError::Dirty(found) => {
            Failure::new(
                FailureClass::Disk,
                format!("the database {place} was written by another appferry (its schema {found} is not this one's)"),
                "start the version that wrote it, or a newer one",
            )
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failure(place, "bringing the key store up to date", error)
        }
        other => Failure::internal(format!("bringing the database {place} up to date: {other}")),
    }
}

fn insecure(place: &str, doing: &str, said: &str) -> Failure {
    Failure::new(
        FailureClass::Refused,
        format!("{doing}: no trusted, encrypted connection to the key store's database {place} ({said})"),
        "give the server a certificate for this host name, and name its authority with ?sslrootcert=FILE in APPFERRY_DATABASE_URL, or allow less with sslmode there",
    )
}

fn busy(place: &str, doing: &str, said: &str) -> Failure {
    Failure::new(
        FailureClass::Connect,
        format!("{doing}: the key store's database {place} is busy ({said})"),
        "try again; if that goes on, see in pg_stat_activity which session holds a lock, and end it",
    )
}

fn away(place: &str, doing: &str, said: &str) -> Failure {
    Failure::new(
        FailureClass::Connect,
        format!("{doing}: the key store's database {place} does not answer ({said})"),
        "check that it runs and can be reached from here; a running service tries again by itself",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_refusal_has_its_class_and_a_remedy() {
        for (code, class) in [
            ("28P01", FailureClass::Refused),
            ("3D000", FailureClass::Refused),
            ("42501", FailureClass::Refused),
            ("25006", FailureClass::Refused),
            ("53100", FailureClass::Disk),
            ("53300", FailureClass::Connect),
            ("57P01", FailureClass::Connect),
            ("55P03", FailureClass::Connect),
            ("57014", FailureClass::Connect),
            ("40P01", FailureClass::Connect),
            ("40001", FailureClass::Connect),
            ("42P01", FailureClass::Internal),
        ] {
            let failure = failure_of_code("db:5432/keys", "storing the key", code, "words");
            assert_eq!(failure.class, class, "{code}");
            assert!(failure.message.contains("db:5432/keys") && !failure.remedy.is_empty(), "{failure}");
        }
    }
}
