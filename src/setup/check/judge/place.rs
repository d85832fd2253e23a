//! What the file with the keys, and the folders above it, have against a login.

use super::{Cause, cause};
use crate::setup::check::facts::{Facts, Place};

/// The key is not where sshd looks.
pub(super) fn file(user: &str, facts: &Facts) -> Vec<Cause> {
    if !facts.lines.is_empty() {
        return Vec::new();
    }
    let places = facts.setting("authorizedkeysfile").join(" ");
    let is_in_usual_file = facts.of("usual").is_some_and(|count| count != "0");
    if is_in_usual_file {
        let words = format!("the key is in ~{user}/.ssh/authorized_keys, but sshd reads {places} (AuthorizedKeysFile)");
        return vec![cause(
            words,
            "add .ssh/authorized_keys to AuthorizedKeysFile and reload sshd, or put the line there",
        )];
    }
    let Some(home) = facts.of("home") else { return Vec::new() };
    let words = if facts.files.is_empty() {
        let places = if places.is_empty() { format!("{home}/.ssh/authorized_keys") } else { places };
        format!("there is no file with keys: sshd looks for {places}")
    } else {
        format!("the key is not in {}", facts.files.join(" or "))
    };
    vec![cause(words, "run `appferry host setup`, which adds it")]
}

/// What `StrictModes` refuses: that anybody else could write there.
pub(super) fn rights(facts: &Facts) -> Vec<Cause> {
    if facts.is_set("strictmodes", "no") {
        return Vec::new();
    }
    let account: Option<u32> = facts.of("account").and_then(|uid| uid.parse().ok());
    let mut found = Vec::new();
    let private: Option<u32> = facts.of("private").and_then(|gid| gid.parse().ok());
    for Place { owner, group, mode, is_folder, path } in &facts.places {
        let what = if *is_folder { "folder" } else { "file" };
        if *owner != 0 && Some(*owner) != account {
            let words = format!("the {what} {path} belongs to user {owner}, which sshd refuses");
            found.push(cause(words, format!("run `chown {} {path}`", account.unwrap_or_default())));
        }
        let writable = if private == Some(*group) { 0o002 } else { 0o022 };
        if mode & writable != 0 {
            let who = if mode & 0o002 != 0 { "everybody" } else { "its group" };
            let words = format!("{who} may write to the {what} {path} (mode {mode:o}), which sshd refuses");
            found.push(cause(words, format!("run `chmod go-w {path}`")));
        }
    }
    found
}
