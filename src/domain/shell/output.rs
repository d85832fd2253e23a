//! What a stream of a command wrote, up to a limit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// What came from one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// What came, as text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// What came, byte for byte, where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// All bytes that came, those that were cut off included.
    pub bytes: u64,
    /// Where it was cut: so many bytes are here, the rest is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_at: Option<u64>,
}

/// Gathers a stream, and forgets what is beyond the limit.
#[derive(Debug)]
pub struct Gathered {
    kept: Vec<u8>,
    limit: usize,
    total: u64,
}

impl Gathered {
    /// Nothing yet.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, total: 0 }
    }

    /// Takes a piece; answers how much of it was kept.
    pub fn push(&mut self, piece: &[u8]) -> usize {
        self.total = self.total.saturating_add(piece.len() as u64);
        let room = self.limit.saturating_sub(self.kept.len()).min(piece.len());
        self.kept.extend_from_slice(piece.get(..room).unwrap_or_default());
        room
    }

    /// What was kept.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Whether something is missing at the end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.total > self.kept.len() as u64
    }

    /// What is shown of it, at most `limit` bytes.
    #[must_use]
    pub fn output(&self, limit: usize) -> Output {
        let shown = self.kept.get(..limit).unwrap_or(&self.kept);
        let is_cut = self.total > shown.len() as u64;
        let shown = if is_cut { whole_characters(shown) } else { shown };
        Output { bytes: self.total, cut_at: is_cut.then_some(shown.len() as u64), ..Output::of(shown) }
    }
}

impl Output {
    /// All of it.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let base64 = std::str::from_utf8(bytes).is_err().then(|| STANDARD.encode(bytes));
        Self { text: text.into_owned(), base64, bytes: bytes.len() as u64, cut_at: None }
    }

    /// Byte for byte.
    #[must_use]
    pub fn content(&self) -> Vec<u8> {
        let decoded = self.base64.as_ref().and_then(|text| STANDARD.decode(text).ok());
        decoded.unwrap_or_else(|| self.text.clone().into_bytes())
    }
}

/// Without a character at the end that the cut went through, if all before it is text.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or(bytes),
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_at_a_character_and_says_where() {
        let mut gathered = Gathered::new(4);
        assert_eq!((gathered.push(b"abc"), gathered.is_cut()), (3, false));
        assert_eq!(gathered.output(100), Output { text: "abc".into(), bytes: 3, ..Output::default() });
        assert_eq!(gathered.push("üx".as_bytes()), 1);
        assert_eq!(gathered.output(100), Output { text: "abc".into(), bytes: 6, cut_at: Some(3), base64: None });
    }

    #[test]
    fn what_is_no_text_comes_byte_for_byte_beside() {
        let output = Output::of(b"a\xff");
        assert_eq!((output.text.as_str(), output.base64.as_deref()), ("a\u{fffd}", Some("Yf8=")));
        assert_eq!(output.content(), b"a\xff");
    }
}
