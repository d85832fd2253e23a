//! What lies on the disk.

use super::*;
use crate::support::search::{Secrets, files_below};

#[tokio::test]
async fn no_file_but_the_master_key_holds_a_secret_in_any_form() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let mut secrets = Secrets::default();
    for (key, kind) in [("ed", KeyKind::Ed25519), ("rsa", KeyKind::rsa(Some(2048)).unwrap())] {
        service.generate(&name(key), kind, Protection::None).await.unwrap();
        let resolved = service.resolve(&name(key)).await.unwrap();
        secrets.add_key(key, resolved.private_pem.expose_secret(), &resolved.public_line);
    }
    let master = fs::read_to_string(data.path().join(MASTER_KEY)).unwrap();
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&master[2 * i..2 * i + 2], 16).unwrap()).collect();
    secrets.add("the master key", &bytes);

    let check = |when: &str| {
        let files = files_below(data.path(), &[data.path().join(MASTER_KEY)]);
        assert!(!files.is_empty());
        assert_eq!(secrets.in_files(&files), [""; 0], "{when}");
    };
    check("with the write-ahead log");
    service.close().await;
    check("after the log was written back");
    assert!(!secrets.in_files(&[data.path().join(MASTER_KEY)]).is_empty(), "the search finds what is there");
    let shown = format!("{service:?}");
    assert!(secrets.in_bytes(shown.as_bytes()).is_empty(), "{shown}");
}
