//! Any bytes as a private key's file, read without a passphrase and with `appferry`.

use appferry::keys::import::{ImportError, read};
use secrecy::SecretString;

/// Whether they are a key that one of both opens. What is refused is never quoted.
pub(super) fn check(content: &[u8]) -> bool {
    let mut accepted = false;
    for passphrase in [None, Some(SecretString::from("appferry"))] {
        match read(content, passphrase.as_ref()) {
            Ok(imported) => {
                assert!(!imported.private.is_encrypted(), "it is of no use like this");
                accepted = true;
            }
            Err(error) => {
                // The name of a cipher or of a kind is shown as the file gives it, 40 characters of it at most.
                let name = match &error {
                    ImportError::Cipher { name, .. } | ImportError::Kind { kind: name, .. } => name.clone(),
                    _ => String::new(),
                };
                assert!(name.len() <= 40 || !String::from_utf8_lossy(content).contains(&name), "{error:?}");
                let shown = format!("{error} {error:?}").replace(name.as_str(), "");
                assert!(shown.len() < 2000 && !error.to_string().chars().any(char::is_control), "{shown:?}");
                let text = String::from_utf8_lossy(content);
                let mut long = text.split_ascii_whitespace().filter(|word| word.len() >= 24);
                assert!(!long.any(|word| shown.contains(word)), "{shown:?} quotes the file");
            }
        }
    }
    accepted
}
