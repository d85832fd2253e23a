//! A refused login, and the cause that the admin's login finds.

use super::{FILE, Scene};

#[test]
fn rights_that_sshd_refuses_are_named() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    for (breaking, mending, part) in [
        (
            "chgrp users /home/dronahq; chmod g+w /home/dronahq",
            "chgrp dronahq /home/dronahq",
            "its group may write to the folder /home/dronahq ",
        ),
        (&format!("chmod 666 {FILE}"), &format!("chmod 600 {FILE}"), "everybody may write to the file"),
        (
            "chmod 777 /home/dronahq/.ssh",
            "chmod 700 /home/dronahq/.ssh",
            "everybody may write to the folder /home/dronahq/.ssh ",
        ),
        ("chown daemon /home/dronahq/.ssh", "chown dronahq /home/dronahq/.ssh", "/home/dronahq/.ssh belongs to user 1"),
    ] {
        scene.server.sh(breaking);
        let cause = scene.cause();
        assert!(cause.contains(part), "{breaking}: {cause}");
        scene.server.sh(mending);
    }
    // Debian's sshd takes what only the account's own group may write to, and then nothing is wrong.
    let (ok, text) = scene.check(&[]);
    assert!(ok, "{text}");
}

#[test]
fn accounts_and_files_that_are_not_as_they_should_be_are_named() {
    let Some(scene) = Scene::start() else { return };
    let absent = scene.cause();
    assert!(absent.contains("there is no account dronahq"), "{absent}");
    scene.setup(&[]);
    for (breaking, mending, part) in [
        ("usermod -L dronahq", "usermod -p '*' dronahq", "is locked"),
        ("chage -E 2 dronahq", "chage -E -1 dronahq", "the account dronahq has expired"),
        ("usermod -s /usr/sbin/nologin dronahq", "usermod -s /bin/sh dronahq", "has the shell /usr/sbin/nologin"),
        ("usermod -s /bin/nosuch dronahq", "usermod -s /bin/sh dronahq", "the shell /bin/nosuch, which is not there"),
        ("usermod -s /etc/passwd dronahq", "usermod -s /bin/sh dronahq", "the shell /etc/passwd, which is no program"),
        (
            &format!("sed -i s/^restrict/restrict,foo/ {FILE}"),
            &format!("sed -i s/,foo// {FILE}"),
            "does not know (foo)",
        ),
        (
            &format!("mv {FILE} /home/dronahq/old"),
            &format!("mv /home/dronahq/old {FILE}"),
            "there is no file with keys",
        ),
        (&format!("cp -p {FILE} /root/old; echo >{FILE}"), &format!("cat /root/old >{FILE}"), "the key is not in"),
    ] {
        scene.server.sh(breaking);
        let cause = scene.cause();
        assert!(cause.contains(part), "{breaking}: {cause}");
        scene.server.sh(mending);
    }
    let (ok, text) = scene.check(&[]);
    assert!(ok, "{text}");
}

#[test]
fn settings_of_sshd_that_keep_the_login_out_are_named() {
    let Some(mut scene) = Scene::start() else { return };
    scene.setup(&[]);
    for (lines, part) in [
        ("AllowUsers root adm*", "AllowUsers in sshd_config keeps dronahq out (AllowUsers root adm*)"),
        ("DenyGroups dron*", "DenyGroups"),
        ("AllowGroups root", "AllowGroups"),
        ("Match User dronahq\nAuthorizedKeysFile /etc/ssh/keys/%u\nMatch all", "but sshd reads /etc/ssh/keys/%u"),
        ("Match User dronahq\nPubkeyAuthentication no\nMatch all", "PubkeyAuthentication is off"),
        (
            "Match User dronahq\nPubkeyAcceptedAlgorithms rsa-sha2-512,ecdsa*\nMatch all",
            "PubkeyAcceptedAlgorithms in sshd_config leaves out ssh-ed25519",
        ),
        // sshd -T wants to be told all that a rule may ask for.
        (
            "Match LocalPort PORT LocalAddress 127.0.0.0/8\nAuthorizedKeysFile /etc/keys /root/.ssh/authorized_keys\nMatch all",
            "but sshd reads /etc/keys",
        ),
        ("DenyUsers *hq@127.0.0.0/8\nMatch RDomain blue\nPasswordAuthentication no\nMatch all", "DenyUsers"),
    ] {
        scene.server.configure(&lines.replace("PORT", &scene.server.port().to_string()));
        let cause = scene.cause();
        assert!(cause.contains(part), "{lines}: {cause}");
    }
}

#[test]
fn settings_that_sshd_does_not_tell_are_not_taken_for_good_ones() {
    let Some(mut scene) = Scene::start() else { return };
    scene.setup(&[]);
    scene.server.configure("DenyUsers dronahq");
    scene.server.sh("echo 'Nonsense yes' >>/etc/ssh/sshd_config");
    let cause = scene.cause();
    assert!(cause.contains("does not tell its settings") && cause.contains("Nonsense"), "{cause}");
    let text = scene.setup(&[]);
    assert!(text.contains("warning  server") && text.contains("Nonsense"), "{text}");
}

/// As root all of it can be read.
#[test]
fn what_the_account_itself_cannot_reach_is_named() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    let own = "chown dronahq:dronahq /home/dronahq /home/dronahq/.ssh /home/dronahq/.ssh/*";
    let rounds = [
        (
            format!("chown root {FILE}"),
            format!("the account dronahq cannot read the file {FILE} (of user 0, mode 600)"),
        ),
        (format!("chmod 0 {FILE}"), format!("cannot read the file {FILE} (of user")),
        (
            "chown root /home/dronahq/.ssh".to_owned(),
            "cannot enter the folder /home/dronahq/.ssh (of user 0".to_owned(),
        ),
        (
            "chown root /home/dronahq; chmod 700 /home/dronahq".to_owned(),
            "the folder /home/dronahq (of user 0".to_owned(),
        ),
        ("chmod 700 /home".to_owned(), "cannot enter the folder /home (of user 0, mode 700)".to_owned()),
    ];
    let without_runuser =
        ("mount --bind /dev/null /usr/sbin/runuser; chmod 700 /home".to_owned(), "the folder /home (".to_owned());
    for (breaking, part) in rounds.into_iter().chain([without_runuser]) {
        scene.server.sh(&breaking);
        let cause = scene.cause();
        assert!(cause.contains(&part), "{breaking}: {cause}");
        let mend = cause.rsplit_once("run `").and_then(|(_, rest)| rest.split_once('`')).expect(&cause).0;
        scene.server.sh(mend);
        let (ok, text) = scene.check(&[]);
        assert!(ok, "{breaking}: {mend} does not mend it: {text}");
        scene.server.sh(own);
    }
}
