//! Parts of ref names made from the names of apps and instances (rule 9).

use sha2::{Digest, Sha256};

/// Bytes of a component before a hash takes the place of the rest.
const LONGEST: usize = 100;

/// `name` as one component of a ref: bytes outside `[A-Za-z0-9_-]` are percent-encoded; what is longer than 100 bytes is
/// cut and told apart by a hash.
#[must_use]
pub fn component(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        let part = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        if encoded.len() + part.len() > LONGEST {
            let hash =
                Sha256::digest(name.as_bytes()).iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte));
            return format!("{encoded}-{hash:016x}");
        }
        encoded.push_str(&part);
    }
    encoded
}

/// A moment as `YYYYMMDDTHHMMSSZ`.
#[must_use]
pub fn time_component(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The moment that [`time_component`] wrote, in seconds since the Unix epoch.
#[must_use]
pub fn parse_time_component(text: &str) -> Option<i64> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text.get(..16)?).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_one_safe_component() {
        assert_eq!(component("PO App"), "PO%20App");
        assert_eq!(component("a/b..c"), "a%2Fb%2E%2Ec");
        let long = component(&"ü".repeat(120));
        assert!(long.len() <= 117, "{long}");
        assert_ne!(long, component(&"ü".repeat(121)));
    }

    #[test]
    fn times_come_back() {
        assert_eq!(time_component(1_700_000_000), "20231114T221320Z");
        assert_eq!(parse_time_component("20231114T221320Z"), Some(1_700_000_000));
        assert_eq!(parse_time_component("20231114T221320Z-2"), Some(1_700_000_000));
        assert_eq!(parse_time_component("yesterday"), None);
    }
}
