//! The access token, read anew for each request, and the user name that goes with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use super::super::Token;
use crate::domain::{Failure, FailureClass};

/// No token is longer than this, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The token as it is now. A file that is replaced is noticed at the next request.
///
/// # Errors
/// The file cannot be read, or does not hold one token.
pub(super) async fn read(token: &Token) -> Result<SecretString, Failure> {
    let path = match token {
        Token::Value(value) => return Ok(value.clone()),
        Token::File(path) => path,
    };
    let shown = path.display();
    let mut text = Zeroizing::new(String::new());
    let read = async { tokio::fs::File::open(path).await?.take(LONGEST).read_to_string(&mut text).await }.await;
    read.map_err(|error| {
        unusable(
            format!("the access token in {shown} cannot be read: {error}"),
            "put the file there again, readable by the user that appferry runs as; it is looked for by itself",
        )
    })?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = SecretString::from(value.strip_suffix('\r').unwrap_or(value));
    match value.expose_secret() {
        "" => Err(unusable(
            format!("the file {shown} for the access token is empty"),
            "put the token into it; it is looked for by itself",
        )),
        text if text.chars().any(|c| c.is_control() || c.is_whitespace()) => Err(unusable(
            format!("the access token in {shown} contains a space or a line break"),
            "put the token alone into the file",
        )),
        _ => Ok(value),
    }
}

fn unusable(message: String, remedy: &str) -> Failure {
    Failure::new(FailureClass::Key, message, remedy)
}

/// `said` without the token, plain or as Basic authentication carries it.
pub(super) fn taken_out(said: &str, token: &SecretString) -> String {
    let secret = token.expose_secret();
    let words = said.split_inclusive(char::is_whitespace).map(|word| {
        let is_basic = STANDARD.decode(word.trim()).is_ok_and(|plain| plain.ends_with(secret.as_bytes()));
        if is_basic { "***" } else { word }
    });
    words.collect::<String>().replace(secret, "***")
}

/// The user name that goes with a token, by the host. Sources: each provider's page on cloning over HTTPS with a token.
pub(super) fn user_for(base: &str) -> &'static str {
    let host = Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_lowercase)).unwrap_or_default();
    if host.contains("gitlab") {
        "oauth2"
    } else if host.contains("bitbucket") {
        "x-token-auth"
    } else if host.contains("github") {
        "x-access-token"
    } else {
        "git" // Azure DevOps, Gitea and Forgejo take any name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_name_follows_the_host() {
        assert_eq!(user_for("https://github.com/a/b"), "x-access-token");
        assert_eq!(user_for("https://gitlab.example.org/a/b"), "oauth2");
        assert_eq!(user_for("https://bitbucket.org/a/b"), "x-token-auth");
        assert_eq!(user_for("https://dev.azure.com/a/_git/b"), "git");
    }

    #[tokio::test]
    async fn a_file_that_holds_no_token_is_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let token = Token::File(path.clone());
        assert!(read(&token).await.expect_err("absent").message.contains("cannot be read"));
        for (content, wanted) in
            [("", "is empty"), ("\n", "is empty"), ("s3cret\nmore\n", "a line break"), (" s3cret", "a space")]
        {
            std::fs::write(&path, content).expect("written");
            let failure = read(&token).await.expect_err(content);
            assert_eq!(failure.class, FailureClass::Key);
            assert!(failure.message.contains(wanted) && !failure.to_string().contains("s3cret"), "{failure}");
        }
        std::fs::write(&path, "s3cret\r\n").expect("written");
        assert_eq!(read(&token).await.expect("a token").expose_secret(), "s3cret");
    }
}
