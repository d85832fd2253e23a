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
        text.contains("AllowUsers in sshd_config does not name dronahq") && text.contains("AllowTcpForwarding"),
        "{text}"
    );
    scene.server.configure("Match User dronahq\nAuthorizedKeysFile /etc/ssh/keys/%u\nMatch all");
    let (ok, text) = scene.try_setup(&[]);
    assert!(!ok && text.contains("sshd reads the keys of dronahq from /etc/ssh/keys/%u"), "{text}");
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
