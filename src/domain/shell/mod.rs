//! Shell commands: hosts, saved commands, their variables, and what comes of a run.
//!
//! A value is never source. What is sent assigns each value to a variable first; a placeholder in the script becomes that
//! variable in double quotes. So a script is checked when it is saved, and values only when it is run.

pub mod command;
pub mod csv;
pub mod fail;
pub mod host;
mod json;
pub mod name;
pub mod output;
pub mod pattern;
pub mod posix;
pub mod powershell;
pub mod report;
pub mod rows;
pub mod template;
pub mod variable;

pub use command::{CommandError, SavedCommand, render};
pub use fail::FailRule;
pub use host::{HostError, Shell, ShellHost};
pub use name::{ShellName, ShellNameError};
pub use output::Output;
pub use pattern::{Pattern, PatternError};
pub use report::{HowEnded, RunReport, RunsKept};
pub use rows::RowsAs;
pub use template::Misplaced;
pub use variable::{Kind, ValueError, Variable};
