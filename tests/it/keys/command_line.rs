//! `appferry keys …` as a person runs it.

use std::process::Output;

use super::*;
use crate::support::instance::Instance;

const PASSPHRASE: &str = "right horse battery";

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// It fails with that code and says that, and nothing on standard output.
fn fails(output: &Output, code: i32, expected: &str) {
    let (was, out, error) = texts(output);
    assert_eq!((was, out.as_str()), (Some(code), ""), "{error}");
    assert!(error.contains(expected), "{expected}: {error}");
}

fn one_key_line(text: &str, key: &str) {
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("ssh-ed25519 AAAA") && text.trim_end().ends_with(&format!(" {key}")), "{text}");
}

fn file(instance: &Instance, name: &str, content: &[u8]) -> String {
    let path = instance.aside().join(name);
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn a_key_lives_from_its_making_to_its_end() {
    let one = Instance::new("one");
    assert!(one.cli_text(&["keys", "list"]).starts_with("The key store is empty."));
    assert_eq!(one.cli_text(&["keys", "list", "--json"]).trim(), "[]");
    let line = one.generate_key("deploy");
    one_key_line(&line, "deploy");
    assert_eq!(one.cli_text(&["keys", "public", "deploy"]).trim(), line);
    let list = one.cli_text(&["keys", "list"]);
    assert!(list.starts_with("NAME") && list.contains("\ndeploy  store   ed25519  256 "), "{list}");
    let json: serde_json::Value = serde_json::from_str(&one.cli_text(&["keys", "list", "--json"])).unwrap();
    assert_eq!(
        (&json[0]["name"], &json[0]["source"], &json[0]["type"]),
        (&"deploy".into(), &"store".into(), &"ed25519".into())
    );

    let rotated = one.cli_text(&["keys", "rotate", "deploy"]);
    one_key_line(&rotated, "deploy");
    assert_eq!(one.cli_text(&["keys", "public", "deploy"]), rotated);
    let shown = one.cli_text(&["keys", "show", "deploy"]);
    assert!(shown.contains("Rotation     under way") && shown.contains("Previous     ed25519"), "{shown}");
    fails(&one.cli(&["keys", "rotate", "deploy"]), 1, "--confirm");
    assert!(one.cli_text(&["keys", "rotate", "deploy", "--undo"]).contains("the new key was dropped"));
    assert_eq!(one.cli_text(&["keys", "public", "deploy"]).trim(), line);
    one.cli_text(&["keys", "rotate", "deploy"]);
    assert!(one.cli_text(&["keys", "rotate", "deploy", "--confirm"]).contains("the key before was dropped"));
    fails(&one.cli(&["keys", "rotate", "deploy", "--confirm"]), 1, "no rotation");

    assert_eq!(one.cli_text(&["keys", "rename", "deploy", "prod"]), "deploy is called prod now.\n");
    fails(&one.cli(&["keys", "show", "deploy"]), 1, "`prod`");
    assert!(one.cli_text(&["keys", "rewrap"]).starts_with("0 key pairs were moved"));
    assert!(one.cli_text(&["keys", "delete", "prod"]).starts_with("prod was deleted."));
    fails(&one.cli(&["keys", "delete", "prod"]), 1, "the key store is empty");
    let audit = one.cli_text(&["keys", "audit"]);
    assert!(audit.lines().last().unwrap().contains("ssh_key_deleted") && audit.contains("key deploy"), "{audit}");
}

#[test]
fn a_key_and_its_passphrase_come_in_by_files_or_standard_input() {
    let one = Instance::new("one");
    let (content, _) = made_by_openssh("ed25519", PASSPHRASE);
    let (key, passphrase) = (file(&one, "key", &content), file(&one, "passphrase", PASSPHRASE.as_bytes()));
    one_key_line(&one.cli_text(&["keys", "import", "a", "--file", &key, "--passphrase-file", &passphrase]), "a");
    let with_input = |args: &[&str], input: &[u8]| {
        let (code, out, error) = texts(&one.cli_with_input(args, input));
        assert_eq!(code, Some(0), "{error}");
        out
    };
    let from_stdin = with_input(&["keys", "import", "b", "--file", "-", "--passphrase-file", &passphrase], &content);
    one_key_line(&from_stdin, "b");
    let args = ["keys", "import", "c", "--file", &key, "--passphrase-stdin", "--no-remember"];
    one_key_line(&with_input(&args, format!("{PASSPHRASE}\n").as_bytes()), "c");
    assert!(one.cli_text(&["keys", "show", "c"]).contains("Passphrase   not remembered"));
    one_key_line(&with_input(&["keys", "rotate", "a", "--file", "-"], &made_by_openssh("ed25519", "").0), "a");
    one_key_line(&with_input(&["keys", "generate", "d", "--passphrase-stdin"], b"another one\n"), "d");

    let changed = with_input(&["keys", "passphrase", "d", "--passphrase-stdin", "--no-remember"], b"a third one\n");
    assert_eq!(changed, "The passphrase of d: not remembered.\n");
    fails(&one.cli(&["keys", "passphrase", "d", "--remove"]), 1, "--old-passphrase-file");
    let wrong = ["keys", "passphrase", "d", "--old-passphrase-file", &passphrase, "--remove"];
    fails(&one.cli(&wrong), 1, "give the right one with `--old-passphrase-file`");
    let right = file(&one, "right", b"a third one\n");
    let removed = one.cli_text(&["keys", "passphrase", "d", "--old-passphrase-file", &right, "--remove"]);
    assert_eq!(removed, "The passphrase of d: none.\n");
}

#[test]
fn what_cannot_be_meant_is_refused_before_a_store_is_made() {
    let one = Instance::new("one");
    let (content, _) = made_by_openssh("ed25519", "");
    let key = file(&one, "key", &content);
    for (args, expected) in [
        (&["import", "k", "--file", "-", "--passphrase-stdin"][..], "both come from standard input"),
        (&["import", "k", "--file", "-", "--passphrase-file", "-"], "both come from standard input"),
        (&["passphrase", "k", "--old-passphrase-file", "-", "--passphrase-stdin"], "both come from standard input"),
        (&["import", "k", "--file", &key, "--no-remember"], "--no-remember is about a passphrase"),
        (&["generate", "k", "--no-remember"], "--no-remember is about a passphrase"),
        (&["generate", "k", "--bits", "4096"], "--type rsa"),
        (&["generate", "k", "--type", "rsa", "--bits", "1024"], "from 2048 to 8192"),
        (&["generate", "k", "--passphrase-stdin"], "the passphrase is empty"),
        (&["passphrase", "k"], "--remove"),
        (&["import", "k", "--file", "/nowhere"], "/nowhere cannot be read"),
    ] {
        fails(&one.cli(&[&["keys"], args].concat()), 1, expected);
    }
    assert!(contents(&one.data).is_empty(), "{:?}", contents(&one.data).keys());
}

#[test]
fn wrong_usage_exits_with_2_and_a_secret_is_never_an_argument() {
    let one = Instance::new("one");
    for args in [
        &[][..],
        &["generate"],
        &["generate", "my key"],
        &["generate", "-k"],
        &["generate", ""],
        &["generate", "../k"],
        &["generate", "Schlüssel"],
        &["generate", "k", "--passphrase", PASSPHRASE],
        &["import", "k", "--file", "f", "--passphrase", PASSPHRASE],
        &["import", "k", "--key", "x"],
        &["import", "k"],
        &["backup", "--to", "f", "--passphrase", PASSPHRASE],
        &["rotate", "k", "--confirm", "--undo"],
        &["rotate", "k", "--confirm", "--no-remember"],
        &["audit", "--since", "soon"],
    ] {
        let (code, out, error) = texts(&one.cli(&[&["keys"], args].concat()));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {error}");
    }
    let help = texts(&one.cli(&["keys", "--help"]));
    assert!(help.0 == Some(0) && help.1.contains("rewrap"), "{help:?}");
}

#[test]
fn the_log_is_filtered_and_each_line_of_json_is_a_row() {
    let one = Instance::new("one");
    for key in ["a", "b"] {
        one.generate_key(key);
    }
    one.cli_text(&["keys", "delete", "a"]);
    let events = |args: &[&str]| {
        let text = one.cli_text(&[&["keys", "audit", "--json"], args].concat());
        let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| {
            assert!(row["at"].as_str().unwrap().ends_with('Z') && !row["actor"].as_str().unwrap().is_empty());
            format!("{} {}", row["event"].as_str().unwrap(), row["key"].as_str().unwrap())
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(events(&[]), ["ssh_key_added a", "ssh_key_added b", "ssh_key_deleted a"]);
    assert_eq!(events(&["--key", "a"]), ["ssh_key_added a", "ssh_key_deleted a"]);
    assert_eq!(events(&["--event", "ssh_key_added", "--last", "1"]), ["ssh_key_added b"]);
    assert_eq!(events(&["--since", "1h", "--key", "b"]), ["ssh_key_added b"]);
    assert_eq!(events(&["--last", "0"]), [""; 0]);
}

#[test]
fn the_folder_of_secrets_is_part_of_what_is_shown() {
    let mut one = Instance::new("one");
    let folder = one.aside().join("secrets");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mounted"), made_by_openssh("ed25519", "").0).unwrap();
    one.set("APPFERRY_KEYS_DIR", folder.display().to_string());
    one.generate_key("stored");
    let list = one.cli_text(&["keys", "list"]);
    assert!(list.contains("\nmounted  folder  ed25519") && list.contains("\nstored   store   ed25519"), "{list}");
    one_key_line(&one.cli_text(&["keys", "public", "mounted"]), "mounted");
    fails(&one.cli(&["keys", "delete", "mounted"]), 1, "is in the secrets folder, which appferry only reads");
    fails(&one.cli(&["keys", "generate", "mounted"]), 1, "there is a key named `mounted` already");
}
