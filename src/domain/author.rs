//! Who made a change, as a person writes it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name and an e-mail address, written `Ada Lovelace <ada@example.org>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Author {
    name: String,
    email: String,
}

/// Why a text is not an author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an author: {rule}; write it as `Ada Lovelace <ada@example.org>`")]
pub struct AuthorError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub rule: &'static str,
}

impl Author {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }
}

impl FromStr for Author {
    type Err = AuthorError;

    fn from_str(text: &str) -> Result<Self, AuthorError> {
        let refuse = |rule| AuthorError { text: text.to_owned(), rule };
        if text.chars().any(char::is_control) {
            return Err(refuse("it contains a control character"));
        }
        let inner = text.trim().strip_suffix('>').ok_or_else(|| refuse("it has no address in `<…>` at its end"))?;
        let (name, email) = inner.split_once('<').ok_or_else(|| refuse("it has no address in `<…>` at its end"))?;
        let (name, email) = (name.trim(), email.trim());
        if !name.chars().any(char::is_alphanumeric) {
            return Err(refuse("it has no name before the address"));
        }
        if email.is_empty() || email.contains(['<', '>', ' ']) || name.contains('>') {
            return Err(refuse("its address is empty, or contains a space or one of `<>`"));
        }
        Ok(Self { name: name.to_owned(), email: email.to_owned() })
    }
}

impl TryFrom<String> for Author {
    type Error = AuthorError;

    fn try_from(text: String) -> Result<Self, AuthorError> {
        text.parse()
    }
}

impl From<Author> for String {
    fn from(author: Author) -> Self {
        author.to_string()
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_has_a_name_and_an_address() {
        let ada: Author = " Ada Lovelace <ada@example.org> ".parse().unwrap();
        assert_eq!((ada.name(), ada.email()), ("Ada Lovelace", "ada@example.org"));
        assert_eq!(ada.to_string().parse(), Ok(ada));
        for bad in ["", "Ada", "<ada@x>", "Ada <>", "Ada <a> <b>", "Ada <a b>", "Ada\nparent 1 <a@b>", "... <a@b>"] {
            assert!(bad.parse::<Author>().is_err(), "{bad:?}");
        }
    }
}
