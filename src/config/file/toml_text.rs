//! TOML to nodes.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Entry, Node, SyntaxError, Value};

/// Reads a whole document.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn parse(text: &str) -> Result<Node, Vec<SyntaxError>> {
    let lines = Lines::of(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(Node { line: 1, value: lines.table(root.get_ref()) });
    }
    let error = |error: &toml::de::Error| SyntaxError {
        line: error.span().map_or(1, |span| lines.line_of(span.start)),
        problem: format!("it is not TOML: {}", error.message()),
    };
    let mut errors: Vec<SyntaxError> = errors.iter().map(error).collect();
    errors.sort_by_key(|error| error.line);
    Err(errors)
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    fn line_of(&self, at: usize) -> usize {
        self.0.partition_point(|begin| *begin <= at) + 1
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().clone().into_owned(),
                line: self.line_of(key.span().start),
                node: self.node(value),
            })
            .collect();
        entries.sort_by_key(|entry| entry.line);
        Value::Table(entries)
    }

    fn node(&self, value: &Spanned<DeValue<'_>>) -> Node {
        let read = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => Value::Text(match number.radix() {
                10 => number.as_str().to_owned(),
                8 => format!("0o{}", number.as_str()),
                radix => format!("{} (to the base {radix})", number.as_str()),
            }),
            DeValue::Float(number) => Value::Text(number.as_str().to_owned()),
            DeValue::Boolean(on) => Value::Text(on.to_string()),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(list) => Value::List(list.iter().map(|value| self.node(value)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { line: self.line_of(value.span().start), value: read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_lines_and_their_digits() {
        let Ok(root) = parse("[defaults]\nfile_mode = 0o640\n\n[[repository]]\nname = \"a\"\nlocked = true\n") else {
            panic!("it is TOML");
        };
        let shown = format!("{root:?}");
        assert!(shown.contains("key: \"file_mode\", line: 2, node: Node { line: 2, value: Text(\"0o640\")"), "{shown}");
        assert!(shown.contains("key: \"locked\", line: 6, node: Node { line: 6, value: Text(\"true\")"), "{shown}");
    }

    #[test]
    fn every_mistake_comes_with_its_line() {
        let errors = parse("a = \n[b\nc = 1\nd = \"x\n").expect_err("not TOML");
        assert!(errors.len() > 1 && errors[0].line == 1, "{errors:?}");
    }
}
