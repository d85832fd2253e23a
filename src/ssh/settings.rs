//! The times that rule the sessions.

use std::time::Duration;

use super::purpose::Purpose;

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
    /// How old the knowledge may be which key pair a name stands for. Looking opens no private key.
    pub key_check_interval: Duration,
    /// After a failure that may pass (name lookup, connect, time-out, connection lost), no connection to the same host as
    /// the same user with the same key is tried for this long, or a little less; doubled with each failure in a row.
    pub retry_first: Duration,
    /// The longest such wait.
    pub retry_limit: Duration,
    /// After a failure that stays until somebody changes something (host key, authentication), the wait unless that
    /// change is seen here. Somebody may have changed the server. A key that is missing here is looked for after `ask_again`.
    pub permanent_retry: Duration,
    /// While the key pair before logs in because the new one is refused, the new one is tried again this often. Each
    /// of these tries is a failed login in the server's log, which tools such as fail2ban count.
    pub previous_pair_retry: Duration,
    /// A person who asks for something does not wait for any of these times, but for this one since the last try.
    pub ask_again: Duration,
    /// How long it is believed that a server allows no more channels than when it refused one. Then one more is tried, which
    /// costs a round trip: the refusal may have had another cause.
    pub channel_limit_retry: Duration,
    /// What the sessions are for.
    pub purpose: Purpose,
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
            key_check_interval: Duration::from_secs(1),
            retry_first: Duration::from_millis(500),
            retry_limit: Duration::from_mins(1),
            permanent_retry: Duration::from_secs(15),
            previous_pair_retry: Duration::from_mins(5),
            ask_again: Duration::from_secs(1),
            channel_limit_retry: Duration::from_secs(1),
            purpose: Purpose::Git,
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
