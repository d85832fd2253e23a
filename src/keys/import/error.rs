//! Why a file is not imported, and what to do.

/// Why a file is not imported. What the file holds is never quoted, apart from the names of ciphers and kinds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// There is nothing in the file.
    #[error("the file is empty; give the file that holds the private key")]
    Empty,
    /// No key is so large.
    #[error(
        "the file is {bytes} bytes long, and no key file is longer than {}; give the file that holds only the private key",
        super::MAX_BYTES
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The file holds something else.
    #[error("the file is not a private key: it {looks}; {remedy}")]
    NotAKey {
        /// What it looks like.
        looks: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The wrong half.
    #[error(
        "the file holds a public key ({form}); give the private key, which is the file of the same name without `.pub`"
    )]
    Public {
        /// The format of the public key.
        form: &'static str,
    },
    /// A certificate belongs to a key, but is none.
    #[error("the file holds a certificate ({form}) and no private key; give the private key that belongs to it")]
    Certificate {
        /// The format of the certificate.
        form: &'static str,
    },
    /// A kind of key that is not used here.
    #[error("the file holds a key of the kind {kind}, {why}; make a key of another kind with `appferry keys generate`")]
    Kind {
        /// The kind.
        kind: String,
        /// Why it is of no use.
        why: &'static str,
    },
    /// An RSA key that is too short to be safe, or longer than anybody takes.
    #[error("the RSA key has {bits} bits; give one of 2048 to 8192")]
    RsaSize {
        /// Its size.
        bits: usize,
    },
    /// The key is encrypted.
    #[error("the private key is encrypted ({form}), and no passphrase was given; give its passphrase")]
    PassphraseMissing {
        /// The format of the key.
        form: &'static str,
    },
    /// The key does not open.
    #[error("the passphrase does not open the private key; give the one that it was encrypted with")]
    WrongPassphrase,
    /// Encrypted in a way that is not read here.
    #[error("the private key is encrypted with {name}, which is not read here; {remedy}")]
    Cipher {
        /// The cipher or method.
        name: String,
        /// How to convert the key.
        remedy: &'static str,
    },
    /// A passphrase that would take minutes or gigabytes to try.
    #[error("the private key asks for {what} to try its passphrase, which is more than is spent here; {remedy}")]
    Cost {
        /// How much of what.
        what: String,
        /// How to convert the key.
        remedy: &'static str,
    },
    /// It is a private key, but not a whole one.
    #[error("the private key is damaged: {what}; give an undamaged copy of the file")]
    Damaged {
        /// What is wrong, and where.
        what: String,
    },
    /// Which of them?
    #[error("the file holds {count} private keys; give a file that holds one")]
    Several {
        /// How many.
        count: usize,
    },
}

pub(super) fn damaged(what: impl Into<String>) -> ImportError {
    ImportError::Damaged { what: what.into() }
}

/// A name that the file gives, if it can be one: nothing else of the file reaches a message.
pub(super) fn shown(name: &[u8]) -> String {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(byte);
    let plausible = (1..=40).contains(&name.len()) && name.iter().all(fits);
    if plausible { String::from_utf8_lossy(name).into_owned() } else { "something unknown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_name_is_shown() {
        assert_eq!(shown(b"aes256-gcm@openssh.com"), "aes256-gcm@openssh.com");
        for odd in [&b""[..], b"a b", b"a;b", b"\x1b[2J", &[b'a'; 41]] {
            assert_eq!(shown(odd), "something unknown");
        }
    }
}
