//! Programs that run what they are given: by their options, through other programs, and from standard input.

use super::tests::{fine, refused};

#[test]
fn options_with_a_word_hide_no_source() {
    refused(&[
        ("bash -euo pipefail -c {{x}}", "source by `bash`"),
        ("bash -eo pipefail -c {{x}}", "source by `bash`"),
        ("bash --rcfile /dev/null -c {{x}}", "source by `bash`"),
        ("bash --rcfile {{x}}", "source by `bash`"),
        ("sudo -E bash -eu -o pipefail -c {{x}}", "source by `bash`"),
        ("sh -c -e {{x}}", "source by `sh`"),
        ("bash -s -c {{x}}", "source by `bash`"),
        ("zsh -opipefail -c {{x}}", "source by `zsh`"),
        ("docker exec web bash -e -c {{x}}", "source by `bash`"),
        ("docker exec web bash -euo pipefail -c {{x}}", "source by `bash`"),
        ("docker exec web python3 -c {{x}}", "source by `python3`"),
        ("kubectl exec p -- perl -ne {{x}}", "source by `perl`"),
        ("setarch x86_64 bash -e -c {{x}}", "source by `bash`"),
        ("valgrind python3 -c {{x}}", "source by `python3`"),
        ("sshpass -p y ssh host {{x}}", "source by `ssh`"),
        ("time -f %e perl -e {{x}}", "source by `perl`"),
        ("time -o '%e' eval {{x}}", "source by `eval`"),
        ("timeout --signal KILL 5 perl -e {{x}}", "source by `perl`"),
        ("timeout --sig KILL 5 {{x}}", "choose the program"),
        ("sudo --user root {{x}}", "choose the program"),
        ("sudo -Hnu root {{x}}", "choose the program"),
        ("sudo -iu app {{x}}", "choose the program"),
        ("env --chdir . {{x}}", "choose the program"),
        ("env -{{x}} ls", "an option"),
        ("nice --adjustment 5 {{x}}", "choose the program"),
        ("stdbuf --output L {{x}}", "choose the program"),
        ("ionice --class 2 {{x}}", "choose the program"),
        ("systemd-run --unit foo --wait {{x}}", "choose the program"),
        ("nsenter --target 1 --mount {{x}}", "choose the program"),
        ("chroot --userspec=root / perl -e {{x}}", "source by `perl`"),
        ("xargs --max-args 1 {{x}}", "choose the program"),
        ("flock f -c {{x}}", "run by `flock -c`"),
        ("flock -n f --command {{x}}", "run by `flock -c`"),
        ("a[1]=b {{x}}", "choose the program"),
        ("a[1 + 1]=b eval {{x}}", "source by `eval`"),
        ("{fd}>out eval {{x}}", "source by `eval`"),
        ("jobs -x {{x}}", "choose the program"),
        ("mysql -uroot -e {{x}}", "run by `mysql`"),
        ("psql -tAc {{x}}", "run by `psql`"),
        ("psql -c $(echo {{x}})", "run by `psql`"),
        ("hash -p {{x}} lll; lll", "run by `hash`"),
        ("hash lll={{x}}", "name of a program"),
    ]);
}

