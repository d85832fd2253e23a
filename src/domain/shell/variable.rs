//! The variables of a saved command, and what their values may be.

use serde::{Deserialize, Serialize};

use super::name::is_variable_name;
use super::pattern::{Pattern, PatternError};

/// A value with a pattern: looking at more could take long.
const LONGEST_FOR_PATTERN: usize = 64 << 10;

/// A variable of a saved command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Variable {
    /// What stands between the braces.
    pub name: String,
    /// What its values may be.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a value may be. No value holds a NUL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// Any text, or any bytes.
    Text,
    /// A whole number.
    Int,
    /// A number with or without a fraction and an exponent.
    Number,
    /// `true` or `false`.
    Bool,
    /// One of these.
    OneOf {
        /// What there is to choose from.
        values: Vec<String>,
    },
    /// What this matches as a whole.
    Pattern {
        /// A regular expression.
        pattern: Pattern,
    },
}

/// A variable as JSON has it. A restriction that its type does not know must not be passed over: whoever wrote it counts on it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(rename = "type")]
    kind: KindWord,
    values: Option<Vec<String>>,
    pattern: Option<Pattern>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindWord {
    Text,
    Int,
    Number,
    Bool,
    OneOf,
    Pattern,
}

impl TryFrom<Written> for Variable {
    type Error = String;

    fn try_from(Written { name, kind, values, pattern }: Written) -> Result<Self, String> {
        let stray =
            |field: &str, word: &str| Err(format!("`{field}` of the variable `{name}` goes with the type {word} only"));
        if values.is_some() && !matches!(kind, KindWord::OneOf) {
            return stray("values", "one_of");
        }
        if pattern.is_some() && !matches!(kind, KindWord::Pattern) {
            return stray("pattern", "pattern");
        }
        let missing = |field: &str| format!("the variable `{name}` needs `{field}`");
        let kind = match kind {
            KindWord::Text => Kind::Text,
            KindWord::Int => Kind::Int,
            KindWord::Number => Kind::Number,
            KindWord::Bool => Kind::Bool,
            KindWord::OneOf => Kind::OneOf { values: values.ok_or_else(|| missing("values"))? },
            KindWord::Pattern => Kind::Pattern { pattern: pattern.ok_or_else(|| missing("pattern"))? },
        };
        Ok(Self { name, kind })
    }
}

/// Why a value, or a variable, is refused. A value may be secret, so it is not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The name of the variable.
    #[error("{0:?} cannot name a variable; use letters, digits and `_`, with no digit first")]
    Name(String),
    /// How its type is written.
    #[error("{0:?} is no type; use text, int, number, bool, one-of=a|b or pattern=REGEX")]
    Type(String),
    /// Its pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A value that no shell can hold.
    #[error("the value of `{0}` holds a NUL, which no shell can take; leave it out")]
    Nul(String),
    /// A value that would take long to look at.
    #[error("the value of `{0}` is longer than 64 KiB, too long for a pattern; give the variable the type text")]
    Long(String),
    /// PowerShell's strings are no bytes.
    #[error("the value of `{0}` is not UTF-8, which PowerShell cannot take; encode it")]
    NotText(String),
    /// A value of another type.
    #[error("the value of `{name}` is not {wanted}; correct it")]
    Kind {
        /// The variable.
        name: String,
        /// What it must be.
        wanted: String,
    },
    /// No value.
    #[error("`{0}` has no value; give one with `--var {0}=…` or `--var-file {0}=FILE`")]
    Missing(String),
    /// A value for nothing.
    #[error("the command has no variable `{0}`; leave it out (`appferry shell commands show` lists them)")]
    Unknown(String),
}

impl Variable {
    /// Reads `name`, `name:type`, `name:one-of=a|b` or `name:pattern=REGEX`.
    ///
    /// # Errors
    /// [`ValueError`].
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let (name, kind) = text.split_once(':').unwrap_or((text, "text"));
        let kind = match kind.split_once('=').unwrap_or((kind, "")) {
            ("text", "") => Kind::Text,
            ("int", "") => Kind::Int,
            ("number", "") => Kind::Number,
            ("bool", "") => Kind::Bool,
            ("one-of", values) if !values.is_empty() => {
                Kind::OneOf { values: values.split('|').map(str::to_owned).collect() }
            }
            ("pattern", pattern) if !pattern.is_empty() => Kind::Pattern { pattern: Pattern::new(pattern)? },
            _ => return Err(ValueError::Type(kind.to_owned())),
        };
        let variable = Self { name: name.to_owned(), kind };
        variable.check_name()?;
        Ok(variable)
    }

    /// Whether its name can be one.
    ///
    /// # Errors
    /// [`ValueError::Name`].
    pub fn check_name(&self) -> Result<(), ValueError> {
        if is_variable_name(&self.name) { Ok(()) } else { Err(ValueError::Name(self.name.clone())) }
    }

    /// Whether `value` may be its value.
    ///
    /// # Errors
    /// [`ValueError`], without the value.
    pub fn check(&self, value: &[u8]) -> Result<(), ValueError> {
        if value.contains(&0) {
            return Err(ValueError::Nul(self.name.clone()));
        }
        if matches!(self.kind, Kind::Pattern { .. }) && value.len() > LONGEST_FOR_PATTERN {
            return Err(ValueError::Long(self.name.clone()));
        }
        let text = std::str::from_utf8(value).unwrap_or("\0");
        let fits = match &self.kind {
            Kind::Text => true,
            Kind::Int => is_int(text),
            Kind::Number => is_number(text),
            Kind::Bool => matches!(text, "true" | "false"),
            Kind::OneOf { values } => values.iter().any(|one| one == text),
            Kind::Pattern { pattern } => pattern.is_all_of(value),
        };
        if fits { Ok(()) } else { Err(ValueError::Kind { name: self.name.clone(), wanted: self.kind.wanted() }) }
    }
}

