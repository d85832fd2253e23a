//! How output becomes rows.

use std::collections::HashSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::pattern::{Pattern, PatternError};
use super::{csv, json};

/// A row: its columns by name.
pub type Row = Map<String, Value>;

/// Asked between two rows.
type GoesOn<'a> = &'a dyn Fn() -> bool;

/// The most rows of one run.
const MOST_ROWS: usize = 100_000;
/// The most that all of them take: each row repeats the names of its columns, so that little output can make much of them.
const MOST_BYTES: usize = 16 << 20;
/// What a value takes beside its bytes.
const CELL: usize = 64;

/// How standard output becomes rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsAs {
    /// One row `text`, if there is any.
    #[default]
    Text,
    /// A row `line` a line.
    Lines,
    /// The first record names the columns.
    Csv,
    /// An array of objects, or one object.
    Json,
    /// An object a line.
    Jsonl,
    /// A row a match, with a column a named group.
    Regex(Pattern),
}

/// Why output is not what it should be, or a form is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Not known.
    #[error("{0:?} is no form of rows; use text, lines, csv, json, jsonl or regex:PATTERN with groups like (?<name>…)")]
    Form(String),
    /// The pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Not CSV.
    #[error(transparent)]
    Csv(#[from] csv::CsvError),
    /// Not JSON.
    #[error(
        "the output is not JSON: {0}; let the command write JSON to standard output, and all else to standard error"
    )]
    Json(String),
    /// A line that is not JSON.
    #[error(
        "line {0} of the output is not JSON: {1}; let the command write one object a line, and all else to standard error"
    )]
    Line(usize, String),
    /// Not text.
    #[error("the output is not UTF-8, so that it has no rows; let the command encode it")]
    NotText,
    /// The end is missing.
    #[error("the output was cut, so that it has no rows; let the command write less")]
    Cut,
    /// Too many.
    #[error("the output has more than 100,000 rows; let the command write less")]
    Many,
    /// Too large.
    #[error(
        "the rows are larger than 16 MiB, with the names of their columns; let the command write less, or give the columns short names"
    )]
    Large,
    /// Given up.
    #[error(
        "the rows were not found in time; begin the pattern with what is rare in the output, or let the command write less"
    )]
    Slow,
}

impl RowsAs {
    /// The rows of `output`. Of lines, CSV and JSON lines, those of a cut output are what came whole.
    ///
    /// # Errors
    /// [`RowsError`].
    pub fn of(&self, output: &[u8], is_cut: bool) -> Result<Vec<Row>, RowsError> {
        self.of_while(output, is_cut, &|| true)
    }

    /// The same, given up between two rows when `goes_on` says no: to find each match of a pattern takes time in proportion to
    /// the output, so that to find all of them may take long.
    ///
    /// # Errors
    /// [`RowsError`].
    pub fn of_while(&self, output: &[u8], is_cut: bool, goes_on: GoesOn<'_>) -> Result<Vec<Row>, RowsError> {
        if is_cut && !matches!(self, Self::Text) {
            return Err(RowsError::Cut);
        }
        let text = match std::str::from_utf8(output) {
            Ok(text) => text,
            Err(_) if matches!(self, Self::Text) => return Ok(vec![row("text", &String::from_utf8_lossy(output))]),
            Err(_) => return Err(RowsError::NotText),
        };
        let data = text.strip_prefix('\u{feff}').unwrap_or(text); // programs of Windows begin with this mark
        match self {
            Self::Text if text.is_empty() => Ok(Vec::new()),
            Self::Text => Ok(vec![row("text", text)]),
            Self::Lines => gathered(data.lines().map(|line| Ok(row("line", line))), goes_on),
            Self::Csv => csv_rows(data, goes_on),
            Self::Json => json_rows(data, goes_on),
            Self::Jsonl => jsonl_rows(data, goes_on),
            Self::Regex(pattern) => gathered(pattern.matches(data).map(|groups| Ok(group_row(groups))), goes_on),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Lines => "lines".to_owned(),
            Self::Csv => "csv".to_owned(),
            Self::Json => "json".to_owned(),
            Self::Jsonl => "jsonl".to_owned(),
            Self::Regex(pattern) => format!("regex:{}", pattern.as_str()),
        }
    }
}

