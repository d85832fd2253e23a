//! Whether the way to the database is encrypted, and to whom.

use std::net::IpAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The library's default, `prefer`, goes on in plain text when the other side says so, whoever that is. To another machine
/// it has to be `verify-full`, unless the URL says otherwise.
pub(super) fn secured(options: PgConnectOptions, url: &str) -> PgConnectOptions {
    if is_here(&options) {
        return options;
    }
    match options.get_ssl_mode() {
        PgSslMode::VerifyFull | PgSslMode::VerifyCa => options,
        PgSslMode::Prefer if !names_mode(url) => options.ssl_mode(PgSslMode::VerifyFull),
        weak => {
            let host = options.get_host();
            tracing::warn!(
                host,
                "the sslmode {weak:?} lets others on the way read what goes to the database; use verify-full"
            );
            options
        }
    }
}

fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.is_some_and(|address| address.is_loopback())
}

fn names_mode(url: &str) -> bool {
    let Some((_, query)) = url.split_once('?') else { return false };
    query.split('&').any(|pair| matches!(pair.split('=').next(), Some("sslmode" | "ssl-mode")))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn only_a_database_on_this_machine_is_spoken_to_in_plain_text_unasked() {
        for (url, mode) in [
            ("postgres://u:p@db.example:5432/keys", "VerifyFull"),
            ("postgres://u:p@10.0.0.7/keys", "VerifyFull"),
            ("postgres://u:p@localhost.example/keys?application_name=sslmode", "VerifyFull"),
            ("postgres://u:p@db.example/keys?sslrootcert=/ca.pem", "VerifyFull"),
            ("postgres://u:p@db.example/keys?sslmode=prefer", "Prefer"),
            ("postgres://u:p@db.example/keys?a=b&sslmode=disable", "Disable"),
            ("postgres://u:p@db.example/keys?sslmode=verify-ca", "VerifyCa"),
            ("postgres://u:p@localhost/keys", "Prefer"),
            ("postgres://u:p@127.0.0.1:5432/keys", "Prefer"),
            ("postgres://u:p@[::1]/keys", "Prefer"),
            ("postgres://u:p@%2Frun%2Fpostgresql/keys", "Prefer"),
            ("postgres://u:p@localhost/keys?host=/run/postgresql", "Prefer"),
            ("postgres://u:p@localhost/keys?hostaddr=10.0.0.7", "VerifyFull"),
        ] {
            let options = secured(PgConnectOptions::from_str(url).unwrap(), url);
            assert_eq!(format!("{:?}", options.get_ssl_mode()), mode, "{url}");
        }
    }
}
