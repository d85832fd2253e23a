//! The demo's Git server, used by the ordinary `git` and `ssh` programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use appferry::demo::server::{GitServer, create_bare};
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use tokio::process::Command;

use crate::support::{PATIENCE, wait_for};

/// A server for one empty repository, `apps.git`, with a client that has an accepted key.
struct Scene {
    folder: tempfile::TempDir,
    server: GitServer,
}

fn new_key(folder: &Path, name: &str) -> (PathBuf, String) {
    let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap();
    let file = folder.join(name);
    key.write_openssh_file(&file, LineEnding::LF).unwrap();
    (file, key.public_key().to_openssh().unwrap())
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (_, public) = new_key(folder.path(), "key");
        let root = folder.path().join("git");
        std::fs::create_dir(&root).unwrap();
        create_bare(&root.join("apps.git")).await.unwrap();
        let server = GitServer::start(&[public], &root).await.unwrap();
        std::fs::write(folder.path().join("known_hosts"), format!("{}\n", server.host_key_line)).unwrap();
        Self { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        format!("ssh://git@127.0.0.1:{}/apps.git", self.server.port)
    }

    fn git(&self, key: &str, arguments: &[&str]) -> Command {
        let ssh = format!(
            "ssh -F none -i '{}' -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes -o UserKnownHostsFile='{}'",
            self.path(key).display(),
            self.path("known_hosts").display()
        );
        let mut command = Command::new("git");
        command.args(["-c", "user.name=T", "-c", "user.email=t@example.org"]).args(arguments);
        command.env("GIT_SSH_COMMAND", ssh).env("GIT_CONFIG_GLOBAL", "/dev/null").kill_on_drop(true);
        command
    }

    async fn run(&self, key: &str, arguments: &[&str]) -> (bool, String) {
        let output = tokio::time::timeout(Duration::from_mins(1), self.git(key, arguments).output());
        let output = output.await.unwrap().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    async fn must(&self, arguments: &[&str]) -> String {
        let (done, text) = self.run("key", arguments).await;
        assert!(done, "git {arguments:?}: {text}");
        text
    }
}

/// Bytes that do not compress: a xorshift sequence.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(len).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_commit_is_pushed_and_cloned_in_both_protocol_versions() {
    let scene = Scene::new().await;
    let (work, copy) = (scene.path("work"), scene.path("copy"));
    let work_text = work.to_str().unwrap();
    scene.must(&["clone", "--quiet", &scene.url(), work_text]).await;
    let big = noise(24 << 20);
    std::fs::write(work.join("big"), &big).unwrap();
    scene.must(&["-C", work_text, "add", "."]).await;
    scene.must(&["-C", work_text, "commit", "--quiet", "-m", "Big"]).await;
    scene.must(&["-C", work_text, "push", "--quiet", "origin", "HEAD:main"]).await;
    for version in ["protocol.version=0", "protocol.version=2"] {
        scene.must(&["-c", version, "clone", "--quiet", &scene.url(), copy.to_str().unwrap()]).await;
        assert!(std::fs::read(copy.join("big")).unwrap() == big, "{version}");
        std::fs::remove_dir_all(&copy).unwrap();
    }
    scene.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_2_request_reaches_git() {
    let scene = Scene::new().await;
    let mut command = scene.git("key", &["-c", "protocol.version=2", "ls-remote", &scene.url()]);
    let output = command.env("GIT_TRACE_PACKET", "1").output().await.unwrap();
    let trace = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && trace.contains("version 2"), "{trace}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_and_another_path_are_refused_with_a_reason() {
    let scene = Scene::new().await;
    new_key(scene.folder.path(), "stranger");
    let (done, text) = scene.run("stranger", &["ls-remote", &scene.url()]).await;
    assert!(!done && text.contains("Permission denied (publickey)"), "{text}");
    let elsewhere = scene.url().replace("apps.git", "other.git");
    let (done, text) = scene.run("key", &["ls-remote", &elsewhere]).await;
    assert!(!done && text.contains("does not appear to be a git repository"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_does_not_wait_for_a_client_that_stays() {
    let scene = Scene::new().await;
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-i"]);
    command.arg(scene.path("key")).arg("-o").arg(format!("UserKnownHostsFile={}", scene.path("known_hosts").display()));
    command.args(["-p", &scene.server.port.to_string(), "git@127.0.0.1", "git-upload-pack '/apps.git'"]);
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut client = command.kill_on_drop(true).spawn().unwrap();
    let mut first = [0; 4];
    tokio::io::AsyncReadExt::read_exact(client.stdout.as_mut().unwrap(), &mut first).await.unwrap();
    tokio::time::timeout(PATIENCE, scene.server.shutdown()).await.expect("it ends before its client");
    client.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_carries_the_sample_apps_and_an_edit_across_and_ends_on_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("demo");
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_appferry"))
        .args(["demo", "--for", "600", "--folder"])
        .arg(&root)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let told = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let wait = |what: &str| {
        let seen = || told().lines().any(|line| what.split('…').all(|part| line.contains(part))).then_some(());
        tokio::task::block_in_place(|| wait_for(PATIENCE, told, seen));
    };
    wait("production…PO App…installed");
    wait("production…Visitor Book…installed");
    let file = "PO App/screens/Screen 1/controls/main_control/text1/meta.json";
    std::fs::write(root.join("development/apps").join(file), "{\"label\": \"edited\"}\n").unwrap();
    wait("'text1' control modified in 'Screen 1' screen.");
    tokio::task::block_in_place(|| {
        wait_for(PATIENCE, told, || {
            let arrived = std::fs::read_to_string(root.join("production/apps").join(file)).ok()?;
            arrived.contains("edited").then_some(())
        });
    });
    let interrupt = Command::new("kill").args(["-INT", &demo.id().unwrap().to_string()]).status().await.unwrap();
    assert!(interrupt.success());
    assert!(tokio::time::timeout(PATIENCE, demo.wait()).await.unwrap().unwrap().success(), "{}", told());
    assert!(told().contains("The folders stay in"), "{}", told());
}
