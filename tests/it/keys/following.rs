//! `appferry keys audit --follow`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::instance::Instance;
use crate::support::{PATIENCE, wait_for};

/// The following program; it is ended when this is dropped.
struct Follower {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(instance: &Instance, more: &[&str]) -> Self {
        let mut child = instance.cli_command(&[&["keys", "audit", "--follow"], more].concat()).spawn().unwrap();
        let lines = child.stdout.take().map(BufReader::new);
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    fn end(&mut self) -> ExitStatus {
        wait_for(PATIENCE, || "it goes on".into(), || self.child.try_wait().unwrap())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_row_that_another_process_makes_is_shown_until_a_signal_ends_it() {
    let one = Instance::new("one");
    for (key, signal) in [("first", Signal::INT), ("second", Signal::TERM)] {
        one.generate_key(key);
        let mut follower = Follower::start(&one, &["--key", key]);
        assert!(follower.line().contains("ssh_key_added"));
        one.generate_key(&format!("beside-{key}"));
        one.cli_text(&["keys", "rotate", key]);
        assert!(follower.line().contains("rotated"));
        kill_process(Pid::from_child(&follower.child), signal).unwrap();
        assert_eq!(follower.end().code(), Some(0), "{signal:?}");
    }
}

#[test]
fn none_of_the_old_rows_are_shown_when_none_are_asked_for() {
    let one = Instance::new("one");
    one.generate_key("old");
    let mut follower = Follower::start(&one, &["--last", "0", "--json"]);
    // It says nothing when it is ready: whatever row comes first, it is not the old one.
    let mut number = 0;
    let first = std::thread::scope(|scope| {
        let reading = scope.spawn(|| follower.line());
        wait_for(
            PATIENCE,
            || "no row came".into(),
            || {
                number += 1;
                one.generate_key(&format!("new{number}"));
                reading.is_finished().then_some(())
            },
        );
        reading.join().unwrap()
    });
    let row: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert!(row["key"].as_str().unwrap().starts_with("new"), "{row}");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_for_a_while_is_said_once_and_followed_again() {
    let one = Instance::new("one");
    one.generate_key("k");
    let mut follower = Follower::start(&one, &[]);
    assert!(follower.line().contains("ssh_key_added"));
    let pool = super::raw(&one.data).await;
    let unreadable = "INSERT INTO audit (at_ms, event, outcome, actor) VALUES (1, 'x', 'ok', CAST(x'ff' AS TEXT))";
    super::execute(&pool, unreadable).await.unwrap();
    let mut errors = BufReader::new(follower.child.stderr.take().unwrap());
    let mut said = String::new();
    errors.read_line(&mut said).unwrap();
    assert!(said.contains("is damaged") && said.contains("following goes on"), "{said}");
    let triggers: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetch_all(&pool).await.unwrap();
    for trigger in triggers {
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}"))).execute(&pool).await.unwrap();
    }
    super::execute(&pool, "DELETE FROM audit WHERE event = 'x'").await.unwrap();
    one.generate_key("next");
    assert!(follower.line().contains("next"));
    kill_process(Pid::from_child(&follower.child), Signal::TERM).unwrap();
    assert_eq!(follower.end().code(), Some(0));
    said.clear();
    errors.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let one = Instance::new("one");
    one.generate_key("k");
    let mut follower = Follower::start(&one, &[]);
    follower.line();
    drop(follower.lines.take()); // as `| head -1` does; no further row comes
    assert_eq!(follower.end().code(), Some(0));
}
