//! Who runs this program, for what is noted of a person's acts.

use std::fs;

use super::Environment;

/// The account and the machine, such as `ops@server-1`, and behind `sudo` who that was: `root@server-1 (sudo by jo)`.
#[must_use]
pub fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let system = rustix::system::uname();
    described(uid, &accounts, &system.nodename().to_string_lossy(), &Environment::of_this_process())
}

fn described(uid: u32, accounts: &str, machine: &str, environment: &Environment) -> String {
    let variable = |name: &str| environment.value(name).map(tame).filter(|value| !value.is_empty());
    // What the system says comes first: anybody can set `USER`.
    let account = account_name(uid, accounts).or_else(|| variable("USER")).unwrap_or_else(|| format!("uid {uid}"));
    let sudo = variable("SUDO_USER").map(|user| format!(" (sudo by {user})")).unwrap_or_default();
    format!("{account}@{}{sudo}", tame(machine))
}

/// The name of the account in `/etc/passwd`.
fn account_name(uid: u32, accounts: &str) -> Option<String> {
    let has_id = |line: &&str| line.split(':').nth(2).is_some_and(|id| id == uid.to_string());
    accounts.lines().find(has_id)?.split(':').next().map(tame).filter(|name| !name.is_empty())
}

/// One short word for a log.
fn tame(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/sh\njo:x:1000:1000::/home/jo:/bin/sh\n";

    #[test]
    fn is_the_account_of_the_system_before_what_the_environment_says() {
        let environment = Environment::of([("USER", "somebody")]);
        assert_eq!(described(1000, ACCOUNTS, "server-1", &environment), "jo@server-1");
        assert_eq!(described(1001, ACCOUNTS, "server-1", &environment), "somebody@server-1");
        assert_eq!(described(1001, "", "server-1", &Environment::default()), "uid 1001@server-1");
    }

    #[test]
    fn names_who_is_behind_sudo_and_lets_nothing_break_a_line() {
        let environment = Environment::of([("SUDO_USER", "jo\nroot")]);
        assert_eq!(described(0, ACCOUNTS, "server-1", &environment), "root@server-1 (sudo by joroot)");
    }
}
