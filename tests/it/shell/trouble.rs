//! Commands that do not end well: each is reported as what it is.

use appferry::domain::shell::{FailRule, HowEnded};
use appferry::ports::RunFilter;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::{Scene, end_of, said};
use crate::support::dropbear::Dropbear;
use crate::support::host::Host;
use crate::support::sshd::{KeyPair, Setup, Sshd};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_floods_its_output_is_cut_with_a_mark_and_the_session_goes_on() {
    let Some((sshd, scene)) = Scene::new(&[]).await else { return };
    let report = scene.once("head -c 50000000 /dev/zero | tr '\\0' x; echo end >&2", 60).await;
    assert_eq!(report.ended, HowEnded::Ok, "{report:?}");
    let stdout = &report.stdout;
    assert_eq!((stdout.bytes, stdout.cut_at, stdout.text.len()), (50_000_000, Some(1 << 20), 1 << 20));
    assert_eq!((report.stderr.text.as_str(), report.stderr.cut_at), ("end\n", None));
    let past = scene.shell.past_run(report.id.unwrap()).await.unwrap();
    assert_eq!((past.stdout.bytes, past.stdout.cut_at), (50_000_000, Some(64 << 10)));
    assert_eq!(scene.once("echo x", 60).await.stdout.text, "x\n");
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_without_end_is_ended_by_the_time_out() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let report = scene.once("cat /dev/zero", 1).await;
    assert_eq!(report.ended, HowEnded::TimedOut, "{report:?}");
    assert!(report.stdout.bytes > 1 << 20 && report.stdout.cut_at == Some(1 << 20));
    assert_eq!(scene.once("echo x", 60).await.stdout.text, "x\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_closes_its_streams_is_waited_for() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    // More script than fits into any pipe, behind a shell that stops reading.
    let script = format!("exec <&-\necho open\nexec >&- 2>&-\nexit 7\n: {}", "x".repeat(200_000));
    let report = scene.once(&script, 60).await;
    assert_eq!((report.ended, report.exit_code), (HowEnded::Failed, Some(7)), "{:?}", report.reason);
    assert_eq!(report.stdout.text, "open\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_a_signal_ends_is_killed_and_not_failed() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let report = scene.once("echo before; kill -KILL $$", 60).await;
    assert_eq!((report.ended, report.signal.as_deref()), (HowEnded::Killed, Some("KILL")), "{report:?}");
    assert_eq!((report.exit_code, report.stdout.text.as_str()), (None, "before\n"));
    let report = scene.once("kill -TERM $$", 60).await;
    assert_eq!(report.reason.as_deref(), Some("SIGTERM ended it"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_told_from_an_end_and_the_next_run_connects_again() {
    let Some((sshd, scene)) = Scene::new(&[]).await else { return };
    scene.save("long", "echo up; sleep 600", &[], |_| ()).await;
    let mut told = scene.start("long", &[]).await;
    said(&mut told, "up\n").await;
    sshd.cut_connections();
    let report = end_of(told).await;
    assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::ConnectionLost, "up\n"), "{report:?}");
    assert!(report.failure.is_some_and(|failure| failure.remedy.contains("goes on there")));
    assert_eq!(scene.once("echo x", 60).await.stdout.text, "x\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_while_a_script_is_sent_is_told_as_that() {
    let Some((sshd, scene)) = Scene::new(&["ForceCommand echo up; exec sleep 600"]).await else { return };
    // More than the window of a channel, and nobody reads it.
    scene.save("long", ": {{x}}", &["x"], |_| ()).await;
    let large = vec![b'x'; 8 << 20];
    for _ in 0..5 {
        let mut told = scene.start("long", &[("x", &large)]).await;
        said(&mut told, "up\n").await;
        sshd.cut_connections();
        let report = end_of(told).await;
        assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::ConnectionLost, "up\n"), "{report:?}");
    }
}

/// Nothing can be written into the store until this is rolled back.
async fn hold_the_store(scene: &Scene) -> SqlitePool {
    let file = SqliteConnectOptions::new().filename(scene.folder.path().join("store.sqlite"));
    let raw = SqlitePoolOptions::new().max_connections(1).connect_with(file).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&raw).await.unwrap();
    raw
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_waits_to_be_noted_is_not_sent_when_appferry_stops() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let made = scene.folder.path().join("made");
    scene.save("make", &format!(": > '{}'", made.display()), &[], |_| ()).await;
    scene.once("true", 60).await;
    let raw = hold_the_store(&scene).await;
    let told = scene.start("make", &[]).await;
    scene.stop.cancel();
    sqlx::query("ROLLBACK").execute(&raw).await.unwrap();
    let report = end_of(told).await;
    assert_eq!(report.ended, HowEnded::NotRun, "{report:?}");
    assert!(report.id.is_some() && report.reason.is_some_and(|reason| reason.contains("stopping")));
    assert!(!made.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_holds_no_script_up_for_long() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    scene.save("say", "echo said", &[], |_| ()).await;
    let raw = hold_the_store(&scene).await;
    let mut told = scene.start("say", &[]).await;
    said(&mut told, "said\n").await;
    sqlx::query("ROLLBACK").execute(&raw).await.unwrap();
    let report = end_of(told).await;
    assert!(report.is_ok() && report.id.is_some(), "{report:?}");
    let runs = scene.shell.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.ended.as_str()).collect::<Vec<_>>(), ["ok"], "noted once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_ignores_sigterm_is_ended_all_the_same_and_what_had_come_is_there() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let report = scene.once("trap '' TERM\necho up\nprintf half\nsleep 20\necho never", 1).await;
    assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::TimedOut, "up\nhalf"), "{report:?}");
    assert!(report.reason.as_ref().is_some_and(|reason| reason.starts_with("it took longer than 1 s; ")), "{report:?}");
    assert_eq!(scene.once("echo x", 60).await.stdout.text, "x\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_out_sends_sigterm_and_then_sigkill() {
    let Some(server) = Dropbear::start() else { return };
    let key = KeyPair::ed25519("deploy");
    server.authorize(&key.public_line);
    let host: &dyn Host = &server;
    let known_hosts = server.folder().join("known");
    std::fs::write(&known_hosts, host.known_hosts()).unwrap();
    let scene = Scene::over(host.target(&key), &key, known_hosts).await;
    let report = scene.once("echo up; exec sleep 600", 1).await;
    assert_eq!((report.ended, report.signal.as_deref()), (HowEnded::TimedOut, Some("TERM")), "{report:?}");
    assert_eq!(report.reason.as_deref(), Some("it took longer than 1 s; SIGTERM ended it"));
    let report = scene.once("trap '' TERM; echo up; exec sleep 600", 1).await;
    assert_eq!((report.ended, report.signal.as_deref()), (HowEnded::TimedOut, Some("KILL")), "{report:?}");
    assert_eq!(report.stdout.text, "up\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_under_way_is_told_when_the_service_stops() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    scene.save("long", "echo up; exec sleep 30", &[], |_| ()).await;
    let mut told = scene.start("long", &[]).await;
    said(&mut told, "up\n").await;
    scene.stop.cancel();
    let report = end_of(told).await;
    assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::Stopped, "up\n"), "{report:?}");
    scene.sessions.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_command_that_no_signal_reaches_is_reported_as_left_alone() {
    // OpenSSH passes no signals on to forced commands. This one reads our script, as `command="sh"` in a key line would.
    let setup = Setup { force_command: Some("exec sh".to_owned()), ..Setup::default() };
    let Some(sshd) = Sshd::start_with(setup) else { return };
    let key = KeyPair::ed25519("deploy");
    sshd.authorize(&key.public_line);
    let scene = Scene::over(sshd.target(&key), &key, sshd.known_hosts_file()).await;
    let go_on = scene.folder.path().join("go on");
    std::fs::write(&go_on, "").unwrap();
    let script = format!("echo up; while [ -e '{}' ]; do sleep 0.1; done", go_on.display());
    let report = scene.once(&script, 1).await;
    assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::TimedOut, "up\n"), "{report:?}");
    assert_eq!((report.exit_code, report.signal.as_deref()), (None, None));
    let reason = report.reason.unwrap();
    assert!(reason.contains("no signal ended it") && reason.ends_with("it may go on there"), "{reason}");
    std::fs::remove_file(&go_on).unwrap();
    assert_eq!(scene.once("echo x", 60).await.stdout.text, "x\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_leaves_in_the_background_is_told_from_the_command() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let go_on = scene.folder.path().join("go on");
    std::fs::write(&go_on, "").unwrap();
    let script = format!("(while [ -e '{}' ]; do sleep 0.1; done) & echo up; exit 3", go_on.display());
    let report = scene.once(&script, 1).await;
    assert_eq!((report.ended, report.stdout.text.as_str()), (HowEnded::TimedOut, "up\n"), "{report:?}");
    let reason = report.reason.unwrap();
    assert!(reason.contains("it had exited with 3, but something that it left in the background"), "{reason}");
    std::fs::remove_file(&go_on).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_known_of_a_cut_stream_is_a_failure_and_the_first_cause_is_named() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    let flood = "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo FATAL >&2";
    scene.save("flood", flood, &[], |saved| saved.fail = FailRule::default().with("stderr:FATAL").unwrap()).await;
    let report = scene.run("flood", &[]).await;
    assert_eq!(report.ended, HowEnded::Failed, "{:?}", report.reason);
    assert!(report.reason.unwrap().contains("standard error was cut, and what `FATAL` matches may be in the rest"));
    let change = |saved: &mut appferry::domain::shell::SavedCommand| {
        saved.rows = "json".parse().unwrap();
        saved.fail = FailRule::default().with("rows-under:1").unwrap();
    };
    scene.save("oops", "echo oops", &[], change).await;
    let reason = scene.run("oops", &[]).await.reason.unwrap();
    assert!(reason.starts_with("the output is not JSON"), "{reason}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_value_that_takes_long_to_look_at_holds_up_no_other_call() {
    let Some((_sshd, scene)) = Scene::new(&[]).await else { return };
    // Each digit is looked at with each state of the pattern.
    scene.save("slow", ": {{x}}", &["x:pattern=[01]*1[01]{800}2"], |_| ()).await;
    let mut seed = 1_u64;
    let mut digit = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if seed >> 63 == 0 { b'0' } else { b'1' }
    };
    let value: Vec<u8> = (0..64 << 10).map(|_| digit()).collect();
    let given = [("x", value.as_slice())];
    tokio::select! {
        biased;
        _ = scene.start("slow", &given) => panic!("it was looked at before anything else had a turn"),
        report = scene.once("echo x", 60) => assert_eq!(report.stdout.text, "x\n"),
    }
}
