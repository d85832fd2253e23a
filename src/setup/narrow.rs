//! The values of options that narrow a key: targets of forwarding, addresses it may come from, and when it ends.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::authorized::OptionError;

/// A target that a tunnel may reach, as `permitopen=` has it: `host:port`, where the port may be `*`.
///
/// sshd compares the host by its bytes with what the tunnel asks for: a name does not cover its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    host: String,
    port: Option<u16>,
}

impl Destination {
    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Reads what a list of sshd allows, where the host may be `*`, too: any host.
    ///
    /// # Errors
    /// [`OptionError::Destination`].
    pub fn listed(text: &str) -> Result<Self, OptionError> {
        match text.strip_prefix("*:") {
            Some(port) => Ok(Self { host: "*".to_owned(), ..format!("any:{port}").parse()? }),
            None => text.parse(),
        }
    }

    /// Whether what is allowed to this target is allowed to the other one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        (self.host == "*" || self.host == other.host) && (self.port.is_none() || self.port == other.port)
    }

    /// The port; `None` is any.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl FromStr for Destination {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let wrong = || OptionError::Destination(text.to_owned());
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once("]:")) {
            Some(Some((host, port))) => (host.parse::<Ipv6Addr>().map_err(|_| wrong())?.to_string(), port),
            Some(None) => return Err(wrong()),
            None => text.rsplit_once(':').map(|(host, port)| (host.to_owned(), port)).ok_or_else(wrong)?,
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_name = !host.is_empty() && !host.starts_with('-') && host.len() <= 253 && host.chars().all(named);
        if !is_name && host.parse::<Ipv6Addr>().is_err() {
            return Err(wrong());
        }
        let port = match port {
            "*" => None,
            digits if digits.chars().all(|c| c.is_ascii_digit()) => match digits.parse() {
                Ok(port) if port > 0 => Some(port),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
        if self.host.contains(':') { write!(f, "[{}]:{port}", self.host) } else { write!(f, "{}:{port}", self.host) }
    }
}

/// Checks one pattern of `from=`: an address, a range such as `10.0.0.0/8`, or a name with `*` and `?`; `!` before it excludes.
pub(super) fn from_pattern(text: &str) -> Result<(), OptionError> {
    let wrong = |problem| OptionError::From { pattern: text.to_owned(), problem };
    let bare = text.strip_prefix('!').unwrap_or(text);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '*' | '?' | '/');
    if bare.is_empty() || !bare.chars().all(allowed) {
        return Err(wrong("it is neither an address nor a pattern of names"));
    }
    match bare.split_once('/') {
        None => Ok(()),
        Some((address, bits)) => range(address, bits).map(|_| ()).map_err(wrong),
    }
}

/// Whether an address is in a range. sshd refuses a whole list for one range that is written wrongly.
fn range(address: &str, bits: &str) -> Result<(u128, u32, bool), &'static str> {
    let address: IpAddr = address.parse().map_err(|_| "what stands before `/` is no address")?;
    let bits: u32 = bits.parse().map_err(|_| "what stands after `/` is no number of bits")?;
    let (value, width) = as_number(address);
    if bits > width {
        return Err("it has more bits than such an address");
    }
    if bits < width && value & (u128::MAX >> (128 - (width - bits))) != 0 {
        return Err("it has bits set behind its mask, which sshd refuses; write the first address of the range");
    }
    Ok((value, width - bits, address.is_ipv4()))
}

fn as_number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

/// Whether sshd takes a login from this address for one that the list allows; `None` where a name decides, which only the server knows.
pub(super) fn from_matches(list: &str, address: &str) -> Option<bool> {
    // sshd itself takes a client's IPv4 address out of an IPv6 one, but no pattern's.
    let parsed = address.parse().ok().map(|address: IpAddr| address.to_canonical());
    let (mut allowed, mut unknown) = (false, false);
    for pattern in list.split(',').map(str::trim) {
        let (bare, excludes) = pattern.strip_prefix('!').map_or((pattern, false), |bare| (bare, true));
        let hit = match (bare.split_once('/'), bare.parse::<IpAddr>(), parsed) {
            (Some((first, bits)), _, Some(address)) => is_within(first, bits, address),
            (None, Ok(known), Some(address)) => known == address,
            _ => wildcard(&bare.to_ascii_lowercase(), &address.to_ascii_lowercase()),
        };
        if hit && excludes {
            return Some(false);
        }
        allowed |= hit;
        unknown |= !hit
            && !bare.contains('/')
            && bare.chars().any(|c| c.is_ascii_alphabetic())
            && bare.parse::<IpAddr>().is_err();
    }
    if allowed || !unknown { Some(allowed) } else { None }
}

fn is_within(first: &str, bits: &str, address: IpAddr) -> bool {
    let Ok((value, free, is_v4)) = range(first, bits) else { return false };
    let (asked, _) = as_number(address);
    let mask = if free >= 128 { 0 } else { u128::MAX << free };
    is_v4 == address.is_ipv4() && value & mask == asked & mask
}

