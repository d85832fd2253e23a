//! A tunnel as it is written down, and what is wrong with it: everything at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Tunnel, TunnelName};
use crate::domain::KeyName;

/// Enough for every pool; a client too many is closed at once.
const LIMIT: usize = 1_000;
const MOST: usize = 100_000;
const LONGEST_IDLE: Duration = Duration::from_hours(24 * 365);

/// A tunnel in texts: the shape of the API, of the file, of the variable and of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// `127.0.0.1:PORT`, `[::1]:PORT` or the path of a Unix socket.
    #[serde(default)]
    pub listen: String,
    /// `user@host:port`.
    #[serde(default)]
    pub bastion: String,
    /// Hosts before the bastion, each `user@host:port`, and `?key=NAME` where another key logs in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jump: Vec<String>,
    /// The name of the stored key.
    #[serde(default)]
    pub key: String,
    /// `host:port`, or the path of a Unix socket, as the bastion knows it.
    #[serde(default)]
    pub target: String,
    /// Whether it is open before somebody needs it.
    #[serde(default)]
    pub eager: bool,
    /// `10m`: closed after so long without a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_close: Option<String>,
    /// The most clients at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct GivenError {
    /// The field.
    pub field: &'static str,
    /// What is wrong, and what to write.
    pub problem: String,
}

impl Given {
    /// The tunnel that is meant. `duration` reads a time with its unit.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn check(&self, duration: impl Fn(&str) -> Option<Duration>) -> Result<Tunnel, Vec<GivenError>> {
        let mut errors = Errors(Vec::new());
        let name = errors.required("name", &self.name, |text| TunnelName::new(text).map_err(|e| e.to_string()));
        let listen = errors.required("listen", &self.listen, str::parse);
        let bastion = errors.required("bastion", &self.bastion, str::parse);
        let key = errors.required("key", &self.key, |text| KeyName::new(text).map_err(|e| e.to_string()));
        let target = errors.required("target", &self.target, str::parse);
        let jumps: Vec<_> = self.jump.iter().filter_map(|hop| errors.required("jump", hop, str::parse)).collect();
        let idle_close = self.idle_close.as_deref().and_then(|text| {
            let read = |text: &str| duration(text).filter(|time| !time.is_zero() && *time <= LONGEST_IDLE);
            errors.required("idle_close", text, |text| {
                read(text).ok_or_else(|| format!("{text:?} is no time; write a number and its unit, such as `10m`"))
            })
        });
        if self.eager && idle_close.is_some() {
            errors.add(
                "idle_close",
                "an eager tunnel is never closed for being idle; take out one of the two".to_owned(),
            );
        }
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=MOST).contains(&limit) {
            errors.add("limit", format!("{limit} is not a number of clients from 1 to {MOST}"));
        }
        match (name, listen, bastion, key, target) {
            (Some(name), Some(listen), Some(bastion), Some(key), Some(target)) if errors.0.is_empty() => {
                Ok(Tunnel { name, listen, jumps, bastion, key, target, eager: self.eager, idle_close, limit })
            }
            _ => Err(errors.0),
        }
    }
}

struct Errors(Vec<GivenError>);

impl Errors {
    fn add(&mut self, field: &'static str, problem: String) {
        self.0.push(GivenError { field, problem });
    }

    fn required<T>(
        &mut self,
        field: &'static str,
        text: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = text.trim();
        let value = if text.is_empty() { Err("it is missing; give it".to_owned()) } else { read(text) };
        value.map_err(|problem| self.add(field, problem)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<Duration> {
        text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
    }

    #[test]
    fn a_tunnel_that_is_right_is_read() {
        let given = Given {
            name: "db".into(),
            listen: "127.0.0.1:0".into(),
            bastion: "me@bastion".into(),
            jump: vec!["me@outer:2222?key=Outer".into()],
            key: "Inner".into(),
            target: "db.internal:5432".into(),
            idle_close: Some("30s".into()),
            ..Given::default()
        };
        let tunnel = given.check(seconds).unwrap();
        let keys: Vec<String> = tunnel.keys().iter().map(ToString::to_string).collect();
        assert_eq!(keys, ["Inner", "Outer"]);
        assert_eq!((tunnel.limit, tunnel.idle_close), (1_000, Some(Duration::from_secs(30))));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let given =
            Given { listen: "0.0.0.0:1".into(), idle_close: Some("soon".into()), limit: Some(0), ..Given::default() };
        let fields =
            |given: Given| -> Vec<&str> { given.check(seconds).unwrap_err().iter().map(|e| e.field).collect() };
        assert_eq!(fields(given), ["name", "listen", "bastion", "key", "target", "idle_close", "limit"]);
        let given = Given { eager: true, idle_close: Some("5s".into()), ..Given::default() };
        assert!(fields(given).contains(&"idle_close"), "the two contradict each other");
    }
}
