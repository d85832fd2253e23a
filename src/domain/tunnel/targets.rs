//! Where tunnels may lead to.

use super::Endpoint;

/// Patterns of targets: `db.internal:5432`, `*.internal:*`, `/run/*`; a `*` stands for any text. One that begins with `/` is
/// for paths of sockets, every other one for hosts and ports; `*` alone is for both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedTargets(Vec<String>);

impl AllowedTargets {
    /// Reads patterns separated by `,` or spaces; none means that every target is allowed.
    ///
    /// # Errors
    /// Each pattern that no target could match, with what to write.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let patterns: Vec<String> = text
            .split([',', ' ', '\n', '\t'])
            .filter(|pattern| !pattern.is_empty())
            .map(|pattern| if is_path(pattern) { pattern.to_owned() } else { pattern.to_ascii_lowercase() })
            .collect();
        let without_a_port = |pattern: &&String| !is_path(pattern) && !may_end_in_a_port(pattern);
        let wrong = |pattern: &String| format!("{pattern:?} names no port; write `{pattern}:5432`, or `{pattern}:*`");
        let wrong: Vec<String> = patterns.iter().filter(without_a_port).map(wrong).collect();
        if wrong.is_empty() { Ok(Self(patterns)) } else { Err(wrong) }
    }

    /// Whether a tunnel may lead there.
    #[must_use]
    pub fn allow(&self, target: &Endpoint) -> bool {
        let text = target.to_string(); // hosts are in lower case
        let is_of_its_kind = |pattern: &str| pattern == "*" || is_path(pattern) == is_path(&text);
        self.0.is_empty() || self.0.iter().any(|pattern| is_of_its_kind(pattern) && matches(pattern, &text))
    }

    /// The patterns, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        self.0.join(", ")
    }
}

/// Whether `:port` can be the end of what the pattern stands for.
fn may_end_in_a_port(pattern: &str) -> bool {
    let is_port = |end: &str| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*');
    pattern.ends_with('*') || pattern.rsplit_once(':').is_some_and(|(_, end)| is_port(end))
}

fn is_path(text: &str) -> bool {
    text.starts_with('/')
}

/// What is between the stars comes in this order.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_allowed_by_a_pattern_or_when_there_is_none() {
        let allows =
            |patterns: &str, target: &str| AllowedTargets::parse(patterns).unwrap().allow(&target.parse().unwrap());
        let wrong = AllowedTargets::parse("db, x:1, *.internal, [::1], db:*, *, db*").unwrap_err();
        assert_eq!(wrong.len(), 3, "they could match nothing: {wrong:?}");
        assert!(allows("", "db:1") && allows("db:1, x:2", "db:1") && allows("*.Internal:*", "a.internal:5432"));
        assert!(
            allows("db-*.internal:5432", "db-1.internal:5432")
                && allows("/run/*", "/run/x/y")
                && allows("*:5432", "z:5432")
        );
        assert!(
            allows("*", "z:5432")
                && allows("*", "/run/x")
                && !allows("*:5432", "/run/x:5432")
                && !allows("/run/x", "/run/X")
        );
        assert!(
            !allows("db:1", "db:10") && !allows("*.internal:5432", "internal:5432") && !allows("db*:5*2", "db:5433")
        );
    }
}
