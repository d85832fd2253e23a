//! Three streams in one: data, words for people, and the last words before giving up.
//!
//! Source: `gitprotocol-pack(5)`, section "Packfile Data" (`side-band-64k`).

use bytes::{Buf, Bytes};

use super::error::WireError;
use super::words;

/// The most that is kept of band 2, in bytes.
const KEPT: usize = 16 * 1024;

/// Takes packets apart and keeps what the server said to people.
#[derive(Debug, Default)]
pub(crate) struct SideBand {
    said: Vec<u8>,
}

impl SideBand {
    /// The data in `payload`, if it is of band 1.
    ///
    /// # Errors
    /// [`WireError::Server`] for band 3, [`WireError::Unexpected`] for anything that is no band.
    pub(crate) fn take(&mut self, mut payload: Bytes) -> Result<Option<Bytes>, WireError> {
        if payload.is_empty() {
            return Ok(None);
        }
        match payload.get_u8() {
            1 => Ok(Some(payload)),
            2 => {
                let room = KEPT.saturating_sub(self.said.len());
                self.said.extend(payload.iter().take(room));
                Ok(None)
            }
            3 => Err(WireError::Server(self.with_last_words(&payload))),
            other => Err(WireError::Unexpected(format!("side band {other}"))),
        }
    }

    /// All that was said to people so far, made readable.
    pub(crate) fn words(&self) -> String {
        words::clean(&self.said)
    }

    fn with_last_words(&self, last: &[u8]) -> String {
        let mut all = self.said.clone();
        all.push(b'\n');
        all.extend_from_slice(last);
        words::clean(&all)
    }
}
