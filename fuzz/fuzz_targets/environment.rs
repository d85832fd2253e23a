//! Lines of `NAME=value`, and of `path:content` for the files that they may name; `\n` is a line break.

#![no_main]

#[path = "../checks/environment.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _accepted = checks::check(text);
});
