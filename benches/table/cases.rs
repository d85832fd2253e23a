//! 200 apps of 10 files: saving, pulling, and doing nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Size;
use crate::instance::{Instance, until};
use crate::peer;
use crate::place::{Place, run};
use crate::relay::Relay;
use crate::table::Table;

const APPS: usize = 200;
const FILES: usize = 10;
/// Between two measurements, so that none meets the end of the one before.
const REST: Duration = Duration::from_millis(400);

/// A saved file until the remote's ref moved, on loopback.
pub(crate) fn save_to_remote(place: &Place, size: Size, table: &mut Table) {
    let what = "saved file → remote ref, 0 ms round trip; `git add -A && git commit && git push`";
    saves(place, "near", place.port, size.rounds, what, table);
}

/// The same with 20 ms each way.
pub(crate) fn save_to_far_remote(place: &Place, size: Size, table: &mut Table) {
    let relay = Relay::start(place.port, Duration::from_millis(20));
    saves(place, "far", relay.port, size.rounds, "the same, 40 ms round trip", table);
}

fn saves(place: &Place, name: &str, port: u16, rounds: usize, what: &str, table: &mut Table) {
    let (ours_bare, git_bare) = (bare(place, name), bare(place, &format!("{name}_git")));
    let clone = peer::clone_over_ssh(place, &format!("{name}_clone"), &git_bare, port);
    peer::write_apps(&place.path(&format!("{name}_apps")), APPS, FILES);
    let mut instance = Instance::start(place, name, &ours_bare, port, "10s");
    instance.wait_until_in_sync();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (app, file) = ((round * 7) % APPS, round % FILES);
        let (path, content) = (peer::file_path(app, file), peer::content(app, file, round + 1));
        std::thread::sleep(REST);
        let our = instance.save(&path, &content);
        std::thread::sleep(REST);
        std::fs::write(clone.join("App").join(&path), &content).unwrap();
        let their = peer::save(place, &clone, port);
        if round > 0 {
            ours.push(our); // the first one warms both
            theirs.push(their);
        }
    }
    table.times(what, &ours, &theirs);
}

/// One changed file in Git until it is on disk here, from the answer of the poll that saw it.
///
/// The answer is timed from its first bytes as a relay without delay sees them: nothing that is ours is left out.
pub(crate) fn pull_after_poll(place: &Place, size: Size, table: &mut Table) {
    let relay = Relay::start(place.port, Duration::ZERO);
    let (ours_bare, git_bare) = (bare(place, "pull"), bare(place, "pull_git"));
    let (our_other, git_other) =
        (peer::clone_of(place, "pull_other", &ours_bare), peer::clone_of(place, "pull_git_other", &git_bare));
    let clone = peer::clone_over_ssh(place, "pull_clone", &git_bare, place.port);
    peer::write_apps(&place.path("pull_apps"), APPS, FILES);
    let mut instance = Instance::start(place, "pull", &ours_bare, relay.port, "1s");
    instance.wait_until_in_sync();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=size.rounds {
        let (app, file) = ((round * 7) % APPS, round % FILES);
        let (path, content) = (peer::file_path(app, file), peer::content(app, file, round + 1));
        change(place, &our_other, &path, &content);
        change(place, &git_other, &path, &content);
        std::thread::sleep(REST);
        relay.forget();
        let pushed = Instant::now();
        push(place, &our_other);
        let moved = Instant::now();
        until(|| std::fs::read_to_string(instance.apps.join(&path)).is_ok_and(|found| found == content));
        let arrived = Instant::now();
        // A poll that was answered while the push ran may have seen the old or the new tip.
        let noticed = relay.first_answer_since(moved).filter(|noticed| *noticed < arrived);
        let noticed = noticed.or_else(|| relay.first_answer_since(pushed)).unwrap();
        push(place, &git_other);
        let begun = Instant::now();
        run(place.git(&clone, place.port).args(["pull", "-q"]));
        if round > 0 {
            ours.push(arrived.saturating_duration_since(noticed));
            theirs.push(begun.elapsed());
        }
    }
    table.times("pull of one changed file after the poll noticed; `git pull`", &ours, &theirs);
}

/// Processor time of a poll that finds nothing, and the memory meanwhile.
pub(crate) fn idle(place: &Place, size: Size, table: &mut Table) {
    let ours_bare = bare(place, "idle");
    let clone = peer::clone_over_ssh(place, "idle_clone", &ours_bare, place.port);
    peer::write_apps(&place.path("idle_apps"), APPS, FILES);
    let mut instance = Instance::start(place, "idle", &ours_bare, place.port, "1s");
    instance.wait_until_in_sync();
    std::thread::sleep(Duration::from_secs(3));
    let ours: Vec<_> = (0..size.rounds)
        .map(|_| {
            let before = instance.cpu();
            std::thread::sleep(Duration::from_secs(1));
            instance.cpu().saturating_sub(before)
        })
        .collect();
    let theirs: Vec<_> = (0..size.rounds)
        .map(|_| {
            let before = children_cpu();
            run(place.git(&clone, place.port).args(["fetch", "-q"]));
            children_cpu().saturating_sub(before)
        })
        .collect();
    table.times("processor time of an idle poll; `git fetch`", &ours, &theirs);
    table.value("memory idle, 200 apps of 10 files (VmRSS)", &instance.memory_mib("VmRSS:"));
    table.value("the same, the most so far (VmHWM)", &instance.memory_mib("VmHWM:"));
}

fn bare(place: &Place, name: &str) -> std::path::PathBuf {
    peer::bare_of(place, name, APPS, FILES)
}

fn change(place: &Place, clone: &Path, path: &Path, content: &str) {
    run(place.git(clone, place.port).args(["pull", "-q", "origin", "main"]));
    std::fs::write(clone.join("App").join(path), content).unwrap();
    peer::commit(place, clone);
}

fn push(place: &Place, clone: &Path) {
    run(place.git(clone, place.port).args(["push", "-q", "origin", "main"]));
}

/// Processor time of all ended children, theirs included; the kernel counts it in hundredths of a second.
fn children_cpu() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u32 = fields[13].parse::<u32>().unwrap() + fields[14].parse::<u32>().unwrap();
    TICK * ticks
}