impl Kind {
    /// Whether no value can be anything but a plain number or a word that the author of the command chose.
    #[must_use]
    pub const fn is_tame(&self) -> bool {
        matches!(self, Self::Int | Self::Number | Self::Bool | Self::OneOf { .. })
    }

    /// In words.
    #[must_use]
    pub fn wanted(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Int => "a whole number".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::OneOf { values } => format!("one of {}", values.join(", ")),
            Self::Pattern { pattern } => format!("what `{}` matches as a whole", pattern.as_str()),
        }
    }
}

/// Up to 18 digits, so that every shell can count with it; no leading zeros, which would make it octal.
fn is_int(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (1..=18).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

fn is_number(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    let begins = text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    begins && text.len() <= 64 && text.chars().all(plain) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_it_is_written_and_no_restriction_is_passed_over() {
        for text in ["v", "v:int", "v:number", "v:bool", "v:one-of=a|b c", "v:pattern=[a-z]{2}"] {
            let variable = Variable::parse(text).unwrap();
            let json = serde_json::to_string(&variable).unwrap();
            assert_eq!(serde_json::from_str::<Variable>(&json).unwrap(), variable, "{json}");
        }
        for (json, said) in [
            (r#"{"name":"v","type":"text","pattern":"[a-z]+"}"#, "`pattern` of the variable `v`"),
            (r#"{"name":"v","type":"text","values":["a"]}"#, "`values` of the variable `v`"),
            (r#"{"name":"v","type":"one_of","values":["a"],"pattern":"a"}"#, "`pattern` of the variable `v`"),
            (r#"{"name":"v","type":"pattern","values":["a"],"pattern":"a"}"#, "`values` of the variable `v`"),
            (r#"{"name":"v","type":"int","min":1}"#, "unknown field `min`"),
            (r#"{"name":"v","type":"one_of"}"#, "needs `values`"),
            (r#"{"name":"v","type":"pattern"}"#, "needs `pattern`"),
            (r#"{"name":"v","type":"integer"}"#, "unknown variant `integer`"),
        ] {
            let error = serde_json::from_str::<Variable>(json).unwrap_err().to_string();
            assert!(error.contains(said), "{json}: {error}");
        }
    }

    #[test]
    fn values_are_of_their_type_and_errors_do_not_show_them() {
        for (variable, good, bad) in [
            (
                "v:int",
                vec!["0", "-1", "123456789012345678"],
                vec!["", "-", "01", "1.5", "1 ", "a[$(id)]", "1234567890123456789"],
            ),
            ("v:number", vec!["1", "-1.5", "1e9", "2.5E-3"], vec!["", ".", "inf", "NaN", "0x10", "1,5", "+1", "1e999"]),
            ("v:bool", vec!["true", "false"], vec!["", "TRUE", "1"]),
            ("v:one-of=a|b c", vec!["a", "b c"], vec!["", "b", "a|b c"]),
            ("v:pattern=[a-z]{2}", vec!["ab"], vec!["", "abc", "a", "ab\n", "ab\nab"]),
            ("v", vec!["", "anything\n'\""], vec!["a\0b"]),
        ] {
            let variable = Variable::parse(variable).unwrap();
            for value in good {
                assert!(variable.check(value.as_bytes()).is_ok(), "{variable:?} {value}");
            }
            for value in bad {
                let error = variable.check(value.as_bytes()).unwrap_err().to_string();
                assert!(
                    value.len() < 3 || variable.name != "v:text" && !error.contains(value) || error.contains("one of"),
                    "{error}"
                );
            }
        }
        let long = Variable::parse("v:pattern=a*").unwrap();
        assert!(long.check(&b"a".repeat(64 << 10)).is_ok());
        assert_eq!(long.check(&b"a".repeat((64 << 10) + 1)), Err(ValueError::Long("v".into())));
        for wrong in ["", "1a", "a:", "a:texts", "a:one-of=", "a:pattern=("] {
            assert!(Variable::parse(wrong).is_err(), "{wrong}");
        }
    }
}
