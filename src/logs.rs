//! The log: lines for people or JSON objects, always on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;

/// Starts the log. `RUST_LOG` is the filter, `info` by default. Calling it again changes nothing.
pub fn init(format: LogFormat) {
    init_at(LevelFilter::INFO, format);
}

/// As [`init`], for what shows its own view of things on the terminal: only warnings, unless `RUST_LOG` asks for more.
pub fn init_beside_a_view() {
    init_at(LevelFilter::WARN, LogFormat::Human);
}

fn init_at(level: LevelFilter, format: LogFormat) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(io::stderr);
    // A second log can only be wanted by a test; the first one goes on.
    let _already_there = match format {
        LogFormat::Human => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            lines.with_ansi(colours).with_target(false).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

fn filter(level: LevelFilter) -> EnvFilter {
    let builder = EnvFilter::builder().with_default_directive(level.into());
    if std::env::var_os(EnvFilter::DEFAULT_ENV).is_some_and(|value| !value.is_empty()) {
        return builder.from_env_lossy();
    }
    // The level stands here, too: beside other directives the default one does not count.
    // At `info` notify complains about each watch of a folder that is gone, which is no news.
    // What a certificate lacks is in our own words already.
    builder.parse_lossy(format!("{level},notify=warn,rustls_platform_verifier=off"))
}
