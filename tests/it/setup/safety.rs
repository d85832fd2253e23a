//! What must not happen to a server: files given away or lost, and a run that never ends.

use super::{FILE, Scene};

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
