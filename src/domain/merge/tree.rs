//! A JSON document as a tree of pieces of its own text, so that what is not touched keeps its bytes.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// A whole document: `before` (byte order mark, white space), the root and `after` (mostly the final newline).
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) before: &'a str,
    pub(super) root: Node<'a>,
    pub(super) after: &'a str,
    /// An object somewhere has one key twice, so that "the value of the key" means nothing.
    pub(super) duplicate_keys: bool,
}

/// A value with its text.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) text: &'a str,
    pub(super) shape: Shape<'a>,
}

#[derive(Debug)]
pub(super) enum Shape<'a> {
    /// A number, `true`, `false` or `null`: its text is its value.
    Plain,
    /// A string: two texts may spell one value.
    Text,
    Object(Parts<'a>),
    Array(Parts<'a>),
}

/// The members of an object, or the elements of an array.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) list: Vec<Part<'a>>,
    /// White space before the closing bracket.
    pub(super) end: &'a str,
}

/// One member or element with the white space around it.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// White space after the opening bracket or the comma.
    pub(super) lead: &'a str,
    /// The decoded key; empty for an element of an array. Bytes, because a key may hold a lone surrogate.
    pub(super) name: Cow<'a, [u8]>,
    /// The key as spelled, the colon and the white space around that; empty for an element.
    pub(super) head: &'a str,
    pub(super) value: Node<'a>,
    /// White space before the comma.
    pub(super) tail: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn named(&self, name: &[u8]) -> Option<&Part<'a>> {
        self.list.iter().find(|part| part.name.as_ref() == name)
    }
}

impl<'a> Node<'a> {
    pub(super) const fn as_object(&self) -> Option<&Parts<'a>> {
        if let Shape::Object(parts) = &self.shape { Some(parts) } else { None }
    }

    pub(super) const fn as_array(&self) -> Option<&Parts<'a>> {
        if let Shape::Array(parts) = &self.shape { Some(parts) } else { None }
    }

    /// Whether both mean the same: white space and the spelling of strings aside; digits and the order of keys count.
    pub(super) fn same(&self, other: &Node<'_>) -> bool {
        if self.text == other.text {
            return true;
        }
        match (&self.shape, &other.shape) {
            (Shape::Text, Shape::Text) => decode(self.text) == decode(other.text),
            (Shape::Object(a), Shape::Object(b)) | (Shape::Array(a), Shape::Array(b)) => {
                a.list.len() == b.list.len()
                    && a.list.iter().zip(&b.list).all(|(a, b)| a.name == b.name && a.value.same(&b.value))
            }
            _ => false,
        }
    }

    /// Bytes that are equal exactly when the values are [`same`](Self::same): a key for maps.
    pub(super) fn canonical(&self, out: &mut Vec<u8>) {
        match &self.shape {
            Shape::Plain => {
                out.push(b'p');
                push_sized(out, self.text.as_bytes());
            }
            Shape::Text => {
                out.push(b's');
                push_sized(out, &decode(self.text));
            }
            Shape::Object(parts) | Shape::Array(parts) => {
                out.push(if matches!(self.shape, Shape::Object(_)) { b'o' } else { b'a' });
                out.extend_from_slice(&parts.list.len().to_le_bytes());
                for part in &parts.list {
                    push_sized(out, &part.name);
                    part.value.canonical(out);
                }
            }
        }
    }

    /// The value for showing it. A lone surrogate becomes U+FFFD.
    pub(super) fn to_value(&self) -> Value {
        match &self.shape {
            Shape::Plain => serde_json::from_str(self.text).unwrap_or(Value::Null),
            Shape::Text => Value::String(lossy(&decode(self.text))),
            Shape::Array(parts) => parts.list.iter().map(|part| part.value.to_value()).collect(),
            Shape::Object(parts) => {
                Value::Object(parts.list.iter().map(|part| (lossy(&part.name), part.value.to_value())).collect())
            }
        }
    }
}

fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&bytes.len().to_le_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value of a string literal, quotes included in `literal`. Lone surrogates, which RFC 8259 section 8.2 allows and
/// JavaScript writes, come out as the three bytes that UTF-8 would give them.
pub(super) fn decode(literal: &str) -> Cow<'_, [u8]> {
    let inner = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(literal);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner.as_bytes());
    }
    let mut out = String::with_capacity(inner.len());
    let mut bytes: Vec<u8> = Vec::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => match code_point(&mut chars) {
                Ok(c) => out.push(c),
                Err(surrogate) => {
                    bytes.append(&mut std::mem::take(&mut out).into_bytes());
                    bytes.extend_from_slice(&surrogate);
                }
            },
            Some(c) => out.push(c),
            None => {}
        }
    }
    bytes.append(&mut out.into_bytes());
    Cow::Owned(bytes)
}

/// The code point after `\u`, with its second half if it is a pair; the bytes of a lone surrogate otherwise.
fn code_point(chars: &mut std::str::Chars<'_>) -> Result<char, [u8; 3]> {
    let unit = four_digits(chars);
    if let Some(c) = char::from_u32(unit) {
        return Ok(c);
    }
    let mut ahead = chars.clone();
    if unit < 0xdc00 && ahead.next() == Some('\\') && ahead.next() == Some('u') {
        let low = four_digits(&mut ahead);
        if (0xdc00..0xe000).contains(&low) {
            *chars = ahead;
            let pair = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }
    let byte = |value: u32| u8::try_from(value & 0xff).unwrap_or(0);
    Err([0xed, byte(0x80 | ((unit >> 6) & 0x3f)), byte(0x80 | (unit & 0x3f))])
}

fn four_digits(chars: &mut std::str::Chars<'_>) -> u32 {
    chars.by_ref().take(4).fold(0, |value, c| value * 16 + c.to_digit(16).unwrap_or(0))
}

/// `name` as one step of a JSON pointer (RFC 6901 section 3), appended to `pointer`.
pub(super) fn pointer_step(pointer: &str, name: &str) -> String {
    let mut out = String::with_capacity(pointer.len() + name.len() + 1);
    let _ = write!(out, "{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_every_escape_and_keeps_lone_surrogates_apart() {
        assert_eq!(decode(r#""a\n\t\r\b\f\"\\\/\u00e9""#).as_ref(), "a\n\t\r\u{8}\u{c}\"\\/é".as_bytes());
        assert_eq!(decode(r#""\ud83d\ude00""#).as_ref(), "😀".as_bytes());
        assert_ne!(decode(r#""\ud83d""#), decode(r#""\ud83e""#));
        assert_eq!(decode(r#""x\ud83dy""#).as_ref(), b"x\xed\xa0\xbdy");
    }
}
