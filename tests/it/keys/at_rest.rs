//! What lies on the disk.

use super::*;

#[tokio::test]
async fn no_file_but_the_master_key_holds_a_secret_in_any_form() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for (key, kind) in [("ed", KeyKind::Ed25519), ("rsa", KeyKind::rsa(Some(2048)).unwrap())] {
        service.generate(&name(key), kind, Protection::None).await.unwrap();
        let resolved = service.resolve(&name(key)).await.unwrap();
        let pem = resolved.private_pem;
        // An RSA file repeats the public modulus, which may happen to look as it does in the public line.
        let secret = |line: &&str| line.len() == 70 && !resolved.public_line.contains(*line);
        secrets.extend(pem.expose_secret().lines().filter(secret).map(|line| line.as_bytes().to_vec()));
        let parsed = ssh_key::PrivateKey::from_openssh(pem.expose_secret()).unwrap();
        match parsed.key_data() {
            ssh_key::private::KeypairData::Ed25519(pair) => secrets.push(pair.private.to_bytes().to_vec()),
            ssh_key::private::KeypairData::Rsa(pair) => {
                secrets.extend(
                    [pair.private().p(), pair.private().q(), pair.private().d()].map(|n| n.as_bytes().to_vec()),
                );
            }
            _ => unreachable!(),
        }
    }
    let master = fs::read_to_string(data.path().join(MASTER_KEY)).unwrap();
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&master[2 * i..2 * i + 2], 16).unwrap()).collect();
    secrets.push(bytes);

    let check = |when: &str| {
        for (file, content) in contents(data.path()).iter().filter(|(file, _)| *file != MASTER_KEY) {
            let lower = content.to_ascii_lowercase();
            for secret in &secrets {
                let hex = secret.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
                let (standard, url) = (BASE64_STANDARD.encode(secret), BASE64_URL_SAFE.encode(secret));
                let whole = |text: &str| text.trim_end_matches('=').len() - 1; // the last digit depends on what follows
                assert!(!holds(content, secret), "{file} holds a secret, {when}");
                assert!(!holds(&lower, hex.as_bytes()), "{file} holds a secret as hex, {when}");
                assert!(!holds(content, &standard.as_bytes()[..whole(&standard)]), "{file}: base64, {when}");
                assert!(!holds(content, &url.as_bytes()[..whole(&url)]), "{file}: base64url, {when}");
            }
        }
    };
    check("with the write-ahead log");
    service.close().await;
    check("after the log was written back");
    let shown = format!("{service:?}");
    assert!(!shown.contains(&master[..64]), "{shown}");
}
