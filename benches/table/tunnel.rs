//! A tunnel against `ssh -L`, over the same sshd with the same cipher, round by round in turns.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Size;
use crate::instance::Instance;
use crate::place::Place;
use crate::table::Table;

const CIPHER: &str = "aes256-gcm@openssh.com";
const PIECE: usize = 1 << 20;
/// Questions of one byte, one after the other.
const QUESTIONS: usize = 200;
/// Answers: a byte, and what some rows of a table take, which is more than a segment on loopback.
const ANSWERS: [(&str, usize); 2] = [("a byte", 1), ("50 kB", 50_000)];

/// Throughput up and down, and questions with short answers.
pub(crate) fn against_ssh(place: &Place, size: Size, table: &mut Table) {
    let mib = if size.rounds < 10 { 128 } else { 256 };
    let server = serve();
    let (_instance, ours) = Instance::with_tunnel(place, server);
    let (_ssh, theirs) = ssh(place, server);
    for (what, mode) in [("up", b'U'), ("down", b'D')] {
        let (mut our, mut their) = (Vec::new(), Vec::new());
        for round in 0..=size.rounds {
            let (one, other) = (move_bytes(ours, mode, mib), move_bytes(theirs, mode, mib));
            if round > 0 {
                our.push(one);
                their.push(other);
            }
        }
        table.times(&format!("tunnel, {mib} MiB {what}, aes256-gcm; `ssh -L`"), &our, &their);
    }
    for (what, bytes) in ANSWERS {
        let (mut our, mut their) = (Vec::new(), Vec::new());
        for round in 0..=size.rounds {
            let (one, other) = (ask(ours, bytes), ask(theirs, bytes));
            if round > 0 {
                our.extend(one);
                their.extend(other);
            }
        }
        table.times(&format!("tunnel, a byte there and {what} back; `ssh -L`"), &our, &their);
    }
}

/// Takes so many bytes (`U`), sends them (`D`), or sends them for each byte that comes (`A`); the end of an upload is
/// answered with a byte.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![7; PIECE];
    let mut mode = [0; 9];
    if stream.read_exact(&mut mode).is_err() {
        return;
    }
    let mut left = usize::try_from(u64::from_be_bytes(mode[1..].try_into().unwrap())).unwrap();
    match mode[0] {
        b'U' => {
            while left > 0 {
                left -= stream.read(&mut buffer).unwrap();
            }
            stream.write_all(b"!").unwrap();
        }
        b'D' => {
            while left > 0 {
                let bytes = left.min(PIECE);
                stream.write_all(&buffer[..bytes]).unwrap();
                left -= bytes;
            }
        }
        _ => {
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() && stream.write_all(&buffer[..left]).is_ok() {}
        }
    }
}

fn connect(to: SocketAddr, mode: u8, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut words = vec![mode];
    words.extend((bytes as u64).to_be_bytes());
    stream.write_all(&words).unwrap();
    stream
}

fn move_bytes(to: SocketAddr, mode: u8, mib: usize) -> Duration {
    let mut buffer = vec![7; PIECE];
    let mut stream = connect(to, mode, mib * PIECE);
    let begun = Instant::now();
    if mode == b'U' {
        for _ in 0..mib {
            stream.write_all(&buffer).unwrap();
        }
        stream.read_exact(&mut buffer[..1]).unwrap();
    } else {
        let mut left = mib * PIECE;
        while left > 0 {
            let bytes = stream.read(&mut buffer).unwrap();
            assert!(bytes > 0, "the tunnel was closed");
            left -= bytes;
        }
    }
    begun.elapsed()
}

fn ask(to: SocketAddr, bytes: usize) -> Vec<Duration> {
    let mut stream = connect(to, b'A', bytes);
    let mut answer = vec![0; bytes];
    let mut times = Vec::new();
    for _ in 0..QUESTIONS {
        let begun = Instant::now();
        stream.write_all(&[1]).unwrap();
        stream.read_exact(&mut answer).unwrap();
        times.push(begun.elapsed());
    }
    times
}

struct Ssh(Child);

impl Drop for Ssh {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ssh(place: &Place, server: SocketAddr) -> (Ssh, SocketAddr) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hosts = format!("UserKnownHostsFile={}", place.known_hosts(place.port).display());
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "/dev/null", "-N", "-c", CIPHER, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"]);
    ssh.args([
        "-o",
        &hosts,
        "-o",
        "Compression=no",
        "-p",
        &place.port.to_string(),
        "-L",
        &format!("127.0.0.1:{port}:{server}"),
    ]);
    ssh.arg("-i").arg(place.path("git_key")).arg(format!("{}@127.0.0.1", place.user)).env_remove("SSH_AUTH_SOCK");
    let child = Ssh(ssh.stdin(Stdio::null()).spawn().expect("OpenSSH's client is installed"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    crate::instance::until(|| TcpStream::connect(address).is_ok());
    (child, address)
}
