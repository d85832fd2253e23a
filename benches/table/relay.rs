//! A TCP relay that delays each direction, and notes when something passed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Lives as long as the program.
pub(crate) struct Relay {
    pub(crate) port: u16,
    passed: Arc<Mutex<Vec<(Instant, Way)>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

impl Relay {
    /// Relays to `port` on loopback; each way takes `delay`.
    pub(crate) fn start(port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let passed = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&passed);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                carry(client, server, delay, Way::ToServer, Arc::clone(&noted));
                carry(back.0, back.1, delay, Way::ToClient, Arc::clone(&noted));
            }
        });
        Self { port: own, passed }
    }

    /// Forgets what passed so far.
    pub(crate) fn forget(&self) {
        self.passed.lock().unwrap().clear();
    }

    /// When the server first answered a request that was made after `since`.
    pub(crate) fn first_answer_since(&self, since: Instant) -> Option<Instant> {
        let passed = self.passed.lock().unwrap();
        let asked = passed.iter().position(|(time, way)| *time >= since && *way == Way::ToServer)?;
        passed[asked..].iter().find(|(_, way)| *way == Way::ToClient).map(|(time, _)| *time)
    }
}

/// One way of one connection: a thread that reads and stamps, one that waits and writes.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration, way: Way, passed: Arc<Mutex<Vec<(Instant, Way)>>>) {
    let (sender, chunks) = mpsc::sync_channel::<(Instant, Vec<u8>)>(1_024);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let now = Instant::now();
            passed.lock().unwrap().push((now, way));
            if sender.send((now + delay, buffer[..read].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, chunk) in chunks {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&chunk).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}
