//! Words that are calculated, name variables or change what is run, and those that shells read in their own ways.

use super::tests::{fine, messages, refused};

#[test]
fn a_test_goes_on_behind_its_operators() {
    for script in [
        "[[ 1 == 1 && 1 -eq {{x}} ]]",
        "[[ -z {{n}} || {{x}} -gt 3 ]]",
        "[[ a == a && -v {{x}} ]]",
        "[[ ( 1 -eq {{x}} ) ]]",
        "[[ (a == a) && 1 -lt {{x}} ]]",
        "if [[ $# -ge 0 &&\n  1 -lt {{x}} ]]; then echo; fi",
        "[[ -f f && -n $HOME && $(wc -l <f) -ge {{x}} ]]",
        "cat f | { [[ -s f && 1 -le {{x}} ]]; }",
    ] {
        let found = messages(script);
        assert!(
            found.iter().any(|message| message.contains("calculated") || message.contains("program")),
            "{script}: {found:?}"
        );
    }
    fine(&[
        "[[ -n a && 1 -lt {{n}} ]] && ls -t {{x}}",
        "[[ -n a && b == {{x}} ]]; ls -t {{x}}",
        "[[ -n $(ls -t {{x}}) && a == {{y}} ]]",
        "if [[ $a =~ ^[0-9]+$ ]]; then ls {{x}}; fi",
        "[[ $# -eq 0 ]] || ls -v {{x}}",
    ]);
}

#[test]
fn values_are_not_calculated_in_any_place() {
    refused(&[
        ("f() { local -a a={{x}}; }; f", "calculated"),
        ("readonly -a a={{x}}", "calculated"),
        ("export -A a={{x}}", "calculated"),
        ("f() { local -n r={{x}}; echo \"$r\"; }; f", "calculated"),
        ("export -F n={{x}}", "calculated"),
        ("f() { local a=(1); local a={{x}}; }; f", "calculated"),
        ("declare -i q; q={{x}}", "calculated"),
        ("f() { q={{x}}; }; typeset -i q; f", "calculated"),
        ("RANDOM={{x}}", "calculated"),
        ("COLUMNS={{x}} ls", "calculated"),
        ("export COLUMNS={{x}}", "calculated"),
        ("for SECONDS in {{x}}; do :; done", "calculated"),
        ("read -r OPTIND <<<{{x}}", "calculated"),
        ("repeat {{x}} echo a", "calculated"),
        ("bye {{x}}", "calculated"),
        ("logout {{x}}", "calculated"),
        ("print -f '%d' {{x}}", "more than text"),
        ("print -P {{x}}", "more than text"),
        ("echo $list[{{x}}]", "subscript"),
        ("echo $list[1,{{x}}] $list[1][{{y}}]", "subscript"),
        ("echo a {v[{{x}}]}>out", "name a variable"),
        ("[ {{x}} $none {{y}} ]", "operator"),
        ("printf $none {{x}} a", "format"),
        ("printf -v w '%d' {{x}}", "calculated"),
        ("[ $(echo {{x}}) -gt 1 ]", "calculated"),
        ("[[ $(printf '%s' {{x}} | head -1) -gt 1 ]]", "calculated"),
        ("exit $(cat <<<{{x}})", "calculated"),
        ("let a=$(echo $(basename {{x}}))", "calculated"),
        ("printf '%d' $(echo {{x}} | tr -d a)", "calculated"),
        ("unset $(echo {{x}})", "name a variable"),
    ]);
    fine(&[
        "[ $(wc -l <{{x}}) -gt 5 ]",
        "[ $(du -sm {{x}} | cut -f1) -gt 100 ]",
        "[[ $(df -P {{x}} | awk 'NR==2{print $5}' | tr -d %) -gt 90 ]]",
        "[ $(echo {{x}} | wc -c) -gt 5 ]; [ $(echo {{x}} | grep -c a) -gt 0 ]",
        "exit $(curl -s -o /dev/null -w '%{http_code}' {{x}})",
        "COLUMNS={{n}} ls; export COLUMNS={{n}}; q={{x}}; echo $list[{{n}}] \"$list\"[{{x}}] a[{{x}}]",
        "export A={{x}} B; local c={{x}}; readonly D={{x}}; a=(1 2); ls {{x}}",
        "declare -A m=([a]=1 [b]=2); ls {{x}}; print {{x}}; repeat {{n}} ls",
    ]);
}

#[test]
fn variables_that_decide_what_is_run_get_no_value_in_any_way() {
    for script in [
        "PS4=$(echo {{x}}); set -x; :",
        "for PS4 in {{x}}; do set -x; :; done",
        "read -r PS4 <<<{{x}}; set -x; :",
        "printf -v PS4 %s {{x}}; set -x; :",
        "NULLCMD={{x}}; >f",
        "READNULLCMD={{x}}; <f",
        "GIT_SSH_COMMAND={{x}} git fetch",
        "env GIT_PAGER={{x}} git log",
        "PERL5OPT={{x}} perl -e 1",
        "EDITOR={{x}} crontab -e",
        "export NODE_OPTIONS={{x}}",
        "PYTHONPATH={{x}} python3 x.py",
        "FPATH={{x}} ls",
        "env BASH_FUNC_ls%%={{x}} bash -c ls",
        "env 'BASH_FUNC_ls%%'={{x}} bash -c ls",
    ] {
        refused(&[(script, "decides what is run")]);
    }
    assert!(messages("PATH=$(cat {{x}} | wc -l); PS4=$(date); HOME={{x}} ls").is_empty());
}

#[test]
fn shells_read_some_words_in_their_own_ways() {
    refused(&[
        ("echo ={{x}}", "takes for a path"),
        ("echo $$'\\' \"' {{x}} \" '\"' # '", "stands in quotes"),
        ("echo ~{{x}}", "takes for a path"),
        ("v=~{{x}}", "takes for a path"),
        ("v=a:~{{x}}", "takes for a path"),
        ("sh <<E\necho a\\\nE\necho {{x}}\nE", "here-document"),
        ("sh <<-E\n\techo a\\\\\\\n\tE\necho {{x}}\n\tE", "here-document"),
    ]);
    fine(&[
        "x=\"${x#'\"'}\"; x=\"${x%'\"'}\"; echo {{x}}",
        "x=\"${x/'\"'/a}\"; x=\"${x[0]%%'}'}\"; echo {{x}} \"${v:-it's}\"",
        "echo '~'{{x}} a={{x}} --home=~/{{x}} ./={{x}} \"=\"{{x}}",
        "cat <<E\na\\\\\nE\necho {{x}}",
        "cat <<'E'\na\\\nE\necho {{x}}",
    ]);
}
