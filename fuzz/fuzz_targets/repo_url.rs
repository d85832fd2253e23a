//! Any text: what is a repository's address is shown in a form that is read as the same address, and names no option.

#![no_main]

#[path = "../checks/repo_url.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _accepted = checks::check(text);
});
