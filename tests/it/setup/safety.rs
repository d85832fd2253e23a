//! What must not happen to a server: files given away or lost, and a run that never ends.

use super::{FILE, Scene};
use crate::support::skip;

#[test]
fn nothing_behind_a_link_is_given_away() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    scene.server.sh("rm -r /home/dronahq/.ssh; ln -s /root/.ssh /home/dronahq/.ssh");
    let (ok, text) = scene.try_setup(&[]);
    assert!(!ok && text.contains("is a link"), "{text}");
    assert_eq!(scene.server.sh("stat -c %U /root/.ssh /root/.ssh/authorized_keys"), "root\nroot", "{text}");

    // What root made there by mistake is still given back, where the home folder itself is behind a link, too.
    scene.server.sh(&format!(
        "rm /home/dronahq/.ssh; mv /home/dronahq /var/dronahq; ln -s /var/dronahq /home/dronahq\n\
         mkdir /home/dronahq/.ssh; echo '# kept' >{FILE}"
    ));
    let text = scene.setup(&[]);
    assert_eq!(text.matches("changed  owner").count(), 2, "{text}");
    assert!(scene.file().starts_with("# kept\n") && scene.check(&[]).0, "{text}");
}

#[test]
fn runs_at_the_same_time_keep_the_lines_of_each_other() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    for name in ["K1", "K2", "K3", "K4", "K5"] {
        scene.own.generate_key(name);
        let script = scene.own.cli_text(&["host", "setup", "--for", "debian", "--key", name]);
        scene.server.sh(&format!("cat >/root/{name} <<'ENDOFSCRIPT'\n{script}ENDOFSCRIPT"));
    }
    for round in 0..8 {
        let run = format!(
            "rm -rf /home/dronahq/.ssh; for name in K1 K2 K3 K4 K5; do sh /root/$name & done; wait; cat {FILE}"
        );
        let said = scene.server.sh(&run);
        assert!(!said.contains("FAIL"), "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("restrict ")).count(), 5, "round {round}: {said}");
    }
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    scene.server.sh("echo half >/home/dronahq/.ssh/.appferry.abc123; echo mine >/home/dronahq/.ssh/.appferry.of-mine");
    scene.setup(&[]);
    assert_eq!(scene.server.sh("ls -A /home/dronahq/.ssh"), ".appferry.of-mine\nauthorized_keys");
}

/// A stub stands in for a lock that somebody holds, and for a file system that has none.
#[test]
fn a_lock_that_is_held_ends_the_run_and_one_that_cannot_be_does_not() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    let left = "/home/dronahq/.ssh/.appferry.abc123";
    for (status, goes_on) in [(1, false), (71, true)] {
        let stub = format!("printf '#!/bin/sh\nexit {status}\n' >/usr/local/bin/flock; chmod 755 /usr/local/bin/flock");
        scene.server.sh(&format!("{stub}; echo half >{left}"));
        let (ok, text) = scene.try_setup(&["--command", "true"]);
        assert_eq!(ok, goes_on, "{text}");
        assert_eq!(text.contains("another run has been at work"), !goes_on, "{text}");
        assert_eq!(scene.file().contains("command="), goes_on);
        assert_eq!(scene.server.sh(&format!("cat {left}")), "half", "it may be what another run is writing");
    }
}

/// The `awk` of busybox says nothing when it cannot write.
#[test]
fn a_full_disk_leaves_the_file_as_it_was_whatever_awk_says() {
    let Some(scene) = Scene::start() else { return };
    if !std::path::Path::new("/usr/bin/busybox").exists() {
        return skip("busybox is not installed");
    }
    scene.setup(&[]);
    scene.server.sh(&format!(
        "mount -t tmpfs -o size=128k,mode=700,uid=$(id -u dronahq) small /home/dronahq/.ssh\n\
         for i in $(seq 1000); do echo \"# line $i of others\"; done >{FILE}\n\
         chown dronahq:dronahq {FILE}; chmod 600 {FILE}; dd if=/dev/zero of=/home/dronahq/.ssh/fill bs=1k 2>/root/dd || :"
    ));
    let before = scene.file();
    for awk in ["/usr/bin/busybox", "/usr/bin/awk"] {
        scene.server.sh(&format!("ln -sf {awk} /usr/local/bin/awk"));
        let (ok, text) = scene.try_setup(&[]);
        assert!(!ok && text.contains("FAIL     keys-file") && text.contains("free space"), "{awk}: {text}");
        assert!(scene.file() == before, "{awk}: the file changed");
        assert_eq!(scene.server.sh("ls -A /home/dronahq/.ssh"), "authorized_keys\nfill", "{awk}");
    }
    scene.server.sh("rm /home/dronahq/.ssh/fill; ln -sf /usr/bin/busybox /usr/local/bin/awk");
    scene.setup(&[]);
    assert!(scene.file().starts_with(&before) && scene.check(&[]).0);
}

#[test]
fn a_pipe_in_place_of_the_file_is_named_and_holds_nothing_up() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    scene.server.sh(&format!("rm {FILE}; mkfifo -m 600 {FILE}; chown dronahq:dronahq {FILE}"));
    let (ok, text) = scene.try_setup(&[]);
    assert!(!ok && text.contains("FAIL     keys-file") && text.contains("is not a file"), "{text}");
    let cause = scene.cause();
    assert!(cause.contains(&format!("{FILE} is not a file")), "{cause}");
    scene.server.sh(&format!("rm {FILE}; mkdir -m 700 {FILE}; chown dronahq:dronahq {FILE}"));
    let cause = scene.cause();
    assert!(cause.contains(&format!("{FILE} is not a file")), "{cause}");
}

/// An editor of Windows, or a paste, is enough for that.
#[test]
fn our_line_is_ours_with_a_carriage_return_or_blanks_at_its_end() {
    let Some(scene) = Scene::start() else { return };
    for end in ["\\r", " ", "\\t \\r"] {
        scene.setup(&["--port-forwarding"]);
        scene.server.sh(&format!("sed -i 's/$/{end}/' {FILE}"));
        scene.setup(&[]);
        let file = scene.file();
        assert!(file.starts_with("restrict ssh-ed25519 ") && file.lines().count() == 1, "{end}: {file:?}");
    }
}

/// sshd takes the first line with the key: what narrows ours would not count.
#[test]
fn the_same_key_in_a_line_of_somebody_else_is_named() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    let bare = scene.file().replace("restrict ", "").replace("appferry:Key", "by-hand");
    let ours = format!("# first\n{bare}\n{}", scene.file());
    scene.server.sh(&format!("printf '%s\\n' '{ours}' >{FILE}"));
    let (ok, text) = scene.try_setup(&["--from", "192.0.2.0/24"]);
    assert!(!ok && text.contains("FAIL     keys-file") && text.contains(&format!("line 2 of {FILE}")), "{text}");
    assert!(scene.file().contains("restrict,from=\"192.0.2.0/24\""), "ours is in place for when that line goes");

    for (others, words) in
        [(format!("{ours}\n{bare}"), "line 4 of"), (format!("from=\"10.0.0.0/8\" {bare}\n{ours}"), "line 1 of")]
    {
        let others = others.replacen(&format!("# first\n{bare}\n"), "# first\n# second\n", 1);
        scene.server.sh(&format!("printf '%s\\n' '{others}' >{FILE}"));
        let text = scene.setup(&[]);
        assert!(text.contains("warning  keys-file") && text.contains(words), "{words}: {text}");
    }
}
