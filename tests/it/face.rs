//! The program's face: the API through its client, and the real program's arguments and exit codes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use appferry::client::{Client, ClientError};
use appferry::domain::conflict_view::ConflictView;
use appferry::domain::status::{AppState, AppStatus, RepositoryStatus, Status};
use appferry::domain::{AppName, Failure, FailureClass};
use appferry::http::{
    self, Action, ActionReport, AppDiff, AppFate, AppOutcome, AppRow, Backup, CommitShown, HistoryEntry, HistoryPage,
    Resolution, Selection, Service, SyncControl, Take,
};
use appferry::http::{
    BranchReport, BranchRequest, Incoming, IncomingAction, IncomingApp, IncomingControl, PullRequest, TakeInRequest,
};
use async_trait::async_trait;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::PATIENCE;
use crate::support::process::free_port;

/// A worker that notes what it was asked for.
#[derive(Default)]
struct Fake {
    asked: Mutex<Vec<String>>,
    not_ready: Mutex<Option<String>>,
    begun: Notify,
    go_on: Notify,
}

impl Fake {
    fn note(&self, what: String) -> ActionReport {
        let outcome = AppOutcome { app: "PO App".into(), done: !what.contains("fails"), message: what.clone() };
        self.asked.lock().unwrap().push(what);
        ActionReport { apps: vec![outcome], ..ActionReport::default() }
    }
}

/// Knows one repository, whose worker is a [`Fake`].
struct FakeService(Arc<Fake>);

impl Service for FakeService {
    fn status(&self) -> Status {
        let apps = (0..10_000)
            .map(|n| AppStatus { name: format!("App_{n}"), state: AppState::InSync, reason: None })
            .collect();
        let repository = RepositoryStatus { url: "git@host:apps.git".into(), apps, ..RepositoryStatus::default() };
        Status {
            version: "1".into(),
            instance: "dev".into(),
            sync_enabled: true,
            repositories: vec![repository],
            ..Status::default()
        }
    }

    fn readiness(&self) -> Result<(), String> {
        self.0.not_ready.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn repository(&self, name: Option<&str>) -> Result<Arc<dyn SyncControl>, Failure> {
        match name {
            None | Some("global") => Ok(Arc::clone(&self.0) as _),
            Some(name) => Err(Failure::new(FailureClass::Refused, format!("there is no repository {name:?}"), "")),
        }
    }
}

#[async_trait]
impl SyncControl for Fake {
    async fn act(&self, action: Action, dry_run: bool) -> Result<ActionReport, Failure> {
        if matches!(&action, Action::Push(request) if request.apps == Some(vec![AppName::new("slow").unwrap()])) {
            self.begun.notify_one();
            self.go_on.notified().await;
        }
        let what = match action {
            Action::Confirm(apps) => format!("confirm {apps:?}"),
            Action::Resolve(app, Resolution::Side(take)) => format!("resolve {app} {take:?}"),
            Action::Resolve(app, Resolution::Merged(merged)) => format!("resolve {app} {:?}", merged.files.keys()),
            Action::Push(request) => format!("push {:?} {:?}", request.selection(), request.message),
            Action::Add(apps) => format!("add {apps:?}"),
            Action::Remove(apps) => format!("remove {apps:?}"),
            Action::Revert(apps) => format!("revert {apps:?}"),
            Action::Restore(app, to) => format!("restore {app} {to}"),
            Action::RestoreKept(reference) => {
                let message = format!("there is no backup {reference}");
                return Err(Failure::new(FailureClass::Refused, message, "list them"));
            }
        };
        Ok(ActionReport { dry_run, ..self.note(what) })
    }

    async fn apps(&self) -> Result<Vec<AppRow>, Failure> {
        let app = AppStatus { name: "PO App".into(), state: AppState::InSync, reason: None };
        let commit = CommitShown { subject: "PO App:: App published".into(), ..commit() };
        Ok(vec![AppRow { app, commit: Some(commit), commit_unread: false }])
    }

    async fn conflict(&self, app: AppName) -> Result<ConflictView, Failure> {
        Err(Failure::new(FailureClass::Refused, format!("the app {app} is in no conflict"), "see the status"))
    }

    async fn diff(&self, app: AppName, commit: Option<String>) -> Result<AppDiff, Failure> {
        Ok(AppDiff { app: app.into(), to: commit.unwrap_or_else(|| "here".into()), ..AppDiff::default() })
    }

