//! What the script does to files, and what it leaves alone.

use super::{FILE, Scene, said};
use crate::support::instance::Instance;
use crate::support::run;

/// Twice the same, whatever was there before.
#[test]
fn run_twice_it_gives_the_same_file_and_leaves_other_lines_alone() {
    let Some(scene) = Scene::start() else { return };
    // As an admin leaves it: made by root, another's key, a comment with our mark, and no line break at the end.
    let before =
        "# of old appferry:Key\nrestrict ssh-ed25519 AAAAother someone@else\nssh-rsa AAAAthird appferry:Key@other";
    scene.server.sh(&format!(
        "useradd -m -s /bin/sh dronahq; mkdir -p /home/dronahq/.ssh; chmod 755 /home/dronahq/.ssh\nprintf '%s' '{before}' >{FILE}; chmod 644 {FILE}"
    ));
    let first = scene.setup(&[]);
    assert!(first.contains("changed  password"), "the lock of useradd is one for sshd without PAM: {first}");
    assert!(first.contains("changed  owner") && first.contains("changed  folder"), "{first}");
    let file = scene.file();
    let added = file.strip_prefix(before).expect(&file);
    assert!(added.starts_with("\nrestrict ssh-ed25519 AAAA") && added.ends_with(" appferry:Key"), "{added}");
    assert!(scene.check(&[]).0);

    scene.server.sh(&format!("printf 'ssh-rsa AAAAlater later\\n' >>{FILE}; ls -li {FILE}"));
    let (file, inode) = (scene.file(), scene.server.sh(&format!("stat -c %i {FILE}")));
    let second = scene.setup(&[]);
    assert!(!second.contains("changed"), "{second}");
    assert_eq!((scene.file(), scene.server.sh(&format!("stat -c %i {FILE}"))), (file, inode));

    // Other options take the line's place.
    scene.setup(&["--command", "echo it\\'s \"fixed\" $HOME"]);
    let lines = scene.file();
    assert_eq!(lines.lines().count(), 5, "{lines}");
    assert!(lines.contains(r#"restrict,command="echo it\'s \"fixed\" $HOME" ssh-ed25519"#), "{lines}");
    assert_eq!(scene.server.sh("ls -A /home/dronahq/.ssh"), "authorized_keys", "nothing is left over");
}

#[test]
fn a_rotated_key_stands_beside_the_one_before_until_the_rotation_is_over() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    let old = scene.file();
    let rotated = scene.own.cli_text(&["keys", "rotate", "Key"]);
    let blob = |line: &str| line.split_whitespace().find(|word| word.starts_with("AAAA")).unwrap().to_owned();
    scene.setup(&[]);
    let both = scene.file();
    assert!(both.lines().count() == 2 && both.contains(&blob(&rotated)) && both.contains(&blob(&old)), "{both}");
    scene.own.cli_text(&["keys", "rotate", "Key", "--confirm"]);
    scene.setup(&[]);
    let new = scene.file();
    assert!(new.lines().count() == 1 && new.contains(&blob(&rotated)), "{new}");
    assert!(scene.check(&[]).0);
}

#[test]
fn links_are_left_alone() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    scene.server.sh(&format!("rm {FILE}; echo untouched >/home/dronahq/mine; ln -s ../mine {FILE}"));
    let (ok, text) = scene.try_setup(&[]);
    assert!(!ok && text.contains("FAIL     keys-file") && text.contains("is a link"), "{text}");
    scene.server.sh("rm -r /home/dronahq/.ssh; mkdir -m 700 /root/prize; ln -s /root/prize /home/dronahq/.ssh");
    let (ok, text) = scene.try_setup(&[]);
    assert!(!ok && text.contains("FAIL     folder") && text.contains("is a link"), "{text}");
    assert_eq!(scene.server.sh("cat /home/dronahq/mine; ls -A /root/prize; stat -c %U /root/prize"), "untouched\nroot");

    // A home folder behind a link is a common thing, and sshd follows it.
    scene.server.sh("rm /home/dronahq/.ssh; mv /home/dronahq /var/dronahq; ln -s /var/dronahq /home/dronahq");
    scene.setup(&[]);
    assert!(scene.check(&[]).0, "{}", scene.server.log());
}

#[test]
fn what_keeps_the_login_out_is_said_or_mended_by_the_script() {
    let Some(mut scene) = Scene::start() else { return };
    scene.setup(&[]);
    scene.server.sh("chmod 2777 /home/dronahq");
    let text = scene.setup(&[]);
    assert!(
        text.contains("changed  home         nobody else may write to /home/dronahq any more (mode was 2777)"),
        "{text}"
    );
    scene.server.configure("AllowUsers root\nAllowTcpForwarding no");
    let text = scene.setup(&["--permit-open", "db:5432"]);
    assert!(
        text.contains("AllowUsers in sshd_config keeps dronahq out") && text.contains("AllowTcpForwarding"),
        "{text}"
    );
    scene.server.configure("Match User dronahq\nAuthorizedKeysFile /etc/ssh/keys/%u\nMatch all");
    let (ok, text) = scene.try_setup(&[]);
    assert!(!ok && text.contains("sshd reads the keys of dronahq from /etc/ssh/keys/%u"), "{text}");
}

