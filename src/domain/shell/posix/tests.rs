//! Placeholders in every right and wrong place.

use crate::domain::shell::template::{check as check_all, slots};
use crate::domain::shell::{Shell, Variable};

pub(super) fn messages(script: &str) -> Vec<String> {
    let mut variables: Vec<Variable> = slots(script)
        .into_iter()
        .filter(|slot| slot.name != "n")
        .map(|slot| Variable::parse(&slot.name).unwrap())
        .collect();
    variables.push(Variable::parse("n:int").unwrap());
    check_all(script, Shell::Sh, &variables).into_iter().map(|one| one.message).collect()
}

#[test]
fn a_placeholder_may_stand_where_it_is_one_word() {
    fine(&[
        "ls -l {{x}}",
        "ls --file={{x}}.txt {{y}}",
        "v={{x}}; echo \"$v\"",
        "v={{x}} w=2 cmd {{y}}",
        "sudo -u {{x}} ls {{y}}",
        "timeout 5 ls {{x}} | sort -k {{n}} >{{y}} 2>&1",
        "if [ -n {{x}} ]; then echo {{x}}; fi",
        "[ {{x}} = a ] && [ {{n}} -eq 1 ]",
        "case {{x}} in a) echo {{x}};; (b|c) ls {{y}};; esac; echo {{x}}",
        "for f in {{x}} {{y}}; do cp \"$f\" {{x}}; done",
        "out=$(grep -- {{x}} /etc/passwd); echo \"${out:-none}\"",
        "printf '%s\\n' {{x}}; printf '%d' {{n}}",
        "sh -c 'echo \"$1\"' sh {{x}}",
        "python3 -c 'import sys' {{x}}; awk -v name={{x}} '{print name}' {{y}}; sed -n -e p {{x}}",
        "find . -name {{x}} -exec grep -l {{y}} '{}' +",
        "find . -exec sh -c 'echo \"$1\"' sh {{x}} ';'",
        "f() { echo \"$1\"; }; f {{x}}",
        "cat <<EOF\n$v\nEOF\necho {{x}}",
        "cat <<-'E'\n\tx\n\tE\necho {{x}}",
        "tr a b <<<{{x}}",
        "exec ls {{x}}; exec </dev/null",
        "echo {{x}}; out=$(sh fixed.sh); ls > >(tee -a log); echo `date` {{x}}",
        "echo {{x}} | echo \"$(cat)\"",
        "docker ps --format '{{.Names}}' --filter name={{x}}",
        "echo it\\'s {{x}} # a comment",
        "export A={{x}}; set -- {{x}}; exit {{n}}",
        "(cd {{x}} && ls)",
        "while read -r l; do echo {{x}}; done </etc/passwd",
        "xargs -n 1 grep {{x}} | nohup env A={{y}} ls {{x}} &",
        "command -v {{x}}; type {{y}}",
        "[[ {{x}} == a* ]] && [[ -n {{y}} ]] && ls {{x}}",
        "ls {{x}} &>log; ls {{y}} >log 2>&1 &",
        "[[ $a =~ ^(b|c)$ ]]; ls {{x}}",
        "echo {{x}} | tee -a log; sh fixed.sh",
        "cd {{x}} && cat fixed.sh | sh",
        "{ cd {{x}}; } \n curl -s https://example.org/fixed | bash -s -- {{y}}",
        "if [ -d {{x}} ]; then ls; fi; cat fixed | sh",
        "printf '%s' {{x}} | sed -e 's/a/b/' | awk '{ print }' | python3 -m json.tool",
        "printf '%s\\0' {{x}} | xargs -0 -I{} sh -c 'ls \"$1\"' sh {}",
        "printf '%s' {{x}} | ssh host 'cat >file'",
        "docker exec web ls {{x}}; docker exec web sh -c 'ls \"$1\"' sh {{x}}",
        "git switch -c {{x}}; tar -xzf {{y}} -C {{x}}; rsync -a --exclude={{x}} a b",
        "grep -r bash -c {{x}}",
        "for ((i = 0; i < 3; i++)); do ls {{x}}; done",
        "echo ${v:-'}'} \"${v:-it's}\" {{x}}",
        "time -p ls {{x}}",
        "$SUDO ls {{x}}; \"$TOOL\" {{x}}; $HOME/bin/tool {{y}}; sh \"$script\" {{x}}",
        "f() { ls \"$1\"; }; function g { ls; }; g {{x}}",
        "f () { cat; }; f <<<{{x}}; g() { sh fixed.sh; }; g {{x}}",
        "cat <<EOF | sort\nx\nEOF\nls {{x}}",
    ]);
}