    async fn history(&self, app: AppName, limit: usize, before: Option<String>) -> Result<HistoryPage, Failure> {
        let subject = format!("{app} {limit} {before:?}");
        let commit = CommitShown { subject, ..commit() };
        let (change, pushed) = (AppFate::Added, true);
        let entry = HistoryEntry { commit, app: app.into(), change, renamed_from: None, published: false, pushed };
        Ok(HistoryPage { commits: vec![entry], ..HistoryPage::default() })
    }

    async fn backups(&self) -> Result<Vec<Backup>, Failure> {
        Ok(vec![Backup {
            reference: "refs/appferry/kept/1".into(),
            app: "PO App".into(),
            time: "2026-01-01T00:00:00Z".into(),
            reason: "replaced by the remote's".into(),
        }])
    }
}

fn commit() -> CommitShown {
    CommitShown {
        id: "0123456789".repeat(4),
        subject: String::new(),
        author: "Ada".into(),
        email: "ada@example.org".into(),
        time: "2026-01-01T00:00:00Z".into(),
    }
}

#[async_trait]
impl IncomingControl for Fake {
    async fn incoming(&self) -> Result<Incoming, Failure> {
        let app = IncomingApp { app: "PO App".into(), actions: vec!["update".into()], ..IncomingApp::default() };
        Ok(Incoming { updated: vec![app], ..Incoming::default() })
    }

    async fn take_in(&self, action: IncomingAction, request: TakeInRequest) -> Result<ActionReport, Failure> {
        let TakeInRequest { apps, release, dry_run } = request;
        Ok(self.note(format!("{action:?} {apps:?} release={release} dry_run={dry_run}")))
    }

    async fn pull(&self, request: PullRequest) -> Result<ActionReport, Failure> {
        Ok(self.note(format!("pull {:?} from={:?}", request.selection(), request.from)))
    }

