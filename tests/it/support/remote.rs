//! A real bare repository, and the other people who work in it, with the real `git`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{git, git_with_input, run};

/// A bare repository that a server offers.
pub struct RemoteRepo {
    path: PathBuf,
}

impl RemoteRepo {
    /// Makes an empty one: no branch is born yet.
    pub fn init(path: PathBuf) -> Self {
        fs::create_dir_all(&path).expect("make the folder");
        git(&path, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        Self { path }
    }

    /// One that somebody else has made.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `git` in it.
    pub fn git(&self, args: &[&str]) -> String {
        git(&self.path, args)
    }

    /// Where a branch points.
    pub fn tip(&self, branch: &str) -> Option<String> {
        let output =
            run("git", &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")], &self.path, b"");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The short names of all branches.
    pub fn branches(&self) -> Vec<String> {
        self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/"]).lines().map(str::to_owned).collect()
    }

    /// The subjects of `main`, newest first; none while it is unborn.
    pub fn subjects(&self) -> Vec<String> {
        self.messages().iter().map(|message| message.lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// The whole messages of `main`, newest first; none while it is unborn.
    pub fn messages(&self) -> Vec<String> {
        if self.tip("main").is_none() {
            return Vec::new();
        }
        let all = self.git(&["log", "--format=%B%x00", "main"]);
        all.split('\0').map(|message| message.trim().to_owned()).filter(|message| !message.is_empty()).collect()
    }

    /// The content of a file on a branch.
    pub fn show(&self, branch: &str, path: &str) -> Option<String> {
        let output = run("git", &["cat-file", "blob", &format!("refs/heads/{branch}:{path}")], &self.path, b"");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// All files of a branch below `App/`: path inside it and content, sorted.
    pub fn snapshot(&self, branch: &str) -> Vec<(String, Vec<u8>)> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let archive = git_with_input(&self.path, &["archive", "--format=tar", branch], b"");
        let done = run("tar", &["-xf", "-"], folder.path(), &archive);
        assert!(done.status.success(), "tar: {}", String::from_utf8_lossy(&done.stderr));
        super::apps::snapshot(&folder.path().join("App"))
    }

    /// Somebody else commits to `main`: `change` edits a work tree, of which everything is committed and pushed.
    pub fn somebody_commits(&self, message: &str, change: impl Fn(&Path)) -> String {
        self.somebody(message, &["push", "--quiet", "origin", "HEAD:main"], change, 20)
    }

    /// Somebody else replaces the newest commit of `main` by one of their own, by force.
    pub fn somebody_rewrites(&self, message: &str, back_to: &str, change: impl Fn(&Path)) -> String {
        let clone = self.clone_of_main();
        git(clone.path(), &["reset", "--quiet", "--hard", back_to]);
        change(clone.path());
        commit_all(clone.path(), message);
        git(clone.path(), &["push", "--quiet", "--force", "origin", "HEAD:main"]);
        git(clone.path(), &["rev-parse", "HEAD"])
    }

    fn somebody(&self, message: &str, push: &[&str], change: impl Fn(&Path), tries: usize) -> String {
        for _ in 0..tries {
            let clone = self.clone_of_main();
            change(clone.path());
            commit_all(clone.path(), message);
            if run("git", push, clone.path(), b"").status.success() {
                return git(clone.path(), &["rev-parse", "HEAD"]);
            }
        }
        panic!("somebody else lost the race for the branch {tries} times");
    }

    fn clone_of_main(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let from = self.path.to_string_lossy().into_owned();
        git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
        git(folder.path(), &["remote", "add", "origin", &from]);
        if self.tip("main").is_some() {
            git(folder.path(), &["fetch", "--quiet", "origin"]);
            git(folder.path(), &["reset", "--quiet", "--hard", "origin/main"]);
        }
        folder
    }

    /// Puts entries of any kind and name into `App/` on `main`, as only a hostile client writes them.
    pub fn plant(&self, entries: &[Planted]) {
        let mut apps = self.entries("main:App");
        for Planted { name, mode, object } in entries {
            let kind = if *mode == "160000" {
                "commit"
            } else if *mode == "040000" {
                "tree"
            } else {
                "blob"
            };
            apps.extend([format!("{mode} {kind} {object}\t").into_bytes(), name.to_vec(), vec![0]].concat());
        }
        let apps = self.make_tree(&apps);
        let mut root: Vec<u8> = Vec::new();
        for entry in self.entries("main").split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            if !entry.ends_with(b"\tApp") {
                root.extend([entry, b"\0"].concat());
            }
        }
        root.extend(format!("040000 tree {apps}\tApp\0").into_bytes());
        let root = self.make_tree(&root);
        let commit = self.git(&["commit-tree", "-p", "main", "-m", "Plant", &root]);
        self.git(&["update-ref", "refs/heads/main", &commit]);
    }

    /// Stores a blob.
    pub fn make_blob(&self, content: &[u8]) -> String {
        text(git_with_input(&self.path, &["hash-object", "-w", "--stdin"], content))
    }

    /// Stores a tree of entries as `git ls-tree -z` prints them.
    pub fn make_tree(&self, entries: &[u8]) -> String {
        text(git_with_input(&self.path, &["mktree", "-z", "--missing"], entries))
    }

    fn entries(&self, tree: &str) -> Vec<u8> {
        git_with_input(&self.path, &["ls-tree", "-z", tree], b"")
    }

    /// Sets a hook, a shell script.
    pub fn set_hook(&self, name: &str, script: &str) {
        let path = self.path.join("hooks").join(name);
        super::apps::write(&path, format!("#!/bin/sh\n{script}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it executable");
    }

    /// Takes a hook away.
    pub fn drop_hook(&self, name: &str) {
        fs::remove_file(self.path.join("hooks").join(name)).expect("remove the hook");
    }

    /// Proves that every object is there and sound.
    pub fn fsck(&self) {
        self.git(&["fsck", "--full", "--strict"]);
    }

    /// Everything that was ever added on `main`, as one text.
    pub fn everything_ever_added(&self) -> String {
        let patch = self.git(&["log", "--format=", "-p", "--unified=0", "--first-parent", "--root", "main"]);
        patch.lines().filter(|line| line.starts_with('+')).collect::<Vec<_>>().join("\n")
    }
}

/// One entry to plant into `App/`.
pub struct Planted {
    /// Its name, any bytes but `/` and NUL.
    pub name: &'static [u8],
    /// Its mode, such as `040000`.
    pub mode: &'static str,
    /// Its object.
    pub object: String,
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("an object name").trim().to_owned()
}

fn commit_all(folder: &Path, message: &str) {
    git(folder, &["add", "--all", "--force"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", message]);
}
