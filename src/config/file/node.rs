//! What both formats are read into: texts, lists and tables, each with its line. What a text means is decided by its key.

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A string, a number or a switch, as it is written.
    Text(String),
    /// An empty value (YAML).
    Nothing,
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

/// Why a text is not of its format. What the file holds is not shown: it may be a secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) problem: String,
}

impl Value {
    /// What it is, for messages.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a single value",
            Self::Nothing => "empty",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}
