//! The causes of a refused login, in the order in which sshd comes to them.

use super::facts::{Facts, Place};
use crate::setup::key_line::KeyLine;
use crate::setup::narrow::{Destination, from_matches, wildcard};

/// A cause, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) words: String,
    pub(super) remedy: String,
}

fn cause(words: impl Into<String>, remedy: impl Into<String>) -> Cause {
    Cause { words: words.into(), remedy: remedy.into() }
}

/// Every cause that is found; none when the server has nothing against the login.
pub(super) fn causes(user: &str, facts: &Facts) -> Vec<Cause> {
    if facts.of("account").is_none() {
        return vec![cause(format!("there is no account {user}"), "run `appferry host setup`, which makes it")];
    }
    let mut found = account(user, facts);
    found.extend(admission(user, facts));
    found.extend(file(user, facts));
    found.extend(rights(facts));
    found.extend(key(facts));
    found
}

fn account(user: &str, facts: &Facts) -> Vec<Cause> {
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
    let shell = facts.of("shell").unwrap_or_default();
    if shell.ends_with("/nologin") || shell.ends_with("/false") {
        found.push(cause(
            format!("the account {user} has the shell {shell}"),
            format!("run `usermod -s /bin/sh {user}`"),
        ));
    }
    found
}

fn admission(user: &str, facts: &Facts) -> Vec<Cause> {
    let mut found = Vec::new();
    let address = facts.of("address").unwrap_or_default();
    let groups: Vec<&str> = facts.of("groups").unwrap_or_default().split_ascii_whitespace().collect();
    let names_user = |patterns: &[&str]| patterns.iter().any(|pattern| is_user(pattern, user, address));
    let names_group =
        |patterns: &[&str]| patterns.iter().any(|pattern| groups.iter().any(|group| wildcard(pattern, group)));
    for (setting, refuses) in [
        ("denyusers", names_user(&facts.setting("denyusers"))),
        ("allowusers", !facts.setting("allowusers").is_empty() && !names_user(&facts.setting("allowusers"))),
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

/// `name`, or `name@host` as `AllowUsers` has it.
fn is_user(pattern: &str, user: &str, address: &str) -> bool {
    match pattern.split_once('@') {
        Some((name, host)) => wildcard(name, user) && from_matches(host, address) != Some(false),
        None => wildcard(pattern, user),
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

/// The key is not where sshd looks.
fn file(user: &str, facts: &Facts) -> Vec<Cause> {
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
fn rights(facts: &Facts) -> Vec<Cause> {
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

/// What the line itself has against the login. sshd takes the first line that fits.
fn key(facts: &Facts) -> Vec<Cause> {
    let read: Vec<KeyLine> = facts.lines.iter().filter_map(|line| KeyLine::read(line)).collect();
    if read.is_empty() && !facts.lines.is_empty() {
        return vec![cause("the key's line cannot be read by sshd", "run `appferry host setup`, which writes it anew")];
    }
    let of_each: Vec<Vec<Cause>> = read.iter().map(|line| line_causes(line, facts)).collect();
    // One line that fits is enough.
    if of_each.iter().any(Vec::is_empty) { Vec::new() } else { of_each.into_iter().next().unwrap_or_default() }
}

fn line_causes(line: &KeyLine, facts: &Facts) -> Vec<Cause> {
    let mut found = Vec::new();
    if let Some(end) = line.option("expiry-time") {
        let (digits, now) = match end.strip_suffix('Z') {
            Some(digits) => (digits, facts.of("utc")),
            None => (end, facts.of("time")),
        };
        let full = format!("{digits:0<14}");
        if now.is_some_and(|now| now > full.as_str()) {
            let words = format!("the key has expired on the server (expiry-time {end})");
            found.push(cause(words, "run `appferry host setup` with a later `--expires`, or without it"));
        }
    }
    if let (Some(list), Some(address)) = (line.option("from"), facts.of("address"))
        && from_matches(list, address) == Some(false)
    {
        let words = format!("the key may come from {list} only, and comes from {address} (from=)");
        found.push(cause(words, "run `appferry host setup` with the right `--from`"));
    }
    found
}

/// Why a tunnel to this target is not let through.
pub(super) fn tunnel_causes(destination: &Destination, facts: &Facts) -> Vec<Cause> {
    let mut found = Vec::new();
    let lines: Vec<KeyLine> = facts.lines.iter().filter_map(|line| KeyLine::read(line)).collect();
    if !lines.is_empty() && !lines.iter().any(|line| line.permits(destination)) {
        let remedy = format!("run `appferry host setup` with `--permit-open {destination}`");
        found.push(cause(format!("the key's line allows no tunnel to {destination}"), remedy));
    }
    let allowed = facts.setting("allowtcpforwarding");
    if matches!(allowed.as_slice(), ["no" | "remote"]) || facts.is_set("disableforwarding", "yes") {
        let words = "AllowTcpForwarding or DisableForwarding in sshd_config lets no tunnel through";
        found.push(cause(words, "set AllowTcpForwarding to local, DisableForwarding to no, and reload sshd"));
    }
    let listed = facts.setting("permitopen");
    let is_listed = |known: &&str| known.parse::<Destination>().is_ok_and(|known| known.covers(destination));
    if !listed.is_empty() && listed != ["any"] && !listed.iter().any(is_listed) {
        let words = format!("PermitOpen in sshd_config does not name {destination} ({})", listed.join(" "));
        found.push(cause(words, "add it there, and reload sshd"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "uid=0\ntime=20270101120000\nutc=20270101110000\naddress=10.0.0.7\naccount=1001\nshell=/bin/sh\n\
        home=/home/dronahq\ngroups=dronahq\nsshd=usepam no\nsshd=strictmodes yes\nsshd=authorizedkeysfile .ssh/authorized_keys\n\
        usual=1\nfile=/home/dronahq/.ssh/authorized_keys\npath=1001 1001 600 regular_file /home/dronahq/.ssh/authorized_keys\n\
        path=1001 1001 700 directory /home/dronahq/.ssh\npath=1001 1001 755 directory /home/dronahq\nline=restrict ssh-ed25519 AAAA x\n\
        end=yes\n";

    /// The only cause with one line of the facts in place of another.
    fn only(old: &str, new: &str) -> String {
        assert!(FINE.contains(old), "{old}");
        let found = causes("dronahq", &Facts::read(&FINE.replace(old, new)).unwrap());
        assert_eq!(found.len(), 1, "{new}: {found:?}");
        format!("{}; {}", found[0].words, found[0].remedy)
    }

    #[test]
    fn with_nothing_wrong_there_is_no_cause_and_half_an_answer_is_none() {
        assert_eq!(causes("dronahq", &Facts::read(FINE).unwrap()), []);
        assert_eq!(Facts::read("uid=0\naccount=1\n"), None);
    }

    #[test]
    fn each_cause_is_named() {
        let with = |line: &str| only("end=yes", &format!("{line}\nend=yes"));
        for (words, part) in [
            (only("account=1001\n", ""), "no account dronahq"),
            (with("locked=yes"), "is locked"),
            (with("ended=yes"), "has expired"),
            (only("shell=/bin/sh", "shell=/usr/sbin/nologin"), "nologin"),
            (with("sshd=allowusers admin\nsshd=allowusers ad?"), "AllowUsers admin ad?"),
            (with("sshd=denyusers dron*"), "DenyUsers"),
            (with("sshd=allowusers dronahq@192.0.2.*"), "AllowUsers"),
            (with("sshd=allowgroups wheel"), "AllowGroups"),
            (with("sshd=pubkeyauthentication no"), "PubkeyAuthentication"),
            (with("sshd=authenticationmethods publickey,password"), "more than a key"),
            (only("line=restrict ssh-ed25519 AAAA x\n", ""), "AuthorizedKeysFile"),
            (
                only("1001 755 directory /home", "1001 775 directory /home"),
                "its group may write to the folder /home/dronahq (mode 775)",
            ),
            (only("1001 700 directory", "1001 777 directory"), "everybody may write"),
            (only("1001 1001 600 regular", "1002 1001 600 regular"), "belongs to user 1002"),
            (only("line=restrict ", "line=expiry-time=\"20200101\" "), "expired on the server"),
            (only("line=restrict ", "line=from=\"192.0.2.0/24\" "), "comes from 10.0.0.7"),
        ] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn a_tunnel_that_is_refused_is_explained() {
        let of = |old: &str, new: &str| {
            let facts = Facts::read(&FINE.replace(old, new)).unwrap();
            let found = tunnel_causes(&"db:5432".parse().unwrap(), &facts);
            found.into_iter().map(|cause| cause.words).collect::<Vec<_>>().join("|")
        };
        assert_eq!(of("", ""), "the key's line allows no tunnel to db:5432");
        let open = "line=restrict,port-forwarding,permitopen=\"db:*\" ";
        assert_eq!(of("line=restrict ", open), "");
        assert!(of("line=restrict ", &format!("sshd=allowtcpforwarding no\n{open}")).starts_with("AllowTcpForwarding"));
        assert!(of("line=restrict ", &format!("sshd=permitopen db:1 web:5432\n{open}")).starts_with("PermitOpen"));
    }

    #[test]
    fn one_line_that_fits_is_enough_and_strict_modes_may_be_off() {
        let two = FINE.replace("line=restrict", "line=from=\"192.0.2.1\" ssh-ed25519 AAAA y\nline=restrict");
        assert_eq!(causes("dronahq", &Facts::read(&two).unwrap()), []);
        let lax = FINE.replace("strictmodes yes", "strictmodes no").replace("1001 755", "1001 777");
        assert_eq!(causes("dronahq", &Facts::read(&lax).unwrap()), []);
        let own_group = FINE.replace("1001 755", "1001 775").replace("end=", "private=1001\nend=");
        assert_eq!(causes("dronahq", &Facts::read(&own_group).unwrap()), []);
    }
}
