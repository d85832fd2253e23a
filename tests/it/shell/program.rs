//! The real program: command line, API, and who may do what.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use appferry::domain::shell::SavedCommand;
use appferry::ports::{KeyRecords as _, ShellChanged, ShellRecords as _};
use appferry::store::Store;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::instance::Instance;
use crate::support::sshd::{Sshd, current_user};

/// The example: a key, a host, a saved command, and a run over the API.
#[test]
fn the_example_tells_its_story_to_the_end() {
    if Sshd::start().is_none() {
        return;
    }
    super::story::main().unwrap();
}

/// An instance that runs, with the host `box` added.
fn scene() -> Option<(Sshd, Instance)> {
    let sshd = Sshd::start()?;
    let mut instance = Instance::new("shell");
    instance.set("APPFERRY_KNOWN_HOSTS", sshd.known_hosts_file().display().to_string());
    sshd.authorize(&instance.generate_key("ops"));
    let address = format!("127.0.0.1:{}", sshd.port());
    instance.cli_text(&[
        "shell",
        "hosts",
        "add",
        "box",
        "--address",
        &address,
        "--user",
        &current_user(),
        "--key",
        "ops",
    ]);
    instance.start();
    Some((sshd, instance))
}

#[test]
fn after_a_run_a_channel_is_open_for_the_next_one() {
    let Some((_sshd, instance)) = scene() else { return };
    let found_one_open = || {
        instance.cli_text(&["shell", "exec", "box", "--", "true"]);
        instance.whole_log().contains("started a shell command preopened=true")
    };
    assert!(!found_one_open(), "the first run opens its own");
    instance.wait(PATIENCE, "a channel that was open", found_one_open);
}

#[test]
fn a_command_is_saved_run_and_found_among_the_past_runs() {
    let Some((_sshd, instance)) = scene() else { return };
    assert!(instance.cli_text(&["shell", "hosts", "test", "box"]).is_empty());
    let script = instance.aside().join("script");
    std::fs::write(&script, "printf '%s\\n' {{who}} {{secret}}").unwrap();
    let script = script.display().to_string();
    instance.cli_text(&[
        "shell",
        "commands",
        "add",
        "greet",
        "--host",
        "box",
        "--script-file",
        &script,
        "--var",
        "who",
        "--var",
        "secret",
        "--rows",
        "lines",
    ]);
    let secret = instance.aside().join("secret");
    std::fs::write(&secret, "s3cret value\n").unwrap();
    let from = format!("secret={}", secret.display());
    let args = ["shell", "run", "greet", "--var", "who=$(id) 'x'", "--var-file", &from];
    assert_eq!(instance.cli_text(&args), "$(id) 'x'\ns3cret value\n\n");
    let shown = instance.cli_text(&[&args[..], &["--json"]].concat());
    let runs: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(runs[0]["rows"][0]["line"], "$(id) 'x'");
    assert_eq!((&runs[0]["ended"], &runs[0]["exit_code"]), (&Value::from("ok"), &Value::from(0)));
    let past: Value = serde_json::from_str(&instance.cli_text(&["shell", "runs", "--json"])).unwrap();
    assert_eq!(past.as_array().unwrap().len(), 3);
    let one = instance.cli_text(&["shell", "runs", &past[0]["id"].to_string()]);
    assert!(one.contains("greet, ") && one.contains("--- standard output"), "{one}");

    let edited = instance.cli_text(&["shell", "commands", "edit", "greet", "--timeout", "5s", "--fail", "rows-over:1"]);
    assert!(edited.contains("changed"));
    let failed = instance.cli(&args);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(said.contains("box: failed: 3 rows are more than 1"), "{said}");
    let shown = instance.cli_text(&["shell", "commands", "show", "greet"]);
    assert!(shown.contains("at most 5 s, rows: lines") && shown.contains("{{who}}"), "{shown}");
    assert!(!instance.whole_log().contains("s3cret"), "no value is in the log");
    std::fs::write(&script, "echo plain").unwrap();
    let args = ["shell", "commands", "edit", "greet", "--script-file", &script, "--no-vars", "--no-fails"];
    instance.cli_text(&args);
    assert_eq!(instance.cli_text(&["shell", "run", "greet"]), "plain\n");
    instance.cli_text(&["shell", "commands", "remove", "greet"]);
    instance.cli_text(&["shell", "hosts", "remove", "box"]);
}

