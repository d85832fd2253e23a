//! The SSH adapter against a real OpenSSH server.

use crate::support::sshd::{KeyPair, Sshd};

#[test]
fn the_fixture_starts_restarts_and_stops() {
    let Some(mut sshd) = Sshd::start() else { return };
    let key = KeyPair::ed25519("deploy");
    sshd.authorize(&key.public_line);
    let before = sshd.host_key_line();
    sshd.change_host_key();
    sshd.restart();
    assert_ne!(before, sshd.host_key_line());
    sshd.stop();
    assert!(std::net::TcpStream::connect(("127.0.0.1", sshd.port())).is_err());
}
