//! The script for Linux.

use crate::setup::order::{Order, Platform};

const TEXT: &str = include_str!("posix.sh");

/// The part of it that the account itself runs. It has no `'` in it, so that it reads in quotes as it does here.
const AS_THE_ACCOUNT: &str = include_str!("as_the_account.sh");

pub(super) fn script(order: &Order, lines: &[String]) -> String {
    let install = match order.platform {
        Platform::Rhel => "dnf install openssh-server && systemctl enable --now sshd",
        _ => "apt-get install openssh-server",
    };
    TEXT.replace("@AS_THE_ACCOUNT@", &quoted(AS_THE_ACCOUNT.trim_end()))
        .replace("@USER@", &quoted(order.user.as_str()))
        .replace("@MARKER@", &quoted(&order.marker))
        .replace("@INSTALL@", &quoted(install))
        .replace("@LINES@", &quoted(&lines.join("\n"))) // last: what people wrote is in there
}

/// One word for a POSIX shell, whatever is in it.
#[must_use]
pub(in crate::setup) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_of_the_account_reads_in_quotes_as_it_does_without() {
        assert!(!AS_THE_ACCOUNT.contains('\''));
    }

    #[test]
    fn what_people_wrote_is_one_word() {
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
    }
}