    async fn create_branch(&self, request: BranchRequest) -> Result<BranchReport, Failure> {
        let message = self.note(format!("branch {} from {}", request.name, request.from)).apps.remove(0).message;
        Ok(BranchReport { branch: request.name, commit: "1".repeat(40), made: true, message })
    }
}

/// A served API with its data folder.
struct Served {
    data: TempDir,
    fake: Arc<Fake>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Served {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let token = http::api_token(data.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        http::announce(data.path(), address).unwrap();
        let (fake, stop, tasks) = (Arc::new(Fake::default()), CancellationToken::new(), TaskTracker::new());
        let service = Arc::new(FakeService(Arc::clone(&fake)));
        tasks.spawn(http::serve(listener, service, token, http::Feeds::default(), stop.clone()));
        tasks.close();
        Self { data, fake, address, stop, tasks }
    }

    fn status(&self) -> Status {
        FakeService(Arc::clone(&self.fake)).status()
    }

    fn client(&self) -> Client {
        Client::open(self.data.path()).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.fake.asked.lock().unwrap().clone()
    }

    /// Sends raw bytes and reads the whole answer.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", http::read_token(self.data.path()).unwrap().expose_secret())
    }
}

/// Whoever may connect could else shut everybody else out, without a token.
#[tokio::test]
async fn callers_that_never_say_anything_leave_room_for_others() {
    let served = Served::new().await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = tokio::time::timeout(PATIENCE, served.raw(request)).await.expect("it is answered");
    assert!(answer.ends_with("alive\n"), "{answer}");
    drop(silent);
}

fn app(name: &str) -> AppName {
    AppName::new(name).unwrap()
}

#[tokio::test]
async fn the_client_asks_and_the_worker_answers() {
    let served = Served::new().await;
    let client = served.client();
    assert_eq!(client.status().await.unwrap(), served.status());
    client.confirm(&Selection::All).await.unwrap();
    client.resolve(app("PO App"), Take::Theirs).await.unwrap();
    client.push(&Selection::Apps(vec![app("a")])).await.unwrap();
    let report = client.add(vec![app("Ünïcode \"✓\"")]).await.unwrap();
    assert!(report.apps[0].done);
    let request = TakeInRequest { apps: vec![app("a")], release: true, dry_run: false };
    client.take_in(IncomingAction::Update, &request).await.unwrap();
    client.pull(&PullRequest { from: Some("v1".into()), ..PullRequest::default() }).await.unwrap();
    let branch = BranchRequest { name: "dev".into(), from: "main".into(), dry_run: false };
    assert!(client.create_branch(&branch).await.unwrap().made);
    assert_eq!(client.incoming().await.unwrap().updated[0].actions, ["update"]);
    assert_eq!(client.backups().await.unwrap().len(), 1);
    let asked = served.asked();
    assert_eq!(asked.len(), 7);
    assert_eq!(asked[..2], ["confirm All", "resolve PO App Theirs"]);
}

#[tokio::test]
async fn a_failure_arrives_with_class_message_and_remedy() {
    let served = Served::new().await;
    let error = served.client().restore("refs/x".into()).await.unwrap_err();
    let ClientError::Refused(body) = &error else { panic!("{error}") };
    assert_eq!((body.class.as_str(), body.remedy.as_str()), ("refused", "list them"));
    assert_eq!(error.to_string(), "there is no backup refs/x; list them");
}

#[tokio::test]
async fn without_the_token_only_health_and_readiness_answer() {
    let served = Served::new().await;
    let get =
        |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n");
    assert!(served.raw(&get("/healthz", "")).await.starts_with("HTTP/1.1 200"));
    assert!(served.raw(&get("/readyz", "")).await.starts_with("HTTP/1.1 200"));
    for more in ["", "Authorization: Bearer nonsense\r\n", "Authorization: Basic eDp5\r\n"] {
        let answer = served.raw(&get("/api/v1/status", more)).await;
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains(r#""class":"token""#), "{answer}");
    }
    assert!(served.raw(&get("/api/v1/status", &served.bearer())).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_rebound_name_is_refused_even_with_the_token() {
    let served = Served::new().await;
    let bearer = served.bearer();
    let request =
        format!("GET /api/v1/status HTTP/1.1\r\nHost: evil.example:7420\r\nConnection: close\r\n{bearer}\r\n");
    let answer = served.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 421") && answer.contains(r#""class":"host""#), "{answer}");
}

#[tokio::test]
async fn what_is_no_proper_request_is_answered_as_json() {
    let served = Served::new().await;
    let bearer = served.bearer();
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n{bearer}\r\n{body}"
        )
    };
    for (path, body, status) in [
        ("/api/v1/sync/confirm", "{}", "400"),
        ("/api/v1/sync/confirm", "not json", "400"),
        ("/api/v1/sync/confirm", r#"{"apps":["../x"]}"#, "400"),
        ("/api/v1/sync/resolve", r#"{"app":"a","take":"mine"}"#, "400"),
        ("/api/v1/sync/add", r#"{"apps":[]}"#, "400"),
        ("/api/v1/sync/install", r#"{"apps":[]}"#, "400"),
        ("/api/v1/sync/delete", r#"{"apps":["a"],"release":true}"#, "400"),
        ("/api/v1/sync/pull", r#"{"push":true}"#, "400"),
        ("/api/v1/sync/branches", r#"{"name":"a..b","from":"main"}"#, "400"),
        ("/api/v1/sync/nothing", "{}", "404"),
        ("/api/v1/status", "", "405"),
    ] {
        let answer = served.raw(&post(path, body)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {body}: {answer}");
        assert!(answer.contains(r#"{"error":{"class":"#) && answer.contains("remedy"), "{answer}");
    }
    let answer = served.raw(&post("/api/v1/sync/push", "")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = served.raw(&post("/api/v1/sync/install?dry_run=true", r#"{"apps":["a"]}"#)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(served.asked()[0], "push Ok(All) None");
    assert!(served.asked()[1].ends_with("dry_run=true"), "{:?}", served.asked());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let served = Served::new().await;
    let bearer = served.bearer();
    let head =
        format!("POST /api/v1/sync/add HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n{bearer}\r\n");
    let answer = served.raw(&head).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn readiness_says_why_not() {
    let served = Served::new().await;
    *served.fake.not_ready.lock().unwrap() = Some("the first pass has not ended".into());
    assert_eq!(served.client().ready().await.unwrap(), Err("the first pass has not ended".to_owned()));
    *served.fake.not_ready.lock().unwrap() = None;
    assert_eq!(served.client().ready().await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_api_stops() {
    let served = Served::new().await;
    let client = served.client();
    let slow = Selection::Apps(vec![app("slow")]);
    let stop_in_the_middle = async {
        served.fake.begun.notified().await;
        served.stop.cancel();
        served.fake.go_on.notify_one();
    };
    let (report, ()) = tokio::join!(client.push(&slow), stop_in_the_middle);
    assert!(report.unwrap().apps[0].done);
    tokio::time::timeout(PATIENCE, served.tasks.wait()).await.expect("the API stops");
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, ClientError::NoWorker(_)), "{error}");
}

/// The real program with nothing but these variables.
fn appferry(data: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_appferry"))
        .env_clear()
        .env("APPFERRY_DATA_DIR", data)
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

/// As [`appferry`], while the served API goes on.
async fn beside(served: &Served, arguments: &'static [&'static str]) -> (Option<i32>, String, String) {
    let data = served.data.path().to_owned();
    let output = tokio::task::spawn_blocking(move || appferry(&data, &[], arguments)).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn status_prints_for_people_and_as_json() {
    let served = Served::new().await;
    let (code, text, _) = beside(&served, &["status"]).await;
    assert!(code == Some(0) && text.contains("10000 in sync") && text.lines().count() < 20, "{text}");
    let (code, json, _) = beside(&served, &["status", "--json"]).await;
    assert_eq!((code, serde_json::from_str::<Status>(&json).unwrap()), (Some(0), served.status()));
}

#[tokio::test]
async fn actions_reach_the_worker_and_their_outcome_is_the_exit_code() {
    let served = Served::new().await;
    let (code, text, _) = beside(&served, &["sync", "resolve", "PO App", "--take", "theirs"]).await;
    assert_eq!((code, text.as_str()), (Some(0), "ok    PO App: resolve PO App Theirs\n"));
    let (code, text, _) = beside(&served, &["sync", "add", "it fails"]).await;
    assert!(code == Some(1) && text.starts_with("FAIL"), "{text}");
    let (code, _, error) = beside(&served, &["sync", "backups", "restore", "refs/x"]).await;
    assert_eq!((code, error.as_str()), (Some(1), "appferry: there is no backup refs/x; list them\n"));
    let (code, text, _) = beside(&served, &["sync", "backups"]).await;
    assert!(code == Some(0) && text.contains("refs/appferry/kept/1"), "{text}");
    assert!(served.asked().iter().any(|asked| asked.starts_with("resolve")));
}

#[test]
fn without_a_worker_the_message_says_how_to_start_one() {
    let data = tempfile::tempdir().unwrap();
    for arguments in [&["status"][..], &["sync", "push"]] {
        let output = appferry(data.path(), &[], arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        let expected =
            format!("no worker is running for data folder {}; start it with `appferry run`", data.path().display());
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn an_address_left_by_a_killed_worker_is_no_worker() {
    let data = tempfile::tempdir().unwrap();
    http::api_token(data.path()).unwrap();
    http::announce(data.path(), ([127, 0, 0, 1], free_port()).into()).unwrap();
    let output = appferry(data.path(), &[], &["status"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("no worker is running"));
}

#[test]
fn wrong_usage_exits_with_2_and_help_with_0() {
    let data = tempfile::tempdir().unwrap();
    for arguments in
        [&[][..], &["nonsense"], &["sync"], &["sync", "confirm"], &["sync", "resolve", "x"], &["sync", "add", "../x"]]
    {
        assert_eq!(appferry(data.path(), &[], arguments).status.code(), Some(2), "{arguments:?}");
    }
    let help = appferry(data.path(), &[], &["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.code() == Some(0) && text.contains("GIT_SYNC_BRANCH_NAME") && text.contains("check"), "{text}");
}

#[test]
fn a_wrong_environment_exits_with_2_and_reports_everything_at_once() {
    let data = tempfile::tempdir().unwrap();
    let variables =
        [("GIT_SYNC", "jein"), ("GIT_SYNC_REPOSITORY_URL", "https://jo:s3cret@host/x"), ("APPFERRY_DEBOUNCE", "soon")];
    let output = appferry(data.path(), &variables, &["run"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    for part in [
        "GIT_SYNC: \"jein\"",
        "GIT_SYNC_REPOSITORY_URL",
        "GIT_SYNC_BRANCH_NAME",
        "APPFERRY_APPS_DIR",
        "APPFERRY_DEBOUNCE",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn check_names_the_step_that_fails_and_goes_on_with_the_others() {
    let data = tempfile::tempdir().unwrap();
    let output = appferry(data.path(), &[("GIT_SYNC", "jein")], &["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("FAIL  environment  "), "{text}");
    for line in
        ["store", "key", "name lookup", "connect", "host key", "login", "read", "write", "branch", "apps folder"]
    {
        assert!(text.contains(&format!(" {line}  ")), "{line}: {text}");
    }
}
