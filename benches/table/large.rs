//! 200 MB that do not compress: 50 files of 4 MiB, pushed and cloned for the first time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use appferry::domain::{EntryKind, TreeEntry};
use appferry::git::local::LocalRepo;
use appferry::ports::{Commit, LocalRepository as _, RefEdit, Signature};

use crate::Size;
use crate::instance::Instance;
use crate::place::{Place, run};
use crate::table::Table;
use crate::wire::{self, OURS, Spent};

const FILES: usize = 50;
const FILE_BYTES: usize = 4 << 20;

/// A push into an empty bare repository: our wire client, from a repository as our program writes it, against `git push`,
/// from a clone as git writes it. Each is one process, from its start to its end, login included.
pub(crate) fn push(place: &Place, size: Size, table: &mut Table) {
    let (local, clone) = (our_repository(place, "push200_ours.git"), git_clone(place, "push200_clone"));
    let (mut ours, mut theirs, mut tuned) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=large_rounds(size) {
        let bare = empty_bare(place, "push200.git");
        let our = wire::client(place, "push", &local, &bare);
        check_and_remove(place, &bare);
        let their = git_push(place, &clone, &[]);
        let tuned_git = git_push(place, &clone, &["-c", "core.bigFileThreshold=1m"]);
        if round > 0 {
            ours.push(our); // the first one warms all
            theirs.push(their);
            tuned.push(tuned_git);
        }
    }
    table.times("push of 200 MB (50 random files of 4 MiB); `git push`", &times(&ours), &theirs);
    let what = "the same; `git -c core.bigFileThreshold=1m push`, which looks for no deltas";
    table.times(what, &times(&ours), &tuned);
    table.value("the same, the most memory (VmHWM)", &peak(&ours));
    std::fs::remove_dir_all(local).unwrap();
    std::fs::remove_dir_all(clone).unwrap();
    whole_program(place, table);
}

/// The first fetch into an empty bare repository, which stores one pack with its index and secures both, against `git clone
/// --bare`, which does the same. Nothing is checked out on either side.
pub(crate) fn clone(place: &Place, size: Size, table: &mut Table) {
    let source = git_clone(place, "clone200_source");
    let bare = empty_bare(place, "clone200.git");
    run(place.git(&source, place.port).args(["push", "-q"]).arg(&bare).arg("HEAD:main"));
    run(place.git(&bare, place.port).args(["repack", "-adq"]));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=large_rounds(size) {
        let local = place.path("clone200_ours.git");
        let our = wire::client(place, "fetch", &local, &bare);
        std::fs::remove_dir_all(local).unwrap();
        let clone = place.path("clone200_git.git");
        let begun = Instant::now();
        let url = place.url(&bare, place.port);
        run(place.git(Path::new("/"), place.port).args(["clone", "-q", "--bare", &url]).arg(&clone));
        let their = begun.elapsed();
        std::fs::remove_dir_all(clone).unwrap();
        if round > 0 {
            ours.push(our);
            theirs.push(their);
        }
    }
    table.times("clone of 200 MB, nothing checked out; `git clone --bare`", &times(&ours), &theirs);
    table.value("the same, the most memory (VmHWM)", &peak(&ours));
}

/// The program itself: 200 MB are there at its start, and must be committed and pushed.
fn whole_program(place: &Place, table: &mut Table) {
    let bare = empty_bare(place, "program200.git");
    let app = place.path("program200_apps/Large");
    std::fs::create_dir_all(&app).unwrap();
    for n in 0..FILES {
        std::fs::write(app.join(file_name(n)), noise(n)).unwrap();
    }
    let mut instance = Instance::start(place, "program200", &bare, place.port, "10s");
    instance.wait_until_in_sync();
    table.value("the whole program that commits and pushes them (VmHWM)", &instance.memory_mib("VmHWM:"));
}

fn git_push(place: &Place, clone: &Path, options: &[&str]) -> Duration {
    let bare = empty_bare(place, "push200.git");
    let begun = Instant::now();
    let url = place.url(&bare, place.port);
    run(place.git(clone, place.port).args(options).args(["push", "-q", &url, "HEAD:main"]));
    let took = begun.elapsed();
    check_and_remove(place, &bare);
    took
}

fn large_rounds(size: Size) -> usize {
    if size.rounds > 5 { 5 } else { 2 }
}

fn times(spent: &[Spent]) -> Vec<Duration> {
    spent.iter().map(|spent| spent.time).collect()
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn peak(spent: &[Spent]) -> String {
    let most = spent.iter().map(|spent| spent.peak_kib).max().unwrap();
    format!("{:.1} MiB", most as f64 / 1024.0)
}

fn empty_bare(place: &Place, name: &str) -> PathBuf {
    let bare = place.path(name);
    run(place.git(Path::new("/"), place.port).args(["init", "-q", "--bare", "-b", "main"]).arg(&bare));
    for (key, value) in [("receive.autogc", "false"), ("gc.auto", "0")] {
        run(place.git(&bare, place.port).args(["config", key, value]));
    }
    bare
}

fn check_and_remove(place: &Place, bare: &Path) {
    let listed = run(place.git(bare, place.port).args(["ls-tree", "-r", "--name-only", "main"]));
    assert_eq!(listed.lines().count(), FILES);
    std::fs::remove_dir_all(bare).unwrap();
    run(&mut std::process::Command::new("sync")); // the next one shall not pay for this one's writing
}

fn git_clone(place: &Place, name: &str) -> PathBuf {
    let clone = place.path(name);
    run(place.git(Path::new("/"), place.port).args(["init", "-q", "-b", "main"]).arg(&clone));
    for n in 0..FILES {
        std::fs::write(clone.join(file_name(n)), noise(n)).unwrap();
    }
    crate::peer::commit(place, &clone);
    clone
}

fn our_repository(place: &Place, name: &str) -> PathBuf {
    let path = place.path(name);
    let repo = LocalRepo::open_or_create(&path).unwrap();
    let entry =
        |n| TreeEntry { name: file_name(n).into(), kind: EntryKind::File, id: repo.write_blob(&noise(n)).unwrap() };
    let tree = repo.write_tree(&(0..FILES).map(entry).collect::<Vec<_>>()).unwrap();
    let who = Signature { name: "bench".into(), email: "bench@example.org".into(), seconds: 0, offset_minutes: 0 };
    let commit =
        Commit { tree, parents: Vec::new(), author: who.clone(), committer: who, message: "200 MB".to_owned() };
    let commit = repo.write_commit(&commit).unwrap();
    repo.edit_refs(&[RefEdit { name: OURS.into(), to: Some(commit) }]).unwrap();
    path
}

fn file_name(n: usize) -> String {
    format!("file_{n:02}.bin")
}

/// Bytes that do not compress (xorshift64*), other ones for each file.
fn noise(n: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1);
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    std::iter::repeat_with(next).take(FILE_BYTES / 8).flatten().collect()
}