#[test]
fn a_run_that_a_kill_cut_off_is_there_and_its_end_counts_as_not_known() {
    let Some((_sshd, mut instance)) = scene() else { return };
    let goes_on = instance.aside().join("goes on");
    std::fs::write(&goes_on, "").unwrap();
    let script = format!("echo up; while [ -e '{}' ]; do sleep 0.1; done", goes_on.display());
    let mut running = instance.cli_command(&["shell", "exec", "box", "--", &script]).spawn().unwrap();
    let mut first = [0; 3];
    running.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"up\n");
    let listed = |instance: &Instance| {
        let output = instance.cli(&["shell", "runs"]);
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (runs, notes) = listed(&instance);
    assert!(runs.contains("running") && notes.is_empty(), "{runs}{notes}");
    let log = instance.cli_text(&["keys", "audit"]);
    assert!(!log.contains("shell_command_run"), "its row comes with what came of it: {log}");

    instance.kill();
    let cut_off = String::from_utf8(running.wait_with_output().unwrap().stderr).unwrap();
    assert!(cut_off.contains("the worker went away before") && cut_off.contains("shell runs"), "{cut_off}");
    let (runs, notes) = listed(&instance);
    assert!(runs.contains("running"), "{runs}");
    assert!(notes.contains("no appferry runs here") && notes.contains("not known"), "{notes}");
    instance.start();
    std::fs::remove_file(&goes_on).unwrap();
    let past: Value = serde_json::from_str(&instance.cli_text(&["shell", "runs", "--json"])).unwrap();
    assert_eq!(past[0]["ended"], "not_known");
    let one = instance.cli_text(&["shell", "runs", &past[0]["id"].to_string()]);
    assert!(one.contains("box: not known: appferry ended while it ran") && !one.contains(" ms)"), "{one}");
    let log = instance.cli_text(&["keys", "audit"]);
    assert_eq!(log.matches("shell_command_run").count(), 1, "{log}");
}

#[test]
fn who_closes_the_pipe_hears_no_complaint_and_the_command_goes_on() {
    let Some((_sshd, instance)) = scene() else { return };
    let go = instance.aside().join("go");
    let script = format!("echo up; until [ -e '{}' ]; do sleep 0.1; done; seq 100000", go.display());
    let mut running = instance.cli_command(&["shell", "exec", "box", "--", &script]).spawn().unwrap();
    let mut stdout = running.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 3]).unwrap();
    drop(stdout);
    std::fs::write(&go, "").unwrap();
    let output = running.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    instance.wait(PATIENCE, "its end", || instance.cli_text(&["shell", "runs"]).contains("  ok  "));
}

#[test]
fn who_cannot_write_the_output_hears_why_once() {
    let Some((_sshd, instance)) = scene() else { return };
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let running = instance.cli_command(&["shell", "exec", "box", "--", "echo up"]).stdout(full).spawn().unwrap();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("the command goes on") && said.matches("No space left").count() == 1, "{said}");
}

