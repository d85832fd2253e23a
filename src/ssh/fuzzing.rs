//! The reader of `known_hosts`, for the fuzz target in `fuzz/`; the tests replay its seeds.

use super::host_pattern::{HostPattern, spec};
use super::known_hosts::parse;

/// Reads `text` as a file, and looks up a host in it; its first line, without the `#`, says which.
///
/// # Panics
/// When a parser does, or when a line comes back that is not there.
pub fn known_hosts(text: &str) {
    let host = text.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
    let (lines, damaged) = parse(text);
    let count = text.lines().count();
    assert!(lines.len() + damaged.len() <= count);
    for line in &lines {
        assert!((1..=count).contains(&line.number));
        let _hit = line.hosts.matches(&spec(host, 22));
        let _hit = line.hosts.matches(&spec(host, 2222));
    }
    for (number, problem) in damaged {
        assert!((1..=count).contains(&number) && !problem.is_empty());
    }
    if !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')) {
        for port in [22, 2222] {
            let own = HostPattern::parse(&spec(host, port));
            assert!(own.is_ok_and(|own| own.matches(&spec(host, port))), "{host} does not match itself");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_of_the_fuzz_target_are_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/known_hosts");
        let mut seeds = 0;
        for entry in std::fs::read_dir(folder).expect("the seeds") {
            super::known_hosts(&std::fs::read_to_string(entry.expect("a file").path()).expect("text"));
            seeds += 1;
        }
        assert!(seeds >= 5, "only {seeds} seeds in {folder}");
    }
}
