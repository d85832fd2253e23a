//! The one integration-test binary: real servers, real repositories, the real program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy.toml allows these inside test functions; what the tests share may fail a test, too"
)]

mod apps_api;
mod architecture;
mod calls;
mod demo;
mod disk;
mod events;
mod face;
mod fuzz_seeds;
mod hosts;
mod https;
mod key_sources;
mod keys;
mod leaks;
mod localrepo;
mod repositories;
mod setup;
mod shell;
mod silence;
mod ssh;
mod store;
mod support;
mod sync;
mod tunnels;
mod wire;
