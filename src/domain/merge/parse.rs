//! Reads JSON (RFC 8259) into a [`Document`] that borrows the text. Strict, bounded in depth, and it never panics.

use std::borrow::Cow;
use std::collections::HashSet;

use super::tree::{Document, Node, Part, Parts, Shape, decode};

/// How deep arrays and objects may nest: the limit that `serde_json` has, too.
const MAX_DEPTH: usize = 128;

/// Why a text is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where, in bytes from the start.
    pub(super) offset: usize,
    /// What is wrong there.
    pub(super) what: &'static str,
    /// It may well be JSON, but it nests deeper than [`MAX_DEPTH`].
    pub(super) too_deep: bool,
}

/// Reads `bytes` as one JSON value. A byte order mark before it is allowed.
pub(super) fn parse(bytes: &[u8]) -> Result<Document<'_>, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| Problem {
        offset: error.valid_up_to(),
        what: "this is not UTF-8",
        too_deep: false,
    })?;
    let mut parser = Parser { text, at: 0, depth: 0, duplicate_keys: false };
    if text.starts_with('\u{feff}') {
        parser.at = '\u{feff}'.len_utf8();
    }
    parser.gap();
    let before = parser.since(0);
    let root = parser.value()?;
    let root_end = parser.at;
    parser.gap();
    if parser.peek().is_some() {
        return Err(parser.problem("there is something after the value"));
    }
    Ok(Document { before, root, after: parser.since(root_end), duplicate_keys: parser.duplicate_keys })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    duplicate_keys: bool,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The text from `start` to here. Both are at ASCII characters or at the end, so the range is valid.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    const fn problem(&self, what: &'static str) -> Problem {
        Problem { offset: self.at, what, too_deep: false }
    }

    /// Takes `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    /// Skips white space and answers it.
    fn gap(&mut self) -> &'a str {
        let start = self.at;
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.since(start)
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Node<'a>, Problem> {
        let start = self.at;
        let shape = match self.peek() {
            None => return Err(self.problem("the file ends where a value should be")),
            Some(b'{') => Shape::Object(self.nested(b'}')?),
            Some(b'[') => Shape::Array(self.nested(b']')?),
            Some(b'"') => {
                self.string()?;
                Shape::Text
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Shape::Plain
            }
            Some(_) => {
                self.word()?;
                Shape::Plain
            }
        };
        Ok(Node { text: self.since(start), shape })
    }

    fn nested(&mut self, close: u8) -> Result<Parts<'a>, Problem> {
        if self.depth == MAX_DEPTH {
            return Err(Problem { offset: self.at, what: "this nests too deeply", too_deep: true });
        }
        self.depth += 1;
        self.at += 1; // the opening bracket
        let parts = self.parts(close);
        self.depth -= 1;
        parts
    }

    fn parts(&mut self, close: u8) -> Result<Parts<'a>, Problem> {
        let mut list = Vec::new();
        let mut lead = self.gap();
        if self.take(close) {
            return Ok(Parts { list, end: lead });
        }
        let mut names = HashSet::new();
        loop {
            let (name, head) = if close == b'}' { self.key()? } else { (Cow::default(), "") };
            if close == b'}' && !names.insert(name.clone()) {
                self.duplicate_keys = true;
            }
            let value = self.value()?;
            let tail = self.gap();
            if self.take(close) {
                list.push(Part { lead, name, head, value, tail: "" });
                return Ok(Parts { list, end: tail });
            }
            if !self.take(b',') {
                return Err(self.problem(expected_after_value(close, self.peek())));
            }
            list.push(Part { lead, name, head, value, tail });
            lead = self.gap();
        }
    }

    /// A key with its colon, up to where the value starts.
    fn key(&mut self) -> Result<(Cow<'a, [u8]>, &'a str), Problem> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'}') => return Err(self.problem("a comma is followed by `}`")),
            Some(_) => return Err(self.problem("a key in double quotes should be here")),
            None => return Err(self.problem("the file ends inside an object")),
        }
        let name = decode(self.since(start));
        self.gap();
        if !self.take(b':') {
            return Err(self.problem("a colon should be here"));
        }
        self.gap();
        Ok((name, self.since(start)))
    }

    fn string(&mut self) -> Result<(), Problem> {
        self.at += 1; // the opening quote
        loop {
            self.skip_while(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.problem("a control character is inside a string")),
                None => return Err(self.problem("the file ends inside a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Problem> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => self.at += 6,
            [] => return Err(self.problem("the file ends inside a string")),
            _ => return Err(self.problem("this escape is not known to JSON")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Problem> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Problem> {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_digit());
        if self.at == start { Err(self.problem("a digit should be here")) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<(), Problem> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = ["true", "false", "null"].iter().find(|word| rest.starts_with(word.as_bytes())).map(|w| w.len());
        match length {
            Some(length) => {
                self.at += length;
                Ok(())
            }
            None if matches!(rest.first(), Some(b'}' | b']' | b',')) => Err(self.problem("a value is missing here")),
            None if rest.first() == Some(&b'/') => Err(self.problem("JSON has no comments")),
            None => Err(self.problem("this is not a JSON value")),
        }
    }
}

const fn expected_after_value(close: u8, found: Option<u8>) -> &'static str {
    match (close, found) {
        (b'}', None) => "the file ends inside an object",
        (_, None) => "the file ends inside an array",
        (b'}', Some(_)) => "a comma or `}` should be here",
        (_, Some(_)) => "a comma or `]` should be here",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_the_standard_refuses() {
        for bad in
            ["", "{", "[1,]", "{\"a\":1,}", "01", "1.", "-", "1e", "nul", "\"\\x\"", "\"\\u12g4\"", "{} {}", "\"\t\""]
        {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        for good in ["0", "-0.5e+10", "[]", " { } ", "\u{feff}[true,false,null]", "\"\\ud800\"", "{\"a\":{\"b\":[1]}}"]
        {
            assert!(parse(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn very_deep_nesting_is_an_error_and_not_a_crash() {
        let deep = "[".repeat(1_000_000);
        assert!(parse(deep.as_bytes()).is_err_and(|problem| problem.too_deep));
        let fits = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse(fits.as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_anything_json_like(text in r#"[\[\]{}:,"0-9eE.+\-truefalsn\\u a]{0,24}"#) {
            let ours = parse(text.as_bytes());
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            // Lone surrogates are JSON by its grammar; `serde_json` cannot hold them in a `String`.
            if !text.contains("\\u") {
                prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            }
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                prop_assert!(ours.duplicate_keys || ours.root.to_value() == theirs);
            }
        }
    }
}
