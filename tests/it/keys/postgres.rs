//! The command line over a PostgreSQL server.

use super::*;
use crate::support::instance::Instance;
use crate::support::postgres::Postgres;
use crate::support::search::holds;

#[test]
fn the_store_may_be_a_database_and_its_password_is_in_no_output() {
    let Some(server) = Postgres::start() else { return };
    let url = server.database("keys");
    let mut one = Instance::new("one");
    let file = one.aside().join("url");
    fs::write(&file, format!("{}\n", url.expose_secret())).unwrap();
    one.set("APPFERRY_DATABASE_URL_FILE", file.display().to_string()).set("RUST_LOG", "trace");
    let encoded = url.expose_secret().split(':').nth(2).unwrap().split('@').next().unwrap();
    let port = url.expose_secret().rsplit(':').next().unwrap().split('/').next().unwrap();
    let said = |output: &std::process::Output| {
        let all = [output.stdout.as_slice(), &output.stderr].concat();
        assert!(!holds(&all, b"p@ss:w/rd") && !holds(&all, encoded.as_bytes()), "{}", String::from_utf8_lossy(&all));
        String::from_utf8(all).unwrap()
    };
    let made = one.cli(&["keys", "generate", "k"]);
    assert!(made.status.success(), "{}", said(&made));
    let list = one.cli(&["keys", "list", "--json"]);
    let keys: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((said(&list).is_empty(), &keys[0]["name"]), (false, &"k".into()));
    assert!(!one.data.join(STORE).exists());
    assert_eq!(server.sql("keys", "SELECT name FROM keys"), Ok("k".into()));
    for args in [&["keys", "rotate", "k"][..], &["keys", "rename", "k", "l"], &["keys", "audit"], &["keys", "rewrap"]] {
        let output = one.cli(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
    }

    for wrong in [
        url.expose_secret().replace(encoded, "wrong"),
        url.expose_secret().replace("/keys", "/nodb"),
        url.expose_secret().replace(port, "1"),
        url.expose_secret().replace("postgres:", "mysql:"),
        format!("{encoded} is no URL"),
    ] {
        fs::write(&file, &wrong).unwrap();
        let output = one.cli(&["keys", "list"]);
        let said = said(&output);
        eprintln!("{:?} {}", output.status.code(), said.lines().last().unwrap());
        assert!(matches!(output.status.code(), Some(1 | 2)), "{said}");
        assert!(said.contains("appferry: ") && said.contains("; "), "what is wrong, then what to do: {said}");
        assert_eq!(output.stdout.len(), 0);
    }
}
