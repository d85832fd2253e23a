//! The one integration-test binary: real servers, real repositories, the real program.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy.toml allows these inside test functions; what the tests share may fail a test, too"
)]

mod architecture;
mod demo;
mod disk;
mod face;
mod keys;
mod localrepo;
mod ssh;
mod support;
mod sync;
mod wire;
