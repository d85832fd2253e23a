//! Keys that are let in for some things only.

use std::path::Path;

use super::{FILE, Scene, target};
use crate::support::run;

#[test]
fn a_tunnel_goes_to_the_named_target_and_nowhere_else() {
    let Some(scene) = Scene::start() else { return };
    let ((_db, db), (_other, other)) = (target(), target());
    scene.setup(&["--permit-open", &db, "--permit-open", "127.0.0.1:1"]);
    let (ok, text) = scene.check(&["--permit-open", &db, "--permit-open", &other, "--permit-open", "127.0.0.1:1"]);
    assert!(!ok && text.contains(&format!("ok       forwarding   {db}: allowed, and the target answers")), "{text}");
    assert!(
        text.contains(&format!("FAIL     forwarding   {other}: the server does not let this tunnel through")),
        "{text}"
    );
    assert!(text.contains("warning  forwarding   127.0.0.1:1: allowed, but the target does not answer"), "{text}");

    scene.setup(&[]);
    let (ok, text) = scene.check(&["--permit-open", &db]);
    assert!(!ok && text.contains("does not let this tunnel through"), "without a target there are no tunnels: {text}");
    let root = scene.server.login("root");
    let (_, text) = scene.check(&["--permit-open", &db, "--admin", &root, "--admin-key", "Admin"]);
    assert!(text.contains(&format!("FAIL     cause        the key's line allows no tunnel to {db}")), "{text}");
    scene.setup(&["--port-forwarding"]);
    assert!(scene.check(&["--permit-open", &db, "--permit-open", &other]).0);
}

/// `port-forwarding` alone would let the key's holder listen on the server, too.
#[test]
fn a_key_with_tunnels_opens_no_port_on_the_server() {
    let Some(scene) = Scene::start() else { return };
    let folder = scene.own.aside();
    let key = folder.join("key").display().to_string();
    assert!(run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key], &folder, b"").status.success());
    scene.own.cli_text(&["keys", "import", "Mine", "--file", &key]);
    let root = scene.server.login("root");
    let base = [
        "host",
        "setup",
        "--for",
        "debian",
        "--key",
        "Mine",
        "--port-forwarding",
        "--run",
        &root,
        "--admin-key",
        "Admin",
    ];
    scene.own.cli_text(&base);
    let (known, port) =
        (format!("UserKnownHostsFile={}", scene.server.known_hosts().display()), scene.server.port().to_string());
    let options =
        ["-F", "none", "-i", &key, "-p", &port, "-o", &known, "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"];
    let listening = ["-R", "127.0.0.1:0:127.0.0.1:22", "dronahq@127.0.0.1", "true"];
    let refused = run("ssh", &[&options[..], &listening].concat(), Path::new("/"), b"");
    let words = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && words.contains("forwarding"), "{words}");
    let plain = run("ssh", &[&options[..], &["dronahq@127.0.0.1", "true"]].concat(), Path::new("/"), b"");
    assert!(plain.status.success(), "{}", String::from_utf8_lossy(&plain.stderr));
}

#[test]
fn a_forced_command_is_recognised_and_a_key_that_is_narrowed_too_far_is_explained() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&["--command", "echo \"it's fixed\" \\\\ done"]);
    let (ok, text) = scene.check(&[]);
    assert!(ok && text.contains("another command runs in place of what is asked for: it's fixed \\ done"), "{text}");
    scene.setup(&["--from", "127.0.0.0/8", "--expires", "2199-12-31T23:59"]);
    assert!(scene.check(&[]).0);
    scene.setup(&["--from", "192.0.2.0/24"]);
    let cause = scene.cause();
    assert!(cause.contains("from 192.0.2.0/24 only, and comes from 127.0.0.1"), "{cause}");
    let (ok, text) = scene.try_setup(&["--expires", "2020-01-31"]);
    assert!(!ok && text.contains("2020-01-31 is over"), "{text}");
    scene.setup(&["--expires", "2199-01-31"]);
    scene.server.sh(&format!("sed -i s/21990131/20200131/ {FILE}"));
    let cause = scene.cause();
    assert!(cause.contains("the key has expired on the server (expiry-time 20200131)"), "{cause}");
}

/// A pattern is compared as sshd compares it: an address by its bits, and one of IPv4 with none of IPv6.
#[test]
fn where_a_key_may_come_from_is_judged_as_sshd_does() {
    let Some(scene) = Scene::start() else { return };
    let root = scene.server.login("root");
    for (list, lets_in) in [
        ("127.0.0.1", true),
        ("127.0.0.?", true),
        ("!127.0.0.1,*", false),
        ("::ffff:127.0.0.1", false),
        ("0:0:0:0:0:ffff:7f00:1", false),
        ("::ffff:127.0.0.0/104", false),
        ("192.0.2.1,127.0.0.0/8", true),
    ] {
        scene.setup(&["--from", list]);
        let (ok, text) = scene.check(&["--admin", &root, "--admin-key", "Admin"]);
        assert_eq!(ok, lets_in, "{list}: {text}");
        assert_eq!(text.contains("FAIL     cause        the key may come from"), !lets_in, "{list}: {text}");
    }
}

#[test]
fn targets_that_sshd_lets_any_host_have_are_known() {
    let Some(mut scene) = Scene::start() else { return };
    let ((_db, db), (_other, other)) = (target(), target());
    let port = db.rsplit_once(':').unwrap().1;
    scene.server.configure(&format!("Match User dronahq\nPermitOpen *:{port}\nMatch all"));
    let root = scene.server.login("root");
    let causes = |to: &str| {
        let (ok, text) = scene.check(&["--permit-open", to, "--admin", &root, "--admin-key", "Admin"]);
        let causes = text.lines().filter_map(|line| line.strip_prefix("FAIL     cause        "));
        assert_eq!(ok, !text.contains("FAIL"), "{text}");
        causes.collect::<Vec<_>>().join("|")
    };
    scene.setup(&[]);
    assert_eq!(causes(&db), format!("the key's line allows no tunnel to {db}"));
    scene.setup(&["--port-forwarding"]);
    assert_eq!(causes(&db), "");
    assert_eq!(causes(&other), format!("PermitOpen in sshd_config does not name {other} (*:{port})"));
    scene.server.sh(&format!("sed -i 's/permitlisten=/permitopen=\"*:1\",&/' {FILE}"));
    assert_eq!(causes(&db), format!("the key's line allows no tunnel to {db}"));
}

/// Nothing has to run for tunnels.
#[test]
fn an_account_for_tunnels_alone_is_fine_when_tunnels_are_what_is_asked_for() {
    let Some(scene) = Scene::start() else { return };
    let ((_db, db), (_other, other)) = (target(), target());
    let root = scene.server.login("root");
    let admin = ["--admin", &root, "--admin-key", "Admin"];
    for (options, shell) in [(&["--command", "/bin/false"][..], "/bin/sh"), (&[], "/usr/sbin/nologin")] {
        scene.setup(&[&["--permit-open", &db], options].concat());
        scene.server.sh(&format!("usermod -s {shell} dronahq"));
        let (ok, text) = scene.check(&[&["--permit-open", &db], &admin[..]].concat());
        assert!(ok && text.contains("warning  command      for tunnels alone: "), "{text}");
        assert!(!text.contains("cause"), "{text}");
        let (ok, text) = scene.check(&[&["--permit-open", &other], &admin[..]].concat());
        assert!(!ok && text.contains("FAIL     forwarding"), "{text}");
        let (ok, text) = scene.check(&[]);
        assert!(!ok && text.contains("FAIL     command"), "{text}");
    }
}
