//! The first byte chooses the form (`j`, `t`, `g`, `z`), the rest is the archive.

#![no_main]

#[path = "../checks/archive.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _accepted = checks::check(bytes);
});
