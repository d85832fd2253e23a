//! Any text as a `known_hosts` file, and any host looked up in it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| appferry::ssh::fuzzing::known_hosts(text));
