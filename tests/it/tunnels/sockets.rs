//! Tunnels that listen on a Unix socket.

use tokio::net::UnixStream;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_somebody_took_away_is_made_again() {
    let Some(scene) = Scene::new() else { return };
    let target = echo(&scene.tasks, &scene.stop);
    let socket = scene.sshd.folder().join("db.sock");
    scene.run([Given { listen: socket.display().to_string(), ..scene.given("t", target) }]).await;
    let mut client = UnixStream::connect(&socket).await.unwrap();
    client.write_all(b"a").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'a');
    std::fs::remove_file(&socket).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while UnixStream::connect(&socket).await.is_err() {
        assert!(Instant::now() < deadline, "{:#?}", scene.status("t"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.write_all(b"b").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'b', "who was there stays");
    scene.end().await;
    assert!(!socket.exists());
}
