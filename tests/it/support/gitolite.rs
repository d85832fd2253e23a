//! gitolite as a forced command behind a real `sshd`: one account, repositories with permissions for each key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::host::Host;
use super::remote::RemoteRepo;
use super::skip;
use super::sshd::{Setup, Sshd, current_user};

/// What a key may do with every repository there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    Write,
    Read,
    Nothing,
}

/// A running server.
pub struct Gitolite {
    sshd: Sshd,
    /// The repositories, and what all keys of that kind may do with them; rewritten as a whole at each change.
    repositories: Mutex<Vec<String>>,
}

impl Gitolite {
    /// `None` when it is not installed and this is not CI.
    pub fn start() -> Option<Self> {
        if Command::new("gitolite").arg("version").output().is_err() {
            skip("gitolite is missing: apt-get install gitolite3");
            return None;
        }
        // The commands' HOME is where gitolite keeps everything; it accepts the newer protocol, as hosts do.
        let setup = Setup { own_home: true, extra_config: vec!["AcceptEnv GIT_PROTOCOL".into()], ..Setup::default() };
        let sshd = Sshd::start_with(setup)?;
        let gitolite = Self { sshd, repositories: Mutex::default() };
        gitolite.run(&["setup", "-a", "admin"]);
        Some(gitolite)
    }

    /// Lets a key in.
    pub fn let_in(&self, public_line: &str, may: May) {
        // gitolite takes the user's name from the file's, whatever folder it is in.
        let keys = self.home().join(".gitolite/keydir");
        let folder = keys.join(fs::read_dir(&keys).map_or(0, Iterator::count).to_string());
        fs::create_dir_all(&folder).expect("make the folder for the key");
        fs::write(folder.join(format!("{}.pub", may.user())), format!("{}\n", public_line.trim()))
            .expect("write the key");
        self.apply();
    }

    fn apply(&self) {
        let repositories = self.repositories.lock().expect("repositories");
        let (writer, reader) = (May::Write.user(), May::Read.user());
        let rules = |name: &String| {
            format!("repo {name}\n    -   protected = {writer}\n    RW+ = {writer}\n    R   = {reader}\n\n")
        };
        let config: String = repositories.iter().map(rules).collect();
        fs::write(self.home().join(".gitolite/conf/gitolite.conf"), config).expect("write gitolite.conf");
        self.run(&["compile"]);
        self.run(&["trigger", "POST_COMPILE"]);
    }

    /// gitolite's hook asks who is there, and somebody who works in the repository from this machine is nobody.
    fn let_this_machine_push(&self) {
        let hook = self.home().join(".gitolite/hooks/common/update"); // what each repository links to
        let theirs = self.home().join("update-hook");
        fs::rename(&hook, &theirs).expect("take gitolite's hook away");
        let script = format!("#!/bin/sh\n[ -z \"$GL_USER\" ] || exec '{}' \"$@\"\n", theirs.display());
        fs::write(&hook, script).expect("write the hook");
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("make it executable");
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = Command::new("gitolite");
        command.args(arguments).env("HOME", self.home()).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.env_remove("GIT_CONFIG_GLOBAL").output().expect("run gitolite");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gitolite {arguments:?}: {said}");
    }

    fn home(&self) -> PathBuf {
        self.sshd.home()
    }
}

impl May {
    fn user(self) -> &'static str {
        match self {
            Self::Write => "writer",
            Self::Read => "reader",
            Self::Nothing => "stranger",
        }
    }
}

impl Host for Gitolite {
    fn folder(&self) -> &Path {
        self.sshd.folder()
    }

    fn port(&self) -> u16 {
        self.sshd.port()
    }

    fn user(&self) -> String {
        current_user()
    }

    fn host_keys(&self) -> Vec<String> {
        self.sshd.host_keys()
    }

    fn authorize(&self, public_line: &str) {
        self.let_in(public_line, May::Write);
    }

    fn logins(&self) -> usize {
        self.sshd.logins()
    }

    fn folder_of(&self, repository: &str) -> PathBuf {
        self.home().join("repositories").join(format!("{repository}.git"))
    }

    fn path_of(&self, repository: &str) -> String {
        repository.to_owned()
    }

    fn repository(&self, name: &str) -> RemoteRepo {
        self.repositories.lock().expect("repositories").push(name.to_owned());
        self.apply();
        self.let_this_machine_push(); // gitolite writes the hook anew with each new repository
        RemoteRepo::at(self.folder_of(name))
    }
}
