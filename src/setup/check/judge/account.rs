//! What the account, and the rules of sshd about who may log in, have against a login.

use super::{Cause, cause};
use crate::setup::check::facts::Facts;
use crate::setup::narrow::{from_matches, wildcard};

pub(super) fn account(user: &str, facts: &Facts) -> Vec<Cause> {
    let mut found = Vec::new();
    if facts.of("locked").is_some() && facts.is_set("usepam", "no") {
        let words = format!("the account {user} is locked (`!` in its password field), which sshd refuses without PAM");
        found.push(cause(words, format!("run `usermod -p '*' {user}`: no password, and no lock")));
    }
    if facts.of("ended").is_some() {
        found.push(cause(
            format!("the account {user} has expired"),
            format!("run `chage -E -1 {user}`, if it shall log in"),
        ));
    }
    if let Some(why) = facts.of("no_shell") {
        let words = format!("the account {user} has the shell {}, which {why}", facts.of("shell").unwrap_or_default());
        found.push(cause(words, format!("run `usermod -s /bin/sh {user}`")));
    }
    found
}

/// With such a shell the login is let in, for tunnels.
pub(super) fn without_commands(user: &str, facts: &Facts) -> Option<Cause> {
    let shell = facts.of("shell")?;
    let runs_nothing = shell.ends_with("/nologin") || shell.ends_with("/false");
    let remedy = format!("run `usermod -s /bin/sh {user}`");
    (runs_nothing && facts.of("no_shell").is_none())
        .then(|| cause(format!("the account {user} has the shell {shell}"), remedy))
}

pub(super) fn admission(user: &str, facts: &Facts) -> Vec<Cause> {
    let mut found = Vec::new();
    if let Some(said) = facts.of("untold") {
        let words = format!("sshd does not tell its settings ({said})");
        found.push(cause(words, "mend what `sshd -t` says on the server, and reload sshd"));
    }
    let address = facts.of("address").unwrap_or_default();
    let groups: Vec<&str> = facts.of("groups").unwrap_or_default().split_ascii_whitespace().collect();
    // Where the name of a host decides, which only the server knows, nothing is said against the login.
    let names_user =
        |patterns: &[&str], unknown| patterns.iter().any(|pattern| is_user(pattern, user, address).unwrap_or(unknown));
    let names_group =
        |patterns: &[&str]| patterns.iter().any(|pattern| groups.iter().any(|group| wildcard(pattern, group)));
    for (setting, refuses) in [
        ("denyusers", names_user(&facts.setting("denyusers"), false)),
        ("allowusers", !facts.setting("allowusers").is_empty() && !names_user(&facts.setting("allowusers"), true)),
        ("denygroups", names_group(&facts.setting("denygroups"))),
        ("allowgroups", !facts.setting("allowgroups").is_empty() && !names_group(&facts.setting("allowgroups"))),
    ] {
        if refuses {
            let (name, whom) = (camel(setting), facts.setting(setting).join(" "));
            let words = format!("{name} in sshd_config keeps {user} out ({name} {whom})");
            found.push(cause(words, format!("change {name} so that {user} may log in, and reload sshd")));
        }
    }
    if facts.is_set("pubkeyauthentication", "no") {
        found.push(cause("PubkeyAuthentication is off in sshd_config", "switch it on, and reload sshd"));
    }
    let methods = facts.setting("authenticationmethods");
    if !methods.is_empty() && !methods.iter().any(|method| matches!(*method, "any" | "publickey")) {
        let words = format!("AuthenticationMethods in sshd_config wants more than a key ({})", methods.join(" "));
        found.push(cause(words, format!("let a key suffice for {user}, in a `Match User {user}` block")));
    }
    if facts.of("account") == Some("0") && facts.is_set("permitrootlogin", "no") {
        found.push(cause(
            "PermitRootLogin in sshd_config keeps root out",
            "use another account, or `prohibit-password`",
        ));
    }
    found
}

/// `name`, or `name@host` as `AllowUsers` has it; `None` where the name of a host decides.
fn is_user(pattern: &str, user: &str, address: &str) -> Option<bool> {
    match pattern.split_once('@') {
        Some((name, _)) if !wildcard(name, user) => Some(false),
        Some((_, host)) => from_matches(host, address),
        None => Some(wildcard(pattern, user)),
    }
}

fn camel(setting: &str) -> &'static str {
    match setting {
        "denyusers" => "DenyUsers",
        "allowusers" => "AllowUsers",
        "denygroups" => "DenyGroups",
        _ => "AllowGroups",
    }
}
