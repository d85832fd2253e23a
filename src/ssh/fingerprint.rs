//! Fingerprints as people copy them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The SHA-256 fingerprint of a host key: `SHA256:` and 43 characters of base64.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

/// Why a text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// An MD5 fingerprint.
    #[error(
        "{0:?} is an MD5 fingerprint, which proves nothing any more; give the SHA-256 one: `ssh-keygen -l -E sha256 -f …` \
         on the server shows it"
    )]
    Md5(String),
    /// Anything else.
    #[error(
        "{0:?} is not a SHA-256 fingerprint; give `SHA256:` and the 43 characters after it, as the owner publishes them"
    )]
    Form(String),
}

impl Fingerprint {
    /// `SHA256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// With or without `SHA256:`, and with or without the `=` that pads base64.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let shown = || text.chars().take(100).collect::<String>();
        let text = text.trim();
        let (kind, rest) = text.split_once(':').unwrap_or_default();
        if kind.eq_ignore_ascii_case("md5") || is_md5(text) {
            return Err(FingerprintError::Md5(shown()));
        }
        let digits = if kind.eq_ignore_ascii_case("sha256") { rest } else { text };
        let digits = digits.strip_suffix('=').unwrap_or(digits);
        match STANDARD_NO_PAD.decode(digits) {
            Ok(hash) if hash.len() == 32 => Ok(Self(format!("SHA256:{digits}"))),
            _ => Err(FingerprintError::Form(shown())),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 16 bytes in hexadecimal digits, with or without colons.
fn is_md5(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    digits.len() == 32 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGITS: &str = "uNiVztksCsDhcc0u9e8BrWwAYBAQ0KY0MeyTe7Vy9ZM";

    #[test]
    fn is_taken_with_and_without_its_prefix_and_padding() {
        for text in [format!("SHA256:{DIGITS}"), DIGITS.to_owned(), format!(" sha256:{DIGITS}= ")] {
            assert_eq!(text.parse::<Fingerprint>().unwrap().as_str(), format!("SHA256:{DIGITS}"), "{text}");
        }
    }

    #[test]
    fn an_md5_one_is_refused_with_a_hint_and_others_with_the_form() {
        for text in
            ["MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"]
        {
            let error = text.parse::<Fingerprint>().unwrap_err().to_string();
            assert!(error.contains("-E sha256"), "{error}");
        }
        for text in ["", "SHA256:", "SHA256:abc", "SHA1:uNiV", "nothistory"] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError::Form(text.into())));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_taken_again(text in "\\PC{0,60}|(SHA256:)?[A-Za-z0-9+/]{43}=?") {
            if let Ok(print) = text.parse::<Fingerprint>() {
                prop_assert_eq!(print.to_string().parse::<Fingerprint>(), Ok(print));
            }
        }
    }
}
