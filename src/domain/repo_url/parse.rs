//! Reading the address of a repository. Sources: git-clone(1), "GIT URLS", and `parse_connect_url` in Git's connect.c.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::RepoUrl;
use super::authority::{
    bracketed_address, host_name, is_loopback, needs_brackets, split_authority, split_port, split_user,
};
use super::percent::{decoded, is_visible};
use super::secret::looks_like_token;

/// What is wrong, then what to write instead.
pub(super) type Problem = &'static str;

pub(super) const FORMS: Problem = "write `git@host:path`, `ssh://git@host/path` or `https://host/path`";
pub(super) const PASSWORD: Problem = "it holds a password or token, which would show up in logs; take it out of the URL and \
     give an access token as GIT_SYNC_PERSONAL_ACCESS_TOKEN(_FILE), or a key by its name";
const HIDDEN: Problem =
    "it contains a control character or one that cannot be seen; write the URL anew instead of pasting it";
const HIDDEN_PATH: Problem = "the path contains a control character or one that cannot be seen; take it out";
const HELPER: Problem =
    "remote helpers (`name::address`) are not supported, they run programs; use `ssh://` or `https://`";
const CODECOMMIT: Problem = "it is for the helper git-remote-codecommit, which is a program; use the repository's SSH URL, \
     `ssh://KEY-ID@git-codecommit.REGION.amazonaws.com/v1/repos/NAME`";

pub(super) fn parse(text: &str) -> Result<RepoUrl, Problem> {
    if text.trim().is_empty() {
        return Err("it is empty");
    }
    if text.starts_with('-') {
        return Err("it starts with `-` and could be taken for an option");
    }
    if !is_visible(text) {
        return Err(HIDDEN);
    }
    if let Some(address) = helper(text) {
        return Err(address);
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
            "codecommit" => Err(CODECOMMIT),
            _ => Err("its scheme is not supported; use `ssh://` or `https://`"),
        };
    }
    if text.starts_with('/') {
        return local_path(text.to_owned());
    }
    scp_like(text)
}

/// `name::address`, as gitremote-helpers(7) describes it.
fn helper(text: &str) -> Option<Problem> {
    let (name, _) = text.split_once("::").filter(|(name, _)| is_scheme(name))?;
    // An IPv6 address without brackets looks alike; `fd` is a helper of Git's own.
    let is_address = name != "fd" && name.chars().all(|c| c.is_ascii_hexdigit()) && needs_brackets(text);
    (!is_address).then_some(if name.eq_ignore_ascii_case("codecommit") { CODECOMMIT } else { HELPER })
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn ssh_url(rest: &str) -> Result<RepoUrl, Problem> {
    let (authority, path) = split_authority(rest)?;
    let (user, host_port) = split_user(authority)?;
    let user = user.map(decoded).transpose()?;
    let (host, port) = split_port(host_port)?;
    ssh(user.as_deref(), host, port.unwrap_or(22), &decoded(path)?)
}

/// `[user@]host:path`; the host may be `[address]` or `[host:port]`.
fn scp_like(text: &str) -> Result<RepoUrl, Problem> {
    if needs_brackets(text.rsplit_once('@').map_or(text, |(_, rest)| rest)) {
        return Err("an IPv6 address needs brackets before a path: `git@[2001:db8::1]:path`");
    }
    let (before, bracketed, path) = scp_parts(text)?;
    if before.is_empty() && bracketed.is_none() {
        return Err("the host is missing");
    }
    if path.split('/').next().is_some_and(|first| first.contains('@')) && !before.contains('@') {
        return Err(PASSWORD); // `user:password@host:path`
    }
    match bracketed {
        None => {
            let (user, host) = split_user(before)?;
            if user.is_none() && host.len() == 1 && path.starts_with('\\') {
                return Err("it is a path of Windows; give the URL of a repository on a server");
            }
            ssh(user, host_name(host)?, 22, path)
        }
        Some(inside) => {
            let user = match before {
                "" => None,
                user => Some(user.strip_suffix('@').ok_or(FORMS)?),
            };
            let (host, port) = match inside.parse::<Ipv6Addr>() {
                Ok(address) => (address.to_string(), None),
                Err(_) if inside.contains('%') => (bracketed_address(inside)?, None),
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
        return Err("the user name is empty or starts with `-` and could be taken for an option");
    }
    if user.contains(':') {
        return Err(PASSWORD);
    }
    if !user.chars().all(|c| c.is_ascii_alphanumeric() || "._+-@$~=\\".contains(c)) {
        return Err("the user name contains a character that user names do not have");
    }
    let path = if path.starts_with("/~") { path.strip_prefix('/').unwrap_or(path) } else { path };
    if path.trim_matches('/').is_empty() {
        return Err("the path of the repository is missing");
    }
    // Only what begins a word of the remote command could be an option; `team/-x.git` cannot.
    if path.starts_with('-') || path.starts_with("~-") {
        return Err("the path starts with `-` and could be taken for an option; write `./` before it");
    }
    if !is_visible(path) {
        return Err(HIDDEN_PATH);
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
    let user = user.map(decoded).transpose()?;
    if user.as_deref().is_some_and(|user| user.contains(':') || looks_like_token(user)) {
        return Err(PASSWORD);
    }
    // `https://jo:pa/ss@host/path`: what looks like a port is the beginning of a password.
    let port = host_port.rsplit_once(']').map_or(host_port, |(_, port)| port);
    if path.contains('@') && port.contains(':') {
        return Err(PASSWORD);
    }
    if path.contains("/-/") {
        return Err("it is the address of a page about the repository; copy the clone URL, which ends before `/-/`");
    }
    if !is_visible(&decoded(path)?) {
        return Err(HIDDEN_PATH);
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
    local_path(decoded(path)?)
}

fn local_path(path: String) -> Result<RepoUrl, Problem> {
    if !is_visible(&path) {
        return Err(HIDDEN_PATH);
    }
    if path.trim_matches('/').is_empty() {
        return Err("the path of the repository is missing");
    }
    Ok(RepoUrl::Path(PathBuf::from(path)))
}
