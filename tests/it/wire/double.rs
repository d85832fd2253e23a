//! Pairs of real repositories, and a stand-in for SSH sessions that runs the remote command on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appferry::domain::{BranchName, Failure, KeyName, ObjectId, RepoUrl, TreeEntry};
use appferry::git::remote::{Access, Settings, TimeLimits, Token, Web, open};
use appferry::ports::{
    Commit, LocalRepository, ProcessEnd, RefEdit, Remote, RemoteProcess, SessionClass, SshSessions, SshTarget, Tag,
};
use async_trait::async_trait;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// Runs `git` in `folder`, and answers what it printed.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = isolated(Command::new("git").args(arguments).current_dir(folder)).output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("utf-8").trim().to_owned()
}

/// Keeps the settings of the person who runs the tests out.
pub(crate) fn isolated(command: &mut Command) -> &mut Command {
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env_remove("GIT_PROTOCOL")
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

/// A local bare repository and a server's.
pub(crate) struct Pair {
    pub(crate) folder: TempDir,
    pub(crate) local: PathBuf,
    pub(crate) server: PathBuf,
    flushes: Arc<Flushes>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // A name that the shell would take apart.
        let server = folder.path().join("it's a repo.git");
        git2::Repository::init_bare(&server).expect("a repository");
        Self::make(folder, server)
    }

    pub(crate) fn with_server(server: &Path) -> Self {
        Self::make(tempfile::tempdir().expect("a folder"), server.to_owned())
    }

    fn make(folder: TempDir, server: PathBuf) -> Self {
        let local = folder.path().join("local.git");
        git2::Repository::init_bare(&local).expect("a repository");
        Self { folder, local, server, flushes: Arc::default() }
    }

    /// The same server's repository, with another one of ours.
    pub(super) fn with_other_local(self) -> Self {
        let local = self.folder.path().join("other.git");
        git2::Repository::init_bare(&local).expect("a repository");
        Self { local, flushes: Arc::default(), ..self }
    }

    pub(crate) fn flushes(&self) -> usize {
        self.flushes.0.load(Ordering::Relaxed)
    }

    /// A commit of ours, under no ref.
    pub(crate) fn commit(&self, parent: Option<ObjectId>, files: &[(&str, &[u8])]) -> ObjectId {
        commit(&self.local, parent, files, None)
    }

    /// A commit that somebody else made on the server.
    pub(crate) fn server_commit(&self, parent: Option<ObjectId>, files: &[(&str, &[u8])], name: &str) -> ObjectId {
        commit(&self.server, parent, files, Some(name))
    }

    /// A commit of ours that renames a folder.
    pub(crate) fn renamed(&self, parent: ObjectId, from: &str, to: &str) -> ObjectId {
        let repository = git2::Repository::open(&self.local).expect("a repository");
        let before = repository.find_commit(oid(parent)).expect("a commit");
        let tree = before.tree().expect("a tree");
        let moved = tree.get_path(Path::new(from)).expect("a folder").id();
        let mut update = git2::build::TreeUpdateBuilder::new();
        update.remove(from).upsert(to, moved, git2::FileMode::Tree);
        let tree = update.create_updated(&repository, &tree).expect("a tree");
        record(&repository, tree, Some(&before), None)
    }

    /// A hook on the server, as a shell script.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.server.join("hooks").join(name);
        std::fs::create_dir_all(self.server.join("hooks")).expect("a folder");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// How many bytes the server's advertisement for a push is long.
    pub(crate) fn advertisement_length(&self) -> usize {
        let mut command = Command::new("git");
        let output = isolated(command.args(["receive-pack", "--advertise-refs"]).arg(&self.server)).output();
        output.expect("git runs").stdout.len()
    }

    pub(crate) fn ssh(&self, sessions: Arc<Shell>, branch: &str) -> Arc<dyn Remote> {
        let path = self.server.to_str().expect("utf-8").to_owned();
        let url = RepoUrl::Ssh { user: "git".into(), host: "git.test".into(), port: 22, path };
        self.open(url, sessions, branch, Access::Key(KeyName::new("deploy").expect("a name")))
    }

    /// The server's repository at `url`, through `sessions`.
    pub(crate) fn through(&self, sessions: Arc<dyn SshSessions>, url: RepoUrl, limits: TimeLimits) -> Arc<dyn Remote> {
        self.through_for(sessions, url, limits, true)
    }

    /// The same, which pushes or never will.
    pub(super) fn through_for(
        &self,
        sessions: Arc<dyn SshSessions>,
        url: RepoUrl,
        limits: TimeLimits,
        writes: bool,
    ) -> Arc<dyn Remote> {
        let access = Access::Key(KeyName::new("deploy").expect("a name"));
        let branch = BranchName::new("main").expect("a branch");
        let local = self.flushes.clone();
        let web = Web::default();
        open(Settings { url, branch, repository: self.local.clone(), local, sessions, access, writes, web, limits })
            .expect("a remote")
    }

    /// The server's repository at an HTTPS `url`.
    pub(crate) fn https(&self, url: &str, token: Token, web: Web, limits: TimeLimits) -> Arc<dyn Remote> {
        let settings = Settings {
            url: RepoUrl::parse(url).expect("a URL"),
            branch: BranchName::new("main").expect("a branch"),
            repository: self.local.clone(),
            local: self.flushes.clone(),
            sessions: Arc::new(Shell::default()),
            access: Access::Token { token, user: None },
            writes: true,
            web,
            limits,
        };
        open(settings).expect("a remote")
    }

    /// A branch of the repository at `url`, through `sessions`, with the key of that name.
    pub(super) fn through_to(
        &self,
        sessions: Arc<dyn SshSessions>,
        url: RepoUrl,
        branch: &str,
        key: &KeyName,
    ) -> Arc<dyn Remote> {
        let (access, limits) = (Access::Key(key.clone()), TimeLimits::default());
        let branch = BranchName::new(branch).expect("a branch");
        let local = self.flushes.clone();
        open(Settings {
            url,
            branch,
            repository: self.local.clone(),
            local,
            sessions,
            access,
            writes: true,
            web: Web::default(),
            limits,
        })
        .expect("a remote")
    }

    pub(crate) fn path(&self, branch: &str) -> Arc<dyn Remote> {
        self.open(RepoUrl::Path(self.server.clone()), Arc::default(), branch, Access::Nothing)
    }

    pub(crate) fn http(&self, url: &str, token: &str) -> Arc<dyn Remote> {
        let token = Token::Value(SecretString::from(token));
        self.open(RepoUrl::Https { url: url.into() }, Arc::default(), "main", Access::Token { token, user: None })
    }

    pub(crate) fn http_with_file(&self, url: &str, file: &Path) -> Arc<dyn Remote> {
        let token = Token::File(file.to_owned());
        self.open(RepoUrl::Https { url: url.into() }, Arc::default(), "main", Access::Token { token, user: None })
    }

    fn open(&self, url: RepoUrl, sessions: Arc<Shell>, branch: &str, access: Access) -> Arc<dyn Remote> {
        let limits = if sessions.stuck {
            TimeLimits { poll: Duration::from_millis(300), ..TimeLimits::default() }
        } else {
            TimeLimits::default()
        };
        let branch = BranchName::new(branch).expect("a branch");
        let local = self.flushes.clone();
        let (repository, web) = (self.local.clone(), Web::default());
        let settings = Settings { url, branch, repository, local, sessions, access, writes: true, web, limits };
        open(settings).expect("a remote")
    }
}

