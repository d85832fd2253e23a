//! What does not import, and that each refusal says why and what to do.

use appferry::keys::import::ImportError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{Maker, PASSPHRASE, have, imported};

/// The refusal, which names each of `words`.
#[track_caller]
fn refused(content: &[u8], passphrase: Option<&str>, words: &[&str]) -> ImportError {
    let error = imported(content, passphrase).map(|key| key.format).unwrap_err();
    let shown = error.to_string();
    assert!(words.iter().all(|word| shown.contains(word)), "{shown}");
    assert_eq!(shown.matches("; ").count(), 1, "{shown}");
    error
}

#[test]
fn public_keys_and_certificates_are_refused_as_such() {
    let maker = Maker::new();
    maker.must("ssh-keygen -q -t rsa -b 2048 -N  -f key");
    refused(&maker.file("key.pub"), None, &["public key (OpenSSH)"]);
    for (form, word) in [("RFC4716", "RFC 4716"), ("PEM", "public key (PEM)"), ("PKCS8", "public key (PEM)")] {
        let output = crate::support::run("ssh-keygen", &["-e", "-m", form, "-f", "key.pub"], maker.dir(), b"");
        refused(&output.stdout, None, &[word]);
    }
    maker.must("ssh-keygen -q -s key -I me key.pub");
    refused(&maker.file("key-cert.pub"), None, &["certificate (OpenSSH)"]);
    if have("openssl") {
        maker.must("openssl req -x509 -key key -subj /CN=me -out cert.pem");
        refused(&maker.file("cert.pem"), None, &["certificate (X.509)"]);
    }
}

#[test]
fn kinds_of_no_use_are_refused_by_name() {
    let maker = Maker::new();
    if maker.run("ssh-keygen -q -t dsa -N  -f dsa") {
        refused(&maker.file("dsa"), None, &["DSA"]);
    }
    if have("openssl") {
        maker.must("openssl dsaparam -out params.pem 1024");
        maker.must("openssl gendsa -out dsa.pem params.pem");
        refused(&maker.file("dsa.pem"), None, &["DSA"]);
        maker.must("openssl pkcs8 -topk8 -nocrypt -in dsa.pem -out dsa8.pem");
        refused(&maker.file("dsa8.pem"), None, &["DSA"]);
        maker.must("openssl dsa -in dsa8.pem -out dsa1.pem");
        for (algorithm, word) in [("X25519", "X25519"), ("ED448", "Ed448"), ("RSA-PSS", "PSS")] {
            maker.must(&format!("openssl genpkey -algorithm {algorithm} -out other.pem"));
            refused(&maker.file("other.pem"), None, &[word]);
        }
        maker.must("openssl ecparam -name secp256k1 -genkey -noout -out k1.pem");
        refused(&maker.file("k1.pem"), None, &["secp256k1"]);
        maker.must("openssl ecparam -name prime256v1 -genkey -noout -param_enc explicit -out explicit.pem");
        refused(&maker.file("explicit.pem"), None, &["curve of its own"]);
    }
    if have("puttygen") {
        maker.write("none", b"");
        maker.must("puttygen -q -t dsa -b 1024 --new-passphrase none -O private -o dsa.ppk");
        refused(&maker.file("dsa.ppk"), None, &["DSA"]);
        maker.must("puttygen -q -t ed448 --new-passphrase none -O private -o ed448.ppk");
        refused(&maker.file("ed448.ppk"), None, &["Ed448"]);
    }
}

#[test]
fn keys_of_hardware_tokens_are_refused() {
    let mut key = b"openssh-key-v1\0".to_vec();
    let public = [&string(b"sk-ssh-ed25519@openssh.com")[..], &string(&[7; 32]), &string(b"ssh:")].concat();
    for part in
        [&string(b"none")[..], &string(b"none"), &string(b""), &[0, 0, 0, 1], &string(&public), &string(&[0; 64])]
    {
        key.extend_from_slice(part);
    }
    refused(&openssh(&key), None, &["FIDO", "token"]);
}

