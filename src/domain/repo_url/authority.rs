//! User, host and port.

use std::net::{IpAddr, Ipv6Addr};

use super::parse::{FORMS, PASSWORD, Problem};

/// `authority` and the path with its slash.
pub(super) fn split_authority(rest: &str) -> Result<(&str, &str), Problem> {
    let slash = rest.find('/').ok_or("the path of the repository is missing")?;
    let (authority, path) = rest.split_at(slash);
    if authority.is_empty() { Err("the host is missing") } else { Ok((authority, path)) }
}

/// The user, if one is named, and the rest. User names of directory services hold an `@`, so the last one counts.
pub(super) fn split_user(authority: &str) -> Result<(Option<&str>, &str), Problem> {
    match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => Err(PASSWORD),
        Some(("", _)) => Err("the user name before `@` is missing"),
        Some((user, host)) => Ok((Some(user), host)),
        None => Ok((None, authority)),
    }
}

pub(super) fn split_port(text: &str) -> Result<(String, Option<u16>), Problem> {
    let (host, port) = if let Some(inside) = text.strip_prefix('[') {
        let (address, after) = inside.split_once(']').ok_or("the `]` after the address is missing")?;
        let address = bracketed_address(address)?;
        match after.strip_prefix(':') {
            None if after.is_empty() => (address, None),
            None => return Err(FORMS),
            port => (address, port),
        }
    } else if text.parse::<Ipv6Addr>().is_ok() {
        return Err("an IPv6 address needs brackets: `ssh://git@[2001:db8::1]/path`");
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host_name(host)?, Some(port)),
            None => (host_name(text)?, None),
        }
    };
    let port = port.map(port_number).transpose()?;
    Ok((host, port))
}

/// What stands between brackets. A zone (RFC 6874) is the name of an interface here, and means nothing on another machine.
pub(super) fn bracketed_address(text: &str) -> Result<String, Problem> {
    if text.contains('%') {
        return Err("an address with a zone (`%eth0`) holds on one machine only; use an address or name without it");
    }
    let address: Ipv6Addr = text.parse().map_err(|_| "what stands between `[` and `]` is not an IPv6 address")?;
    Ok(address.to_string())
}

/// Whether `text` begins with an IPv6 address that stands there without brackets: `2001:db8::1:path`.
pub(super) fn needs_brackets(text: &str) -> bool {
    let head = text.split('/').next().unwrap_or_default();
    let address = head.rsplit_once(':').map_or(head, |(address, _)| address);
    [head, address].iter().any(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn port_number(text: &str) -> Result<u16, Problem> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err("the port is not a number from 1 to 65535 (a path of the form `host:path` has no `ssh://`)"),
    }
}

pub(super) fn host_name(host: &str) -> Result<String, Problem> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.starts_with('-') {
        return Err("the host starts with `-` and could be taken for an option");
    }
    if !host.contains(|c: char| c.is_ascii_alphanumeric())
        || host.len() > 253
        || !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    {
        return Err("the host contains a character that host names do not have");
    }
    Ok(host.to_ascii_lowercase())
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