impl FromStr for RowsAs {
    type Err = RowsError;

    fn from_str(text: &str) -> Result<Self, RowsError> {
        Ok(match text {
            "text" => Self::Text,
            "lines" => Self::Lines,
            "csv" => Self::Csv,
            "json" => Self::Json,
            "jsonl" => Self::Jsonl,
            _ => match text.strip_prefix("regex:").map(Pattern::new).transpose()? {
                Some(pattern) if pattern.names().next().is_some() => Self::Regex(pattern),
                _ => return Err(RowsError::Form(text.to_owned())),
            },
        })
    }
}

/// All of the rows, or that they are too many; those beyond are never made.
fn gathered(rows: impl Iterator<Item = Result<Row, RowsError>>, goes_on: GoesOn<'_>) -> Result<Vec<Row>, RowsError> {
    let (mut gathered, mut room) = (Vec::new(), MOST_BYTES);
    for row in rows {
        let row = row?;
        if !goes_on() {
            return Err(RowsError::Slow);
        }
        if gathered.len() == MOST_ROWS {
            return Err(RowsError::Many);
        }
        let size =
            row.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len) + CELL).sum::<usize>();
        room = room.checked_sub(size).ok_or(RowsError::Large)?;
        gathered.push(row);
    }
    Ok(gathered)
}

fn row(column: &str, value: &str) -> Row {
    Row::from_iter([(column.to_owned(), Value::from(value))])
}

fn csv_rows(text: &str, goes_on: GoesOn<'_>) -> Result<Vec<Row>, RowsError> {
    let mut records = csv::records(text)?.into_iter();
    let mut columns = records.next().unwrap_or_default();
    // Names of the header keep theirs; one that stands there already would take the other's value away.
    let given: HashSet<String> = columns.iter().cloned().collect();
    let mut seen = HashSet::new();
    for (at, name) in columns.iter_mut().enumerate() {
        if name.is_empty() || !seen.insert(name.clone()) {
            *name = unnamed(at, &given);
        }
    }
    let named = |(at, value): (usize, String)| {
        (columns.get(at).cloned().unwrap_or_else(|| unnamed(at, &given)), Value::from(value))
    };
    gathered(records.map(|record| Ok(record.into_iter().enumerate().map(named).collect())), goes_on)
}

/// A name for the column at this place that the header does not have.
fn unnamed(at: usize, given: &HashSet<String>) -> String {
    let mut name = format!("column {}", at + 1);
    while given.contains(&name) {
        name.push('\'');
    }
    name
}

fn json_rows(text: &str, goes_on: GoesOn<'_>) -> Result<Vec<Row>, RowsError> {
    let value = json::read(text).map_err(|error| RowsError::Json(error.to_string()))?;
    match value {
        Value::Array(values) => gathered(values.into_iter().map(|value| Ok(value_row(value))), goes_on),
        value => Ok(vec![value_row(value)]),
    }
}

fn jsonl_rows(text: &str, goes_on: GoesOn<'_>) -> Result<Vec<Row>, RowsError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(number, line)| match json::read(line) {
        Ok(value) => Ok(value_row(value)),
        Err(error) => Err(RowsError::Line(number + 1, error.to_string())),
    };
    gathered(lines.map(read), goes_on)
}

fn value_row(value: Value) -> Row {
    match value {
        Value::Object(object) => object,
        value => Row::from_iter([("value".to_owned(), value)]),
    }
}

