//! Reading the address of a repository. Sources: git-clone(1), "GIT URLS", and `parse_connect_url` in Git's connect.c.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use super::RepoUrl;

type Problem = &'static str;

const FORMS: Problem = "write `git@host:path`, `ssh://git@host/path` or `https://host/path`";
const PASSWORD: Problem = "it holds a password or token, which would show up in logs; take it out of the URL and give \
     an access token as GIT_SYNC_PERSONAL_ACCESS_TOKEN(_FILE), or a key by its name";

pub(super) fn parse(text: &str) -> Result<RepoUrl, Problem> {
    if text.trim().is_empty() {
        return Err("it is empty");
    }
    if text.starts_with('-') {
        return Err("it starts with `-` and could be taken for an option");
    }
    if text.chars().any(char::is_control) {
        return Err("it contains a control character");
    }
    if let Some((scheme, rest)) = text.split_once("://")
        && is_scheme(scheme)
    {
        return match scheme.to_ascii_lowercase().as_str() {
            "ssh" | "git+ssh" | "ssh+git" => ssh_url(rest),
            "https" => http_url("https", rest),
            "http" => http_url("http", rest),
            "file" => file_url(rest),
            "git" => Err("`git://` proves nobody's identity; use `ssh://` or `https://`"),
            _ => Err("its scheme is not supported; use `ssh://` or `https://`"),
        };
    }
    if text.starts_with('/') {
        return local_path(text.to_owned());
    }
    scp_like(text)
}

/// `text` for an error message: what may be a password is left out, and it is cut at 200 characters.
pub(super) fn without_secret(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at(start);
    let shown = match rest.rsplit_once('@') {
        Some((before, after)) if before.contains(':') || looks_like_token(before) => format!("{scheme}***@{after}"),
        _ => text.to_owned(),
    };
    shown.chars().take(200).collect()
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn ssh_url(rest: &str) -> Result<RepoUrl, Problem> {
    let (authority, path) = split_authority(rest)?;
    let (user, host_port) = split_user(authority)?;
    let (host, port) = split_port(host_port)?;
    ssh(user, host, port.unwrap_or(22), &percent_decoded(path)?)
}

/// `[user@]host:path`; the host may be `[address]` or `[host:port]`.
fn scp_like(text: &str) -> Result<RepoUrl, Problem> {
    let (before, bracketed, path) = scp_parts(text)?;
    if before.is_empty() && bracketed.is_none() {
        return Err("the host is missing");
    }
    if path.split('/').next().is_some_and(|first| first.contains('@')) && !before.contains('@') {
        return Err(PASSWORD); // `user:password@host:path`
    }
    if path.starts_with(':') {
        return Err(
            "remote helpers (`name::address`) are not supported, they run programs; use `ssh://` or `https://`",
        );
    }
    match bracketed {
        None => {
            let (user, host) = split_user(before)?;
            ssh(user, host_name(host)?, 22, path)
        }
        Some(inside) => {
            let user = match before {
                "" => None,
                user => Some(user.strip_suffix('@').ok_or(FORMS)?),
            };
            let (host, port) = match inside.parse::<Ipv6Addr>() {
                Ok(address) => (address.to_string(), None),
                Err(_) => split_port(inside)?,
            };
            ssh(user, host, port.unwrap_or(22), path)
        }
    }
}

/// What stands before the host's bracket (or before the colon), what stands in the bracket, and the path.
fn scp_parts(text: &str) -> Result<(&str, Option<&str>, &str), Problem> {
    let head = text.split('/').next().unwrap_or_default();
    match (head.find('['), head.find(':')) {
        (Some(open), colon) if colon.is_none_or(|colon| open < colon) => {
            let (before, inside) = text.split_at(open);
            let (inside, path) = inside.split_once("]:").ok_or(FORMS)?;
            let inside = inside.strip_prefix('[').unwrap_or(inside);
            // `[[address]:port]:path`: the first `]:` closed the address only.
            match (inside.starts_with('['), path.split_once("]:")) {
                (true, Some((port, path))) => {
                    let end = open + 1 + inside.len() + "]:".len() + port.len();
                    Ok((before, text.get(open + 1..end), path))
                }
                (true, None) => Err(FORMS),
                (false, _) => Ok((before, Some(inside), path)),
            }
        }
        (_, Some(colon)) => {
            let (before, path) = text.split_at(colon);
            Ok((before, None, path.strip_prefix(':').unwrap_or(path)))
        }
        (_, None) => Err(FORMS),
    }
}

fn ssh(user: Option<&str>, host: String, port: u16, path: &str) -> Result<RepoUrl, Problem> {
    let user = user.unwrap_or("git");
    if user.is_empty() || user.starts_with('-') {
        return Err("the user name is empty or starts with `-`");
    }
    if !user.chars().all(|c| c.is_ascii_alphanumeric() || "._+-@$~=\\".contains(c)) {
        return Err("the user name contains a character that user names do not have");
    }
    let path = if path.starts_with("/~") { path.strip_prefix('/').unwrap_or(path) } else { path };
    if path.trim_matches('/').is_empty() {
        return Err("the path of the repository is missing");
    }
    if path.starts_with('-') {
        return Err("the path starts with `-` and could be taken for an option");
    }
    if path.chars().any(char::is_control) {
        return Err("the path contains a control character");
    }
    Ok(RepoUrl::Ssh { user: user.to_owned(), host, port, path: path.to_owned() })
}

fn http_url(scheme: &str, rest: &str) -> Result<RepoUrl, Problem> {
    if rest.contains(['?', '#', ' ', '\\', '"', '<', '>']) || !rest.is_ascii() {
        return Err("an `https://` URL has no spaces, `?`, `#` or special characters; copy the clone URL");
    }
    let (authority, path) = match split_authority(rest) {
        Err(_) if rest.contains('@') => return Err(PASSWORD),
        parts => parts?,
    };
    let (user, host_port) = split_user(authority)?;
    if user.is_some_and(looks_like_token) || path.contains('@') && authority.contains(':') && user.is_none() {
        return Err(PASSWORD);
    }
    let (host, port) = split_port(host_port)?;
    if path.trim_matches('/').is_empty() {
        return Err("the path of the repository is missing");
    }
    if scheme == "http" && !is_loopback(&host) {
        return Err("`http://` sends the token unencrypted, so only this machine is allowed; use `https://`");
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(RepoUrl::Https { url: format!("{scheme}://{host}{port}{path}") })
}

fn file_url(rest: &str) -> Result<RepoUrl, Problem> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("a `file://` URL has three slashes and an absolute path: `file:///srv/apps.git`");
    }
    local_path(percent_decoded(path)?)
}

