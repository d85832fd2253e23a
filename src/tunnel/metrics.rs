//! The tunnels in the text format of Prometheus.

use std::fmt::Write as _;

use crate::domain::tunnel::{TunnelState, TunnelStatus};

type Value = fn(&TunnelStatus) -> u64;

const METRICS: [(&str, &str, &str, Value); 8] = [
    ("appferry_tunnel_open", "gauge", "1 while the connection to the bastion stands", |t| {
        u64::from(t.state == TunnelState::Open)
    }),
    ("appferry_tunnel_down", "gauge", "1 while the tunnel is down or cannot listen", |t| {
        u64::from(matches!(t.state, TunnelState::Down | TunnelState::CannotListen))
    }),
    ("appferry_tunnel_connections", "gauge", "clients now", |t| t.connections as u64),
    ("appferry_tunnel_accepted_total", "counter", "clients that were let through", |t| t.accepted),
    ("appferry_tunnel_refused_total", "counter", "clients that were closed at once", |t| t.refused),
    ("appferry_tunnel_sent_bytes_total", "counter", "bytes from clients to the target", |t| t.bytes_up),
    ("appferry_tunnel_received_bytes_total", "counter", "bytes from the target to clients", |t| t.bytes_down),
    ("appferry_tunnel_reconnects_total", "counter", "how often the connection was made again", |t| t.reconnects),
];

/// All of it as text. The names of tunnels need no escaping.
#[must_use]
pub fn metrics(tunnels: &[TunnelStatus]) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in METRICS {
        let _infallible = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for status in tunnels {
            let _infallible = writeln!(text, "{name}{{tunnel=\"{}\"}} {}", status.tunnel.name, value(status));
        }
    }
    text
}
