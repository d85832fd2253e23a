//! The scripts: text for a shell, made from an [`Order`].

mod posix;
mod windows;

use super::order::{Order, Platform};

pub(super) use posix::quoted as posix_quoted;
pub(super) use windows::encoded_command;

/// The script that lets these lines of `authorized_keys` in.
#[must_use]
pub fn script(order: &Order, lines: &[String]) -> String {
    match order.platform {
        Platform::Windows => windows::script(order, lines),
        Platform::Ubuntu | Platform::Debian | Platform::Rhel => posix::script(order, lines),
    }
}