#[test]
fn source_behind_source_is_read_too() {
    refused(&[
        ("sed -e p -e {{x}} f", "source by `sed`"),
        ("sed -i.bak -e s/a/b/ -e {{x}} f", "source by `sed`"),
        ("sed p f -e {{x}}", "source by `sed`"),
        ("sed -n -e p -f {{x}}", "source by `sed`"),
        ("perl -e 1 -e {{x}}", "source by `perl`"),
        ("perl -MTime::HiRes -e {{x}}", "source by `perl`"),
        ("perl -M{{x}} f", "source by `perl`"),
        ("node --require fs -e {{x}}", "source by `node`"),
        ("node -pe {{x}}", "source by `node`"),
        ("ruby -r json -e {{x}}", "source by `ruby`"),
        ("php -c f -r {{x}}", "source by `php`"),
        ("awk -f f -e {{x}}", "source by `awk`"),
        ("python3 -m {{x}}", "source by `python3`"),
        ("find . -exec grep -q a {} \\; -exec sh -c {{x}} \\;", "source by `sh`"),
        ("find . -exec chmod 644 {} + -exec {{x}} \\;", "choose the program"),
        ("fd --exec sh -c {{x}}", "source by `sh`"),
        ("git -C . -c {{x}} status", "run by `git`"),
        ("git --no-pager -c {{x}} status", "run by `git`"),
        ("git -c user.name=a -c {{x}} status", "run by `git`"),
        ("git rebase -x {{x}}", "run by `git`"),
        ("git rebase --exec={{x}} main", "run by"),
        ("git bisect run {{x}}", "choose the program"),
        ("git submodule --quiet foreach {{x}}", "source by `git submodule foreach`"),
    ]);
}

#[test]
fn what_reads_source_is_not_fed() {
    refused(&[
        ("echo {{x}} | docker exec -i web sh -s", "read as source by `sh`"),
        ("echo {{x}} | docker exec -i web bash -x", "read as source by `bash`"),
        ("kubectl exec -i pod -- bash -s <<<{{x}}", "read as source by `bash`"),
        ("echo {{x}} | ssh host bash", "read as source by `bash`"),
        ("echo {{x}} | ssh -T -p 22 host 'cd / && bash -s -- a'", "read as source by `bash`"),
        ("echo {{x}} | sed -f - f", "read as source by `sed`"),
        ("echo {{x}} | awk -f /dev/stdin f", "read as source by `awk`"),
        ("sh /dev/fd/3 3<<<{{x}}", "read as source by `sh`"),
        (". /dev/fd/3 3<<<{{x}}", "read as source by `.`"),
        ("python3 /proc/self/fd/0 <<<{{x}}", "read as source by `python3`"),
        ("echo {{x}} | make -f -", "read as source by `make`"),
        ("echo {{x}} | psql", "read as source by `psql`"),
        ("echo {{x}} | psql -f -", "read as source by `psql`"),
        ("echo {{x}} | mysql db", "read as source by `mysql`"),
        ("echo {{x}} | sqlite3 db", "read as source by `sqlite3`"),
        ("ed -s f <<<{{x}}", "read as source by `ed`"),
        ("echo {{x}} | find . -maxdepth 0 -exec sh \\;", "read as source by `sh`"),
        ("echo {{x}} | sudo -s", "read as source by `sudo`"),
        ("sudo -iu app <<<{{x}}", "read as source by `sudo`"),
        ("echo {{x}} | sh -c \"$(cat)\"", "read as source by `sh`"),
        ("echo {{x}} | sh -c 'cd / && sh'", "read as source by `sh`"),
        ("source <(cat) <<<{{x}}", "read as source by `source`"),
        ("echo {{x}} | eval \"$(cat)\"", "read as source by `eval`"),
    ]);
}

#[test]
fn what_xargs_reads_stands_in_the_command_that_it_runs() {
    refused(&[
        ("echo {{x}} | xargs -P 4 -I {} sh -c 'echo {}'", "source by `sh`"),
        ("printf '%s\\0' {{x}} | xargs -0I{} sh -c 'echo {}'", "source by `sh`"),
        ("printf '%s\\0' {{x}} | xargs -rI % sh -c 'echo %'", "source by `sh`"),
        ("echo {{x}} | xargs --replace sh -c 'echo {}'", "source by `sh`"),
        ("echo {{x}} | xargs -I{} docker exec web sh -c {}", "source by `sh`"),
        ("echo {{x}} | xargs -I{} ssh host {}", "source by `ssh`"),
        ("echo {{x}} | xargs -I{} {}", "choose the program"),
        ("echo {{x}} | xargs -I{} env {}", "choose the program"),
        ("echo {{x}} | xargs env", "choose the program"),
        ("echo {{x}} | xargs python3", "source by `python3`"),
        ("echo {{x}} | xargs -n1 sudo -u app", "choose the program"),
    ]);
}

