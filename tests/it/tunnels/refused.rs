//! Bastions that refuse logins.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn several_tunnels_with_a_key_that_is_refused_are_one_failed_login() {
    let Some(scene) = Scene::new() else { return };
    scene.sshd.revoke_all();
    let target = echo(&scene.tasks, &scene.stop);
    let names = ["a", "b", "c", "d", "e"];
    scene.run(names.map(|name| Given { eager: true, ..scene.given(name, target) })).await;
    for name in names {
        scene.until(name, |status| status.state == TunnelState::Down).await;
    }
    assert!(is_turned_away(scene.place("a")).await, "a client is told what is known");
    assert_eq!(failed_logins(&scene), 1, "{}", scene.sshd.log());
    // Let in on the server; one is told so, and all notice.
    scene.sshd.authorize(&scene.key.public_line);
    scene.tunnels.test("a").await.unwrap();
    for name in names {
        scene.until(name, is_open).await;
    }
    assert_eq!(failed_logins(&scene), 1, "{}", scene.sshd.log());
    scene.end().await;
}

fn failed_logins(scene: &Scene) -> usize {
    scene.sshd.log().lines().filter(|line| line.contains("by authenticating user")).count()
}
