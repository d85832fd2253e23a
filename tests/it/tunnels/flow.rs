//! What clients see of a tunnel whose connection stands.

use appferry::domain::FailureClass;
use futures::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_back_and_each_side_ends_its_half() {
    let Some(scene) = Scene::new() else { return };
    let target = echo(&scene.tasks, &scene.stop);
    let place = scene.one(target).await;
    let text: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    assert!(
        round_trip(place, &text).await.unwrap() == text,
        "the target's answer comes after the end of the client's half"
    );
    let status = scene.until("t", |status| status.connections == 0).await;
    assert!(is_open(&status) && status.accepted == 1 && status.last_error.is_none(), "{status:#?}");
    assert_eq!((status.bytes_up, status.bytes_down), (text.len() as u64, text.len() as u64));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_first_is_heard_and_may_end_first() {
    let Some(scene) = Scene::new() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = scene.one(listener.local_addr().unwrap()).await;
    let mut client = TcpStream::connect(place).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"hello").await.unwrap();
    server.shutdown().await.unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
    client.write_all(b"still here").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    server.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "still here");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_clients_at_once_each_get_their_own_answer() {
    let Some(scene) = Scene::new() else { return };
    let target = echo(&scene.tasks, &scene.stop);
    let place = scene.one(target).await;
    let clients = (0..500).map(|n| async move {
        let text = format!("client {n} ").repeat(50);
        assert_eq!(round_trip(place, text.as_bytes()).await.unwrap(), text.as_bytes());
    });
    join_all(clients).await;
    let status = scene.until("t", |status| status.connections == 0).await;
    assert_eq!((status.accepted, status.refused, scene.sshd.logins()), (500, 0, 1), "one login for all of them");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_too_many_is_closed_at_once() {
    let Some(scene) = Scene::new() else { return };
    let target = echo(&scene.tasks, &scene.stop);
    scene.run([Given { limit: Some(1), ..scene.given("t", target) }]).await;
    let mut first = TcpStream::connect(scene.place("t")).await.unwrap();
    first.write_all(b"a").await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'a');
    assert!(is_turned_away(scene.place("t")).await);
    let status = scene.until("t", |status| status.refused == 1).await;
    assert!(status.last_error.unwrap().failure.message.contains("1 clients"));
    first.write_all(b"b").await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'b');
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_reset_is_let_go_though_the_target_does_not_read() {
    let Some(scene) = Scene::new() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = scene.one(listener.local_addr().unwrap()).await;
    let mut client = TcpStream::connect(place).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let piece = vec![1; 1 << 16];
    while tokio::time::timeout(Duration::from_millis(500), client.write_all(&piece)).await.is_ok() {}
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    scene.until("t", |status| status.connections == 0).await;
    // What had arrived before is there.
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert!(got.len() > 1 << 20, "{}", got.len());
    scene.end().await;
}

/// It holds what was sent to it on disk, so that neither the memory grows nor the others wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_holds_up_nobody() {
    const SENT: usize = 300 << 20;
    let Some(scene) = Scene::new() else { return };
    let source = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = echo(&scene.tasks, &scene.stop);
    // One tunnel to both: what is wanted is that they share a connection.
    let source_place = source.local_addr().unwrap();
    let both = relay(&scene, source_place, target).await;
    let place = scene.one(both).await;
    let mut stopped = TcpStream::connect(place).await.unwrap();
    stopped.write_all(b"S").await.unwrap();
    let (mut sending, _) = source.accept().await.unwrap();
    let mut other = TcpStream::connect(place).await.unwrap();
    other.write_all(b"E").await.unwrap();
    let before = resident();
    let sender = async {
        let piece = vec![7; 1 << 20];
        for _ in 0..SENT >> 20 {
            sending.write_all(&piece).await.unwrap();
        }
    };
    let fed = tokio::time::timeout(PATIENCE, async {
        tokio::join!(sender, async {
            for n in 0..200 {
                other.write_u8(n).await.unwrap();
                assert_eq!(other.read_u8().await.unwrap(), n);
            }
        })
    });
    fed.await.expect("neither the sender nor the other client waits for the one that does not read");
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more memory", grown >> 20);
    drop(sending);
    let mut count = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(bytes) = stopped.read(&mut buffer).await {
        if bytes == 0 {
            break;
        }
        assert!(buffer[..bytes].iter().all(|byte| *byte == 7));
        count += bytes;
    }
    assert_eq!(count, SENT, "and when it reads on, nothing is missing");
    scene.end().await;
}

/// Leads to `source` or to `echo`, by the first byte.
async fn relay(scene: &Scene, source: SocketAddr, echo: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let own = scene.tasks.clone();
    let stop = scene.stop.clone();
    scene.tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            own.spawn(stop.clone().run_until_cancelled_owned(async move {
                let to = if client.read_u8().await.unwrap_or(0) == b'S' { source } else { echo };
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }));
        }
    }));
    address
}

/// The memory of this process, in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_target_fails_at_once_and_others_go_on() {
    let Some(scene) = Scene::new() else { return };
    let target = echo(&scene.tasks, &scene.stop);
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scene.run([scene.given("dead", dead), scene.given("alive", target)]).await;
    assert_eq!(round_trip(scene.place("alive"), b"x").await.unwrap(), b"x");
    assert!(is_turned_away(scene.place("dead")).await);
    let status = scene.until("dead", |status| status.refused == 1).await;
    let error = status.last_error.unwrap().failure;
    assert!(error.class == FailureClass::Connect && error.message.contains(&dead.to_string()), "{error:?}");
    assert!(status.state == TunnelState::Open, "the way to the bastion is as good as before");
    assert_eq!(round_trip(scene.place("alive"), b"y").await.unwrap(), b"y");
    assert_eq!(scene.tunnels.test("dead").await.unwrap_err().class, FailureClass::Connect);
    scene.tunnels.test("alive").await.unwrap();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permitopen_of_the_bastion_is_named_as_the_cause() {
    let Some(scene) = Scene::with(Setup::default(), "restrict,port-forwarding,permitopen=\"127.0.0.1:1\"") else {
        return;
    };
    let target = echo(&scene.tasks, &scene.stop);
    let place = scene.one(target).await;
    assert!(is_turned_away(place).await);
    let status = scene.until("t", |status| status.refused == 1).await;
    let error = status.last_error.unwrap().failure;
    assert_eq!(error.class, FailureClass::ChannelRefused);
    assert!(error.message.contains("does not allow") && error.remedy.contains("permitopen"), "{error:?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unix_sockets_are_good_for_both_ends() {
    let Some(scene) = Scene::new() else { return };
    let there = scene.sshd.folder().join("target.sock");
    let here = scene.sshd.folder().join("here.sock");
    let listener = tokio::net::UnixListener::bind(&there).unwrap();
    let given = scene.given("t", there.display());
    scene.run([Given { listen: here.display().to_string(), ..given }]).await;
    let mut client = tokio::net::UnixStream::connect(&here).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"abc").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = String::new();
    server.read_to_string(&mut heard).await.unwrap();
    server.write_all(b"def").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!((heard.as_str(), answer.as_str()), ("abc", "def"));
    scene.end().await;
    assert!(!here.exists(), "the socket goes with the tunnel");
}
