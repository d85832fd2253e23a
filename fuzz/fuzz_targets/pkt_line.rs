//! Any bytes as the answer of a Git server: packets, advertisement, refs, report and side band.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| appferry::git::remote::fuzzing::answer(bytes));
