//! Nothing leaks: whatever is done with keys, whatever goes wrong, and whatever is logged, no private key and no
//! passphrase is left or shown anywhere.

mod crash;
mod processes;
mod questions;
mod scene;
mod secrets;

use std::fs;

use appferry::domain::status::RepositoryState;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

use crate::support::PATIENCE;
use crate::support::apps::{set, write_app};
use crate::support::search::{Secrets, hex};
use crate::support::sshd::KeyPair;
use crate::support::world::KEY;
use scene::Scene;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

#[test]
fn no_file_log_answer_or_process_shows_a_private_key_or_a_passphrase() {
    let Some(mut scene) = Scene::new() else { return };
    make_and_change_keys(&mut scene);
    give_wrong_passphrases(&mut scene);
    work_with_a_key_behind_a_passphrase(&mut scene);
    show_everything(&mut scene);
    scene.look("while the worker runs");
    crash::abort(&mut scene.dev);
    scene.look("after the crash");
    scene.dev.start();
    scene.dev.wait_until_in_sync();
    scene.dev.stop();
    scene.look("after another start and a clean end");
    scene.prove_that_it_looked();
}

fn make_and_change_keys(scene: &mut Scene) {
    let kept = scene.passphrase("kept", "a kept horse battery");
    let next = scene.passphrase("next", "another horse battery");
    scene.run(&["keys", "generate", "plain"]);
    scene.run(&["keys", "generate", "rsa", "--type", "rsa", "--bits", "2048"]);
    scene.run(&["keys", "generate", "remembered", "--passphrase-file", &kept]);
    scene.know(&["plain", "rsa", "remembered"], None);
    scene.run(&["keys", "passphrase", "remembered", "--passphrase-file", &next]);
    scene.run(&["keys", "rotate", "rsa"]);
    scene.run(&["keys", "rotate", "remembered"]);
    scene.know(&["rsa", "remembered"], None);
    scene.run(&["keys", "rotate", "rsa", "--confirm"]);
    scene.run(&["keys", "rotate", "remembered", "--undo"]);
    let given = scene.encrypted_key("given", "the passphrase of a file");
    scene.import_with_the_passphrase_on_standard_input("imported", &given, "the passphrase of a file");
    scene.know(&["imported"], None);
}

fn give_wrong_passphrases(scene: &mut Scene) {
    let given = scene.encrypted_key("locked", "the right passphrase of it");
    let wrong = scene.passphrase("wrong", "a wrong horse battery");
    scene.fail(&["keys", "import", "never", "--file", &given, "--passphrase-file", &wrong]);
    scene.fail(&["keys", "import", "never", "--file", &given]);
    scene.run(&["keys", "passphrase", "plain", "--passphrase-file", &wrong, "--no-remember"]);
    scene.fail(&["keys", "passphrase", "plain", "--old-passphrase-file", &given, "--remove"]);
    let damaged = scene.damaged_key();
    scene.fail(&["keys", "import", "never", "--file", &damaged]);
}

fn work_with_a_key_behind_a_passphrase(scene: &mut Scene) {
    let (file, text) = (scene.passphrase("worker", "the worker's horse battery"), "the worker's horse battery");
    let wrong = scene.passphrase("mistyped", "the worker's house battery");
    let line = scene.run(&["keys", "generate", KEY, "--passphrase-file", &file, "--no-remember"]);
    scene.world.sshd.authorize(&line);
    write_app(&scene.dev.apps, "PO App");

    scene.dev.start();
    scene.dev.wait_for_state(RepositoryState::Blocked);
    scene.dev.stop();
    scene.dev.set("GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE", wrong).start();
    scene.dev.wait_for_state(RepositoryState::Blocked);
    scene.dev.stop();
    scene.dev.set("GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE", file.as_str()).start();
    scene.dev.wait_until_in_sync();

    let line = scene.run(&["keys", "rotate", KEY, "--passphrase-file", &file, "--no-remember"]);
    scene.know(&[KEY], Some(text)); // both pairs, as long as they are there
    scene.world.sshd.authorize(&line);
    set(&scene.dev.apps.join(SCREEN), "title", "rotated");
    scene.dev.wait(PATIENCE, "the app saved after the rotation", || {
        scene.world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("rotated"))
    });
    scene.dev.wait_until_in_sync();
}

