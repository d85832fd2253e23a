//! Our wire client alone, in a process of its own, so that its memory and time are nobody else's.
//!
//! The bench starts itself again with `--wire push|fetch LOCAL URL KEY KNOWN_HOSTS`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appferry::domain::{BranchName, Failure, KeyName, RepoUrl};
use appferry::git::local::LocalRepo;
use appferry::git::remote::{Access, Settings, TimeLimits, Web, open};
use appferry::ports::{KeyUse, Keyring, LocalRepository as _, RefOutcome, RefUpdate, Remote, RemoteTip, ResolvedKey};
use appferry::ssh::{HostKeys, Sessions};

use crate::place::{Place, run};

/// The ref whose commit is pushed.
pub(crate) const OURS: &str = "refs/heads/ours";

/// How long the process ran, and the most memory it had, in KiB.
pub(crate) struct Spent {
    pub(crate) time: Duration,
    pub(crate) peak_kib: u64,
}

/// Runs the client to its end: from the start of the process, so that both sides pay for the same.
pub(crate) fn client(place: &Place, what: &str, local: &Path, bare: &Path) -> Spent {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--wire", what]).arg(local).arg(place.url(bare, place.port));
    child.arg(place.path("git_key")).arg(place.known_hosts(place.port));
    let begun = Instant::now();
    let said = run(&mut child);
    Spent { time: begun.elapsed(), peak_kib: said.trim().parse().unwrap() }
}

/// The child's side: does it, and prints the peak of its memory.
pub(crate) fn child(words: &[String]) {
    let [what, local, url, key, known_hosts] = words else { panic!("--wire push|fetch LOCAL URL KEY KNOWN_HOSTS") };
    // As the program's own runtime.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let sessions =
            Sessions::new(Arc::new(OneKey(key.into())), HostKeys::new(Some(known_hosts.into())), <_>::default());
        let sessions = Arc::new(sessions);
        let local = Arc::new(LocalRepo::open_or_create(Path::new(local)).unwrap());
        let remote = remote(url, &local, &sessions);
        match what.as_str() {
            "push" => {
                let update = RefUpdate {
                    name: "refs/heads/main".into(),
                    expected: None,
                    new: local.find_ref(OURS).unwrap().unwrap(),
                };
                assert_eq!(remote.push(&[update]).await, Ok(vec![RefOutcome::Accepted]));
            }
            _ => assert!(matches!(remote.fetch().await, Ok(RemoteTip::At(_)))),
        }
        drop(remote);
        sessions.shutdown().await;
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", peak.trim_matches(|c: char| !c.is_ascii_digit()));
}

fn remote(url: &str, local: &Arc<LocalRepo>, sessions: &Arc<Sessions>) -> Arc<dyn Remote> {
    open(Settings {
        url: RepoUrl::parse(url).unwrap(),
        branch: BranchName::new("main").unwrap(),
        repository: local.path().to_owned(),
        local: Arc::clone(local) as _,
        sessions: Arc::clone(sessions) as _,
        access: Access::Key(KeyName::new("bench").unwrap()),
        writes: true,
        web: Web::default(),
        limits: TimeLimits::default(),
    })
    .unwrap()
}

/// The run's key, whatever the name.
pub(crate) struct OneKey(pub(crate) PathBuf);

#[async_trait::async_trait]
impl Keyring for OneKey {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        let private = std::fs::read_to_string(&self.0).unwrap();
        let public = std::fs::read_to_string(self.0.with_extension("pub")).unwrap();
        Ok(ResolvedKey {
            name: name.clone(),
            generation: 1,
            private_pem: private.into(),
            public_line: public.trim().to_owned(),
            fingerprint: "SHA256:bench".into(),
            source: "bench",
            previous: None,
        })
    }

    async fn record_use(&self, _: &KeyName, _: KeyUse) {}
}
