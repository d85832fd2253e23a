//! YAML to nodes, from the parser's events: so a mode stays `0644` and a switch `on`, whatever a version of YAML makes of them.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::node::{Entry, Node, SyntaxError, Value};

/// Deeper than anything that has a meaning here.
const DEEPEST: usize = 16;

/// Reads the one document.
///
/// # Errors
/// The first thing that is wrong: what follows it cannot be told.
pub(super) fn parse(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let mut reader = Reader { events: Parser::new_from_str(text) };
    reader.document().map_err(|error| vec![error])
}

struct Reader<P> {
    events: P,
}

impl<'t, P: Iterator<Item = Result<(Event<'t>, Span), ScanError>>> Reader<P> {
    fn document(&mut self) -> Result<Node, SyntaxError> {
        let mut root = None;
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if root.is_some() => return Err(wrong(line, "there is a second document; keep one")),
                event => root = Some(self.node(event, line, 0)?),
            }
        }
        Ok(root.unwrap_or(Node { line: 1, value: Value::Table(Vec::new()) }))
    }

    fn next(&mut self) -> Result<(Event<'t>, usize), SyntaxError> {
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(error)) => Err(wrong(error.marker().line(), &format!("it is not YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, 1)),
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, SyntaxError> {
        let value = match event {
            _ if depth > DEEPEST => return Err(wrong(line, "it is nested too deeply")),
            Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&*text, "" | "~" | "null") => Value::Nothing,
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.table(depth)?,
            _ => return Err(wrong(line, "aliases are not followed; write the value out, or put it into `defaults`")),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, line) => items.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Table(entries)),
                (Event::Scalar(key, ..), line) => (key.into_owned(), line),
                (_, line) => return Err(wrong(line, "a key is not a plain word; write one such as `url`")),
            };
            if entries.iter().any(|entry| entry.key == key) {
                return Err(wrong(line, &format!("the key {key:?} is there twice; keep one")));
            }
            let (event, at) = self.next()?;
            let node = self.node(event, at, depth + 1)?;
            entries.push(Entry { key, line, node });
        }
    }
}

fn wrong(line: usize, problem: &str) -> SyntaxError {
    SyntaxError { line, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_they_are_written() {
        let Ok(root) = parse("defaults:\n  file_mode: 0640\nrepository:\n- name: a\n  locked: on\n  key:\n") else {
            panic!("it is YAML");
        };
        let shown = format!("{root:?}");
        assert!(shown.contains("key: \"file_mode\", line: 2, node: Node { line: 2, value: Text(\"0640\")"), "{shown}");
        assert!(shown.contains("key: \"locked\", line: 5, node: Node { line: 5, value: Text(\"on\")"), "{shown}");
        assert!(shown.contains("value: Nothing"), "{shown}");
    }

    #[test]
    fn what_is_wrong_comes_with_its_line() {
        for (text, line, part) in [
            ("a: 1\nb: [1\n", 3, "it is not YAML"),
            ("a: &x 1\nb: *x\n", 2, "aliases"),
            ("a: 1\na: 2\n", 2, "twice"),
            ("a: 1\n---\nb: 2\n", 3, "a second document"),
            ("[a]: 1\n", 1, "not a plain word"),
        ] {
            let errors = parse(text).expect_err(text);
            assert!(errors[0].line.abs_diff(line) <= 1 && errors[0].problem.contains(part), "{text}: {errors:?}");
        }
        assert!(parse(&"[".repeat(1_000)).is_err(), "nesting has an end");
        assert_eq!(parse("# nothing\n").map(|node| node.value), Ok(Value::Table(Vec::new())));
    }
}
