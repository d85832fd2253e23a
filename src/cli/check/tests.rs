//! The check with adapters that answer as told.

use std::path::Path;

use crate::config::{DiskFiles, Environment};
use crate::domain::{KeyName, ObjectId};
use crate::ports::{FoundCommit, KeyUse, PushError, RefOutcome, RefUpdate, RemoteRef, RemoteTip};

use super::*;

struct Fake {
    store: Result<(), Failure>,
    key: Result<(), Failure>,
    tip: Result<RemoteTip, Failure>,
    write: Result<(), Failure>,
}

#[derive(Clone)]
struct FakeKeys(Result<(), Failure>);

#[derive(Clone)]
struct FakeRemote(Result<RemoteTip, Failure>, Result<(), Failure>);

#[async_trait]
impl Keyring for FakeKeys {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        self.0.clone().map(|()| ResolvedKey {
            name: name.clone(),
            generation: 1,
            private_pem: String::new().into(),
            public_line: String::new(),
            fingerprint: "SHA256:abc".into(),
            source: "store",
            previous: None,
        })
    }

    async fn record_use(&self, _: &KeyName, _: KeyUse) {}
}

#[async_trait]
impl Remote for FakeRemote {
    async fn poll(&self) -> Result<RemoteTip, Failure> {
        self.0.clone()
    }

    async fn fetch(&self) -> Result<RemoteTip, Failure> {
        self.0.clone()
    }

    async fn refs(&self) -> Result<Vec<RemoteRef>, Failure> {
        panic!("the check does not list refs")
    }

    async fn fetch_ref(&self, _: &str) -> Result<FoundCommit, Failure> {
        panic!("the check fetches nothing")
    }

    async fn push(&self, _: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        panic!("the check never pushes")
    }

    async fn check_write(&self) -> Result<(), Failure> {
        self.1.clone()
    }
}

#[async_trait]
impl CheckParts for Fake {
    async fn keyring(&self) -> Result<Arc<dyn Keyring>, Failure> {
        self.store.clone()?;
        Ok(Arc::new(FakeKeys(self.key.clone())))
    }

    async fn remote(&self, _: &SyncConfig, _: Option<Arc<dyn Keyring>>) -> Result<Arc<dyn Remote>, Failure> {
        Ok(Arc::new(FakeRemote(self.tip.clone(), self.write.clone())))
    }

    async fn close(&self) {}
}

fn working() -> Fake {
    Fake { store: Ok(()), key: Ok(()), tip: Ok(RemoteTip::At(ObjectId::from_bytes([0xab; 20]))), write: Ok(()) }
}

fn failure(class: FailureClass) -> Failure {
    Failure::new(class, "it is wrong", "mend it")
}

fn config(apps: &Path, url: &str) -> Config {
    let apps = apps.display().to_string();
    let pairs = [
        ("GIT_SYNC", "true"),
        ("GIT_SYNC_SSH_REPO_URL", url),
        ("GIT_SYNC_BRANCH_NAME", "main"),
        ("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "MyKey"),
        ("GIT_SYNC_PERSONAL_ACCESS_TOKEN", "t0ken"),
        ("APPFERRY_APPS_DIR", apps.as_str()),
    ];
    Config::from_environment(&Environment::of(pairs), &DiskFiles).expect("valid")
}

async fn report(fake: Fake) -> Report {
    report_of("git@github.com:team/apps.git", fake).await
}

async fn report_of(url: &str, fake: Fake) -> Report {
    let apps = tempfile::tempdir().expect("a folder");
    check(Ok(&config(apps.path(), url)), Some(&fake)).await
}

fn marks(report: &Report) -> String {
    let mark = |step: &Step| match step.outcome {
        Outcome::Ok(_) => 'o',
        Outcome::Fail { .. } => 'F',
        Outcome::Skip(_) => '-',
    };
    report.steps.iter().map(mark).collect()
}

#[tokio::test]
async fn when_everything_works_every_line_is_ok() {
    let report = report(working()).await;
    assert!(report.is_ok() && marks(&report) == "ooooooooooo", "{report}");
    let text = report.to_string();
    assert!(text.contains("ok    key          MyKey  SHA256:abc\n"), "{text}");
    assert!(text.contains("ok    branch       main is at ababababab\n"), "{text}");
}

#[tokio::test]
async fn the_class_of_the_failure_names_the_step_that_failed() {
    for (class, expected) in [
        (FailureClass::Key, "ooF-------o"),
        (FailureClass::NameLookup, "oooF------o"),
        (FailureClass::Connect, "ooooF-----o"),
        (FailureClass::TimeOut, "ooo-F-----o"),
        (FailureClass::HostKey, "oooooF----o"),
        (FailureClass::Authentication, "ooooooF---o"),
        (FailureClass::RepositoryAbsent, "oooooooF--o"),
        (FailureClass::ChannelRefused, "oooooooF--o"),
        (FailureClass::Protocol, "ooo----F--o"),
    ] {
        let report = report(Fake { tip: Err(failure(class)), ..working() }).await;
        assert_eq!(marks(&report), expected, "{class:?}\n{report}");
        assert!(!report.is_ok() && report.to_string().contains(" it is wrong\n"), "{report}");
        assert!(report.to_string().contains("\n      fix: mend it\n"), "{report}");
    }
}

#[tokio::test]
async fn an_unborn_branch_is_fine_and_an_absent_one_lists_the_others() {
    let unborn = report(Fake { tip: Ok(RemoteTip::Unborn), ..working() }).await;
    assert!(unborn.is_ok(), "{unborn}");
    let absent = report(Fake { tip: Ok(RemoteTip::Absent(vec!["master".into()])), ..working() }).await;
    assert!(!absent.is_ok() && absent.to_string().contains("there are: master"), "{absent}");
    let remedy =
        "or, while `appferry run` runs, create it with `appferry sync create-branch \"main\" --from \"master\"`";
    assert!(absent.to_string().contains(remedy), "{absent}");
}

#[tokio::test]
async fn steps_after_a_failure_that_need_it_are_skipped_and_the_others_run() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ssh://git@{}/apps.git", server.local_addr().expect("its address"));
    let store = report_of(&url, Fake { store: Err(failure(FailureClass::Key)), ..working() }).await;
    assert_eq!(marks(&store), "oF-oo-----o", "{store}");
    drop(server);
    let key = report_of(&url, Fake { key: Err(failure(FailureClass::Key)), ..working() }).await;
    assert_eq!(marks(&key), "ooFoF-----o", "{key}");
    let token = report_of("https://host/apps.git", Fake { store: Err(failure(FailureClass::Disk)), ..working() }).await;
    assert_eq!(marks(&token), "oFooo-ooooo", "{token}");
    let write = report(Fake { write: Err(failure(FailureClass::Refused)), ..working() }).await;
    assert_eq!(marks(&write), "ooooooooFoo", "{write}");
    let errors = Config::from_environment(&Environment::of([("GIT_SYNC", "jein")]), &DiskFiles).expect_err("wrong");
    let environment = check(Err(&errors), Some(&working())).await;
    assert_eq!(marks(&environment), "Fo---------", "{environment}");
}

#[tokio::test]
async fn with_git_sync_off_the_store_is_still_looked_at() {
    let off = Config::from_environment(&Environment::default(), &DiskFiles).expect("valid");
    let report = check(Ok(&off), Some(&working())).await;
    assert!(report.is_ok() && marks(&report) == "oo---------", "{report}");
}
