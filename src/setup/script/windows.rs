//! The script for Windows Server.

use std::fmt::Write as _;

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

/// One value for `PowerShell`. What is not ASCII stands there by its number: Windows `PowerShell` reads a file without a mark at its start
/// in the code page of the system, and takes typographic quotes for quotes.
fn quoted(text: &str) -> String {
    let mut inside = String::new();
    for c in text.chars() {
        match c {
            '\'' => inside.push_str("''"),
            c if c.is_ascii() => inside.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _infallible = write!(inside, "' + [char]0x{unit:04x} + '");
                }
            }
        }
    }
    if text.is_ascii() { format!("'{inside}'") } else { format!("('{inside}')") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_one_string() {
        assert_eq!(quoted("it's $x `n"), "'it''s $x `n'");
        assert_eq!(quoted("it\u{2019}s"), "('it' + [char]0x2019 + 's')");
        assert_eq!(quoted("\u{1f600}"), "('' + [char]0xd83d + '' + [char]0xde00 + '')");
    }
}
