//! The tunnels in the text format of Prometheus.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::domain::tunnel::{TunnelState, TunnelStatus};

type Value = fn(&TunnelStatus) -> u64;

const METRICS: [(&str, &str, &str, Value); 9] = [
    ("appferry_tunnel_open", "gauge", "1 while the connection to the bastion stands", |t| {
        u64::from(t.state == TunnelState::Open)
    }),
    ("appferry_tunnel_down", "gauge", "1 while the tunnel is down or cannot listen", |t| {
        u64::from(matches!(t.state, TunnelState::Down | TunnelState::CannotListen))
    }),
    ("appferry_tunnel_since_seconds", "gauge", "when its state began, in seconds since 1970", |t| seconds(&t.since)),
    ("appferry_tunnel_connections", "gauge", "clients now", |t| t.connections as u64),
    ("appferry_tunnel_accepted_total", "counter", "clients that were let through", |t| t.accepted),
    ("appferry_tunnel_refused_total", "counter", "clients that were closed at once", |t| t.refused),
    ("appferry_tunnel_sent_bytes_total", "counter", "bytes from clients to the target", |t| t.bytes_up),
    ("appferry_tunnel_received_bytes_total", "counter", "bytes from the target to clients", |t| t.bytes_down),
    ("appferry_tunnel_reconnects_total", "counter", "how often the connection was made again", |t| t.reconnects),
];

/// All of it as text. The names of tunnels and the classes of failures need no escaping.
#[must_use]
pub fn metrics(tunnels: &[TunnelStatus]) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in METRICS {
        head(&mut text, (name, kind, help));
        for status in tunnels {
            let _infallible = writeln!(text, "{name}{{tunnel=\"{}\"}} {}", status.tunnel.name, value(status));
        }
    }
    let name = "appferry_tunnel_last_error_seconds";
    head(&mut text, (name, "gauge", "when something went wrong last, in seconds since 1970, and its class"));
    for status in tunnels {
        if let Some(error) = &status.last_error {
            let (tunnel, class, time) = (&status.tunnel.name, error.failure.class.words(), seconds(&error.time));
            let _infallible = writeln!(text, "{name}{{tunnel=\"{tunnel}\",class=\"{class}\"}} {time}");
        }
    }
    text
}

fn head(text: &mut String, (name, kind, help): (&str, &str, &str)) {
    let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn seconds(time: &str) -> u64 {
    time.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_second()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tunnel::{Given, LastError, Source};
    use crate::domain::{Failure, FailureClass};

    #[test]
    fn each_tunnel_says_since_when_it_is_as_it_is_and_what_went_wrong_last() {
        let failure = Failure::new(FailureClass::HostKey, "another one", "trust it");
        let status = TunnelStatus {
            tunnel: Given { name: "db".into(), ..Given::default() },
            source: Source::Store,
            state: TunnelState::Down,
            since: "1970-01-01T00:01:00Z".into(),
            listening: None,
            connections: 3,
            accepted: 0,
            refused: 0,
            bytes_up: 0,
            bytes_down: 0,
            reconnects: 0,
            last_error: Some(LastError { time: "1970-01-01T00:02:00.5Z".into(), failure }),
        };
        let text = metrics(&[status]);
        for line in [
            "appferry_tunnel_down{tunnel=\"db\"} 1",
            "appferry_tunnel_since_seconds{tunnel=\"db\"} 60",
            "appferry_tunnel_connections{tunnel=\"db\"} 3",
            "appferry_tunnel_last_error_seconds{tunnel=\"db\",class=\"host key\"} 120",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
