//! What may be a password, and must not be shown.

use super::percent::decoded;

/// `text` for an error message: what may be a password is left out, and it is cut at 200 characters.
pub(super) fn without_secret(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(start);
    let is_secret =
        |before: &str| before.contains([':', '%']) || decoded(before).is_ok_and(|user| looks_like_token(&user));
    let shown = match rest.rsplit_once('@') {
        Some((before, after)) if is_secret(before) => format!("{scheme}***@{after}"),
        _ => text.to_owned(),
    };
    // Some give the token as `?private_token=…`.
    let shown = match shown.split_once(['?', '#']) {
        Some((before, _)) if !scheme.is_empty() => format!("{before}?***"),
        _ => shown,
    };
    shown.chars().take(200).collect()
}

/// User names are short and speak; what providers issue as tokens is long or has a known beginning.
pub(super) fn looks_like_token(user: &str) -> bool {
    let prefixes = ["ghp_", "gho_", "ghu_", "ghs_", "github_pat_", "glpat-", "gldt-", "ATCTT", "ATBB", "ATATT"];
    let long =
        user.len() >= 32 && user.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '='));
    long || prefixes.iter().any(|prefix| user.starts_with(prefix))
}
