//! The stream and the list of the API.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use appferry::domain::event::Event;

use super::{kinds_of, list};
use crate::support::PATIENCE;
use crate::support::apps::{set, write_app};
use crate::support::instance::Instance;
use crate::support::world::World;

/// An open stream.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(instance: &Instance, path: &str, header: &str) -> Self {
        let address = fs::read_to_string(instance.data.join("api.addr")).expect("it runs");
        let token = fs::read_to_string(instance.data.join("api.token")).expect("a token");
        let mut stream = TcpStream::connect(address.trim()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{header}\r\n",
            address.trim(),
            token.trim()
        )
        .expect("sent");
        let mut stream = Self(BufReader::new(stream));
        assert!(stream.line().starts_with("HTTP/1.1 200"), "a stream");
        stream
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line
    }

    /// The next event and its id line.
    fn next(&mut self) -> Option<Event> {
        let mut id = String::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return None;
            }
            if let Some(found) = line.trim().strip_prefix("id: ") {
                found.clone_into(&mut id);
            }
            if let Some(data) = line.trim().strip_prefix("data: ") {
                let event: Event = serde_json::from_str(data).expect("an event");
                assert_eq!(event.id.to_string(), id);
                return Some(event);
            }
        }
    }

    fn until(&mut self, kind: &str) -> Vec<Event> {
        let mut found = Vec::new();
        loop {
            found.push(self.next().expect("the stream goes on"));
            if found.last().is_some_and(|event| event.what.kind() == kind) {
                return found;
            }
        }
    }
}

#[test]
fn it_goes_on_where_a_reader_left_off_also_after_a_restart() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let mut live = Stream::open(&dev, "/api/v1/events", "");
    write_app(&dev.apps, "PO App");
    let first = live.until("pushed");
    assert_eq!(kinds_of(&first, "PO App"), ["committed", "pushed"]);
    drop(live);
    let seen = first.last().expect("one").id;
    set(&dev.apps.join("PO App/meta.json"), "description", "new");
    dev.wait(PATIENCE, "the next push", || kinds_of(&list(&dev, seen), "PO App").contains(&"pushed"));
    dev.kill();
    dev.start();
    let header = format!("Last-Event-ID: {seen}\r\n");
    let rest = Stream::open(&dev, "/api/v1/events", &header).until("pushed");
    assert_eq!(kinds_of(&rest, "PO App"), ["committed", "pushed"]);
    assert!(rest.iter().all(|event| event.id > seen));
    let all = Stream::open(&dev, "/api/v1/events?after=0", "").until("pushed");
    assert_eq!(all.first().map(|event| event.id), Some(1));
    let lost = Stream::open(&dev, "/api/v1/events?after=999999", "").next();
    assert_eq!(lost.map(|event| event.id), Some(1), "an id of another log: everything is new");
}

#[test]
fn an_open_stream_holds_up_no_shutdown_and_no_one_else() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let streams: Vec<Stream> = (0..16).map(|_| Stream::open(&dev, "/api/v1/events", "")).collect();
    let (code, body) = dev.http_get("/api/v1/events", true).expect("an answer");
    assert_eq!(code, 503, "{}", String::from_utf8_lossy(&body));
    assert_eq!(dev.http_get("/api/v1/status", true).expect("an answer").0, 200);
    dev.stop();
    assert!(!dev.whole_log().contains("did not finish in time"), "{}", dev.log());
    for mut stream in streams {
        while stream.next().is_some() {} // it ends, after what was still to be told
    }
}

#[test]
fn it_needs_the_token_and_whole_numbers() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    assert_eq!(dev.http_get("/api/v1/events", false).expect("an answer").0, 401);
    for path in ["/api/v1/events?after=x", "/api/v1/events?limit=-1", "/api/v1/events?befor=1"] {
        assert_eq!(dev.http_get(path, true).expect("an answer").0, 400, "{path}");
    }
}
