//! A receiver of webhooks: it keeps what came, and answers as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use appferry::domain::event::Event;

/// One request.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) event: Event,
    pub(super) answered: u16,
}

type Answer = Box<dyn Fn(&Event) -> u16 + Send>;

/// A server on loopback that ends with this value.
pub(super) struct Receiver {
    port: u16,
    came: Arc<Mutex<Vec<Delivery>>>,
    answer: Arc<Mutex<Answer>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(super) fn start() -> Self {
        Self::at(0)
    }

    /// At a port of the test's choice; at any for 0.
    pub(super) fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let came = Arc::<Mutex<Vec<Delivery>>>::default();
        let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(|_| 204)));
        let stop = Arc::<AtomicBool>::default();
        let parts = (Arc::clone(&came), Arc::clone(&answer), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if parts.2.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = serve(stream, &parts.0, &parts.1);
            }
        });
        Self { port, came, answer, stop, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// How it answers from now on; 0 is no answer at all.
    pub(super) fn answers(&self, answer: impl Fn(&Event) -> u16 + Send + 'static) {
        *self.answer.lock().expect("not poisoned") = Box::new(answer);
    }

    /// All that came.
    pub(super) fn came(&self) -> Vec<Delivery> {
        self.came.lock().expect("not poisoned").clone()
    }

    /// What it took, each event once.
    pub(super) fn taken(&self) -> Vec<Event> {
        let mut taken: Vec<Event> = Vec::new();
        for delivery in self.came() {
            if (200..300).contains(&delivery.answered) && !taken.contains(&delivery.event) {
                taken.push(delivery.event);
            }
        }
        taken
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: TcpStream, came: &Mutex<Vec<Delivery>>, answer: &Mutex<Answer>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let event: Event = serde_json::from_slice(&body).map_err(std::io::Error::other)?;
    let answered = (answer.lock().expect("not poisoned"))(&event);
    came.lock().expect("not poisoned").push(Delivery { headers, body, event, answered });
    if answered == 0 {
        std::thread::sleep(Duration::from_secs(2));
        return Ok(());
    }
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {answered} As told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
