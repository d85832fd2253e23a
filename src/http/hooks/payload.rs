//! Which repository a hook is about: every host says it in other words, and often under another name than the one we use
//! (another host name, another protocol). So only the path counts, and a hint too many costs a poll.

use serde_json::Value;

use crate::domain::RepoUrl;

/// Where the hosts describe the repository.
const PLACES: [&str; 4] = ["/repository", "/project", "/resource/repository", "/resource/refUpdates/0/repository"];
/// What in there names it.
const NAMES: [&str; 11] = [
    "clone_url",
    "ssh_url",
    "git_url",
    "html_url",
    "git_http_url",
    "git_ssh_url",
    "full_name",
    "path_with_namespace",
    "remoteUrl",
    "sshUrl",
    "web_url",
];
/// Parts of paths that only some protocols of some hosts have.
const EXTRAS: [&str; 3] = ["scm", "_git", "v3"];

/// The names of the repository in a payload, each as the parts of a path; none if there is nothing to read.
pub(super) fn repositories(body: &[u8]) -> Vec<Vec<String>> {
    let Some(payload) = parse(body) else { return Vec::new() };
    let mut found = Vec::new();
    for place in PLACES.iter().filter_map(|place| payload.pointer(place)) {
        let named = NAMES.iter().filter_map(|name| place.get(name)?.as_str());
        let linked = place.pointer("/links/clone").and_then(Value::as_array).into_iter().flatten();
        let linked = linked.filter_map(|link| link.get("href")?.as_str());
        found.extend(named.chain(linked).map(parts));
        // Bitbucket Data Center gives only these.
        if let (Some(project), Some(slug)) =
            (place.pointer("/project/key").and_then(Value::as_str), place.get("slug").and_then(Value::as_str))
        {
            found.push(parts(&format!("{project}/{slug}")));
        }
    }
    found.retain(|parts| parts.len() >= 2); // one part says too little
    found.sort();
    found.dedup();
    found
}

/// GitHub can be told to send a form with the JSON in it.
fn parse(body: &[u8]) -> Option<Value> {
    if let Some(form) = body.strip_prefix(b"payload=") {
        let form = std::str::from_utf8(form).ok()?.split('&').next()?.replace('+', " ");
        return serde_json::from_str(&decoded(&form)).ok();
    }
    serde_json::from_slice(body).ok()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = after.get(if byte.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether one of the two paths ends with the other.
pub(super) fn is_about(name: &[String], url: &str) -> bool {
    let ours = parts(url);
    ours.ends_with(name) || !ours.is_empty() && name.ends_with(&ours)
}

/// The path of a URL, or of a plain name, in parts that can be compared.
fn parts(text: &str) -> Vec<String> {
    let after_host = |rest: &str| rest.split_once('/').map_or(String::new(), |(_, path)| path.to_owned());
    let path = if let Ok(RepoUrl::Ssh { path, .. }) = RepoUrl::parse(text) {
        path
    } else {
        text.split_once("://").map_or(text.to_owned(), |(_, rest)| after_host(rest))
    };
    // Azure writes `%20` in SSH addresses, too.
    let path = decoded(&path);
    let path = path.trim_matches('/').to_lowercase();
    let path = path.strip_suffix(".git").unwrap_or(&path);
    path.split('/').filter(|part| !part.is_empty() && !EXTRAS.contains(part)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(payload: &str, url: &str) -> bool {
        let names = repositories(payload.as_bytes());
        assert!(!names.is_empty(), "{payload}");
        names.iter().any(|name| is_about(name, url))
    }

    #[test]
    fn each_host_names_the_repository_in_its_own_way() {
        let github = r#"{"repository":{"full_name":"Team/apps","ssh_url":"git@github.com:Team/apps.git"}}"#;
        let gitlab =
            r#"{"project":{"path_with_namespace":"group/sub/apps","git_ssh_url":"git@gl.example:group/sub/apps.git"}}"#;
        let center = r#"{"repository":{"slug":"apps","project":{"key":"TEAM"}}}"#;
        let azure = r#"{"resource":{"repository":{"remoteUrl":"https://dev.azure.com/org/My%20Project/_git/apps"}}}"#;
        for (payload, urls) in [
            (github, ["git@github.com:team/apps.git", "https://github.com/Team/apps"]),
            (gitlab, ["ssh://git@gl.intern:2222/group/sub/apps.git", "https://gl.example/group/sub/apps.git"]),
            (center, ["ssh://git@bb.example:7999/team/apps.git", "https://bb.example/scm/team/apps.git"]),
            (
                azure,
                ["git@ssh.dev.azure.com:v3/org/My%20Project/apps", "https://dev.azure.com/org/My%20Project/_git/apps"],
            ),
        ] {
            for url in urls {
                assert!(is_match(payload, url), "{payload} {url}");
            }
            assert!(!is_match(payload, "git@github.com:team/others.git"), "{payload}");
        }
        assert!(is_match(github, "ssh://me@127.0.0.1:2222/srv/git/team/apps.git"), "below another root");
        let form = format!("payload={}&x=1", github.replace('"', "%22").replace(':', "%3A"));
        assert!(is_match(&form, "git@github.com:team/apps.git"));
    }

    #[test]
    fn what_names_no_repository_is_about_all() {
        for payload in ["", "[]", "{}", "not json", r#"{"repository":"x"}"#, r#"{"repository":{"full_name":"x"}}"#] {
            assert_eq!(repositories(payload.as_bytes()), Vec::<Vec<String>>::new(), "{payload}");
        }
    }
}
