//! What the file with the keys, and the folders above it, have against a login.

use std::path::Path;

use super::{Cause, cause};
use crate::setup::check::facts::{Facts, Place};

/// The key is not where sshd looks, or the account cannot get there.
pub(super) fn file(user: &str, facts: &Facts) -> Vec<Cause> {
    if !facts.lines.is_empty() {
        return Vec::new();
    }
    if !facts.closed.is_empty() || !facts.odd.is_empty() {
        let closed = facts.closed.iter().filter(|place| has_right_owner(place, facts)); // else `rights` names it
        let odd = facts.odd.iter().map(|path| {
            cause(
                format!("{path} is not a file, which sshd passes over"),
                format!("run `mv {path} {path}.old`, then `appferry host setup`"),
            )
        });
        return closed.map(|place| unreachable_for(user, place, facts)).chain(odd).collect();
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

/// sshd goes there with the rights of the account, not of root.
fn unreachable_for(user: &str, place: &Place, facts: &Facts) -> Cause {
    let Place { owner, mode, is_folder, path, .. } = place;
    let (verb, what) = if *is_folder { ("enter", "folder") } else { ("read", "file") };
    let words = format!("the account {user} cannot {verb} the {what} {path} (of user {owner}, mode {mode:o})");
    let is_inside = facts.of("inside").is_some_and(|home| Path::new(path).starts_with(home));
    let remedy = match (is_inside, is_folder) {
        (true, _) if Some(*owner) != account(facts) => format!("run `chown {user} {path}`"),
        (true, _) => format!("run `chmod u+rwX {path}`"),
        (false, true) => format!("run `chmod a+x {path}`"),
        (false, false) => format!("run `chmod a+r {path}`"),
    };
    cause(words, remedy)
}

fn account(facts: &Facts) -> Option<u32> {
    facts.of("account").and_then(|uid| uid.parse().ok())
}

fn has_right_owner(place: &Place, facts: &Facts) -> bool {
    place.owner == 0 || Some(place.owner) == account(facts)
}

/// What `StrictModes` refuses: that anybody else could write there.
pub(super) fn rights(facts: &Facts) -> Vec<Cause> {
    if facts.is_set("strictmodes", "no") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let private: Option<u32> = facts.of("private").and_then(|gid| gid.parse().ok());
    for place in &facts.places {
        let Place { owner, group, mode, is_folder, path } = place;
        let what = if *is_folder { "folder" } else { "file" };
        if !has_right_owner(place, facts) {
            let words = format!("the {what} {path} belongs to user {owner}, which sshd refuses");
            found.push(cause(words, format!("run `chown {} {path}`", account(facts).unwrap_or_default())));
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
