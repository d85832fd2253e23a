//! Reads the times that builders write into their exports. Only for comparing: a time without a zone counts as UTC.

/// Nanoseconds since the Unix epoch.
pub(super) type Instant = i128;

const NANOS: i128 = 1_000_000_000;

/// Reads `27-03-2025 06:23:08` (the day always first), RFC 3339, or seconds or milliseconds since the epoch.
pub(super) fn parse_text(text: &str) -> Option<Instant> {
    parse_epoch(text).or_else(|| parse_day_first(text)).or_else(|| parse_rfc3339(text))
}

/// Reads seconds (9 to 11 digits, so not before 1973) or milliseconds (12 to 14 digits) since the epoch.
///
/// Small numbers are versions and counters, not times.
pub(super) fn parse_epoch(text: &str) -> Option<Instant> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let value = i128::from(digits(whole)?);
    let unit = match whole.len() {
        9..=11 => NANOS,
        12..=14 => 1_000_000,
        _ => return None,
    };
    Some(value * unit + fraction_nanos(fraction)? * unit / NANOS)
}

/// `DD-MM-YYYY HH:MM:SS`.
fn parse_day_first(text: &str) -> Option<Instant> {
    let (date, time) = text.split_once(' ')?;
    let [day, month, year] = fields(date, '-', [2, 2, 4])?;
    Some(date_nanos(year, month, day)? + time_nanos(time)?)
}

/// RFC 3339 section 5.6, with a space for the `T` allowed as its note says.
fn parse_rfc3339(text: &str) -> Option<Instant> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let (clock, zone_minutes) = split_zone(rest)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    Some(date_nanos(year, month, day)? + time_nanos(clock)? + fraction_nanos(fraction)? - zone_minutes * 60 * NANOS)
}

fn split_zone(clock_and_zone: &str) -> Option<(&str, i128)> {
    if let Some(clock) = clock_and_zone.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let (clock, zone) = clock_and_zone.split_at_checked(clock_and_zone.rfind(['+', '-'])?)?;
    let [hours, minutes] = fields(zone.get(1..)?, ':', [2, 2])?;
    let offset = i128::from(hours * 60 + minutes);
    Some((clock, if zone.starts_with('-') { -offset } else { offset }))
}

fn time_nanos(clock: &str) -> Option<i128> {
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    // 60 is a leap second.
    (hour < 24 && minute < 60 && second <= 60).then(|| i128::from(hour * 3600 + minute * 60 + second) * NANOS)
}

fn date_nanos(year: u64, month: u64, day: u64) -> Option<i128> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last_day = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > last_day {
        return None;
    }
    // Days from 1 March of year 0, so that the leap day is the last of its year; 719,468 of them before 1970.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some((i128::from(days) - 719_468) * 86_400 * NANOS)
}

fn fraction_nanos(fraction: &str) -> Option<i128> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits(&format!("{fraction:0<9}").chars().take(9).collect::<String>()).map(i128::from)
}

fn fields<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut values = [0; N];
    for (value, width) in values.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width)?;
        *value = digits(part)?;
    }
    parts.next().is_none().then_some(values)
}

fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_every_form_of_one_instant() {
        let nanos = Some(1_743_056_588 * NANOS);
        for text in [
            "27-03-2025 06:23:08",
            "2025-03-27T06:23:08Z",
            "2025-03-27T08:23:08+02:00",
            "2025-03-27 01:23:08.000-05:00",
            "1743056588",
            "1743056588000",
        ] {
            assert_eq!(parse_text(text), nanos, "{text}");
        }
        assert_eq!(parse_text("1970-01-01T00:00:00.25Z"), Some(NANOS / 4));
        assert_eq!(parse_text("29-02-2024 00:00:00"), parse_text("2024-02-29T00:00:00Z"));
    }

    #[test]
    fn the_day_is_always_first_and_what_is_no_time_is_refused() {
        assert!(
            parse_text("03-04-2025 00:00:00")
                < parse_text("04-03-2025 00:00:00").map(|march| march + 31 * 86_400 * NANOS)
        );
        assert!(parse_text("01-12-2024 00:00:00") > parse_text("12-01-2024 00:00:00"));
        for text in ["", "3", "3.5.7", "03-27-2025 06:23:08", "29-02-2025 00:00:00", "27-03-2025", "x", "1743056588e3"]
        {
            assert_eq!(parse_text(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in r"[0-9TtZz:+. -]{0,40}|\PC{0,20}") {
            let _ = parse_text(&text);
        }
    }
}