/// `*` and `?`, as in sshd's lists of hosts and users.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut back) = (0, 0, None);
    while let Some(found) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(wanted) if wanted == found || *wanted == '?' => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// `2027-01-31`, `2027-01-31 12:00` or sshd's own `20270131[HHMM[SS]]`, each with `Z` for UTC, as sshd writes it.
pub(super) fn expiry(text: &str) -> Result<String, OptionError> {
    let wrong = || OptionError::Expiry(text.to_owned());
    let (bare, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(bare) => (bare, "Z"),
        None => (text, ""),
    };
    if !bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | ' ')) {
        return Err(wrong());
    }
    let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|text| text.parse::<i8>().ok());
    let year: i16 = digits.get(..4).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let (Some(month), Some(day)) = (part(4, 6), part(6, 8)) else { return Err(wrong()) };
    jiff::civil::Date::new(year, month, day).map_err(|_| wrong())?;
    let time_is_right = match digits.len() {
        8 => true,
        12 | 14 => {
            let second = if digits.len() == 14 { part(12, 14) } else { Some(0) };
            matches!((part(8, 10), part(10, 12), second), (Some(0..24), Some(0..60), Some(0..60)))
        }
        _ => false,
    };
    if year < 2000 || !time_is_right {
        return Err(wrong());
    }
    Ok(format!("{digits}{zone}"))
}

/// Whether such an end has passed everywhere: without `Z` it is in the time of a server whose zone is not known here.
pub(super) fn is_over(written: &str, now: jiff::Timestamp) -> bool {
    let (digits, latest_zone) = written.strip_suffix('Z').map_or((written, 12), |digits| (digits, 0));
    let here = jiff::tz::Offset::constant(-latest_zone).to_datetime(now);
    let now = here.strftime("%Y%m%d%H%M%S").to_string();
    format!("{digits:0<14}") <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_or_an_address_and_a_port() {
        for (text, shown) in
            [("db:5432", "db:5432"), ("10.0.0.7:*", "10.0.0.7:*"), ("[2001:db8:0::1]:22", "[2001:db8::1]:22")]
        {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), shown);
        }
        for text in
            ["db", "db:", ":1", "db:0", "db:70000", "db:+1", "a b:1", "db\":1", "[db]:1", "-x:1", "a:b:1", "db:1\n"]
        {
            assert!(text.parse::<Destination>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_sshd_would_refuse_in_from_is_refused_here() {
        for text in ["10.0.0.0/8", "192.0.2.7", "*.example.com", "!10.1.2.3", "2001:db8::/32", "::1", "10.0.0.?"] {
            assert!(from_pattern(text).is_ok(), "{text}");
        }
        for text in ["", "!", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "a/8", "a b", "x\"", "a,b"] {
            assert!(from_pattern(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_list_of_origins_is_read_as_sshd_reads_it() {
        for (list, address, expected) in [
            ("10.0.0.0/8", "10.20.0.1", Some(true)),
            ("10.0.0.0/8", "192.0.2.1", Some(false)),
            ("10.0.0.0/8,!10.1.0.0/16", "10.1.2.3", Some(false)),
            ("127.0.0.?", "127.0.0.1", Some(true)),
            ("*.example.com", "192.0.2.1", None),
            ("*.example.com,192.0.2.0/24", "192.0.2.1", Some(true)),
            ("2001:db8::/32", "2001:db8:1::1", Some(true)),
            ("2001:db8::/32", "10.0.0.1", Some(false)),
            ("0.0.0.0/0", "10.0.0.1", Some(true)),
            ("::/0", "::1", Some(true)),
            ("0:0:0:0:0:0:0:1", "::1", Some(true)),
            ("!2001:DB8:0::1,*", "2001:db8::1", Some(false)),
            ("10.0.0.0/8", "::ffff:10.0.0.1", Some(true)),
            ("10.0.0.1", "::ffff:10.0.0.1", Some(true)),
            ("::ffff:10.0.0.1", "10.0.0.1", Some(false)),
        ] {
            assert_eq!(from_matches(list, address), expected, "{list} {address}");
        }
    }

    #[test]
    fn an_end_is_a_day_or_a_time_that_there_is() {
        for (text, written) in [
            ("2027-01-31", "20270131"),
            ("2027-01-31T12:00", "202701311200"),
            ("2027-01-31 12:00:30", "20270131120030"),
            ("20270131Z", "20270131Z"),
        ] {
            assert_eq!(expiry(text).unwrap(), written);
        }
        for text in
            ["", "2027", "2027-02-30", "2027-01-31T24:00", "2027-01-31T1", "tomorrow", "2027-01-31+01:00", "\"20270131"]
        {
            assert!(expiry(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_end_is_over_when_it_is_so_everywhere() {
        let now: jiff::Timestamp = "2027-01-31T12:00:00Z".parse().unwrap();
        for (written, over) in [
            ("20270131Z", true),
            ("202701311200Z", true),
            ("202701311201Z", false),
            ("20270131", true), // 0:00 on the Marshall Islands' side of the date line, just now
            ("202701310001", false),
            ("20270201", false),
            ("20200101", true),
        ] {
            assert_eq!(is_over(written, now), over, "{written}");
        }
    }
}
