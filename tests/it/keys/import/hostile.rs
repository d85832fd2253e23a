//! Files made to do harm, or damaged by chance: never a panic, never a hang, never a key that does not work.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Maker, PASSPHRASE, fingerprint, have, imported};

#[derive(Clone, Debug)]
enum Harm {
    Flip(Index, u8),
    Cut(Index, Index),
    Insert(Index, Vec<u8>),
    RepeatLine(Index),
    FlipDecoded(Index, u8),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        (any::<Index>(), 1u8..).prop_map(|(at, bits)| Harm::Flip(at, bits)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Harm::Cut(from, to)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
        any::<Index>().prop_map(Harm::RepeatLine),
        (any::<Index>(), 1u8..).prop_map(|(at, bits)| Harm::FlipDecoded(at, bits)),
    ]
}

impl Harm {
    fn apply(&self, mut key: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Flip(at, bits) => {
                let at = at.index(key.len());
                key[at] ^= bits;
            }
            Self::Cut(from, to) => {
                let (from, to) = (from.index(key.len()), to.index(key.len()));
                key.drain(from.min(to)..from.max(to));
            }
            Self::Insert(at, bytes) => {
                let at = at.index(key.len());
                key.splice(at..at, bytes.iter().copied());
            }
            Self::RepeatLine(at) => {
                let mut lines: Vec<Vec<u8>> = key.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
                let at = at.index(lines.len());
                lines.insert(at, lines[at].clone());
                key = lines.concat();
            }
            Self::FlipDecoded(at, bits) => key = flip_decoded(&key, at, *bits),
        }
        key
    }
}

/// Harm beneath the base64, which most harm above it does not reach.
fn flip_decoded(key: &[u8], at: &Index, bits: u8) -> Vec<u8> {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    let text = String::from_utf8_lossy(key);
    let Some((label, rest)) = text.strip_prefix("-----BEGIN ").and_then(|rest| rest.split_once("-----\n")) else {
        return key.to_vec();
    };
    let (headers, body): (Vec<&str>, Vec<&str>) =
        rest.lines().filter(|line| !line.starts_with("-----")).partition(|line| line.contains(':') || line.is_empty());
    let Ok(mut bytes) = BASE64_STANDARD.decode(body.concat()) else { return key.to_vec() };
    let at = at.index(bytes.len());
    bytes[at] ^= bits;
    let headers = headers.iter().map(|line| format!("{line}\n")).collect::<String>();
    format!("-----BEGIN {label}-----\n{headers}{}\n-----END {label}-----\n", BASE64_STANDARD.encode(bytes)).into_bytes()
}

/// A key of each format, as cheap as can be.
fn keys() -> Vec<Vec<u8>> {
    let maker = Maker::new();
    maker.write("pass", PASSPHRASE.as_bytes());
    let mut keys = Vec::new();
    for kind in ["-t ed25519", "-t rsa -b 2048", "-t ecdsa -b 256"] {
        let _ = std::fs::remove_file(maker.dir().join("key"));
        maker.must(&format!("ssh-keygen -q {kind} -N  -f key"));
        keys.push(maker.file("key"));
        if have("puttygen") {
            for options in ["version=2", "version=3"] {
                maker.must(&format!("puttygen key -O private --ppk-param {options} -o plain.ppk"));
                keys.push(maker.file("plain.ppk"));
            }
            maker.must("puttygen key -O private --ppk-param memory=8,passes=1 --new-passphrase pass -o e.ppk");
            keys.push(maker.file("e.ppk"));
        }
        maker.must("ssh-keygen -q -p -a 1 -N PASS -f key");
        keys.push(maker.file("key"));
    }
    if have("openssl") {
        for (line, file) in [
            ("openssl genrsa -traditional -out rsa.pem 2048", "rsa.pem"),
            ("openssl rsa -traditional -in rsa.pem -aes128 -passout file:pass -out rsae.pem", "rsae.pem"),
            ("openssl ecparam -name secp384r1 -genkey -noout -out ec.pem", "ec.pem"),
            ("openssl pkcs8 -topk8 -nocrypt -in rsa.pem -out rsa8.pem", "rsa8.pem"),
            ("openssl pkcs8 -topk8 -in ec.pem -iter 1 -passout file:pass -out ec8.pem", "ec8.pem"),
            ("openssl pkcs8 -topk8 -in ec.pem -scrypt -scrypt_N 16 -passout file:pass -out s8.pem", "s8.pem"),
        ] {
            maker.must(line);
            keys.push(maker.file(file));
        }
    }
    keys
}

#[test]
fn harmed_keys_of_every_format_are_refused_or_still_the_same_key() {
    let keys = keys();
    let whole: Vec<String> = keys.iter().map(|key| fingerprint(&imported(key, Some(PASSPHRASE)).unwrap())).collect();
    let config = ProptestConfig {
        cases: 40 * u32::try_from(keys.len()).unwrap(),
        failure_persistence: None,
        ..Default::default()
    };
    proptest!(config, |(which in any::<Index>(), harms in prop::collection::vec(harm(), 1..3), given in any::<bool>())| {
        let which = which.index(keys.len());
        let content = harms.iter().fold(keys[which].clone(), |key, harm| if key.is_empty() { key } else { harm.apply(key) });
        let started = Instant::now();
        let outcome = imported(&content, given.then_some(PASSPHRASE));
        prop_assert!(started.elapsed() < Duration::from_secs(30));
        match outcome {
            Ok(key) => prop_assert_eq!(&fingerprint(&key), &whole[which]),
            Err(error) => prop_assert_eq!(error.to_string().matches("; ").count(), 1, "{}", error),
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn random_bytes_are_no_key(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(imported(&bytes, Some("x")).is_err());
    }

    #[test]
    fn random_bytes_in_every_wrapping_are_no_key(bytes in prop::collection::vec(any::<u8>(), 0..600), label in 0usize..6) {
        use base64::Engine as _;
        let label = ["OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "X"][label];
        let body = base64::prelude::BASE64_STANDARD.encode(bytes);
        let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
        prop_assert!(imported(pem.as_bytes(), Some("x")).is_err());
        let ppk = format!("PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: \nPublic-Lines: 1\n{body}\nPrivate-Lines: 0\nPrivate-MAC: 00\n");
        prop_assert!(imported(ppk.as_bytes(), None).is_err());
    }
}
