//! The part of the environment that is about what the builder writes: what is ignored, what is too large, what is secret.

use super::InputConfig;
use super::reader::Findings;
use super::variables::{Setting, Settings};
use crate::domain::input::ignore;
use crate::domain::input::size::FileSize;
use crate::domain::patterns::Patterns;

const SMALLEST_LIMIT: FileSize = FileSize(1_000);
/// The local repository takes a file as a whole, and Git hosts refuse less than this.
const LARGEST_LIMIT: FileSize = FileSize(256 << 20);

pub(super) fn read(settings: &Settings, findings: &mut Findings) -> InputConfig {
    let default = InputConfig::default();
    let skip_volatile_saves = findings.boolean(&settings.appferry_skip_volatile_saves);
    InputConfig {
        skip_volatile_saves: skip_volatile_saves.unwrap_or(default.skip_volatile_saves),
        max_file_size: file_size(&settings.appferry_max_file_size, findings).unwrap_or(default.max_file_size),
        ignore: default.ignore.followed_by(patterns(&settings.appferry_ignore, findings)),
        allow_secrets: patterns(&settings.appferry_allow_secrets, findings),
    }
}

fn file_size(setting: &Setting, findings: &mut Findings) -> Option<FileSize> {
    let text = setting.text()?;
    let size = FileSize::parse(text).filter(|size| (SMALLEST_LIMIT..=LARGEST_LIMIT).contains(size));
    if size.is_none() {
        let problem = format!(
            "{text:?} is not a size from {SMALLEST_LIMIT} to 256 MiB; write a number and its unit, such as `500kB`, `25MB` or `100MiB`"
        );
        findings.error(setting.name, problem);
    }
    size
}

fn patterns(setting: &Setting, findings: &mut Findings) -> Patterns {
    let read = setting.text().map_or_else(|| Ok(Patterns::default()), Patterns::parse);
    read.unwrap_or_else(|error| {
        findings.error(setting.name, error.to_string());
        Patterns::default()
    })
}

impl Default for InputConfig {
    fn default() -> Self {
        Self {
            skip_volatile_saves: true,
            max_file_size: FileSize(25_000_000),
            ignore: ignore::defaults(),
            allow_secrets: Patterns::default(),
        }
    }
}
