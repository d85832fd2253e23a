//! The causes of a refused login, in the order in which sshd comes to them.

mod account;
mod line;
mod place;

use super::facts::Facts;
pub(super) use line::tunnel_causes;

/// A cause, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) words: String,
    pub(super) remedy: String,
}

fn cause(words: impl Into<String>, remedy: impl Into<String>) -> Cause {
    Cause { words: words.into(), remedy: remedy.into() }
}

/// Every cause that is found; none when the server has nothing against the login, and commands run.
pub(super) fn causes(user: &str, facts: &Facts) -> Vec<Cause> {
    let mut found = refusals(user, facts);
    found.extend(account::without_commands(user, facts));
    found
}

/// Every cause that is found for a refused login.
pub(super) fn refusals(user: &str, facts: &Facts) -> Vec<Cause> {
    if facts.of("account").is_none() {
        return vec![cause(format!("there is no account {user}"), "run `appferry host setup`, which makes it")];
    }
    let mut found = account::account(user, facts);
    found.extend(account::admission(user, facts));
    found.extend(place::file(user, facts));
    found.extend(place::rights(facts));
    found.extend(line::key(facts));
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
        let of_rsa =
            FINE.replace("ssh-ed25519", "ssh-rsa").replace("end=", "sshd=pubkeyacceptedalgorithms rsa-sha2-256\nend=");
        assert_eq!(causes("dronahq", &Facts::read(&of_rsa).unwrap()), []);
        let by_name =
            FINE.replace("end=", "sshd=denyusers dronahq@*.example.com\nsshd=allowusers dronahq@*.example.com\nend=");
        assert_eq!(causes("dronahq", &Facts::read(&by_name).unwrap()), [], "only the server knows names of hosts");
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
            (only("line=restrict ssh-ed25519 AAAA x\n", "odd=/home/dronahq/k\n"), "/home/dronahq/k is not a file"),
            (
                only("line=restrict ssh-ed25519 AAAA x\n", "closed=0 0 700 directory /home\n"),
                "cannot enter the folder /home (of user 0, mode 700); run `chmod a+x /home`",
            ),
            (with("no_shell=is not there"), "the shell /bin/sh, which is not there"),
            (with("untold=line 3: Bad"), "does not tell its settings (line 3: Bad)"),
            (with("sshd=pubkeyacceptedalgorithms rsa-sha2-512,ssh-rsa"), "leaves out ssh-ed25519"),
            (only("line=restrict ", "line=restrict,Pty,foo=\"1\" "), "does not know (foo)"),
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
        assert_eq!(of("line=restrict ", &format!("sshd=permitopen web:1 *:5432\n{open}")), "");
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