#[test]
fn programs_get_values_as_data() {
    fine(&[
        "sed -e s/a/b/ {{x}}; sed -i.bak -e p {{x}} {{y}}; sed -nf fixed.sed {{x}}",
        "awk '{print $1}' {{x}}; awk -F: -v n={{x}} 'NR==1{print n}' f; awk -f fixed.awk {{x}}",
        "perl -ne 'print' {{x}}; perl -pi -e 's/a/b/' {{x}}; python3 -m json.tool {{x}}; node -r fs app.js {{x}}",
        "python3 - {{x}} <<'E'\nimport sys\nE",
        "bash -s {{x}} <<'E'\necho \"$1\"\nE",
        "bash script.sh -c {{x}}; bash -euo pipefail script.sh {{x}}; sh -ec 'ls \"$1\"' sh {{x}}",
        "psql -v v={{x}} -f q.sql; psql -U {{x}} -c 'select 1'; mysql -u {{x}} db <fixed.sql",
        "printf '%s' {{x}} | psql -c 'copy t from stdin'; printf '%s' {{x}} | sqlite3 db 'select 1'",
        "docker exec -u {{x}} web ls {{y}}; docker run --rm -e A={{x}} img bash fixed.sh {{y}}",
        "docker run -e UID={{x}} img; useradd -m -s /bin/bash -c {{x}} {{y}}; chsh -s /bin/zsh {{x}}",
        "echo {{x}} | xargs -n1 echo; echo {{x}} | xargs; printf '%s\\0' {{x}} | xargs -0 rm -f --",
        "echo {{x}} | xargs sed -i s/a/b/; echo {{x}} | xargs -I{} cp {} {}.bak; echo {{x}} | xargs sh fixed.sh",
        "printf '%s' {{x}} | ssh host 'cat >file'; ssh host 'cat > f' <<<{{x}}; ssh host -- ls",
        "git -C {{x}} status; git clone -b {{x}} {{y}}; git log -S {{x}}; git commit -m {{x}}; git rebase {{x}}",
        "git bisect run ./test.sh {{x}}; git submodule update --init {{x}}",
        "find {{x}} -type f -mtime +{{n}} -exec chmod {{y}} {} + -exec grep {{x}} {} \\; -delete",
        "sudo -u {{x}} -- ls; sudo --user={{x}} ls; sudo -u{{x}} ls; flock {{x}} ls; timeout {{n}} ls {{x}}",
        "a[1]=b ls {{x}}; {fd}>out ls {{x}}; time -f %e ls {{x}}; hash {{x}} 2>/dev/null",
        "printf '%s' {{x}} | sh -c 'cat >file'; printf '%s' {{x}} | sudo sh -c 'tee -a /etc/hosts'",
        "kill -{{x}} 1; head -n {{n}} f | tail -{{n}}",
    ]);
}

#[test]
fn commands_that_run_each_other_a_thousand_times_exhaust_nothing() {
    for unit in [
        "ssh a ",
        "xargs ",
        "xargs -I a ",
        "find -exec ",
        "fd -x ",
        "docker sh -c ",
        "sudo ",
        "env ",
        "git -c a ",
        "sh -c ",
        "bash -o a ",
        "docker -a ",
        "sed -e ",
        "a[ ",
        "[[ ",
        "local ",
        "x=1 ",
        "sh; ",
        "ssh 'ssh a' ",
    ] {
        for count in [40, 1_000, 200_000 / unit.len()] {
            let script = format!("{} {{{{x}}}}", unit.repeat(count));
            let found = super::tests::messages(&script);
            assert!(!found.is_empty() || !unit.starts_with("ssh a"), "{unit}");
        }
    }
}
