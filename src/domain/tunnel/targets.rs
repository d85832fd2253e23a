//! Where tunnels may lead to.

use super::Endpoint;

/// Patterns of targets: `db.internal:5432`, `*.internal:*`, `/run/*`; a `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedTargets(Vec<String>);

impl AllowedTargets {
    /// Reads patterns separated by `,` or spaces; none means that every target is allowed.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let split = text.split([',', ' ', '\n', '\t']).map(str::trim).filter(|pattern| !pattern.is_empty());
        Self(split.map(str::to_ascii_lowercase).collect())
    }

    /// Whether a tunnel may lead there.
    #[must_use]
    pub fn allow(&self, target: &Endpoint) -> bool {
        let text = target.to_string().to_ascii_lowercase();
        self.0.is_empty() || self.0.iter().any(|pattern| matches(pattern, &text))
    }

    /// The patterns, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        self.0.join(", ")
    }
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
        let allows = |patterns: &str, target: &str| AllowedTargets::parse(patterns).allow(&target.parse().unwrap());
        assert!(allows("", "db:1") && allows("db:1, x:2", "db:1") && allows("*.Internal:*", "a.internal:5432"));
        assert!(
            allows("db-*.internal:5432", "db-1.internal:5432")
                && allows("/run/*", "/run/x/y")
                && allows("*:5432", "z:5432")
        );
        assert!(
            !allows("db:1", "db:10") && !allows("*.internal:5432", "internal:5432") && !allows("db*:5*2", "db:5433")
        );
    }
}
