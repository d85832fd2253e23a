//! The one integration-test binary: real servers, real repositories, the real program.

mod demo;
mod disk;
mod face;
mod keys;
mod localrepo;
mod ssh;
mod support;
mod sync;
mod wire;
