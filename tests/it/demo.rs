//! The demo's Git server, used by the ordinary `git` and `ssh` programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use appferry::config::{Config, Credential, MasterKeySources};
use appferry::demo::server::{GitServer, create_bare};
use appferry::demo::{DemoArgs, Instance, Instances, run_with};
use appferry::domain::KeyName;
use appferry::domain::status::Status;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use tokio::process::Command;
use tokio::sync::{mpsc, watch};

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
    let begun = std::time::Instant::now();
    scene.server.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    client.wait().await.unwrap();
}

/// Instances that do nothing but tell what was asked of them.
struct Asked(mpsc::UnboundedSender<String>);

struct Idle(String, mpsc::UnboundedSender<String>, watch::Sender<Status>);

#[async_trait::async_trait]
impl Instances for Asked {
    async fn make_key(&self, data_dir: &Path, _: &MasterKeySources, name: &KeyName) -> anyhow::Result<String> {
        assert_eq!(std::fs::read_dir(data_dir)?.count(), 0, "the store is fresh");
        Ok(new_key(data_dir, name.as_str()).1)
    }

    async fn start(&self, config: Config) -> anyhow::Result<Box<dyn Instance>> {
        let sync = config.sync.unwrap();
        let Credential::Key { name, .. } = sync.credential else { panic!("a key opens the demo's repository") };
        let key = config.data_dir.join(name.as_str());
        let ssh = format!(
            "ssh -F none -i '{}' -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile='{}'",
            key.display(),
            config.known_hosts.unwrap().display()
        );
        let mut list = Command::new("git");
        list.args(["ls-remote", &sync.url.to_string()]).env("GIT_SSH_COMMAND", ssh);
        assert!(list.output().await?.status.success(), "{} opens {}", key.display(), sync.url);
        let apps = std::fs::read_dir(&sync.apps_dir)?.count();
        let name = config.instance.unwrap();
        self.0.send(format!("{name}: {apps} apps, locked {}", sync.locked))?;
        Ok(Box::new(Idle(name, self.0.clone(), watch::Sender::default())))
    }
}

#[async_trait::async_trait]
impl Instance for Idle {
    fn changes(&self) -> watch::Receiver<Status> {
        self.2.subscribe()
    }

    async fn stop(self: Box<Self>) {
        self.1.send(format!("{} stopped", self.0)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_starts_two_instances_with_working_keys_and_stops_them_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, mut told) = mpsc::unbounded_channel();
    let args = DemoArgs { folder: Some(folder.path().join("demo")), seconds: Some(2) };
    run_with(args, &Asked(sender)).await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = told.recv().await {
        lines.push(line);
    }
    assert_eq!(
        lines,
        [
            "development: 2 apps, locked false",
            "production: 0 apps, locked true",
            "development stopped",
            "production stopped"
        ]
    );
    assert!(folder.path().join("demo/development/apps/PO App/__export_meta.json").is_file());
}
