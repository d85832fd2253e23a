//! Percent-encoding (RFC 3986, section 2.1), and characters that hide.

use super::parse::Problem;

/// Whether every character can be seen: none is a control character, without width, or turns the direction of the text.
pub(super) fn is_visible(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    })
}

/// `text` with each `%` and its two digits as the byte that they mean.
pub(super) fn decoded(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = rest.next().and_then(hex_value);
            let low = rest.next().and_then(hex_value);
            let (Some(high), Some(low)) = (high, low) else {
                return Err("`%` must be followed by two hexadecimal digits; write `%25` for the character itself");
            };
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| "its percent-encoded part is not UTF-8")
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
