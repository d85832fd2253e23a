//! Sizes of files, as people write them.

use std::fmt;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileSize(pub u64);

/// Names of units, in small letters, and their bytes. A single letter counts in 1,024s, as in Docker's options.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1_000),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("byte", 1),
    ("bytes", 1),
];

impl FileSize {
    /// Reads `25MB`, `25 MiB`, `1.5m`, `1048576`; `None` if it is nothing of that kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(end)?;
        let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if part.len() > 6 || (number.contains('.') && part.is_empty()) {
            return None;
        }
        let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
        let digits: u64 = format!("{whole}{part}").parse().ok()?;
        Some(Self(digits.checked_mul(*bytes)? / scale))
    }
}

impl fmt::Display for FileSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: [(&str, u64, u64); 5] = [
            ("GiB", 1 << 30, 1 << 30),
            ("MiB", 1 << 20, 1 << 20),
            ("GB", 1_000_000_000, 100_000_000),
            ("MB", 1_000_000, 100_000),
            ("kB", 1_000, 100),
        ];
        let exact = SHOWN.iter().find(|(_, bytes, step)| self.0 >= *bytes && self.0.is_multiple_of(*step));
        let rounded = || SHOWN.iter().skip(2).find(|(_, bytes, _)| self.0 >= *bytes);
        let Some((unit, bytes, _)) = exact.or_else(rounded) else { return write!(f, "{} bytes", self.0) };
        // Rounded up: what is over a limit shall not look as if it kept it.
        let tenths = self.0.saturating_mul(10).div_ceil(*bytes);
        match (tenths / 10, tenths % 10) {
            (whole, 0) => write!(f, "{whole} {unit}"),
            (whole, tenth) => write!(f, "{whole}.{tenth} {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("25MB", 25_000_000),
            ("25 MiB", 26_214_400),
            ("25m", 26_214_400),
            ("1.5 kB", 1_500),
            ("1048576", 1_048_576),
            ("10 bytes", 10),
            ("2G", 2 << 30),
            (" 3 gb ", 3_000_000_000),
        ] {
            assert_eq!(FileSize::parse(text), Some(FileSize(bytes)), "{text}");
        }
        for bad in ["", "MB", "25 XB", "-1", "1.", "1.2.3", "99999999999999999999", "1,5MB"] {
            assert_eq!(FileSize::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_over_a_limit_never_looks_as_if_it_kept_it() {
        assert_eq!(FileSize(25_000_000).to_string(), "25 MB");
        assert_eq!(FileSize(25_000_001).to_string(), "25.1 MB");
        assert_eq!(FileSize(31_457_281).to_string(), "31.5 MB");
        assert_eq!(FileSize(1 << 20).to_string(), "1 MiB");
        assert_eq!(FileSize(1_500_000).to_string(), "1.5 MB");
        assert_eq!(FileSize(150_000).to_string(), "150 kB");
        assert_eq!(FileSize(1_234_567_890).to_string(), "1.3 GB");
        assert_eq!(FileSize(999).to_string(), "999 bytes");
    }
}