fn local_path(path: String) -> Result<RepoUrl, Problem> {
    if path.chars().any(char::is_control) {
        return Err("the path contains a control character");
    }
    if path.trim_matches('/').is_empty() {
        return Err("the path of the repository is missing");
    }
    Ok(RepoUrl::Path(PathBuf::from(path)))
}

/// `authority` and the path with its slash.
fn split_authority(rest: &str) -> Result<(&str, &str), Problem> {
    let slash = rest.find('/').ok_or("the path of the repository is missing")?;
    let (authority, path) = rest.split_at(slash);
    if authority.is_empty() { Err("the host is missing") } else { Ok((authority, path)) }
}

/// The user, if one is named, and the rest. User names of directory services hold an `@`, so the last one counts.
fn split_user(authority: &str) -> Result<(Option<&str>, &str), Problem> {
    match authority.rsplit_once('@') {
        Some((user, _)) if user.contains(':') => Err(PASSWORD),
        Some(("", _)) => Err("the user name before `@` is missing"),
        Some((user, host)) => Ok((Some(user), host)),
        None => Ok((None, authority)),
    }
}

fn split_port(text: &str) -> Result<(String, Option<u16>), Problem> {
    let (host, port) = if let Some(inside) = text.strip_prefix('[') {
        let (address, after) = inside.split_once(']').ok_or("the `]` after the address is missing")?;
        let address: Ipv6Addr =
            address.parse().map_err(|_| "what stands between `[` and `]` is not an IPv6 address")?;
        match after.strip_prefix(':') {
            None if after.is_empty() => (address.to_string(), None),
            None => return Err(FORMS),
            port => (address.to_string(), port),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host_name(host)?, Some(port)),
            None => (host_name(text)?, None),
        }
    };
    let port = port.map(port_number).transpose()?;
    Ok((host, port))
}

fn port_number(text: &str) -> Result<u16, Problem> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err("the port is not a number from 1 to 65535 (a path of the form `host:path` has no `ssh://`)"),
    }
}

fn host_name(host: &str) -> Result<String, Problem> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.starts_with('-') {
        return Err("the host starts with `-` and could be taken for an option");
    }
    if host.len() > 253 || !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
        return Err("the host contains a character that host names do not have");
    }
    Ok(host.to_ascii_lowercase())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// User names are short and speak; what providers issue as tokens is long or has a known beginning.
fn looks_like_token(user: &str) -> bool {
    let prefixes = ["ghp_", "gho_", "ghu_", "ghs_", "github_pat_", "glpat-", "gldt-", "ATCTT", "ATBB", "ATATT"];
    let long =
        user.len() >= 32 && user.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '='));
    long || prefixes.iter().any(|prefix| user.starts_with(prefix))
}

fn percent_decoded(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = rest.next().and_then(hex_value);
            let low = rest.next().and_then(hex_value);
            let (Some(high), Some(low)) = (high, low) else {
                return Err("`%` must be followed by two hexadecimal digits; write `%25` for the character itself");
            };
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| "its percent-encoded part is not UTF-8")
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
