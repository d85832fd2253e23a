//! The seeds of the fuzz targets for what is public; those for internal parsers are replayed beside them in `src`.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks/archive.rs"]
mod archive;
#[path = "../../fuzz/checks/environment.rs"]
mod environment;
#[path = "../../fuzz/checks/key_import.rs"]
mod key_import;
#[path = "../../fuzz/checks/repo_url.rs"]
mod repo_url;

#[test]
fn the_seeds_of_repository_urls_are_accepted_and_refused_as_their_names_say() {
    replay("repo_url", |seed| repo_url::check(text(seed)));
}

#[test]
fn the_seeds_of_archives_are_accepted_and_refused_as_their_names_say() {
    replay("archive", archive::check);
}

#[test]
fn the_seeds_of_environments_are_accepted_and_refused_as_their_names_say() {
    replay("environment", |seed| environment::check(text(seed)));
}

#[test]
fn the_seeds_of_private_keys_are_accepted_and_refused_as_their_names_say() {
    replay("key_import", key_import::check);
}

#[test]
fn every_fuzz_target_has_seeds() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for entry in fs::read_dir(fuzz.join("fuzz_targets")).expect("the targets").flatten() {
        let name = entry.path().file_stem().expect("a name").to_owned();
        let seeds = fs::read_dir(fuzz.join("seeds").join(&name)).map_or(0, Iterator::count);
        assert!(seeds > 0, "fuzz/seeds has none for {name:?}");
    }
}

/// `ok-…` must be accepted, `no-…` refused, and nothing may panic.
fn replay(target: &str, check: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).expect("the seeds").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let accepted = check(&fs::read(entry.path()).expect("readable"));
        if !name.starts_with(if accepted { "ok-" } else { "no-" }) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "not as their names say: {wrong:?}");
}

fn text(seed: &[u8]) -> &str {
    std::str::from_utf8(seed).expect("text")
}
