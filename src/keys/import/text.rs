//! Finding the one private key in the lines of a file.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::error::{ImportError, damaged};
use super::other;

/// A line, without its end, and its number from 1.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) text: &'a [u8],
}

/// A private key, as text.
pub(super) enum Found<'a> {
    /// What stands between `BEGIN label` and `END label`.
    Pem { label: &'a [u8], lines: Vec<Line<'a>> },
    /// From `PuTTY-User-Key-File-` on.
    Ppk { lines: Vec<Line<'a>> },
}

const PPK: &[u8] = b"PuTTY-User-Key-File-";

/// UTF-16 with its mark, as Notepad writes it, in UTF-8. `None` for all else.
pub(super) fn utf8(content: &[u8]) -> Option<Zeroizing<String>> {
    let (big, units) = match content {
        [0xff, 0xfe, units @ ..] => (false, units),
        [0xfe, 0xff, units @ ..] => (true, units),
        _ => return None,
    };
    let (pairs, _) = units.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) });
    // Large enough from the start: growing would leave copies.
    let mut text = Zeroizing::new(String::with_capacity(pairs.len().saturating_mul(3)));
    for character in char::decode_utf16(units) {
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Some(text)
}

/// The private key in `content`, with whatever stands around it.
pub(super) fn find(content: &[u8]) -> Result<Found<'_>, ImportError> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut keys = Vec::new();
    let mut open: Option<(&[u8], Vec<Line>)> = None;
    for line in lines(content) {
        let text = line.text.trim_ascii();
        if let Some(label) = marker(text, b"BEGIN") {
            if let Some((before, _)) = &open
                && is_private(before)
            {
                return Err(damaged(format!("line {} begins another part before the key has ended", line.number)));
            }
            open = Some((label, Vec::new()));
        } else if let Some(label) = marker(text, b"END") {
            match open.take() {
                Some((opened, lines)) if opened == label => keys.push(Found::Pem { label, lines }),
                other if is_private(label) || other.as_ref().is_some_and(|(opened, _)| is_private(opened)) => {
                    return Err(damaged(format!("line {} ends a part that does not begin before it", line.number)));
                }
                _ => {}
            }
        } else if text.windows(16).any(|part| part == b"PRIVATE KEY-----") {
            let line = line.number;
            return Err(damaged(format!("line {line} is not just a BEGIN or END line (are its line breaks lost?)")));
        } else if let Some((_, lines)) = &mut open {
            lines.push(line);
        } else if line.text.starts_with(PPK) {
            keys.push(Found::Ppk { lines: vec![line] });
        } else if let Some(Found::Ppk { lines }) = keys.last_mut() {
            lines.push(line);
        }
    }
    if open.is_some_and(|(label, _)| is_private(label)) {
        return Err(damaged("its END line is missing, so the file has been cut off"));
    }
    only(keys).unwrap_or_else(|| Err(other::refusal(content)))
}

/// The lines of `content`, ended in the way of Unix or Windows.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    content
        .split(|&byte| byte == b'\n')
        .enumerate()
        .map(|(index, text)| Line { number: index.saturating_add(1), text: text.strip_suffix(b"\r").unwrap_or(text) })
}

/// The bytes that lines of base64 stand for. What is wrong with them is told by the number of the line.
pub(super) fn base64<'a>(lines: impl Iterator<Item = &'a Line<'a>> + Clone) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let length = lines.clone().map(|line| line.text.len()).sum();
    let mut joined = Zeroizing::new(Vec::with_capacity(length));
    let mut last = 0;
    let mut ended = false;
    for line in lines {
        let text = line.text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        last = line.number;
        let digits = text.iter().rposition(|&byte| byte != b'=').map_or(0, |at| at.saturating_add(1));
        let (digits, padding) = text.split_at_checked(digits).unwrap_or((text, &[]));
        if ended || !digits.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)) {
            return Err(damaged(format!("line {last} is not base64")));
        }
        ended = !padding.is_empty();
        joined.extend_from_slice(text);
    }
    let mut bytes = Zeroizing::new(vec![0; joined.len()]);
    let cut = |_| damaged(format!("its base64 ends in the middle, at line {last}"));
    let length = BASE64_STANDARD.decode_slice(&*joined, &mut bytes).map_err(cut)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// `label` of `-----BEGIN label-----`.
pub(super) fn marker<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(b"-----")?.strip_prefix(word)?.strip_prefix(b" ")?.strip_suffix(b"-----")
}

fn is_private(label: &[u8]) -> bool {
    label.ends_with(b"PRIVATE KEY")
}

fn only(mut found: Vec<Found>) -> Option<Result<Found, ImportError>> {
    found.retain(|found| match found {
        Found::Pem { label, .. } => is_private(label),
        Found::Ppk { .. } => true,
    });
    match found.len() {
        0 | 1 => found.pop().map(Ok),
        count => Some(Err(ImportError::Several { count })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str) -> Result<String, ImportError> {
        Ok(match find(content.as_bytes())? {
            Found::Pem { label, lines } => format!("{} {}", String::from_utf8_lossy(label), lines.len()),
            Found::Ppk { lines } => format!("ppk {}", lines.len()),
        })
    }

    #[test]
    fn a_key_is_found_whatever_stands_around_it() {
        let key = "-----BEGIN PRIVATE KEY-----\r\nAAAA\r\n-----END PRIVATE KEY-----";
        for around in
            ["", "\n\n", "Bag Attributes\r\n  x: y\n", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"]
        {
            assert_eq!(found(&format!("{around}{key}")).unwrap(), "PRIVATE KEY 1");
            assert_eq!(found(&format!("\u{feff}{key}\n{around}")).unwrap(), "PRIVATE KEY 1");
        }
    }

    #[test]
    fn what_is_missing_of_a_key_is_named() {
        let cut = found("-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap_err().to_string();
        assert!(cut.contains("END line is missing"), "{cut}");
        let headless = found("AAAA\n-----END PRIVATE KEY-----\n").unwrap_err().to_string();
        assert!(headless.contains("line 2 ends"), "{headless}");
        let flat = found("-----BEGIN PRIVATE KEY----- AAAA -----END PRIVATE KEY-----").unwrap_err().to_string();
        assert!(flat.contains("line breaks lost"), "{flat}");
    }

    #[test]
    fn two_keys_are_one_too_many() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(found(&format!("{key}{key}{key}")).unwrap_err(), ImportError::Several { count: 3 });
        assert_eq!(found(&format!("{key}PuTTY-User-Key-File-2: x")).unwrap_err(), ImportError::Several { count: 2 });
    }

    #[test]
    fn damaged_base64_is_told_by_its_line() {
        let told = |text: &str| base64(lines(text.as_bytes()).collect::<Vec<_>>().iter()).map(drop).unwrap_err();
        assert_eq!(told("AAAA\nA*AA"), damaged("line 2 is not base64"));
        assert_eq!(told("AA==\nAAAA"), damaged("line 2 is not base64"));
        assert_eq!(told("AAAA\n\nAAA"), damaged("its base64 ends in the middle, at line 3"));
    }

    #[test]
    fn utf_16_becomes_utf_8() {
        let little: Vec<u8> = "\u{feff}key".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}key".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((utf8(&little).unwrap().as_str(), utf8(&big).unwrap().as_str()), ("key", "key"));
        assert!(utf8(b"key").is_none());
    }
}