#[test]
fn rsa_keys_that_are_too_short_or_too_long_are_refused_with_their_size() {
    let maker = Maker::new();
    maker.must("ssh-keygen -q -t rsa -b 1024 -N  -f short");
    assert_eq!(refused(&maker.file("short"), None, &["1024"]), ImportError::RsaSize { bits: 1024 });
    let long = [&[0x30, 0x82, 0x05, 0x0f][..], &[2, 1, 0, 2, 0x82, 0x04, 0xf4, 0x01], &[7; 1267], &[2, 1, 3].repeat(7)]
        .concat();
    let pem =
        format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", BASE64_STANDARD.encode(long));
    refused(pem.as_bytes(), None, &["10137"]);
}

#[test]
fn ciphers_that_are_not_read_are_named() {
    let maker = Maker::new();
    maker.must("ssh-keygen -q -t ed25519 -N PASS -a 1 -f key");
    let key = String::from_utf8(maker.file("key")).unwrap();
    let body: String = key.lines().filter(|line| !line.starts_with("--")).collect();
    let bytes = BASE64_STANDARD.decode(body).unwrap();
    refused(&openssh(&replaced(&bytes, b"aes256-ctr", b"magic1-ctr")), None, &["magic1-ctr", "ssh-keygen -p"]);
    refused(&openssh(&replaced(&bytes, b"bcrypt", b"scrypt")), None, &["scrypt"]);
    if have("openssl") {
        maker.must("openssl genrsa -traditional -out rsa.pem 2048");
        for cipher in ["camellia128", "aria256"] {
            maker.must(&format!("openssl rsa -traditional -in rsa.pem -{cipher} -passout pass:x -out old.pem"));
            refused(&maker.file("old.pem"), Some("x"), &[&cipher.to_uppercase()[..4], "openssl pkey"]);
        }
        maker.must("openssl pkcs8 -topk8 -in rsa.pem -v1 PBE-SHA1-3DES -passout pass:x -out pbes1.pem");
        refused(&maker.file("pbes1.pem"), Some("x"), &["PBES1", "openssl pkcs8 -topk8"]);
        maker.must("openssl pkcs8 -topk8 -in rsa.pem -v2 camellia-256-cbc -passout pass:x -out camellia.pem");
        refused(&maker.file("camellia.pem"), Some("x"), &["1.2.392.200011.61.1.1.1.4"]);
    }
}

#[test]
fn a_passphrase_that_would_take_too_long_to_try_is_not_tried() {
    let maker = Maker::new();
    maker.must("ssh-keygen -q -t ed25519 -N PASS -a 1 -f key");
    let body: String =
        String::from_utf8(maker.file("key")).unwrap().lines().filter(|line| !line.starts_with("--")).collect();
    let mut bytes = BASE64_STANDARD.decode(body).unwrap();
    let rounds = bytes.windows(8).position(|part| part == [0, 0, 0, 1, 0, 0, 0, 1]).unwrap();
    bytes[rounds..rounds + 4].copy_from_slice(&[0xff; 4]);
    refused(&openssh(&bytes), Some(PASSPHRASE), &["4294967295 rounds"]);
    if have("puttygen") {
        maker.write("pass", PASSPHRASE.as_bytes());
        maker.must("puttygen key --old-passphrase pass -O private --ppk-param memory=64,passes=2 --new-passphrase pass -o key.ppk");
        let ppk = String::from_utf8(maker.file("key.ppk")).unwrap();
        for (from, to) in [
            ("Memory: 64", "Memory: 4294967295"),
            ("Memory: 64", "Memory: 1048577"),
            ("Passes: 2", "Passes: 4294967295"),
        ] {
            refused(ppk.replace(from, to).as_bytes(), Some(PASSPHRASE), &["passes over", "PuTTYgen"]);
        }
    }
    if have("openssl") {
        maker.must("openssl genpkey -algorithm ED25519 -out plain.pem");
        maker.must("openssl pkcs8 -topk8 -in plain.pem -iter 10000001 -passout pass:x -out dear.pem");
        refused(&maker.file("dear.pem"), Some("x"), &["iterations of PBKDF2"]);
        maker.must("openssl pkcs8 -topk8 -in plain.pem -scrypt -scrypt_N 1024 -passout pass:x -out scrypt.pem");
        let body: String = String::from_utf8(maker.file("scrypt.pem"))
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect();
        let bytes = BASE64_STANDARD.decode(body).unwrap();
        let dear = replaced(&bytes, &[2, 2, 4, 0, 2, 1, 8], &[2, 2, 0x40, 0, 2, 1, 0x7f]);
        let dearer = replaced(&dear, &[2, 1, 0x7f, 2, 1, 1], &[2, 1, 0x7f, 2, 1, 0x7f]);
        refused(&pem("ENCRYPTED PRIVATE KEY", &dearer), Some("x"), &["scrypt"]);
    }
}

