//! Words of a server, made fit for a log line, a status and a terminal.

/// The most that is kept of what a server said, in bytes.
pub(crate) const LIMIT: usize = 4096;

/// `bytes` as text without colours, control characters and `remote:` decoration; lines are joined with `; `.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text = without_escapes(&String::from_utf8_lossy(bytes));
    let mut kept = String::new();
    for line in text.split(['\n', '\r']).map(|line| line.trim().trim_start_matches("remote:").trim()) {
        if line.is_empty() || line.chars().all(|c| "=-*#_".contains(c)) {
            continue;
        }
        if !kept.is_empty() {
            kept.push_str("; ");
        }
        kept.push_str(line);
        if kept.len() > LIMIT {
            kept.truncate(kept.floor_char_boundary(LIMIT));
            kept.push('…');
            break;
        }
    }
    kept
}

/// Takes out ANSI escape sequences (ECMA-48 section 5.4: CSI up to its final byte, OSC up to its end) and control characters.
fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
                Some(']') => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
                _ => {}
            },
            '\n' | '\r' => kept.push(c),
            '\t' => kept.push(' '),
            c if c.is_control() || is_reordering(c) => {}
            c => kept.push(c),
        }
    }
    kept
}

/// Characters that make a terminal show text in another order than it is (Unicode UAX #9).
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_and_frames_are_taken_off() {
        let said = b"remote: \n========\nremote: \x1b[1;31mno\x1b[0m pushes\r\n\x1b]0;title\x07on friday\n\n";
        assert_eq!(clean(said), "no pushes; on friday");
    }

    #[test]
    fn long_words_are_cut() {
        let cut = clean("ä\n".repeat(10_000).as_bytes());
        assert!(cut.len() < LIMIT + 10 && cut.ends_with('…'));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_no_control_character_remains(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(clean(&bytes).chars().all(|c| !c.is_control()));
        }
    }
}
