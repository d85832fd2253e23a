//! A JSON text, decoded into memory that is wiped. The buffer that `serde_json` decodes into is not.

use secrecy::SecretString;
use zeroize::Zeroizing;

/// The text that `json` stands for; `None` if it is not a JSON text. Source: RFC 8259, section 7.
pub(super) fn decode(json: &str) -> Option<SecretString> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    // What is decoded is never longer, so the buffer never grows.
    let mut text = Zeroizing::new(String::with_capacity(inside.len()));
    let mut rest = inside;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (decoded, after) = unescaped(escape)?;
        text.push(decoded);
        rest = after;
    }
    text.push_str(rest);
    Some(SecretString::from(text.as_str()))
}

/// The character that an escape sequence (without its backslash) stands for, and what follows it.
fn unescaped(escape: &str) -> Option<(char, &str)> {
    let kind = escape.chars().next()?;
    let rest = escape.get(kind.len_utf8()..)?;
    let plain = match kind {
        '"' | '\\' | '/' => kind,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unicode(rest),
        _ => return None,
    };
    Some((plain, rest))
}

/// Four digits, or two groups of four that make a surrogate pair.
fn unicode(digits: &str) -> Option<(char, &str)> {
    let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
    let (first, rest) = (unit(digits)?, digits.get(4..)?);
    if let Some(found) = char::from_u32(u32::from(first)) {
        return Some((found, rest));
    }
    let second = rest.strip_prefix("\\u")?;
    let found = char::decode_utf16([first, unit(second)?]).next()?.ok()?;
    Some((found, second.get(4..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn decoded(json: &str) -> Option<String> {
        decode(json).map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn every_escape_is_decoded() {
        assert_eq!(decoded(r#""a\n\t\r\b\f\/\\\" \u003c\ud83d\ude00é""#).unwrap(), "a\n\t\r\u{8}\u{c}/\\\" <😀é");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for json in ["5", "null", "[]", r#""\u12""#, r#""\ud83d""#, r#""\ud83dx""#, r#""\x""#, r#"""#, ""] {
            assert_eq!(decoded(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn whatever_serde_json_writes_is_read_as_it_reads_it(text in any::<String>()) {
            prop_assert_eq!(decoded(&serde_json::to_string(&text).unwrap()), Some(text));
        }
    }
}
