//! Master keys, in every form that people keep them in.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::envelope::{DataKey, EnvelopeError, KEY_LEN, KeyBytes, fill_random, key_bytes};
use super::error::MasterKeyError;

/// The most bytes that a text form of a master key can have, with room for a line end.
pub(super) const MAX_INPUT_LEN: usize = 128;

/// Bytes of the key's hash that make its id: enough to tell keys apart, useless to guess one.
const ID_LEN: usize = 8;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A master key. Its bytes are wiped when it is dropped, and it shows nothing but its id.
pub struct MasterKey {
    id: String,
    bytes: KeyBytes,
}

impl MasterKey {
    /// A new random one.
    ///
    /// # Errors
    /// [`EnvelopeError::Random`].
    pub fn generate() -> Result<Self, EnvelopeError> {
        let mut bytes = KeyBytes::default();
        fill_random(bytes.as_mut_slice())?;
        Ok(Self::new(bytes))
    }

    /// Reads the content of a file: 32 raw bytes, or hex or base64 of 32 bytes; one trailing newline is allowed.
    ///
    /// # Errors
    /// [`MasterKeyError::Format`], naming `place` and showing nothing of the content.
    pub fn from_file_content(place: &str, content: &[u8]) -> Result<Self, MasterKeyError> {
        let line = without_newline(content);
        if let Some(raw) = key_bytes(content).or_else(|| key_bytes(line)) {
            return Ok(Self::new(raw));
        }
        Self::from_text(place, content)
    }

    /// Reads hex or base64 of 32 bytes; one trailing newline is allowed.
    ///
    /// # Errors
    /// [`MasterKeyError::Format`], naming `place` and showing nothing of the content.
    pub fn from_text(place: &str, text: &[u8]) -> Result<Self, MasterKeyError> {
        let line = without_newline(text);
        let decoded = decode_hex(line).or_else(|| decode_base64(line));
        decoded.map(Self::new).ok_or_else(|| MasterKeyError::Format {
            place: place.to_owned(),
            found: match line.len() {
                0 => "it is empty".to_owned(),
                n if n > MAX_INPUT_LEN => format!("more than {MAX_INPUT_LEN} bytes"),
                n => format!("{n} bytes"),
            },
        })
    }

    /// The key as hex, for its file.
    pub(super) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.bytes.as_slice()))
    }

    /// What the key goes by: 16 hex digits that tell nothing about it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Wraps the data key of `record`.
    ///
    /// # Errors
    /// [`EnvelopeError::Random`].
    pub fn wrap(&self, record: &str, key: &DataKey) -> Result<Vec<u8>, EnvelopeError> {
        key.wrap(&self.bytes, &self.id, record)
    }

    /// Unwraps the data key of `record`, wrapped in format `version`.
    ///
    /// # Errors
    /// [`EnvelopeError::Altered`] or [`EnvelopeError::Version`].
    pub fn unwrap(&self, version: u32, record: &str, wrapped: &[u8]) -> Result<DataKey, EnvelopeError> {
        DataKey::unwrap(version, &self.bytes, &self.id, record, wrapped)
    }

    pub(super) fn new(bytes: KeyBytes) -> Self {
        let hash = Sha256::new().chain_update(b"appferry master key id\0").chain_update(bytes.as_slice()).finalize();
        Self { id: hex(hash.get(..ID_LEN).unwrap_or_default()), bytes }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Lower-case hex, in a buffer that does not grow: what grows leaves copies behind.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    text.extend(nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)));
    text
}

fn without_newline(content: &[u8]) -> &[u8] {
    let line = content.strip_suffix(b"\n").unwrap_or(content);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn decode_hex(line: &[u8]) -> Option<KeyBytes> {
    let (pairs, rest) = line.as_chunks::<2>();
    if pairs.len() != KEY_LEN || !rest.is_empty() {
        return None;
    }
    let mut bytes = KeyBytes::default();
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn decode_base64(line: &[u8]) -> Option<KeyBytes> {
    // The decoder wants room for whole groups of three.
    let mut buffer = Zeroizing::new([0; 36]);
    if line.len() > 44 {
        return None;
    }
    let len = BASE64
        .decode_slice(line, buffer.as_mut_slice())
        .or_else(|_| BASE64_URL.decode_slice(line, buffer.as_mut_slice()))
        .ok()?;
    key_bytes(buffer.get(..len)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_key_is_the_same_key() {
        let raw: Vec<u8> = (200..232).collect();
        let id = MasterKey::from_file_content("f", &raw).unwrap().id;
        let texts = [
            hex(&raw),
            hex(&raw).to_uppercase(),
            base64::prelude::BASE64_STANDARD.encode(&raw),
            base64::prelude::BASE64_STANDARD_NO_PAD.encode(&raw),
            base64::prelude::BASE64_URL_SAFE.encode(&raw),
            base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(&raw),
        ];
        for text in texts {
            for end in ["", "\n", "\r\n"] {
                let line = format!("{text}{end}");
                assert_eq!(MasterKey::from_file_content("f", line.as_bytes()).unwrap().id, id, "{line:?}");
                assert_eq!(MasterKey::from_text("f", line.as_bytes()).unwrap().id, id, "{line:?}");
            }
        }
        let with_newline = [raw.as_slice(), b"\n"].concat();
        assert_eq!(MasterKey::from_file_content("f", &with_newline).unwrap().id, id);
        let written = MasterKey::from_file_content("f", &raw).unwrap().to_hex();
        assert_eq!(MasterKey::from_file_content("f", written.as_bytes()).unwrap().id, id);
    }

    #[test]
    fn a_raw_key_that_ends_like_a_line_keeps_its_last_byte() {
        let mut raw = [7; KEY_LEN];
        raw[KEY_LEN - 1] = b'\n';
        assert_eq!(MasterKey::from_file_content("f", &raw).unwrap().id, MasterKey::new(key_bytes(&raw).unwrap()).id);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for bad in ["", "\n", "hunter2hunter2", &"a".repeat(63), &"g".repeat(64), &"A".repeat(45), &"é".repeat(500)] {
            let error = MasterKey::from_file_content("/run/secrets/mk", bad.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("/run/secrets/mk does not hold a master key"), "{error}");
            assert!(bad.len() < 5 || !error.contains(bad), "{error}");
        }
        assert!(MasterKey::from_text("v", &[b'x'; 32]).is_err(), "a variable cannot hold raw bytes");
    }
}
