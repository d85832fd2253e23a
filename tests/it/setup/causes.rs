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
    ] {
        scene.server.configure(lines);
        let cause = scene.cause();
        assert!(cause.contains(part), "{lines}: {cause}");
    }
}
