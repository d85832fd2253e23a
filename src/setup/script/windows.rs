//! The script for Windows Server.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::setup::order::Order;

const TEXT: &str = include_str!("windows.ps1");

/// Reads a whole script from standard input before any of it runs.
const READ_ALL: &str = "$ErrorActionPreference = 'Stop'; & ([scriptblock]::Create([Console]::In.ReadToEnd()))";

pub(super) fn script(order: &Order, lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| quoted(line)).collect();
    let text = TEXT
        .replace("@USER@", &quoted(order.user.as_str()))
        .replace("@MARKER@", &quoted(&order.marker))
        .replace("@LINES@", &lines.join(", ")); // last: what people wrote is in there
    text.replace('\n', "\r\n")
}

/// The command that runs a script which comes on standard input, in any shell that sshd may start there.
pub(in crate::setup) fn encoded_command() -> String {
    let utf16: Vec<u8> = READ_ALL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!(
        "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {}",
        BASE64_STANDARD.encode(utf16)
    )
}

/// One string for `PowerShell`, which takes typographic quotes for quotes, too.
fn quoted(text: &str) -> String {
    let doubled = |c: char| match c {
        '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => vec![c, c],
        other => vec![other],
    };
    format!("'{}'", text.chars().flat_map(doubled).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_one_string() {
        assert_eq!(quoted("it's $x `n"), "'it''s $x `n'");
        assert_eq!(quoted("it\u{2019}s"), "'it\u{2019}\u{2019}s'");
    }
}