fn show_everything(scene: &mut Scene) {
    let backup = scene.dev.aside().join("backup.age").display().to_string();
    let (identity, recipient) = scene.identity();
    scene.run(&["keys", "backup", "--to", &backup, "--recipient", &recipient]);
    scene.run(&["keys", "restore", "--from", &backup, "--identity-file", &identity]);
    for args in [
        &["keys", "list"][..],
        &["keys", "list", "--json"],
        &["keys", "show", KEY],
        &["keys", "show", "rsa", "--json"],
        &["keys", "public", "imported"],
        &["keys", "rename", "imported", "renamed"],
        &["keys", "delete", "renamed"],
        &["keys", "rewrap"],
        &["keys", "audit"],
        &["keys", "audit", "--json"],
        &["status"],
        &["status", "--json"],
        &["check"],
    ] {
        scene.run(args);
    }
    scene.fail(&["keys", "show", "nobody"]);
    scene.fail(&["keys", "delete", KEY]);
    scene.ask_the_api();
    scene.look_at_the_worker_s_process();
    scene.look_at_a_command_that_goes_on();
}

#[test]
fn the_search_finds_a_planted_secret_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let (ed, rsa) = (KeyPair::ed25519("ed"), KeyPair::rsa("rsa"));
    let mut secrets = Secrets::default();
    secrets.add("a passphrase", b"correct horse battery");
    secrets.add_key("ed", &ed.private_pem, &ed.public_line);
    secrets.add_key("rsa", &rsa.private_pem, &rsa.public_line);
    let found = |content: &[u8]| {
        let file = folder.path().join("file");
        fs::write(&file, [b"before it ", content, b" after it"].concat()).unwrap();
        secrets.in_files(&[file]).len()
    };
    for secret in planted(&ed, &rsa) {
        let mut forms = vec![secret.clone(), hex(&secret).into(), hex(&secret).to_uppercase().into()];
        forms.push(format!("{secret:?}").into());
        for before in ["", "x", "xy", "xyz"] {
            let bytes = [before.as_bytes(), &secret, b"zz"].concat();
            forms.extend([BASE64_STANDARD.encode(&bytes).into(), BASE64_URL_SAFE.encode(&bytes).into()]);
        }
        for form in forms {
            assert_eq!(found(&form), 1, "{}", String::from_utf8_lossy(&form));
            let broken: Vec<Vec<u8>> = form.chunks(64).map(<[u8]>::to_vec).collect();
            assert_eq!(found(&broken.join(&b"\r\n"[..])), 1, "in lines: {}", String::from_utf8_lossy(&form));
        }
    }
    for nothing in [&ed.public_line, &rsa.public_line, "correct horses", ""] {
        assert_eq!(found(nothing.as_bytes()), 0, "{nothing}");
    }
}

/// The secrets themselves.
fn planted(ed: &KeyPair, rsa: &KeyPair) -> Vec<Vec<u8>> {
    let mut planted =
        vec![b"correct horse battery".to_vec(), ed.private_pem.clone().into(), rsa.private_pem.clone().into()];
    for pem in [&ed.private_pem, &rsa.private_pem] {
        match ssh_key::PrivateKey::from_openssh(pem).unwrap().key_data() {
            ssh_key::private::KeypairData::Ed25519(pair) => planted.push(pair.private.to_bytes().to_vec()),
            ssh_key::private::KeypairData::Rsa(pair) => {
                planted.extend(
                    [pair.private().d(), pair.private().p(), pair.private().q()].map(|n| n.as_bytes().to_vec()),
                );
            }
            _ => unreachable!(),
        }
    }
    planted
}
