//! Text to values. Each reader takes one setting, and notes what is wrong with it instead of stopping.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::variables::Setting;

/// The files that variables name. Tests bring their own.
pub trait Files {
    /// The content of a file, which is small.
    ///
    /// # Errors
    /// The file cannot be read, or is larger than 64 KiB.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// A file of certificates, which may be as large as those that systems have.
    ///
    /// # Errors
    /// The file cannot be read, or is larger than any such file.
    fn read_bundle(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path).map(String::into_bytes)
    }

    /// Whether there is a file.
    fn exists(&self, path: &Path) -> bool;

    /// The path without links, where it is there.
    fn resolved(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

/// A secret, with the file it came from.
pub(super) struct Secret {
    pub(super) value: SecretString,
    pub(super) file: Option<PathBuf>,
}

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<String>,
}

impl Findings {
    pub(super) fn error(&mut self, variable: impl Into<String>, problem: impl Into<String>) {
        let error = ConfigError { variable: variable.into(), problem: problem.into() };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    /// The text without the quotes and spaces around it.
    pub(super) fn text(&mut self, setting: &Setting) -> Option<String> {
        let text = setting.text()?;
        if text.chars().any(char::is_control) {
            self.error(setting.name, format!("{text:?} contains a control character; take it out"));
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn path(&mut self, setting: &Setting) -> Option<PathBuf> {
        self.text(setting).map(PathBuf::from)
    }

    pub(super) fn boolean(&mut self, setting: &Setting) -> Option<bool> {
        let text = setting.text()?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => {
                self.error(
                    setting.name,
                    format!("{text:?} is neither on nor off; write true, false, 1, 0, yes, no, on or off"),
                );
                None
            }
        }
    }

    pub(super) fn duration(&mut self, setting: &Setting, allowed: RangeInclusive<Duration>) -> Option<Duration> {
        let text = setting.text()?;
        match humantime::parse_duration(text) {
            Ok(duration) if allowed.contains(&duration) => Some(duration),
            _ => {
                let (least, most) =
                    (humantime::format_duration(*allowed.start()), humantime::format_duration(*allowed.end()));
                self.error(
                    setting.name,
                    format!("{text:?} is not a time from {least} to {most}; write a number and its unit, such as `500ms`, `10s` or `2m`"),
                );
                None
            }
        }
    }

    pub(super) fn number(&mut self, setting: &Setting, allowed: RangeInclusive<u32>) -> Option<u32> {
        let text = setting.text()?;
        match text.parse() {
            Ok(number) if allowed.contains(&number) => Some(number),
            _ => {
                let (least, most) = (allowed.start(), allowed.end());
                self.error(setting.name, format!("{text:?} is not a whole number from {least} to {most}"));
                None
            }
        }
    }

    /// An octal mode that leaves the owner at least `needed`.
    pub(super) fn mode(&mut self, setting: &Setting, needed: u32, most: u32) -> Option<u32> {
        let text = setting.text()?;
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let octal = digits.chars().all(|c| c.is_digit(8));
        match u32::from_str_radix(digits, 8) {
            Ok(mode) if octal && mode <= most && mode & needed == needed => Some(mode),
            _ => {
                self.error(
                    setting.name,
                    format!("{text:?} is not an octal mode from {needed:04o} to {most:04o} that lets the owner in; write one such as `{:04o}`", needed | 0o044),
                );
                None
            }
        }
    }

    /// The secret of a variable or of its `…_FILE` form; its value is never shown.
    pub(super) fn secret(&mut self, plain: &Setting, file: &Setting, files: &dyn Files) -> Option<Secret> {
        if plain.is_set() && file.is_set() {
            self.error(format!("{} and {}", plain.name, file.name), "both are set; keep one of them, best the file");
            return None;
        }
        if let Some(value) = plain.secret_text() {
            return Some(Secret { value: value.to_owned().into(), file: None });
        }
        let path = self.path(file)?;
        match files.read(&path).map(Zeroizing::new) {
            Ok(content) => {
                let value = without_newline(&content);
                if value.is_empty() {
                    self.error(file.name, format!("the file {} is empty; put the secret into it", path.display()));
                    return None;
                }
                Some(Secret { value: value.to_owned().into(), file: Some(path) })
            }
            Err(error) => {
                let path = path.display();
                self.error(
                    file.name,
                    format!("the file {path} cannot be read: {error}; mount it, or correct the path"),
                );
                None
            }
        }
    }

    /// One value of two variables that mean the same; both may be set only if they agree.
    pub(super) fn either<T: PartialEq>(
        &mut self,
        older: (&Setting, Option<T>),
        newer: (&Setting, Option<T>),
    ) -> Option<T> {
        if let (Some(a), Some(b)) = (&older.1, &newer.1)
            && a != b
        {
            let shown = |setting: &Setting| setting.shown().unwrap_or_default();
            self.error(
                format!("{} and {}", older.0.name, newer.0.name),
                format!(
                    "they disagree ({} and {}); take one of them out, or let both say the same",
                    shown(older.0),
                    shown(newer.0)
                ),
            );
        }
        newer.1.or(older.1)
    }
}

impl Setting {
    /// Whether it has any content.
    pub(super) fn is_set(&self) -> bool {
        self.text().is_some()
    }

    /// The value without the quotes that env files and old Docker leave around it; `None` when nothing is left.
    pub(super) fn text(&self) -> Option<&str> {
        let text = unquoted(self.value.as_deref()?).trim();
        (!text.is_empty()).then_some(text)
    }

    /// As [`text`](Self::text), but spaces inside the quotes belong to a secret.
    fn secret_text(&self) -> Option<&str> {
        self.text()?;
        self.value.as_deref().map(unquoted)
    }

    /// The value for a message. URLs come without a password.
    fn shown(&self) -> Option<String> {
        let text = self.text()?;
        match crate::domain::RepoUrl::parse(text) {
            Ok(url) => Some(format!("\"{url}\"")),
            Err(error) => Some(format!("{:?}", error.shown)),
        }
    }
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// Editors and `echo` end a file with a newline that is not part of the secret.
fn without_newline(content: &str) -> &str {
    let content = content.strip_suffix('\n').unwrap_or(content);
    content.strip_suffix('\r').unwrap_or(content)
}
