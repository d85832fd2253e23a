//! Variables that are not known, but nearly are: misspelt names are silent mistakes otherwise.

use std::collections::BTreeSet;

use super::tunnels::PREFIX as TUNNEL;
use super::variables::{VARIABLES, is_known};

/// One warning for each variable of our families that is not known but close to a known one.
pub(super) fn misspelt<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut warnings: Vec<String> = names
        .filter(|name| !is_known(name) && !is_service_link(name) && !name.starts_with(TUNNEL))
        .filter_map(|name| Some((name, nearest(name).map(str::to_owned).or_else(|| tunnel_of(name))?)))
        .map(|(name, known)| format!("{name} is not a known variable; did you mean {known}?"))
        .collect();
    warnings.sort();
    warnings
}

/// Kubernetes puts `<SERVICE>_PORT…` and `<SERVICE>_SERVICE_…` into each pod; a service may well be called `appferry`.
fn is_service_link(name: &str) -> bool {
    ["APPFERRY_PORT", "APPFERRY_SERVICE_", "GIT_SYNC_PORT", "GIT_SYNC_SERVICE_"]
        .iter()
        .any(|link| name.starts_with(link))
        || name.strip_prefix("APPFERRY_TUNNEL").is_some_and(ends_as_service_link)
}

/// What Kubernetes puts behind the name of a service, as in `APPFERRY_TUNNEL_DB_SERVICE_HOST` and `…_PORT_5432_TCP_ADDR`.
pub(super) fn ends_as_service_link(name: &str) -> bool {
    let has_port = name.split("_PORT").skip(1).any(|rest| rest.is_empty() || rest.starts_with('_'));
    has_port || name.ends_with("_SERVICE_HOST")
}

/// What begins like a tunnel's variable, and is none.
fn tunnel_of(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let rest = upper.strip_prefix("APPFERRY_TUNNEL")?;
    let rest = rest.strip_prefix('S').filter(|rest| rest.starts_with('_')).unwrap_or(rest).trim_start_matches('_');
    Some(if rest.is_empty() { format!("{TUNNEL}<NAME>") } else { format!("{TUNNEL}{rest}") })
}

fn nearest(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase().replace('-', "_");
    let family =
        ["APPFERRY_", "GIT_SYNC", "GIT_PROVIDER"].into_iter().any(|family| distance_at_most(&upper, family, 2));
    if !family || name.len() > 100 {
        return None;
    }
    let by_spelling = VARIABLES
        .iter()
        .map(|variable| (edit_distance(&upper, variable.name), variable.name))
        .filter(|(distance, _)| *distance <= 3)
        .min();
    by_spelling.map(|(_, known)| known).or_else(|| by_words(&upper))
}

/// Whether `name` begins like `family`, give or take `limit` edits.
fn distance_at_most(name: &str, family: &str, limit: usize) -> bool {
    let beginning: String = name.chars().take(family.len()).collect();
    edit_distance(&beginning, family) <= limit
}

/// A known variable that has all the words of `name`, or none but its words: `GIT_SYNC_BRANCH`, `GIT_SYNC_TOKEN`.
fn by_words(name: &str) -> Option<&'static str> {
    let words: BTreeSet<&str> =
        name.split('_').filter(|word| !matches!(*word, "" | "GIT" | "SYNC" | "APPFERRY")).collect();
    let shared = |known: &str| words.iter().all(|word| known.split('_').any(|part| part == *word));
    if words.is_empty() {
        return None;
    }
    let same_family = |known: &str| known.split('_').next() == name.split('_').next();
    let candidates = VARIABLES.iter().map(|variable| variable.name).filter(|known| same_family(known) && shared(known));
    candidates.min_by_key(|known| known.len())
}

/// How many characters must be put in, taken out or changed (Levenshtein).
pub(super) fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in (1..).zip(a.chars()) {
        let mut diagonal = line - 1;
        let mut left = line;
        let mut next = vec![line];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            left = changed.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_variable_that_was_meant() {
        for (given, meant) in [
            ("GIT_SYNC_BRANCH", "GIT_SYNC_BRANCH_NAME"),
            ("GIT_SYNC_REPO_URL", "GIT_SYNC_SSH_REPO_URL"),
            ("GIT_SYNC_TOKEN", "GIT_SYNC_PERSONAL_ACCESS_TOKEN"),
            ("GIT_SYNC_ISGLOBAL", "GIT_SYNC_IS_GLOBAL"),
            ("git_sync_branch_name", "GIT_SYNC_BRANCH_NAME"),
            ("APPFERRY_APP_DIR", "APPFERRY_APPS_DIR"),
            ("APPFERY_DATA_DIR", "APPFERRY_DATA_DIR"),
            ("GIT_PROVIDR", "GIT_PROVIDER"),
            ("APPFERRY_TUNNELS_DB", "APPFERRY_TUNNEL_DB"),
            ("APPFERRY_TUNNELDB", "APPFERRY_TUNNEL_DB"),
            ("appferry_tunnel_db", "APPFERRY_TUNNEL_DB"),
            ("APPFERRY_TUNNEL", "APPFERRY_TUNNEL_<NAME>"),
            ("APPFERRY_TUNNELS_ALOWED", "APPFERRY_TUNNELS_ALLOWED"),
        ] {
            let warnings = misspelt([given].into_iter());
            assert!(warnings.iter().any(|warning| warning.ends_with(&format!("{meant}?"))), "{given}: {warnings:?}");
        }
    }

    #[test]
    fn says_nothing_about_strangers_and_what_kubernetes_puts_there() {
        let names = [
            "PATH",
            "GIT_DIR",
            "APPFERRY_PORT_7420_TCP",
            "APPFERRY_SERVICE_HOST",
            "APPFERRY_PORT",
            "APPS_DIR",
            "",
            "APPFERRY_TUNNEL_DB_SERVICE_HOST",
            "APPFERRY_TUNNELS_PORT",
            "APPFERRY_TUNNEL_SERVICE_PORT_HTTP",
        ];
        assert_eq!(misspelt(names.into_iter()), Vec::<String>::new());
    }

    #[test]
    fn edit_distance_counts() {
        assert_eq!([edit_distance("", "abc"), edit_distance("kitten", "sitting"), edit_distance("a", "a")], [3, 3, 0]);
    }
}