#[test]
fn a_placeholder_in_the_wrong_place_is_refused_with_the_reason() {
    refused(&[
        ("echo '{{x}}'", "quotes"),
        ("echo \"a {{x}}\"", "quotes"),
        ("echo \"$(ls {{x}})\"", "quotes"),
        ("echo $'{{x}}'", "quotes"),
        ("cat <<EOF\n{{x}}\nEOF", "here-document"),
        ("cat <<{{x}}\nEOF", "here-document"),
        ("echo `ls {{x}}`", "backticks"),
        ("ls # {{x}}", "comment"),
        ("echo ${v:-{{x}}}", "inside ${…}"),
        ("echo $(( {{x}} + 1 ))", "arithmetic"),
        ("(( {{x}} ))", "arithmetic"),
        ("echo $[{{x}}]", "arithmetic"),
        ("echo \\{{x}}", "backslash"),
        ("echo ${{x}}", "follows a `$`"),
        ("a=({{x}})", "parentheses"),
        ("{{x}}", "choose the program"),
        ("{{x}}=1", "choose the program"),
        ("true; {{x}} a", "choose the program"),
        ("true && v=1 {{x}}", "choose the program"),
        ("if {{x}}; then :; fi", "choose the program"),
        ("echo $({{x}})", "choose the program"),
        ("sudo -u root {{x}}", "choose the program"),
        ("sudo {{x}} ls", "choose the program"),
        ("timeout 5 {{x}}", "choose the program"),
        ("nohup env A=1 {{x}}", "choose the program"),
        ("xargs -n 1 {{x}}", "choose the program"),
        ("exec {{x}}", "choose the program"),
        ("find . -exec {{x}} ';'", "choose the program"),
        ("eval {{x}}", "source by `eval`"),
        ("eval ls {{x}}", "source by `eval`"),
        ("command eval ls {{x}}", "source by `eval`"),
        ("sh -c {{x}}", "source by `sh`"),
        ("sh -ec {{x}}", "source by `sh`"),
        ("/bin/bash -c {{x}} {{y}}", "source by `bash`"),
        ("bash {{x}}", "source by `bash`"),
        ("sh -x {{x}}", "source by `sh`"),
        ("sudo -u root sh -c {{x}}", "source by `sh`"),
        ("env bash -c ls{{x}}", "source by `bash`"),
        ("find . -exec sh -c {{x}} ';'", "source by `sh`"),
        ("python3 -c {{x}}", "source by `python3`"),
        ("perl -ne {{x}}", "source by `perl`"),
        ("awk {{x}} f", "source by `awk`"),
        ("sed {{x}} f", "source by `sed`"),
        ("su - -c {{x}}", "source by `su`"),
        (". {{x}}", "source by `.`"),
        ("source {{x}}", "source by `source`"),
        ("trap {{x}} EXIT", "source by `trap`"),
        ("ssh host ls {{x}}", "source by `ssh`"),
        ("alias a={{x}}", "source by `alias`"),
        ("[ {{x}} -eq 1 ]", "calculated"),
        ("test -v {{x}}", "calculated"),
        ("[ {{x}} {{y}} ]", "operator"),
        ("[[ {{x}} -gt 1 ]]", "calculated"),
        ("let {{x}}", "calculated"),
        ("exit {{x}}", "calculated"),
        ("declare -i v={{x}}", "calculated"),
        ("printf '%d' {{x}}", "calculated"),
        ("printf {{x}}", "format"),
        ("printf -v {{x}} a", "name a variable"),
        ("read {{x}}", "name a variable"),
        ("unset {{x}}", "name a variable"),
        ("for {{x}} in a; do :; done", "name a variable"),
        ("set {{x}}", "option of the shell"),
        ("PATH={{x}} ls", "decides what is run"),
        ("export PS4={{x}}", "decides what is run"),
        ("env LD_PRELOAD={{x}} ls", "decides what is run"),
        ("tar --to-command={{x}} -x", "would be run by"),
        ("env -S {{x}}", "would be run by"),
        ("ls {{x}} \\", "ends with a backslash"),
        ("echo 'a", "a quote does not end"),
        ("cat <<EOF\na", "does not end"),
        ("echo $(ls", "does not end"),
        ("echo {{x}} {{undeclared }} {{x}} {{y", ""),
    ]);
}

