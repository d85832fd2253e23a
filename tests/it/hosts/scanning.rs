//! What a server's keys are, without logging in.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use appferry::domain::FailureClass;
use appferry::ssh::{Settings, scan};

use super::{address, json, prints, strangers};
use crate::support::fingerprint;
use crate::support::process::free_port;

fn settings() -> Settings {
    Settings { login_timeout: Duration::from_secs(10), ..Settings::default() }
}

#[test]
fn every_type_of_key_is_shown_with_its_fingerprint_and_nobody_logs_in() {
    let Some((world, dev)) = strangers() else { return };
    let scanned = json(&dev, &["hosts", "scan", &address(&world), "--json"]);
    let shown: Vec<&str> = scanned.iter().filter_map(|key| key["fingerprint"].as_str()).collect();
    assert_eq!(shown, prints(&world));
    let lines: Vec<&str> = scanned.iter().filter_map(|key| key["known_hosts_line"].as_str()).collect();
    assert_eq!(lines, world.sshd.host_key_lines());
    assert!(scanned.iter().all(|key| key["state"] == "unknown"), "{scanned:?}");
    let text = dev.cli_text(&["hosts", "scan", &address(&world)]);
    assert!(text.contains("not trusted") && text.contains("appferry hosts trust 127.0.0.1:"), "{text}");
    assert!(!world.sshd.log().contains("Accepted"), "{}", world.sshd.log());
}

#[test]
fn the_built_in_keys_are_listed_and_need_no_variable() {
    let mut dev = crate::support::instance::Instance::new("dev");
    dev.env.retain(|name, _| ["PATH", "APPFERRY_DATA_DIR"].contains(&name.as_str()));
    let listed = json(&dev, &["hosts", "list", "--json"]);
    assert!(listed.len() >= 16 && listed.iter().all(|key| key["source"] == "built_in"), "{listed:?}");
    assert!(dev.cli_text(&["hosts", "list"]).contains("github.com"));
}

#[tokio::test]
async fn what_keeps_from_scanning_has_its_class() {
    let failure = scan("127.0.0.1", free_port(), &settings()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
    let failure = scan("no-such-host.invalid", 22, &settings()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::NameLookup, "{failure}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let impatient = Settings { login_timeout: Duration::from_millis(200), ..Settings::default() };
    let failure = scan("127.0.0.1", silent.local_addr().unwrap().port(), &impatient).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::TimeOut, "{failure}");

    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = web.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new()); // closed before that, its words might be lost
    });
    let failure = scan("127.0.0.1", port, &settings()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Protocol, "{failure}");
    assert!(failure.message.contains("does not speak SSH"), "{failure}");
    served.join().unwrap();
}

#[tokio::test]
async fn a_server_with_one_type_shows_that_one() {
    let setup = crate::support::sshd::Setup { host_key_types: vec!["rsa"], ..Default::default() };
    let Some(sshd) = crate::support::sshd::Sshd::start_with(setup) else { return };
    let shown = scan("127.0.0.1", sshd.port(), &settings()).await.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].kind.as_str(), shown[0].fingerprint.clone()), ("ssh-rsa", fingerprint(&sshd.host_key_line())));
    assert_eq!(shown[0].line, sshd.host_key_line());
}
