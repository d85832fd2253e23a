//! Any bytes as a private key's file, read without a passphrase and with `appferry`.

#![no_main]

#[path = "../checks/key_import.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let _accepted = checks::check(content);
});