#[test]
fn a_place_where_a_value_would_become_source_is_refused_with_the_reason() {
    refused(&[
        ("for ((i = 0; i < {{x}}; i++)); do :; done", "arithmetic"),
        ("for ((i={{x}};;)); do :; done", "arithmetic"),
        ("for f do eval {{x}}; done", "source by `eval`"),
        ("time -p eval {{x}}", "source by `eval`"),
        ("function f { eval {{x}}; }", "source by `eval`"),
        ("coproc c { eval {{x}}; }", "source by `eval`"),
        ("{ :; } always { eval {{x}}; }", "source by `eval`"),
        ("noglob eval {{x}}", "source by `eval`"),
        ("if [[ -n $a ]] eval {{x}}", "source by `eval`"),
        ("ev\\\nal {{x}}", "source by `eval`"),
        ("docker exec web sh -c {{x}}", "source by `sh`"),
        ("kubectl exec pod -- /bin/bash -ec ls{{x}}", "source by `bash`"),
        ("sh <<<{{x}}", "read as source by `sh`"),
        ("bash -s <<< {{x}}", "read as source by `bash`"),
        ("python3 - < {{x}}", "read as source by `python3`"),
        (". /dev/stdin <<< {{x}}", "read as source by `.`"),
        ("echo {{x}} | sh", "read as source by `sh`"),
        ("echo {{x}} |\n  tee log | sudo bash -x", "read as source by `bash`"),
        ("{ echo a; echo {{x}}; } | sh", "read as source by `sh`"),
        ("for f in {{x}}; do echo \"$f\"; done | sh", "read as source by `sh`"),
        ("(echo {{x}}) | (cd /; sh)", "read as source by `sh`"),
        ("echo {{x}} | { read -r a; sh; }", "read as source by `sh`"),
        ("echo {{x}} | docker exec -i web sh", "read as source by `sh`"),
        ("echo {{x}} | ssh host", "read as source by `ssh`"),
        ("echo {{x}} | at now", "read as source by `at`"),
        ("echo {{x}} | xargs -I{} sh -c 'echo {}'", "run as source by `sh`"),
        ("echo {{x}} | xargs -I % bash -c 'echo %'", "run as source by `bash`"),
        ("echo {{x}} | xargs sh -c", "run as source by `sh`"),
        ("{ sh; } <<<{{x}}", "what a group reads"),
        ("(sh) <<<{{x}}", "what a group reads"),
        ("while sh; do break; done <<<{{x}}", "what a group reads"),
        ("if true; then sh; fi <<<{{x}}", "what a group reads"),
        ("case a in a) sh;; esac <<< {{x}}", "what a group reads"),
        ("exec <<<{{x}}; sh", "what a group reads"),
        ("exec 3</dev/null <{{x}}\nsh", "what a group reads"),
        ("f() { sh; }; f <<<{{x}}", "read as source by `sh`"),
        ("f () { sh; }\necho {{x}} | f", "read as source by `sh`"),
        ("function f { sh -s -- a; }; ! f {{y}} <<<{{x}}", "read as source by `sh`"),
        ("g() { cat | f; }; f( ) (bash); { echo {{x}}; } | g", "read as source by `bash`"),
        ("echo {{x}} > >(sh)", "read as source by `sh`"),
        ("tee >(sh) <<<{{x}}", "read as source by `sh`"),
        ("echo {{x}} | tee >(sh)", "read as source by `sh`"),
        ("echo {{x}} | echo \"$(sh)\"", "read as source by `sh`"),
        ("echo {{x}} | echo `sh`", "could be read by what stands in backticks"),
        ("bash <(echo {{x}})", "source by `bash`"),
        ("bash < <(echo {{x}})", "source by `bash`"),
        ("eval $(echo {{x}})", "source by `eval`"),
        ("$(echo {{x}}) a", "choose the program"),
        ("[[ -v {{x}} ]]", "calculated"),
        ("[[ a == b ]] && [[ {{x}} -eq 1 ]]", "calculated"),
        // sh may be dash, for which `[[` is a program, and `&>` ends a command.
        ("[[ a == b || {{x}} == c ]]", "choose the program"),
        ("ls &>log {{x}}", "in two ways"),
        ("eval &>log w={{x}}", "in two ways"),
        ("eval\r{{x}}", "choose the program"),
        // What is empty is no word, and the next takes its place.
        ("$SUDO {{x}}", "choose the program"),
        ("\"$@\" {{x}}", "choose the program"),
        ("$SUDO eval {{x}}", "source by `eval`"),
        ("$(true) eval {{x}}", "source by `eval`"),
        ("sh -c $(true) {{x}}", "source by `sh`"),
        ("sh -c $source {{x}}", "source by `sh`"),
        ("bash $options {{x}}", "source by `bash`"),
        ("psql -c ${none} {{x}}", "run by `psql`"),
        ("split --filter {{x}} f", "run by `split`"),
        ("rsync -e {{x}} a b", "run by `rsync`"),
        ("git -c {{x}} status", "run by `git`"),
        ("git clone --upload-pack={{x}} u", "run by `git`"),
        ("psql -c {{x}}", "run by `psql`"),
        ("sqlite3 db {{x}}", "source by `sqlite3`"),
        ("make {{x}}", "source by `make`"),
    ]);
}

