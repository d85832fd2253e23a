//! Events, end to end: the real program, real receivers on loopback.

mod command;
mod held;
mod hooks;
mod outgoing;
mod receiver;
mod stream;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use appferry::domain::event::Event;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::support::instance::Instance;

/// HMAC-SHA256 in hex.
pub(crate) fn hmac_hex(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key").chain_update(body);
    mac.finalize().into_bytes().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// One request without our token, by way of a proxy's host name.
pub(crate) fn post(instance: &Instance, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let address = fs::read_to_string(instance.data.join("api.addr")).expect("it runs");
    let mut stream = TcpStream::connect(address.trim()).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let headers = headers.iter().fold(String::new(), |lines, (name, value)| lines + &format!("{name}: {value}\r\n"));
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: sync.example.org\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let _ = stream.write_all(body); // it may be refused half-way
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (code, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

/// The list of events after an id.
fn list(instance: &Instance, after: u64) -> Vec<Event> {
    let (code, body) = instance.http_get(&format!("/api/v1/events?after={after}&limit=1000"), true).expect("an answer");
    assert_eq!(code, 200, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("events")
}

/// The kinds of an app's events but for its states, in their order.
fn kinds_of<'a>(events: impl IntoIterator<Item = &'a Event>, app: &str) -> Vec<&'static str> {
    let of_app = events.into_iter().filter(|event| event.app.as_deref() == Some(app));
    of_app.map(|event| event.what.kind()).filter(|kind| *kind != "app_state").collect()
}