#[test]
fn what_is_refused_says_why_and_a_key_in_use_stays() {
    let Some((_sshd, instance)) = scene() else { return };
    let refused = |args: &[&str], input: &[u8]| {
        let output = instance.cli_with_input(args, input);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let add = ["shell", "commands", "add", "c", "--host", "box", "--script-file", "-", "--var", "x"];
    let said = refused(&add, b"ls\necho '{{x}}'; sh -c {{x}}\n");
    assert!(said.contains("line 2, column 7: `{{x}}` stands in quotes; put it outside"), "{said}");
    assert!(said.contains("line 2, column 21: `{{x}}` would be run as source by `sh`"), "{said}");
    let said = refused(&["keys", "delete", "ops"], b"");
    assert!(said.contains("shell host box"), "{said}");
    let said = refused(&["keys", "rename", "ops", "other"], b"");
    assert!(said.contains("shell host box"), "{said}");
    let said = refused(&["shell", "run", "nothing"], b"");
    assert!(said.contains("there is no saved command `nothing`"), "{said}");
    assert!(instance.cli_with_input(&add, b"ls {{x}}\n").status.success());
    let said = refused(&["shell", "hosts", "remove", "box"], b"");
    assert!(said.contains("these commands are saved on it: c"), "{said}");
    let said = refused(&["shell", "run", "c"], b"");
    assert!(said.contains("`x` has no value"), "{said}");
    let said = refused(&["shell", "exec", "box", "--", "exit 3"], b"");
    assert!(said.contains("it exited with 3"), "{said}");
}

/// Saved by a version whose check saw less.
#[test]
fn a_saved_command_that_would_be_refused_is_shown_so_with_the_reason() {
    let Some((_sshd, instance)) = scene() else { return };
    let text =
        r#"{"name":"old","host":"box","script":"echo ok\nsh -c {{x}}","variables":[{"name":"x","type":"text"}]}"#;
    let old: SavedCommand = serde_json::from_str(text).unwrap();
    let good = SavedCommand { name: "good".parse().unwrap(), script: "ls {{x}}".into(), ..old.clone() };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&instance.data, "instance test").await.unwrap();
        for command in [&old, &good] {
            assert_eq!(store.save_command(command, false).await.unwrap(), ShellChanged::Done);
        }
        store.close().await;
    });
    let why = "line 2, column 7: `{{x}}` would be run as source by `sh`";
    let list = instance.cli_text(&["shell", "commands", "list"]);
    assert!(list.contains(&format!("refused: the script is refused: {why}")), "{list}");
    assert_eq!(list.matches("refused: ").count(), 2, "one of them: {list}");
    let shown = instance.cli_text(&["shell", "commands", "show", "old"]);
    assert!(shown.contains(&format!("refused when it is run: the script is refused: {why}")), "{shown}");
    assert!(shown.contains("`appferry shell commands edit old --script-file FILE`"), "{shown}");
    assert!(!instance.cli_text(&["shell", "commands", "show", "good"]).contains("refused"));
    let refused = |text: &str| -> Vec<bool> {
        let commands: Vec<Value> = serde_json::from_str(text).unwrap();
        commands.iter().map(|one| one["refused"].as_str().is_some_and(|reason| reason.contains(why))).collect()
    };
    assert_eq!(refused(&instance.cli_text(&["shell", "commands", "list", "--json"])), [false, true]);
    let token = std::fs::read_to_string(instance.data.join("api.token")).unwrap();
    let ask = |method, path, body: &str| ask(&instance, token.trim(), method, path, body, "*/*");
    assert_eq!(refused(&ask("GET", "/api/v1/shell/commands", "").1), [false, true]);
    // Changing its host says which command is in the way; what was answered can be mended and given back.
    let hosts: Value = serde_json::from_str(&ask("GET", "/api/v1/shell/hosts", "").1).unwrap();
    let (status, said) = ask("PUT", "/api/v1/shell/hosts/box?replace=true", &hosts[0].to_string());
    assert!(status == 400 && said.contains("`old`, which is saved on that host"), "{said}");
    let mut answer: Value = serde_json::from_str(&ask("GET", "/api/v1/shell/commands/old", "").1).unwrap();
    assert!(answer["refused"].as_str().is_some_and(|reason| reason.contains(why)), "{answer}");
    answer["script"] = "ls {{x}}".into();
    assert_eq!(ask("PUT", "/api/v1/shell/commands/old?replace=true", &answer.to_string()).0, 200);
    assert_eq!(refused(&ask("GET", "/api/v1/shell/commands", "").1), [false, false]);
}

#[test]
fn the_runners_token_runs_what_is_saved_and_nothing_else() {
    let Some((_sshd, instance)) = scene() else { return };
    let [admin, runner] = ["api.token", "run.token"]
        .map(|file| std::fs::read_to_string(instance.data.join(file)).unwrap().trim().to_owned());
    let ask = |token: &str, method: &str, path: &str, body: &str| ask(&instance, token, method, path, body, "*/*");
    let command = r#"{"host":"box","script":"printf %s {{n}}","variables":[{"name":"n","type":"int"}]}"#;
    assert_eq!(ask(&admin, "PUT", "/api/v1/shell/commands/count", command).0, 200);
    assert_eq!(ask(&admin, "PUT", "/api/v1/shell/commands/count", command).0, 409);
    for (method, path, body) in [
        ("PUT", "/api/v1/shell/commands/other", command),
        ("DELETE", "/api/v1/shell/commands/count", ""),
        ("DELETE", "/api/v1/shell/hosts/box", ""),
        ("POST", "/api/v1/shell/exec", r#"{"hosts":["box"],"script":"id"}"#),
        ("POST", "/api/v1/shell/hosts/box/test", ""),
        ("POST", "/api/v1/shell/check", command),
    ] {
        assert_eq!(ask(&runner, method, path, body).0, 403, "{method} {path}");
        assert_eq!(ask("wrong", method, path, body).0, 401, "{method} {path}");
    }
    assert_eq!(ask(&runner, "GET", "/api/v1/status", "").0, 401, "the rest of the API is not the runner's");
    assert_eq!(ask(&runner, "GET", "/api/v1/shell/commands", "").0, 200);
    let (status, answer) = ask(&runner, "POST", "/api/v1/shell/commands/count/run", r#"{"vars":{"n":42}}"#);
    let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert_eq!((status, &answer["ok"], &answer["runs"][0]["stdout"]["text"]), (200, &Value::Bool(true), &"42".into()));
    assert_eq!(answer["runs"][0]["by"], "runner");
    let (status, answer) = ask(&runner, "POST", "/api/v1/shell/commands/count/run", r#"{"vars":{"n":"a[$(id)]"}}"#);
    assert!(status == 400 && answer.contains("whole number") && !answer.contains("$(id)"), "{answer}");
    assert_eq!(ask(&runner, "POST", "/api/v1/shell/commands/none/run", "{}").0, 404);
    let wrong = r#"{"name":"x","host":"box","script":"echo '{{n}}'","variables":[{"name":"n","type":"int"}]}"#;
    let (_, answer) = ask(&admin, "POST", "/api/v1/shell/check", wrong);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["ok"], &answer["misplaced"][0]["column"]), (&Value::Bool(false), &7.into()));

    let (_, lines) = self::ask(
        &instance,
        &admin,
        "POST",
        "/api/v1/shell/exec",
        r#"{"hosts":["box"],"script":"echo a; echo b >&2"}"#,
        "application/x-ndjson",
    );
    let kinds: Vec<String> = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|event| event["type"].as_str().map(str::to_owned))
        .collect();
    assert_eq!((kinds.first().map(String::as_str), kinds.last().map(String::as_str)), (Some("began"), Some("ended")));
    assert!(kinds.contains(&"stdout".to_owned()) && kinds.contains(&"stderr".to_owned()), "{kinds:?}");
}

