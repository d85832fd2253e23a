//! What imports: each format, encrypted and not.

use super::{Maker, PASSPHRASE, fingerprint, have, imported, opens, openssh_reads, plain};

const KINDS: [&str; 5] = ["-t ed25519", "-t rsa -b 2048", "-t ecdsa -b 256", "-t ecdsa -b 384", "-t ecdsa -b 521"];

#[test]
fn openssh_keys_of_every_kind_import() {
    let maker = Maker::new();
    for (index, kind) in KINDS.iter().enumerate() {
        maker.must(&format!("ssh-keygen -q {kind} -C me@here -N  -f key{index}"));
        let expected = maker.fingerprint(&format!("key{index}"));
        plain(&maker.file(&format!("key{index}")), "OpenSSH", &expected);
        openssh_reads(&maker, &imported(&maker.file(&format!("key{index}")), None).unwrap());
        maker.must(&format!("ssh-keygen -q -p -a 2 -N PASS -f key{index}"));
        opens(&maker.file(&format!("key{index}")), "OpenSSH", &expected);
    }
}

#[test]
fn openssh_keys_under_every_cipher_import() {
    let maker = Maker::new();
    let mut seen = 0;
    for cipher in [
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
        "3des-cbc",
    ] {
        if maker.run(&format!("ssh-keygen -q -t ed25519 -a 1 -Z {cipher} -N PASS -f {cipher}")) {
            opens(&maker.file(cipher), "OpenSSH", &maker.fingerprint(&format!("{cipher}.pub")));
            seen += 1;
        }
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn pkcs1_keys_import() {
    if !have("openssl") {
        return;
    }
    let maker = Maker::new();
    maker.must("openssl genrsa -traditional -out plain.pem 2048");
    maker.must("chmod 600 plain.pem");
    let expected = maker.fingerprint("plain.pem");
    plain(&maker.file("plain.pem"), "PKCS#1", &expected);
    for cipher in ["aes128", "aes192", "aes256", "des3"] {
        maker.must(&format!(
            "openssl rsa -traditional -in plain.pem -{cipher} -passout pass:{} -out {cipher}.pem",
            "horse"
        ));
        let content = maker.file(&format!("{cipher}.pem"));
        assert!(content.windows(8).any(|part| part == b"DEK-Info"));
        assert_eq!(fingerprint(&imported(&content, Some("horse")).unwrap()), expected);
    }
    maker.must("ssh-keygen -q -t rsa -b 2048 -m PEM -N PASS -f legacy");
    opens(&maker.file("legacy"), "PKCS#1", &maker.fingerprint("legacy.pub"));
}

#[test]
fn sec1_keys_import() {
    if !have("openssl") {
        return;
    }
    let maker = Maker::new();
    for (curve, extra) in [("prime256v1", ""), ("secp384r1", ""), ("secp521r1", ""), ("prime256v1", " -noout")] {
        maker.must(&format!("openssl ecparam -name {curve} -genkey{extra} -out plain.pem"));
        maker.must("chmod 600 plain.pem");
        maker.must("openssl ec -in plain.pem -aes128 -passout pass:horse -out encrypted.pem");
        let opened = imported(&maker.file("plain.pem"), None).unwrap();
        openssh_reads(&maker, &opened);
        plain(&maker.file("plain.pem"), "SEC1", &fingerprint(&opened));
        let encrypted = imported(&maker.file("encrypted.pem"), Some("horse")).unwrap();
        assert_eq!((fingerprint(&encrypted), encrypted.was_encrypted), (fingerprint(&opened), true));
        maker.must("openssl ec -in plain.pem -conv_form compressed -out compressed.pem");
        plain(&maker.file("compressed.pem"), "SEC1", &fingerprint(&opened));
    }
}

#[test]
fn pkcs8_keys_of_every_kind_import() {
    if !have("openssl") {
        return;
    }
    let maker = Maker::new();
    for options in [
        "ED25519",
        "RSA -pkeyopt rsa_keygen_bits:2048",
        "EC -pkeyopt ec_paramgen_curve:P-256",
        "EC -pkeyopt ec_paramgen_curve:P-384",
        "EC -pkeyopt ec_paramgen_curve:P-521",
    ] {
        maker.must(&format!("openssl genpkey -algorithm {options} -out plain.pem"));
        let opened = imported(&maker.file("plain.pem"), None).unwrap();
        openssh_reads(&maker, &opened);
        plain(&maker.file("plain.pem"), "PKCS#8", &fingerprint(&opened));
        maker.must("openssl pkcs8 -topk8 -in plain.pem -passout pass:horse -out encrypted.pem");
        let encrypted = imported(&maker.file("encrypted.pem"), Some("horse")).unwrap();
        assert_eq!((fingerprint(&encrypted), encrypted.was_encrypted), (fingerprint(&opened), true));
    }
}

#[test]
fn pkcs8_keys_under_every_cipher_and_derivation_import() {
    if !have("openssl") {
        return;
    }
    let maker = Maker::new();
    maker.must("openssl genpkey -algorithm ED25519 -out plain.pem");
    maker.write("pass", PASSPHRASE.as_bytes());
    let expected = fingerprint(&imported(&maker.file("plain.pem"), None).unwrap());
    let options = [
        "-v2 aes-128-cbc",
        "-v2 aes-192-cbc",
        "-v2 aes-256-cbc",
        "-v2 des3",
        "-v2prf hmacWithSHA1",
        "-v2prf hmacWithSHA224",
        "-v2prf hmacWithSHA256",
        "-v2prf hmacWithSHA384",
        "-v2prf hmacWithSHA512",
        "-scrypt -scrypt_N 1024 -scrypt_r 8 -scrypt_p 1",
        "-scrypt -scrypt_N 256 -v2 des3",
        "-v2 aes-256-cbc -iter 10000",
    ];
    for options in options {
        maker.must(&format!("openssl pkcs8 -topk8 -in plain.pem {options} -passout file:pass -out encrypted.pem"));
        opens(&maker.file("encrypted.pem"), "PKCS#8", &expected);
    }
    maker.must("ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N PASS -f legacy");
    opens(&maker.file("legacy"), "PKCS#8", &maker.fingerprint("legacy.pub"));
}

#[test]
fn putty_keys_of_every_kind_and_version_import() {
    if !have("puttygen") {
        return;
    }
    let maker = Maker::new();
    maker.write("pass", PASSPHRASE.as_bytes());
    for kind in ["-t ed25519", "-t rsa -b 2048", "-t ecdsa -b 256", "-t ecdsa -b 384", "-t ecdsa -b 521"] {
        maker.write("none", b"");
        maker.must(&format!("puttygen -q {kind} -C me@here --new-passphrase none -O private-openssh-new -o plain"));
        let expected = maker.fingerprint("plain");
        for (version, format) in [(2, "PuTTY 2"), (3, "PuTTY 3")] {
            maker.must(&format!("puttygen plain -O private --ppk-param version={version} -o plain.ppk"));
            plain(&maker.file("plain.ppk"), format, &expected);
            let dear = if version == 3 { ",memory=256,passes=2" } else { "" };
            maker.must(&format!(
                "puttygen plain -O private --ppk-param version={version}{dear} --new-passphrase pass -o encrypted.ppk"
            ));
            opens(&maker.file("encrypted.ppk"), format, &expected);
        }
        for kdf in ["argon2i", "argon2d"] {
            maker.must(&format!("puttygen plain -O private --ppk-param kdf={kdf},memory=64,passes=2,parallelism=2 --new-passphrase pass -o e.ppk"));
            opens(&maker.file("e.ppk"), "PuTTY 3", &expected);
        }
    }
}

#[test]
fn small_differences_of_files_do_not_matter() {
    let maker = Maker::new();
    maker.must("ssh-keygen -q -t ed25519 -N  -f key");
    let expected = maker.fingerprint("key");
    let text = String::from_utf8(maker.file("key")).unwrap();
    let windows = text.replace('\n', "\r\n");
    let utf16: Vec<u8> = format!("\u{feff}{windows}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let around = format!("Bag Attributes\n    friendlyName: me\nKey Attributes: <No Attributes>\n{text}\n\n");
    let public = String::from_utf8(maker.file("key.pub")).unwrap();
    let indented = text.replace('\n', "  \n    ");
    for content in [
        windows.as_bytes(),
        format!("\u{feff}{text}").as_bytes(),
        text.trim_end().as_bytes(),
        &utf16,
        around.as_bytes(),
        format!("{text}{public}").as_bytes(),
        indented.as_bytes(),
    ] {
        plain(content, "OpenSSH", &expected);
    }
    if have("puttygen") {
        maker.must("puttygen key -O private -o key.ppk");
        let text = String::from_utf8(maker.file("key.ppk")).unwrap();
        plain(text.replace('\n', "\r\n").as_bytes(), "PuTTY 3", &expected);
        plain(format!("\u{feff}\n{}", text.trim_end()).as_bytes(), "PuTTY 3", &expected);
    }
}

/// A number of a key loses its leading zeros in many formats: once in 256 keys.
#[test]
fn keys_with_small_numbers_import() {
    if !have("puttygen") || !have("openssl") {
        return;
    }
    let maker = Maker::new();
    loop {
        maker.must("openssl ecparam -name prime256v1 -genkey -noout -out ec.pem");
        let key = imported(&maker.file("ec.pem"), None).unwrap();
        let ssh_key::private::KeypairData::Ecdsa(pair) = key.private.key_data() else { panic!("not ECDSA") };
        if pair.private_key_bytes()[0] == 0 {
            openssh_reads(&maker, &key);
            maker.must("chmod 600 ec.pem");
            maker.must("puttygen ec.pem -O private-openssh-new -o new");
            plain(&maker.file("new"), "OpenSSH", &fingerprint(&key));
            maker.must("puttygen ec.pem -O private -o ec.ppk");
            plain(&maker.file("ec.ppk"), "PuTTY 3", &fingerprint(&key));
            return;
        }
    }
}

#[test]
fn rsa_keys_of_odd_sizes_import_or_say_their_size() {
    let maker = Maker::new();
    for bits in [2049, 2050, 2052, 2056] {
        maker.must(&format!("ssh-keygen -q -t rsa -b {bits} -N  -f key{bits}"));
        let name = format!("key{bits}");
        plain(&maker.file(&name), "OpenSSH", &maker.fingerprint(&name));
    }
}
