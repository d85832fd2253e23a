//! What the tests share: real servers, real repositories, the real program.

#![allow(dead_code, unreachable_pub, reason = "a tool box: each test file uses a part of it")]

pub mod apps;
pub mod asyncssh;
pub mod dropbear;
pub mod gitolite;
pub mod host;
pub mod instance;
pub mod postgres;
pub mod process;
pub mod remote;
pub mod scratch;
pub mod search;
pub mod small_disk;
pub mod sshd;
pub mod world;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// How long a deletion must have stood before it counts (rule 6), with room for a loaded machine.
pub const DELETION: Duration = Duration::from_mins(1);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// After `limit`, with what `explain` says.
pub fn wait_for<T>(limit: Duration, explain: impl Fn() -> String, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain.\n{}", explain());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Notes that this machine cannot run the test; where `CI=true` that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}: CI must be able to run this test");
    eprintln!("skipped: {why}");
    if let Some(path) = std::env::var_os("APPFERRY_TEST_SKIPS")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        let _ = writeln!(file, "{}: {why}", std::thread::current().name().unwrap_or("a test"));
    }
}

/// How long the tests last that last as long as they are told.
pub fn endurance() -> Duration {
    let seconds = std::env::var("APPFERRY_TEST_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(15))
}

/// Runs a program to its end, with `input`, in `folder`, without this machine's Git settings.
pub fn run(program: &str, args: &[&str], folder: &Path, input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([("GIT_AUTHOR_NAME", "Somebody Else"), ("GIT_AUTHOR_EMAIL", "else@example.org")])
        .envs([("GIT_COMMITTER_NAME", "Somebody Else"), ("GIT_COMMITTER_EMAIL", "else@example.org")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("its standard input");
    stdin.write_all(input).expect("give it its input");
    drop(stdin);
    child.wait_with_output().expect("its end")
}

/// Runs `git` and answers what it printed.
///
/// # Panics
/// If it fails.
pub fn git(folder: &Path, args: &[&str]) -> String {
    String::from_utf8_lossy(&git_with_input(folder, args, b"")).trim_end().to_owned()
}

/// As [`git`], with bytes in and out.
pub fn git_with_input(folder: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let output = run("git", args, folder, input);
    let said = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "git {args:?} failed: {}", said.concat());
    output.stdout
}

/// Numbers that look random, from a seed that a failed test prints.
pub struct Dice(u64);

impl Dice {
    /// A new seed each time.
    pub fn new() -> Self {
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_nanos();
        let seed = u64::try_from(nanos & u128::from(u64::MAX)).unwrap_or(1) | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    /// One of `0..sides` (xorshift64).
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The SHA-256 fingerprint of the key in a `known_hosts` line.
pub fn fingerprint(known_hosts_line: &str) -> String {
    let key = known_hosts_line.split_once(' ').expect("a line").1;
    let key = ssh_key::PublicKey::from_openssh(key).expect("a key");
    key.fingerprint(ssh_key::HashAlg::Sha256).to_string()
}
