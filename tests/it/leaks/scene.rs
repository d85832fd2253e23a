//! A world whose secrets are all known, and everything that came out of it.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::crash;
use crate::support::instance::Instance;
use crate::support::search::{Secrets, files_below, temporary_files};
use crate::support::world::World;

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) dev: Instance,
    pub(super) secrets: Secrets,
    /// The files that the test itself gave.
    pub(super) given: Vec<PathBuf>,
    /// What commands and the API said.
    pub(super) said: Vec<(String, Vec<u8>)>,
    began: i64,
}

impl Scene {
    /// An instance that logs all there is, started where cores may be dumped.
    pub(super) fn new() -> Option<Self> {
        let world = World::new()?;
        let mut dev = world.stranger("dev");
        let aside = dev.aside();
        dev.launcher = crash::launcher(&aside);
        dev.set("RUST_LOG", "trace").set("TMPDIR", aside.display().to_string());
        let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let began = i64::try_from(began).expect("a time");
        let (secrets, given, said) = (Secrets::default(), Vec::new(), Vec::new());
        Some(Self { world, dev, secrets, given, said, began })
    }

    /// Runs a command that must work, and answers its standard output.
    pub(super) fn run(&mut self, args: &[&str]) -> String {
        let (worked, text) = self.command(args);
        assert!(worked, "appferry {args:?} failed: {}", self.last_words());
        text
    }

    /// Runs a command that must fail.
    pub(super) fn fail(&mut self, args: &[&str]) {
        let (worked, text) = self.command(args);
        assert!(!worked, "appferry {args:?} worked: {text}");
    }

    fn command(&mut self, args: &[&str]) -> (bool, String) {
        let output = self.dev.cli(args);
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        self.said.push((format!("{args:?}, standard error"), output.stderr));
        self.said.push((format!("{args:?}, standard output"), output.stdout));
        (output.status.success(), text)
    }

    fn last_words(&self) -> String {
        let (_, errors) = &self.said[self.said.len() - 2];
        let text = String::from_utf8_lossy(errors);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Looks everywhere.
    pub(super) fn look(&self, when: &str) {
        let mut found = self.secrets.in_files(&self.files());
        for (what, content) in &self.said {
            let secrets = self.secrets.in_text(content);
            if !secrets.is_empty() {
                found.push(format!("{what}: {secrets:?}"));
            }
        }
        let log = self.world.sshd.log();
        found.extend(self.secrets.in_text(log.as_bytes()).into_iter().map(|secret| format!("sshd's log: {secret}")));
        assert_eq!(found, [""; 0], "{when}");
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.dev.data.parent().expect("the instance's folder");
        let mut but = self.given.clone();
        but.push(self.dev.data.join("master.key"));
        let mut files = files_below(folder, &but);
        // The server's own keys lie there in the open, and each such file begins alike.
        let server = files_below(self.world.sshd.folder(), &[]);
        let is_its_key =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("host_"));
        files.extend(server.into_iter().filter(|path| !is_its_key(path)));
        files.extend(temporary_files(self.began));
        files
    }

    /// That the places were there, full of what is written at such times.
    pub(super) fn prove_that_it_looked(&self) {
        let names: Vec<String> = self.files().iter().map(|path| path.display().to_string()).collect();
        for name in ["/data/store.sqlite", "/log", "/backup.age", "/objects/", "/known_hosts"] {
            assert!(names.iter().any(|path| path.contains(name)), "{name} is not among {names:#?}");
        }
        let log = self.dev.whole_log();
        for words in ["TRACE", "kex impl", "write_auth_request"] {
            assert!(log.contains(words), "the log does not tell of {words}");
        }
        assert!(!self.secrets.in_files(&self.given).is_empty(), "the given files hold what is searched for");
    }
}