/// Where it is run by hand, nobody else looks at that.
#[test]
fn the_script_says_what_would_refuse_the_login_and_never_that_nothing_does() {
    let Some(mut scene) = Scene::start() else { return };
    let script = scene.own.cli_text(&["host", "setup", "--for", "debian", "--key", "Key"]);
    scene.setup(&[]);
    for (lines, part) in [
        ("DenyUsers dron*", "DenyUsers in sshd_config keeps dronahq out"),
        ("DenyUsers dronahq@192.0.2.*", "DenyUsers in sshd_config keeps dronahq out from some hosts"),
        ("DenyGroups dron???", "DenyGroups in sshd_config keeps a group of dronahq out"),
        ("AllowUsers root dronah?", ""),
        ("AllowUsers root drona", "AllowUsers in sshd_config does not name dronahq"),
        ("AllowUsers root dronahq@192.0.2.*", "AllowUsers in sshd_config lets dronahq in from some hosts only"),
        ("AllowGroups root dron*", ""),
        ("AllowGroups root", "AllowGroups in sshd_config names no group of dronahq"),
        ("AuthenticationMethods publickey,password publickey", ""),
        (
            "Match User dronahq\nAuthenticationMethods publickey,password\nMatch all",
            "AuthenticationMethods in sshd_config",
        ),
    ] {
        scene.server.configure(lines);
        let said = scene.server.sh(&script);
        let warnings: Vec<&str> = said.lines().filter(|line| line.starts_with("warning ")).collect();
        assert_eq!(warnings.len(), usize::from(!part.is_empty()), "{lines}: {said}");
        assert!(said.contains(part) && said.ends_with("the line marked appferry:Key is in place"), "{lines}: {said}");
    }
    scene.server.sh("chage -E 2 dronahq");
    let said = scene.server.sh(&script);
    assert!(said.contains("warning  login           the account dronahq has expired"), "{said}");
}

#[test]
fn a_run_ends_with_what_would_refuse_the_login() {
    let Some(mut scene) = Scene::start() else { return };
    assert!(!scene.setup(&[]).contains("warning"));
    for (breaking, lines, part) in [
        ("true", "DenyUsers dron*@127.0.0.0/8", "DenyUsers in sshd_config keeps dronahq out"),
        ("usermod -s /bin/nosuch dronahq", "AllowUsers dron* root", "the account dronahq has the shell /bin/nosuch"),
        ("usermod -s /bin/sh dronahq; chage -E 2 dronahq", "", "the account dronahq has expired"),
    ] {
        scene.server.configure(lines);
        scene.server.sh(breaking);
        let text = scene.setup(&[]);
        assert!(text.contains(&format!("warning  login        {part}")), "{lines}: {text}");
        assert_eq!(text.matches("warning").count(), 1, "said once: {text}");
        assert!(text.contains("\nok       done         the line marked appferry:Key is in place\n"), "{text}");
    }
    scene.server.sh("chage -E -1 dronahq; usermod -s /usr/sbin/nologin dronahq");
    let text = scene.setup(&["--from", "192.0.2.0/24"]);
    assert!(text.contains("warning  login        the key may come from 192.0.2.0/24 only"), "{text}");
    assert_eq!(text.matches("has the shell").count(), 1, "that is no refusal: {text}");
}

/// Debian has neither program: stubs stand in, and show how they are called.
#[test]
fn where_selinux_is_on_the_context_is_restored() {
    let Some(scene) = Scene::start() else { return };
    scene.server.sh("printf '#!/bin/sh\\nexit 0\\n' >/usr/local/sbin/selinuxenabled\n\
         printf '#!/bin/sh\\necho \"$@\" >/var/restored\\n' >/usr/local/sbin/restorecon\nchmod 755 /usr/local/sbin/*");
    let (root, base) =
        (scene.server.login("root"), ["host", "setup", "--for", "rhel", "--key", "Key", "--admin-key", "Admin"]);
    let (ok, text) = said(&scene.own, &[&base[..], &["--run", &root]].concat());
    assert!(ok && text.contains("ok       selinux"), "{text}");
    assert_eq!(scene.server.sh("cat /var/restored"), "-RF /home/dronahq/.ssh");
}

#[test]
fn the_printed_script_is_what_runs_and_a_cut_one_does_nothing() {
    let Some(scene) = Scene::start() else { return };
    let printed = scene.own.cli_text(&["host", "setup", "--for", "ubuntu", "--key", "Key"]);
    let cut = &printed[..printed.len() - "main\n".len()];
    assert!(scene.server.try_sh(cut).stdout.is_empty());
    let output = scene.server.try_sh(&printed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(scene.check(&[]).0);
    let again = scene.setup(&[]);
    assert!(!again.contains("changed"), "{again}");
}

#[test]
fn the_scripts_are_whole_for_every_system_and_hold_no_private_key() {
    let own = Instance::new("scripts");
    let public = own.generate_key("Key");
    let blob = public.split_whitespace().nth(1).unwrap();
    let command = ["--command", "echo 'a' \"b\" $c `d` ; rm -rf @USER@"];
    for system in ["ubuntu", "debian", "rhel", "windows"] {
        let text = own
            .cli_text(&[&["host", "setup", "--for", system, "--key", "Key", "--user", "svc"], &command[..]].concat());
        assert!(text.contains(blob) && !text.contains("PRIVATE"), "{text}");
        let left = ["@MARKER@", "@LINES@", "@INSTALL@", "user=@USER@", "$user = @USER@"];
        assert!(!left.iter().any(|name| text.contains(name)), "{text}");
        if system != "windows" {
            for shell in ["sh", "bash"] {
                let parsed = run(shell, &["-n"], std::path::Path::new("/"), text.as_bytes());
                assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
            }
        }
    }
    let windows = own.cli_text(&["host", "setup", "--for", "windows", "--key", "Key"]);
    assert!(windows.contains("'restrict ssh-ed25519 ") && !windows.contains("permitlisten"));
    assert!(windows.lines().count() > 100 && windows.matches('\n').count() == windows.matches("\r\n").count());
}
