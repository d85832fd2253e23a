//! What commands answer.

use std::time::Duration;

use appferry::domain::shell::{FailRule, HowEnded};
use appferry::ports::{AuditFilter, AuditLog as _, RunFilter};
use appferry::shell::{RunRequest, Told, Who};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::{Scene, end_of, name, said};
use crate::support::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_command_answers_rows_both_streams_and_its_exit_code() {
    let Some((sshd, scene)) = Scene::new(&[]).await else { return };
    let script = "echo '[{\"id\":1,\"city\":\"'{{city}}'\"},{\"id\":2}]'\necho careful >&2\nexit {{code}}";
    let change = |saved: &mut appferry::domain::shell::SavedCommand| {
        saved.rows = "json".parse().unwrap();
        saved.fail = FailRule::default().with("exit-not:0,3").unwrap();
    };
    scene.save("cities", script, &["city", "code:int"], change).await;
    let report = scene.run("cities", &[("city", "Zürich".as_bytes()), ("code", b"3")]).await;
    assert_eq!((report.ended, report.exit_code, report.reason.as_deref()), (HowEnded::Ok, Some(3), None));
    assert_eq!(serde_json::to_string(&report.rows).unwrap(), r#"[{"id":1,"city":"Zürich"},{"id":2}]"#);
    assert_eq!((report.stderr.text.as_str(), report.stderr.bytes), ("careful\n", 8));
    let report = scene.run("cities", &[("city", b"\""), ("code", b"4")]).await;
    assert_eq!((report.ended, report.reason.as_deref()), (HowEnded::Failed, Some("it exited with 4")));
    let report = scene.run("cities", &[("city", b"\""), ("code", b"0")]).await;
    assert!(report.reason.as_ref().is_some_and(|reason| reason.contains("not JSON")), "{report:?}");
    assert_eq!(sshd.logins(), 1, "one warm session");

    let rows =
        scene.store.audit(&AuditFilter { event: Some("shell_command_run".into()), ..<_>::default() }).await.unwrap();
    let row = &rows[0];
    assert!(row.purpose.as_ref().unwrap().starts_with("cities on box (") && row.outcome == "ok", "{row:?}");
    assert!(row.detail.as_ref().unwrap().starts_with("asked by admin, exit 3, "), "{row:?}");
    let log = format!("{rows:?}");
    assert!(!log.contains("Zürich"), "no value is in the log");
    let runs = scene.shell.runs(&RunFilter { command: Some("cities".into()), ..<_>::default() }).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.ended.as_str()).collect::<Vec<_>>(), ["failed", "failed", "ok"]);
    let past = scene.shell.past_run(runs[2].id).await.unwrap();
    assert_eq!((past.rows.len(), past.stderr.text.as_str()), (2, "careful\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_values_cross_the_wire_byte_for_byte_and_never_run() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let marker = scene.folder.path().join("PWNED");
    let touch = format!("touch {}", marker.display());
    scene.save("echo", "printf %s {{v}}", &["v"], |_| ()).await;
    let mut values: Vec<Vec<u8>> = [
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("'; {touch}; '"),
        format!("\"; {touch}; \""),
        format!("\n}}\n{touch}\n{{\n"),
        format!("\\'; {touch} #"),
        format!("'\\''\n{touch}\n"),
        format!("x && {touch}"),
        "-n".into(),
        "--".into(),
        "*".into(),
        "~".into(),
        String::new(),
        "ends with newlines\n\n".into(),
    ]
    .map(String::into_bytes)
    .into();
    values.push((1..=255).collect());
    values.push(vec![0xff; 70_000]);
    for value in values {
        let report = scene.run("echo", &[("v", &value)]).await;
        assert_eq!(report.ended, HowEnded::Ok, "{report:?}");
        assert!(report.stdout.content() == value, "{:?}", value.escape_ascii().to_string());
        assert_eq!(report.stdout.base64.is_some(), std::str::from_utf8(&value).is_err());
        assert!(!marker.exists(), "{:?} was run", value.escape_ascii().to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_streams_while_the_command_runs() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let (go, done) = (scene.folder.path().join("go"), "echo second");
    let script = format!("echo first; while [ ! -e '{}' ]; do sleep 0.05; done; {done}", go.display());
    scene.save("slow", &script, &[], |_| ()).await;
    let mut told = scene.start("slow", &[]).await;
    said(&mut told, "first\n").await;
    std::fs::write(&go, "").unwrap();
    let report = end_of(told).await;
    assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::Ok, "first\nsecond\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_beyond_what_the_server_allows_wait_their_turn() {
    let Some((sshd, scene)) = Scene::new(&["MaxSessions 2"]).await else { return };
    scene.save("short", "sleep 0.2; echo done", &[], |_| ()).await;
    let mut waiting: Vec<Receiver<Told>> = Vec::new();
    for _ in 0..12 {
        waiting.push(scene.start("short", &[]).await);
    }
    for told in waiting {
        let report = end_of(told).await;
        assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::Ok, "done\n"), "{report:?}");
    }
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_hosts_have_a_report_each_and_one_that_is_down_harms_no_other() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let there = scene.shell.host(&name("box")).await.unwrap();
    let again = appferry::domain::shell::ShellHost { name: name("again"), ..there.clone() };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let down = appferry::domain::shell::ShellHost { name: name("down"), port: nobody, ..there };
    for host in [&again, &down] {
        scene.shell.put_host(host, false).await.unwrap();
    }
    scene.save("hello", "echo hello", &[], |_| ()).await;
    let hosts = vec![name("box"), name("down"), name("again")];
    let request = RunRequest { hosts, limit: Some(2), ..RunRequest::default() };
    let mut told = scene.shell.run(&name("hello"), request, Who::Runner).await.unwrap();
    let mut ended = Vec::new();
    while let Some(one) = told.recv().await {
        if let Told::Ended(report) = one {
            ended.push((report.host.clone(), report.ended, report.failure.map(|failure| failure.class.words())));
        }
    }
    ended.sort();
    let ok = |host: &str| (host.to_owned(), HowEnded::Ok, None);
    assert_eq!(ended, [ok("again"), ok("box"), ("down".to_owned(), HowEnded::NotRun, Some("connect"))]);
    let twice = RunRequest { hosts: vec![name("box"), name("box")], ..RunRequest::default() };
    assert!(scene.shell.run(&name("hello"), twice, Who::Runner).await.is_err());
}

/// What came of a run is written later where the store does not work, and what it wrote is told all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_cannot_be_written_down_is_written_when_the_store_works_again() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    scene.save("say", "echo said; exit 3", &[], |_| ()).await;
    let file = SqliteConnectOptions::new().filename(scene.folder.path().join("store.sqlite"));
    let raw = SqlitePool::connect_with(file).await.unwrap();
    for (number, (refused, is_noted)) in [("INSERT", false), ("UPDATE", true)].into_iter().enumerate() {
        let trigger = format!("CREATE TRIGGER no BEFORE {refused} ON shell_runs BEGIN SELECT RAISE(ABORT, 'no'); END");
        sqlx::query(sqlx::AssertSqlSafe(trigger)).execute(&raw).await.unwrap();
        for _ in 0..2 {
            let report = scene.run("say", &[]).await;
            let told = (report.ended, report.exit_code, report.stdout.text.as_str(), report.id.is_some());
            assert_eq!(told, (HowEnded::Failed, Some(3), "said\n", is_noted));
        }
        sqlx::query("DROP TRIGGER no").execute(&raw).await.unwrap();
        let all = 2 * (number + 1);
        let written = async || {
            let runs = scene.shell.runs(&RunFilter::default()).await.unwrap();
            runs.len() == all && runs.iter().all(|run| run.ended == "failed")
        };
        timeout(PATIENCE, async {
            while !written().await {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap();
        let filter = AuditFilter { event: Some("shell_command_run".into()), ..<_>::default() };
        let log = scene.store.audit(&filter).await.unwrap();
        assert_eq!(log.len(), all);
        assert!(log.iter().all(|row| row.outcome == "failed" && row.detail.as_ref().unwrap().contains("exit 3")));
        let newest = scene.shell.runs(&RunFilter::default()).await.unwrap()[0].id;
        let past = scene.shell.past_run(newest).await.unwrap();
        assert_eq!((past.stdout.text.as_str(), past.stdout.bytes, past.stdout.cut_at), ("", 5, Some(0)));
    }
}