fn oid(id: ObjectId) -> git2::Oid {
    git2::Oid::from_bytes(id.as_bytes()).expect("20 bytes")
}

fn commit(path: &Path, parent: Option<ObjectId>, files: &[(&str, &[u8])], name: Option<&str>) -> ObjectId {
    let repository = git2::Repository::open(path).expect("a repository");
    let parent = parent.map(|id| repository.find_commit(oid(id)).expect("the parent"));
    let empty = repository.treebuilder(None).and_then(|builder| builder.write()).expect("an empty tree");
    let tree = parent.as_ref().map_or(empty, git2::Commit::tree_id);
    let mut update = git2::build::TreeUpdateBuilder::new();
    for (file, content) in files {
        update.upsert(*file, repository.blob(content).expect("a blob"), git2::FileMode::Blob);
    }
    let tree = update.create_updated(&repository, &repository.find_tree(tree).expect("a tree")).expect("a tree");
    record(&repository, tree, parent.as_ref(), name)
}

fn record(
    repository: &git2::Repository,
    tree: git2::Oid,
    parent: Option<&git2::Commit<'_>>,
    name: Option<&str>,
) -> ObjectId {
    let who = git2::Signature::now("somebody", "somebody@example.org").expect("a signature");
    let tree = repository.find_tree(tree).expect("a tree");
    let parents: Vec<&git2::Commit<'_>> = parent.into_iter().collect();
    let id = repository.commit(name, &who, &who, "A change", &tree, &parents).expect("a commit");
    ObjectId::from_bytes(id.as_bytes().try_into().expect("20 bytes"))
}

