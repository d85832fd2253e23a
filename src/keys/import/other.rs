//! What a file is that holds no private key.

use super::error::ImportError;
use super::text::{lines, marker};

const GIVE_FILE: &str = "give the file that holds the private key, such as `~/.ssh/id_ed25519`";
const FROM_PKCS12: &str = "take the key out with `openssl pkcs12 -in FILE -nocerts -out NEW` and give NEW";
const FROM_DER: &str = "if it is a key, convert it with `openssl pkey -inform DER -in FILE -out NEW` and give NEW";
const FROM_SSH_COM: &str = "convert it with `puttygen FILE -O private-openssh-new -o NEW` and give NEW";

/// Why `content`, in which no private key was found, is refused.
pub(super) fn refusal(content: &[u8]) -> ImportError {
    if content.trim_ascii().is_empty() {
        return ImportError::Empty;
    }
    lines(content).find_map(|line| by_line(line.text.trim_ascii())).unwrap_or_else(|| by_content(content))
}

fn by_line(line: &[u8]) -> Option<ImportError> {
    if line.starts_with(b"---- BEGIN SSH2 PUBLIC KEY") {
        return Some(ImportError::Public { form: "RFC 4716" });
    }
    if line.starts_with(b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY") {
        return Some(not_a_key("is in the format of ssh.com, which is not read here", FROM_SSH_COM));
    }
    if let Some(label) = marker(line, b"BEGIN") {
        return by_label(label);
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let kind = words.find(|word| is_kind(word))?;
    if !words.next()?.starts_with(b"AAAA") {
        return None;
    }
    Some(match kind.ends_with(b"-cert-v01@openssh.com") {
        true => ImportError::Certificate { form: "OpenSSH" },
        false => ImportError::Public { form: "OpenSSH" },
    })
}

fn by_label(label: &[u8]) -> Option<ImportError> {
    if label.ends_with(b"PUBLIC KEY") {
        Some(ImportError::Public { form: "PEM" })
    } else if label.ends_with(b"CERTIFICATE") {
        Some(ImportError::Certificate { form: "X.509" })
    } else if label.ends_with(b"CERTIFICATE REQUEST") {
        Some(not_a_key("is a certificate request", GIVE_FILE))
    } else if label.starts_with(b"PGP") {
        Some(not_a_key("is of OpenPGP, whose keys are not SSH keys", GIVE_FILE))
    } else if label.ends_with(b"PARAMETERS") {
        Some(not_a_key("holds only parameters to make keys with", GIVE_FILE))
    } else {
        None
    }
}

fn is_kind(word: &[u8]) -> bool {
    [&b"ssh-"[..], b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-"].iter().any(|start| word.starts_with(start))
}

fn by_content(content: &[u8]) -> ImportError {
    let (looks, remedy) = match content {
        // Its version is 3, behind the length of the whole.
        [0x30, 0x82, _, _, 2, 1, 3, ..] | [0x30, 0x80, 2, 1, 3, ..] => ("looks like a PKCS#12 file", FROM_PKCS12),
        [0x30, 0x80..=0x84, ..] => ("looks like binary DER", FROM_DER),
        [0xfe, 0xed, 0xfe, 0xed, ..] => ("looks like a Java key store", GIVE_FILE),
        [b'P', b'K', 3, 4, ..] => ("looks like a ZIP archive", GIVE_FILE),
        [0x1f, 0x8b, ..] => ("looks like a gzip archive", GIVE_FILE),
        _ if content.contains(&0) => ("is binary", GIVE_FILE),
        _ => match content.trim_ascii() {
            [b'{' | b'[', ..] => ("looks like JSON", GIVE_FILE),
            [b'<', ..] => ("looks like HTML or XML", GIVE_FILE),
            text if text.iter().all(is_base64) => {
                ("looks like base64 without its BEGIN and END lines", "give the whole file, with those lines")
            }
            _ => ("has no line such as `-----BEGIN OPENSSH PRIVATE KEY-----`", GIVE_FILE),
        },
    };
    not_a_key(looks, remedy)
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=".contains(byte)
}

fn not_a_key(looks: &'static str, remedy: &'static str) -> ImportError {
    ImportError::NotAKey { looks, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_instead_is_told() {
        let told = |content: &[u8]| refusal(content).to_string();
        for (content, word) in [
            (&b" \r\n\n"[..], "empty"),
            (b"ssh-ed25519 AAAAC3Nz me@here\n", "public key (OpenSSH)"),
            (b"from=\"*\" ecdsa-sha2-nistp256 AAAAE2Vj\n", "public key (OpenSSH)"),
            (b"ssh-ed25519-cert-v01@openssh.com AAAAIHNz me", "certificate (OpenSSH)"),
            (b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA", "RFC 4716"),
            (b"-----BEGIN RSA PUBLIC KEY-----\nAAAA", "public key (PEM)"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA", "X.509"),
            (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\nAAAA", "OpenPGP"),
            (b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", "ssh.com"),
            (b"\n{\"kty\":\"OKP\"}", "JSON"),
            (b"<html>", "HTML"),
            (b"\x30\x82\x01\x01\x02\x01\x03\x30", "PKCS#12"),
            (b"\x30\x82\x01\x01\x02\x01\x00\x30", "DER"),
            (b"a\0b", "binary"),
            (b"b3BlbnNzaC1r\nZXk=", "base64 without"),
            (b"hello, I am no key", "no line such as"),
        ] {
            assert!(told(content).contains(word), "{word}: {}", told(content));
        }
    }
}
