//! Any text: what is a repository's address is shown in a form that is read as the same address, and names no option.

use appferry::domain::RepoUrl;

/// Whether `text` is one.
pub(super) fn check(text: &str) -> bool {
    match RepoUrl::parse(text) {
        Ok(url) => {
            assert_eq!(RepoUrl::parse(&url.to_string()).as_ref(), Ok(&url), "{url} is read as something else");
            if let RepoUrl::Ssh { user, host, path, .. } = &url {
                for part in [user, host, path] {
                    assert!(!part.is_empty() && !part.starts_with('-'), "{url:?}");
                    assert!(!part.chars().any(char::is_control), "{url:?}");
                }
            }
            true
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(!error.problem.is_empty() && !shown.chars().any(char::is_control), "{shown:?}");
            false
        }
    }
}
