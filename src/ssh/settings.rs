//! The times that rule the sessions.

use std::time::Duration;

/// The limits of time for everything that waits for the other side.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For the name lookup, and again for the connection to each address.
    pub connect_timeout: Duration,
    /// From the connection to the end of the login.
    pub login_timeout: Duration,
    /// For opening a channel, waiting for a free one included.
    pub channel_open_timeout: Duration,
    /// A server that is silent this long is asked for a sign of life.
    pub keepalive_interval: Duration,
    /// Questions without any answer after which, an interval later, the session counts as lost. 0 asks for ever.
    pub keepalive_max: usize,
    /// A session without a command for this long is closed.
    pub idle_close: Duration,
    /// How old the knowledge may be that a session's key is still the one of its name.
    pub key_check_interval: Duration,
    /// The first word of the audit log's entries: what the sessions are for.
    pub purpose: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(20),
            channel_open_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(15),
            keepalive_max: 2, // three intervals in all: lost within a minute
            idle_close: Duration::from_mins(10),
            key_check_interval: Duration::from_secs(3),
            purpose: "git",
        }
    }
}

impl Settings {
    /// How long a server may be silent, or leave a write without an acknowledgement, before its session counts as lost.
    pub(super) fn patience(&self) -> Duration {
        let intervals = u32::try_from(self.keepalive_max).unwrap_or(u32::MAX).saturating_add(1);
        self.keepalive_interval.saturating_mul(intervals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_server_is_noticed_within_a_minute() {
        assert_eq!(Settings::default().patience(), Duration::from_secs(45));
    }
}
