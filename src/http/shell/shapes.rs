//! Questions and answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::shell::{FailRule, Misplaced, RowsAs, RunReport, SavedCommand, ShellName};
use crate::shell::{AdHoc, RunRequest, ShellError, Told};

/// The question of *run*.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunBody {
    /// A value for each variable: a text, a number, `true` or `false`, or `{"base64": …}` for any bytes.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
    /// Where; none means the command's own host.
    #[serde(default)]
    pub hosts: Vec<ShellName>,
    /// So many hosts at once (5).
    #[serde(default)]
    pub limit: Option<usize>,
}

/// The question of *exec*.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecBody {
    /// Where, at least one.
    pub hosts: Vec<ShellName>,
    /// What is run.
    pub script: String,
    /// After so many seconds it is ended (60).
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// How its output becomes rows.
    #[serde(default)]
    pub rows: RowsAs,
    /// What counts as failure.
    #[serde(default)]
    pub fail: FailRule,
    /// So many hosts at once (5).
    #[serde(default)]
    pub limit: Option<usize>,
}

/// What came of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunsAnswer {
    /// Whether none of them counts as failed.
    pub ok: bool,
    /// One for each host, in the order in which they ended.
    pub runs: Vec<RunReport>,
}

/// What is wrong with the script of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckAnswer {
    /// Whether it can be saved.
    pub ok: bool,
    /// Placeholders that stand where they must not.
    pub misplaced: Vec<Misplaced>,
    /// What else is wrong.
    pub message: Option<String>,
}

/// One line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ShellEvent {
    /// It began on a host.
    Began {
        /// The host.
        host: String,
    },
    /// A piece of standard output.
    Stdout {
        /// The host.
        host: String,
        /// As text, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Byte for byte, if it is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    /// A piece of standard error.
    Stderr {
        /// The host.
        host: String,
        /// As text, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Byte for byte, if it is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
    },
    /// It ended on a host.
    Ended {
        /// What came of it.
        report: Box<RunReport>,
    },
}

impl RunBody {
    /// As the service takes it.
    ///
    /// # Errors
    /// A value that is none; it is not shown.
    pub fn request(self) -> Result<RunRequest, ShellError> {
        let values = self.vars.into_iter().map(|(name, value)| {
            let bytes = bytes(value).ok_or_else(|| {
                let forms = "write a text, a number, true or false, or {\"base64\":\"…\"}";
                ShellError::Request(format!("the value of `{name}` cannot be read; {forms}"))
            })?;
            Ok((name, Zeroizing::new(bytes)))
        });
        let values = values.collect::<Result<_, ShellError>>()?;
        Ok(RunRequest { values, hosts: self.hosts, limit: self.limit })
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.into_bytes()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Bool(yes) => Some(yes.to_string().into_bytes()),
        Value::Object(object) if object.len() == 1 => STANDARD.decode(object.get("base64")?.as_str()?).ok(),
        _ => None,
    }
}

impl ExecBody {
    /// As the service takes it.
    ///
    /// # Errors
    /// That no host is named.
    pub fn ad_hoc(self) -> Result<AdHoc, ShellError> {
        let Some(host) = self.hosts.first().cloned() else {
            return Err(ShellError::Request("`hosts` is empty; name at least one host".to_owned()));
        };
        let command = SavedCommand {
            name: host.clone(), // it has none of its own
            host,
            script: self.script,
            variables: Vec::new(),
            timeout_s: self.timeout_s.unwrap_or(60),
            rows: self.rows,
            fail: self.fail,
        };
        Ok(AdHoc { hosts: self.hosts, command, limit: self.limit })
    }
}

impl From<Told> for ShellEvent {
    fn from(told: Told) -> Self {
        match told {
            Told::Began(host) => Self::Began { host },
            Told::Stdout(host, bytes) => {
                let (text, base64) = shown(bytes);
                Self::Stdout { host, text, base64 }
            }
            Told::Stderr(host, bytes) => {
                let (text, base64) = shown(bytes);
                Self::Stderr { host, text, base64 }
            }
            Told::Ended(report) => Self::Ended { report },
        }
    }
}

fn shown(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    }
}
