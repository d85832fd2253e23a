//! Keys that are exchanged anew while clients are at work.

use futures::future::join_all;

use super::*;

const SENT: usize = 6 << 20;

/// Of no period that a buffer could have.
fn byte(at: usize) -> u8 {
    u8::try_from((at.wrapping_mul(2_654_435_761) >> 13) & 0xff).unwrap()
}

/// A server that sends every client the same, as fast as it is taken.
fn source(scene: &Scene, text: &Arc<Vec<u8>>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (listener, text) = (TcpListener::from_std(listener).unwrap(), Arc::clone(text));
    let address = listener.local_addr().unwrap();
    let (own, stop) = (scene.tasks.clone(), scene.stop.clone());
    scene.tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let text = Arc::clone(&text);
            own.spawn(stop.clone().run_until_cancelled_owned(async move {
                let _ = stream.write_all(&text).await;
            }));
        }
    }));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_exchanges_keys_every_mebibyte_costs_eight_downloads_no_byte() {
    let setup = Setup { extra_config: vec!["RekeyLimit 1M".into()], ..Setup::default() };
    let Some(scene) = Scene::with(setup, "") else { return };
    let text: Arc<Vec<u8>> = Arc::new((0..SENT).map(byte).collect());
    let place = scene.one(source(&scene, &text)).await;
    let downloads = (0..8).map(|_| async {
        let mut got = Vec::with_capacity(SENT);
        TcpStream::connect(place).await.unwrap().read_to_end(&mut got).await.unwrap();
        assert!(got == *text, "{} of {SENT} bytes", got.len());
    });
    join_all(downloads).await;
    let status = scene.status("t");
    assert_eq!((status.reconnects, scene.sshd.logins()), (0, 1), "{status:#?}");
    scene.end().await;
}
