//! What a private key looks like from outside, and small things that both sources need.

use secrecy::SecretString;

/// How far into a file its header is looked for. Some tools write attributes before it.
pub(super) const HEADER_LEN: usize = 4096;

/// Whether the content is evidently meant to be a private key. Whether it is a sound one is seen when it is opened.
pub(super) fn looks_private(content: &[u8]) -> bool {
    let head = content.get(..HEADER_LEN).unwrap_or(content);
    head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).any(|line| {
        let pem = line.starts_with(b"-----BEGIN ") && line.ends_with(b"PRIVATE KEY-----");
        pem || line.starts_with(b"PuTTY-User-Key-File-")
    })
}

/// Whether the end of the key is there, too: a file may be looked at while it is being written.
pub(super) fn has_an_end(content: &[u8]) -> bool {
    let holds = |part: &[u8]| content.windows(part.len()).any(|window| window == part);
    holds(b"-----END ") || holds(b"\nPrivate-MAC:") || holds(b"\nPrivate-Hash:")
}

/// A passphrase without the newline that editors and `echo` leave behind; `None` when nothing else is there.
pub(super) fn passphrase(text: &str) -> Option<SecretString> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (!text.is_empty()).then(|| SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn only_private_keys_look_private() {
        for key in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
            "-----BEGIN PRIVATE KEY-----\r\nMC4C\r\n",
            "Bag Attributes\n    friendlyName: x\n-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            "PuTTY-User-Key-File-3: ssh-ed25519\n",
        ] {
            assert!(looks_private(key.as_bytes()), "{key}");
        }
        for other in
            ["", "hvs.token", "00ff", "-----BEGIN PUBLIC KEY-----\n", "-----BEGIN CERTIFICATE-----", "ssh-rsa AAAA"]
        {
            assert!(!looks_private(other.as_bytes()), "{other}");
        }
        assert!(!looks_private(&[b'\n'; 2 * HEADER_LEN]));
    }

    #[test]
    fn a_key_without_its_end_is_noticed() {
        assert!(has_an_end(b"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"));
        assert!(has_an_end(b"PuTTY-User-Key-File-3: ssh-rsa\nPrivate-MAC: 00\n"));
        assert!(!has_an_end(b"-----BEGIN PRIVATE KEY-----\nMC4C\n"));
    }

    #[test]
    fn a_passphrase_loses_one_newline() {
        let shown = |text| passphrase(text).map(|passphrase| passphrase.expose_secret().to_owned());
        assert_eq!(shown(" two words \n\n"), Some(" two words \n".to_owned()));
        assert_eq!(shown("windows\r\n"), Some("windows".to_owned()));
        assert_eq!(shown("\n"), None);
    }
}
