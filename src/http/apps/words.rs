//! Author and message that come with a save.

use axum::http::HeaderMap;
use serde::Deserialize;

use crate::http::answer::ApiError;

const AUTHOR: &str = "x-appferry-author";
const MESSAGE: &str = "x-appferry-message";
const LONGEST_MESSAGE: usize = 64 * 1024;
const LONGEST_AUTHOR: usize = 1024;

/// What a call may say about a save in its query.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SaveQuery {
    pub(super) wait: Option<Wait>,
    author: Option<String>,
    message: Option<String>,
}

/// Until when the answer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wait {
    /// Until it is committed, which is asked for by that.
    Committed,
    /// Until the remote has it.
    Pushed,
}

/// Name and address, where they were given.
pub(super) type Author = Option<(String, String)>;

/// Author and message: from the query, or from headers as percent-encoded UTF-8.
pub(super) fn of(query: &SaveQuery, headers: &HeaderMap) -> Result<(Author, Option<String>), ApiError> {
    let given = |from_query: &Option<String>, header: &str| match from_query {
        Some(text) => Ok(Some(text.clone())),
        None => headers.get(header).map(|value| decode(header, value.as_bytes())).transpose(),
    };
    let author = given(&query.author, AUTHOR)?.map(|text| author(&text)).transpose()?;
    let message = given(&query.message, MESSAGE)?.map(|text| text.trim().to_owned());
    if message.as_ref().is_some_and(|message| message.is_empty() || message.len() > LONGEST_MESSAGE) {
        return Err(ApiError::request(format!("a message has 1 to {LONGEST_MESSAGE} bytes")));
    }
    Ok((author, message))
}

fn author(text: &str) -> Result<(String, String), ApiError> {
    let parts = text.trim().strip_suffix('>').and_then(|rest| rest.split_once('<'));
    let parts = parts.map(|(name, address)| (name.trim(), address.trim()));
    let plain = |text: &str| !text.is_empty() && !text.contains(['<', '>']) && !text.chars().any(char::is_control);
    match parts {
        Some((name, address)) if plain(name) && plain(address) && text.len() <= LONGEST_AUTHOR => {
            Ok((name.to_owned(), address.to_owned()))
        }
        _ => Err(ApiError::request(format!("the author {text:?} is not of the form `Name <address>`"))),
    }
}

fn decode(header: &str, text: &[u8]) -> Result<String, ApiError> {
    let bad = || ApiError::request(format!("the header {header} is not percent-encoded UTF-8"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(bad);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).map_err(|_| bad())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from_headers(author: &'static str, message: &'static str) -> Option<(Author, Option<String>)> {
        let headers = HeaderMap::from_iter([
            (AUTHOR.parse().expect("a name"), HeaderValue::from_static(author)),
            (MESSAGE.parse().expect("a name"), HeaderValue::from_static(message)),
        ]);
        of(&SaveQuery::default(), &headers).ok()
    }

    #[test]
    fn author_and_message_come_percent_encoded() {
        let (author, message) = from_headers("J%C3%BCrgen <j@example.org>", "One line%0A%0A100%25").expect("read");
        assert_eq!(author, Some(("Jürgen".to_owned(), "j@example.org".to_owned())));
        assert_eq!(message.as_deref(), Some("One line\n\n100%"));
    }

    #[test]
    fn what_is_no_author_or_message_is_refused() {
        for author in ["Jane", "<j@example.org>", "Jane <>", "Jane <a> <b>", "J%0Aane <j@example.org>", "Jane <a>x"] {
            assert!(from_headers(author, "m").is_none(), "{author}");
        }
        for message in ["", "%20", "%", "%2", "%zz", "%ff"] {
            assert!(from_headers("Jane <j@example.org>", message).is_none(), "{message}");
        }
    }
}