fn group_row(groups: Vec<(String, Option<&str>)>) -> Row {
    groups.into_iter().map(|(name, text)| (name, text.map_or(Value::Null, Value::from))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(form: &str, output: &str) -> Result<String, RowsError> {
        let rows = form.parse::<RowsAs>()?.of(output.as_bytes(), false)?;
        Ok(serde_json::to_string(&rows).unwrap())
    }

    #[test]
    fn output_becomes_rows() {
        for (form, output, expected) in [
            ("text", "a\nb\n", r#"[{"text":"a\nb\n"}]"#),
            ("text", "", "[]"),
            ("lines", "a\r\nb\n", r#"[{"line":"a"},{"line":"b"}]"#),
            ("csv", "id,n\n1,x\n2\n3,y,z", r#"[{"id":"1","n":"x"},{"id":"2"},{"id":"3","n":"y","column 3":"z"}]"#),
            ("csv", "", "[]"),
            ("csv", "column 3,b,b\n1,2,3", r#"[{"column 3":"1","b":"2","column 3'":"3"}]"#),
            ("csv", "column 2\n1,2", r#"[{"column 2":"1","column 2'":"2"}]"#),
            ("csv", "a,,a\n1,2,3", r#"[{"a":"1","column 2":"2","column 3":"3"}]"#),
            ("csv", "\u{feff}id\r\n1\r\n", r#"[{"id":"1"}]"#),
            ("json", r#"[{"b":1,"a":1.10}, 2]"#, r#"[{"b":1,"a":1.10},{"value":2}]"#),
            ("json", r#"{"a":null}"#, r#"[{"a":null}]"#),
            ("json", r#"{"$serde_json::private::Number":"1"}"#, r#"[{"$serde_json::private::Number":"1"}]"#),
            (
                "json",
                r#"[{"n":[-1,0.10,1e400,123456789012345678901234567890,true,"\u00fc",{}]}]"#,
                r#"[{"n":[-1,0.10,1e+400,123456789012345678901234567890,true,"ü",{}]}]"#,
            ),
            ("jsonl", "{\"a\":1}\n\n{\"a\":2}\n", r#"[{"a":1},{"a":2}]"#),
            (r"regex:^(?<k>\w+)=(?<v>\d+)?$", "a=1\n-\nb=\n", r#"[{"k":"a","v":"1"},{"k":"b","v":null}]"#),
        ] {
            assert_eq!(rows(form, output).unwrap(), expected, "{form}");
        }
    }

    #[test]
    fn what_is_not_so_says_what_to_do() {
        assert!(rows("json", "oops").unwrap_err().to_string().contains("standard error"));
        assert!(rows("jsonl", "{}\noops").unwrap_err().to_string().contains("line 2"));
        for twice in [r#"{"a":1,"b":2,"a":3}"#, r#"[{"o":{"a":1,"\u0061":1}}]"#] {
            assert!(rows("json", twice).unwrap_err().to_string().contains("\"a\" stands twice"));
        }
        assert!(rows("jsonl", "{\"a\":1,\"a\":1}").unwrap_err().to_string().contains("line 1"));
        assert!(
            rows("json", &"[".repeat(500_000)).is_err()
                && rows("json", &format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err()
        );
        assert!(rows("regex:x", "").is_err() && rows("regex:(", "").is_err() && rows("xml", "").is_err());
        assert_eq!(RowsAs::Lines.of(b"a", true), Err(RowsError::Cut));
        assert_eq!(RowsAs::Lines.of(b"\xff", false), Err(RowsError::NotText));
        assert_eq!(RowsAs::Text.of(b"\xff", true).unwrap().len(), 1);
        assert_eq!(rows("lines", &"\n".repeat(100_001)), Err(RowsError::Many));
        assert_eq!(rows("json", &format!("[{}0]", "0,".repeat(100_000))), Err(RowsError::Many));
    }

    #[test]
    fn what_takes_too_long_is_given_up_between_two_rows() {
        let asked = std::cell::Cell::new(0);
        let goes_on = || asked.replace(asked.get() + 1) < 3;
        // The end of each match is looked for in all of the rest.
        let pattern: RowsAs = "regex:(?<all>a.*b)|(?<one>a)".parse().unwrap();
        let output = b"a".repeat(10_000);
        assert_eq!(pattern.of_while(&output, false, &goes_on), Err(RowsError::Slow));
        assert_eq!(asked.get(), 4);
    }

    #[test]
    fn a_little_output_does_not_become_gigabytes_of_rows() {
        let output = format!("{}\n{}", "n".repeat(500_000), "1\n".repeat(90_000));
        assert_eq!(rows("csv", &output), Err(RowsError::Large));
    }
}