/// How a connection is lost.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    /// At once, after this many bytes of output.
    At(u64),
    /// The server closes the channel instead of taking the command.
    BeforeTheStart,
    /// When the command is done; of its output only this many bytes arrive.
    AtTheEnd(usize),
}

/// Runs the remote command with a local shell, and misbehaves on request.
#[derive(Default)]
pub(crate) struct Shell {
    /// Whether the server takes `GIT_PROTOCOL`.
    pub(crate) version_2: bool,
    /// What the server says instead of running the command.
    pub(crate) refusal: Option<&'static str>,
    /// The server never answers.
    pub(crate) stuck: bool,
    /// Commands run.
    pub(crate) execs: AtomicUsize,
    /// Channels asked for ahead.
    pub(crate) ahead: AtomicUsize,
    /// See [`Shell::cut_next`].
    pub(crate) cut: Mutex<Option<Cut>>,
}

impl Shell {
    /// Makes the next command lose its connection.
    pub(crate) fn cut_next(&self, cut: Cut) {
        *self.cut.lock().expect("not poisoned") = Some(cut);
    }

    fn command(&self, command: &str, cut: Option<Cut>, env: &[(&str, &str)]) -> tokio::process::Command {
        let script = match (self.refusal, self.stuck) {
            _ if matches!(cut, Some(Cut::BeforeTheStart)) => "exit 0".to_owned(),
            _ if let Some(Cut::AtTheEnd(kept)) = cut => {
                format!("{command} | {{ head -c {kept}; cat >/dev/null; }}")
            }
            (Some(words), _) => format!("echo '{words}' >&2; exit 1"),
            (None, true) => "cat >/dev/null".to_owned(),
            (None, false) => command.to_owned(),
        };
        let mut shell = Command::new("sh");
        isolated(shell.arg("-c").arg(script));
        if self.version_2 {
            shell.envs(env.iter().copied());
        }
        let mut shell = tokio::process::Command::from(shell);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }
}

#[async_trait]
impl SshSessions for Shell {
    async fn exec(
        &self,
        _target: &SshTarget,
        _class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure> {
        self.execs.fetch_add(1, Ordering::Relaxed);
        let cut = self.cut.lock().expect("not poisoned").take();
        let mut child = self.command(command, cut, env).spawn().expect("sh runs");
        let stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let connection_lost = cut.is_some();
        let ended = async move {
            let mut said = Vec::new();
            stderr.read_to_end(&mut said).await.expect("read");
            let status = child.wait().await.expect("waited");
            let exit_status =
                status.code().filter(|_| !connection_lost).map(|code| u32::try_from(code).expect("positive"));
            if matches!(cut, Some(Cut::BeforeTheStart)) {
                return ProcessEnd { unanswered: true, ..ProcessEnd::default() };
            }
            ProcessEnd { exit_status, stderr: said, connection_lost, ..ProcessEnd::default() }
        };
        let limit = if let Some(Cut::At(bytes)) = cut { bytes } else { u64::MAX };
        Ok(RemoteProcess {
            stdin: Box::pin(stdin),
            stdout: Box::pin(stdout.take(limit)),
            ended: Box::pin(ended),
            preopened: false,
            key: None,
        })
    }

    async fn open_ahead(&self, _target: &SshTarget, _class: SessionClass) {
        self.ahead.fetch_add(1, Ordering::Relaxed);
    }
}

/// A local repository of which only the flushes matter.
#[derive(Default)]
struct Flushes(AtomicUsize);

impl LocalRepository for Flushes {
    fn flush(&self) -> Result<(), Failure> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
    fn tree(&self, _: ObjectId) -> Result<Vec<TreeEntry>, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn blob(&self, _: ObjectId) -> Result<Vec<u8>, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn commit(&self, _: ObjectId) -> Result<Commit, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn contains(&self, _: ObjectId) -> Result<bool, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn write_blob(&self, _: &[u8]) -> Result<ObjectId, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn write_tree(&self, _: &[TreeEntry]) -> Result<ObjectId, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn write_commit(&self, _: &Commit) -> Result<ObjectId, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn write_tag(&self, _: &Tag) -> Result<ObjectId, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn find_ref(&self, _: &str) -> Result<Option<ObjectId>, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn list_refs(&self, _: &str) -> Result<Vec<(String, ObjectId)>, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn edit_refs(&self, _: &[RefEdit]) -> Result<(), Failure> {
        unreachable!("a remote only flushes it")
    }
    fn descends_from(&self, _: ObjectId, _: ObjectId) -> Result<bool, Failure> {
        unreachable!("a remote only flushes it")
    }
    fn maintain(&self) -> Result<bool, Failure> {
        unreachable!("a remote only flushes it")
    }
}