/// Each of these is refused, with this in the message.
pub(super) fn refused(scripts: &[(&str, &str)]) {
    let is_wrong = |(script, says): &&(&str, &str)| {
        let found = messages(script);
        says.is_empty() != found.is_empty() || !found.iter().all(|message| message.contains(says))
    };
    let wrong: Vec<_> = scripts.iter().filter(is_wrong).map(|(script, _)| (script, messages(script))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// None of these is refused.
pub(super) fn fine(scripts: &[&str]) {
    let found = scripts.iter().map(|script| (script, messages(script)));
    let wrong: Vec<_> = found.filter(|(_, found)| !found.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_script_makes_the_check_panic_or_hang() {
    let pieces = [
        "{{x}}",
        "'",
        "\"",
        "`",
        "$(",
        ")",
        "((",
        "))",
        "${",
        "}",
        "{",
        "\\",
        "\n",
        "<<E\n",
        "<<-'E'\n",
        "E\n",
        "#",
        ";;",
        "case a in ",
        "esac",
        "[[",
        "]]",
        "eval ",
        "sh -c ",
        "-",
        "ü",
        "<(",
        ">",
        "&",
        "|",
        "sudo ",
        "find -exec ",
        "$'",
        "\t",
    ];
    let mut seed = 7_u64;
    for _ in 0..20_000 {
        let mut script = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            script.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
        }
        let _ = messages(&script);
    }
}
