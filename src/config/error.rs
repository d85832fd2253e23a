//! What is wrong with the environment: everything at once.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable, or two of them joined with ` and `; or file, line, entry and key, joined with `, `.
    pub variable: String,
    /// What is wrong (with the value, unless it is a secret) and what is allowed.
    pub problem: String,
}

impl ConfigError {
    fn is_of_a_file(&self) -> bool {
        self.variable.contains(", line ")
    }
}

/// Everything that is wrong, in the order of the documentation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let where_from = if self.0.iter().any(ConfigError::is_of_a_file) { "configuration" } else { "environment" };
        match self.0.len() {
            1 => write!(f, "the {where_from} is wrong in one place:")?,
            count => write!(f, "the {where_from} is wrong in {count} places:")?,
        }
        for (number, error) in (1..).zip(&self.0) {
            write!(f, "\n  {number}. {error}")?;
        }
        Ok(())
    }
}
