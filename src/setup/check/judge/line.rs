//! What the key's line has against a login, and against a tunnel.

use super::{Cause, cause};
use crate::setup::check::facts::Facts;
use crate::setup::key_line::KeyLine;
use crate::setup::narrow::{Destination, from_matches, wildcard};

/// The options that sshd knows (`AUTHORIZED_KEYS FILE FORMAT` in sshd(8)), in lower case. It passes over a line with another one.
const KNOWN: [&str; 22] = [
    "agent-forwarding",
    "cert-authority",
    "command",
    "environment",
    "expiry-time",
    "from",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-pty",
    "no-touch-required",
    "no-user-rc",
    "no-x11-forwarding",
    "permitlisten",
    "permitopen",
    "port-forwarding",
    "principals",
    "pty",
    "restrict",
    "tunnel",
    "user-rc",
    "verify-required",
    "x11-forwarding",
];

/// What the line itself has against the login. sshd takes the first line that fits.
pub(super) fn key(facts: &Facts) -> Vec<Cause> {
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
    if let Some(name) = line.options().find(|name| !KNOWN.contains(&name.to_ascii_lowercase().as_str())) {
        let words = format!("the key's line has an option that sshd does not know ({name})");
        found.push(cause(words, "take it out, or run `appferry host setup`, which writes its line anew"));
    }
    let settings = ["pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"]; // now, and before OpenSSH 8.5
    let accepted: Vec<&str> =
        settings.iter().flat_map(|name| facts.setting(name)).flat_map(|list| list.split(',')).collect();
    if !accepted.is_empty() && !line.signs_by().any(|by| accepted.iter().any(|pattern| wildcard(pattern, by))) {
        let words =
            format!("PubkeyAcceptedAlgorithms in sshd_config leaves out {} ({})", line.kind, accepted.join(","));
        found.push(cause(words, "add it there, and reload sshd; or use a key of another type"));
    }
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
pub(in crate::setup::check) fn tunnel_causes(destination: &Destination, facts: &Facts) -> Vec<Cause> {
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
    let is_listed = |known: &&str| Destination::listed(known).is_ok_and(|known| known.covers(destination));
    if !listed.is_empty() && listed != ["any"] && !listed.iter().any(is_listed) {
        let words = format!("PermitOpen in sshd_config does not name {destination} ({})", listed.join(" "));
        found.push(cause(words, "add it there, and reload sshd"));
    }
    found
}