#[test]
fn damage_is_told_with_its_place() {
    let maker = Maker::new();
    maker.must("ssh-keygen -q -t ed25519 -N  -f key");
    let text = String::from_utf8(maker.file("key")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = lines[..lines.len() - 1].join("\n");
    refused(cut.as_bytes(), None, &["damaged", "END line is missing"]);
    let missing = [&lines[..2], &lines[3..]].concat().join("\n");
    assert!(matches!(refused(missing.as_bytes(), None, &["damaged"]), ImportError::Damaged { .. }));
    refused(text.replacen(lines[2], &lines[2].replacen('A', "*", 1), 1).as_bytes(), None, &["line 3 is not base64"]);
    refused(text.replace('\n', " ").as_bytes(), None, &["line breaks lost"]);
    refused(lines[1..].join("\n").as_bytes(), None, &["does not begin"]);
    refused(format!("{text}{text}").as_bytes(), None, &["2 private keys"]);
}

#[test]
fn halves_of_two_keys_are_no_key() {
    let maker = Maker::new();
    for name in ["one", "two"] {
        maker.must(&format!("ssh-keygen -q -t ed25519 -N  -C x -f {name}"));
    }
    let bytes = |name: &str| {
        let text = String::from_utf8(maker.file(name)).unwrap();
        BASE64_STANDARD.decode(text.lines().filter(|line| !line.starts_with("--")).collect::<String>()).unwrap()
    };
    let (one, two) = (bytes("one"), bytes("two"));
    // The outer public half ends at the same place in both; the inner ones follow.
    for (from, length) in [(62, 32), (161, 32), (129, 32)] {
        let mut mixed = one.clone();
        mixed[from..from + length].copy_from_slice(&two[from..from + length]);
        assert!(matches!(refused(&openssh(&mixed), None, &["damaged"]), ImportError::Damaged { .. }), "{from}");
    }
}

#[test]
fn an_rsa_key_with_a_changed_number_is_found_now_and_not_at_login() {
    if !have("openssl") {
        return;
    }
    let maker = Maker::new();
    maker.must("openssl genrsa -traditional -out key.pem 2048");
    let text = String::from_utf8(maker.file("key.pem")).unwrap();
    let bytes =
        BASE64_STANDARD.decode(text.lines().filter(|line| !line.starts_with("--")).collect::<String>()).unwrap();
    // The middle of n, of d, of p and of q.
    for place in [100, 400, 610, 740] {
        let mut changed = bytes.clone();
        changed[place] ^= 4;
        refused(&pem("RSA PRIVATE KEY", &changed), None, &["damaged", "contradict"]);
    }
}

#[test]
fn too_large_and_empty_files_are_refused() {
    refused(&vec![b'a'; 64 * 1024 + 1], None, &["65537 bytes"]);
    assert_eq!(refused(b"", None, &["empty"]), ImportError::Empty);
    assert_eq!(refused("\u{feff} \r\n".as_bytes(), None, &["empty"]), ImportError::Empty);
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn pem(label: &str, bytes: &[u8]) -> Vec<u8> {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(bytes)).into_bytes()
}

fn openssh(bytes: &[u8]) -> Vec<u8> {
    pem("OPENSSH PRIVATE KEY", bytes)
}

#[track_caller]
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}
