//! Fills in the table of speeds: the release program against `git`, over one real sshd on loopback, in one run.
//!
//! `./bench` runs it; `./bench --quick` does it with few rounds and few files; `./bench save pull` does only those
//! parts (`save`, `far`, `pull`, `idle`, `commit`, `first`, `push200`, `clone200`, `shell`, `tunnel`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be made ends the program, and says where"
)]

mod cases;
mod commit;
mod engine;
mod first;
mod instance;
mod large;
mod peer;
mod place;
mod relay;
mod shell;
mod table;
mod tunnel;
mod wire;

use place::Place;
use table::Table;

/// How much is measured.
#[derive(Clone, Copy)]
struct Size {
    rounds: usize,
    /// Apps of 100 files in the large repository.
    large_apps: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some(("--wire", rest)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return wire::child(rest);
    }
    let quick = words.iter().any(|word| word == "--quick");
    let parts: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let size = if quick { Size { rounds: 5, large_apps: 50 } } else { Size { rounds: 25, large_apps: 1_000 } };

    let place = Place::new();
    let mut table = Table::default();
    if wanted("save") {
        cases::save_to_remote(&place, size, &mut table);
    }
    if wanted("far") {
        cases::save_to_far_remote(&place, size, &mut table);
    }
    if wanted("pull") {
        cases::pull_after_poll(&place, size, &mut table);
    }
    if wanted("idle") {
        cases::idle(&place, size, &mut table);
        commit::idle_among_many_apps(&place, size, &mut table);
    }
    if wanted("commit") {
        commit::one_change_among_many(&place, size, &mut table);
    }
    if wanted("first") {
        first::start_with_equal_sides(&place, size, &mut table);
    }
    if wanted("push200") {
        large::push(&place, size, &mut table);
    }
    if wanted("clone200") {
        large::clone(&place, size, &mut table);
    }
    if wanted("shell") {
        shell::true_over_a_warm_session(&place, size, &mut table);
    }
    if wanted("tunnel") {
        tunnel::against_ssh(&place, size, &mut table);
    }
    println!("\n{table}");
}