#[test]
fn several_hosts_are_told_apart_on_the_command_line_and_in_one_answer() {
    let Some((_sshd, instance)) = scene() else { return };
    let hosts: Value = serde_json::from_str(&instance.cli_text(&["shell", "hosts", "list", "--json"])).unwrap();
    let port = hosts[0]["port"].to_string();
    let address = format!("127.0.0.1:{port}");
    let user = current_user();
    for name in ["again", "third"] {
        instance.cli_text(&["shell", "hosts", "add", name, "--address", &address, "--user", &user, "--key", "ops"]);
    }
    let said = instance.cli_text(&["shell", "exec", "box,again", "--limit", "1", "--", "printf %s a; sleep 0; echo b"]);
    assert!(said.contains("==> box <==\nab\n") && said.contains("==> again <==\nab\n"), "{said}");
    // All at once, each with more than one piece on both streams, and without a line break at its end.
    let script = "i=0; while [ $i -lt 3000 ]; do echo \"$$ $i\"; echo \"$$ $i\" >&2; i=$((i + 1)); done; printf %s $$";
    let output = instance.cli(&["shell", "exec", "box,again,third", "--", script]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let blocks: Vec<&str> = said.split("==> ").skip(1).collect();
    let mut names: Vec<&str> = blocks.iter().map(|block| block.lines().next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["again <==", "box <==", "third <=="]);
    for block in blocks {
        let mut lines = block.lines().skip(1);
        let (whose, _) = lines.clone().next().unwrap().split_once(' ').unwrap();
        assert!((0..3_000).all(|n| lines.next() == Some(&format!("{whose} {n}"))), "a block is of one host");
        assert_eq!((lines.next(), lines.next()), (Some(whose), None));
    }
    let errors = String::from_utf8(output.stderr).unwrap();
    for host in ["box", "again", "third"] {
        assert_eq!(errors.matches(&format!("{host}: ok (")).count(), 1, "each ends once");
    }
    let runs = instance.cli(&["shell", "exec", "box,again,third", "--json", "--", "echo $$; exit 1"]);
    assert_eq!(runs.status.code(), Some(1));
    let runs: Vec<Value> = serde_json::from_slice(&runs.stdout).unwrap();
    assert!(runs.len() == 3 && runs.iter().all(|run| run["exit_code"] == 1), "{runs:?}");
    let token = std::fs::read_to_string(instance.data.join("api.token")).unwrap();
    let body = r#"{"hosts":["box","again"],"script":"exit 3"}"#;
    let (_, answer) = ask(&instance, token.trim(), "POST", "/api/v1/shell/exec", body, "application/json");
    let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let codes: Vec<&Value> = answer["runs"].as_array().unwrap().iter().map(|run| &run["exit_code"]).collect();
    assert_eq!((&answer["ok"], codes), (&Value::Bool(false), vec![&3.into(), &3.into()]));
}

fn ask(instance: &Instance, token: &str, method: &str, path: &str, body: &str, accept: &str) -> (u16, String) {
    let address = std::fs::read_to_string(instance.data.join("api.addr")).unwrap();
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    // HTTP/1.0: the answer comes without chunks.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nAccept: {accept}\r\nContent-Length: {}\r\n\r\n{body}",
        address.trim(),
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
