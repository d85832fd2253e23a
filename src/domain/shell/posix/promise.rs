//! The promise itself: what the check lets through never runs a value, whatever the script looks like.

use super::in_shells::{SHELLS, run, there};
use super::*;
use crate::domain::shell::template::slots;

/// As source, each would make a file that none of them names.
const VALUES: [&str; 7] = [
    "touch PWN$((1))ED",
    "$(touch PWN$((1))ED)",
    "a[$(touch PWN$((1))ED)]",
    "`touch PWN$((1))ED`",
    "';touch PWN$((1))ED;'",
    "\";touch PWN$((1))ED;\"",
    "x;touch PWN$((1))ED\n",
];

const NAMES: &[&str] = &[
    "echo",
    "printf '%s\\n'",
    "printf '%d'",
    "printf",
    "printf -v w",
    "sh",
    "sh -c",
    "sh -s",
    "sh -s --",
    "bash -c",
    "bash",
    "zsh -fc",
    "eval",
    "command eval",
    "builtin eval",
    "noglob eval",
    "env sh -c",
    "env",
    "exec",
    "test",
    "[ a =",
    "[ 1 -eq",
    "[[ a ==",
    "[[ 1 -eq",
    "[[ -v",
    "read w <<<",
    "export",
    "declare",
    "declare -i",
    "typeset",
    "let",
    "trap",
    "xargs",
    "xargs -I{} sh -c",
    "xargs sh -c",
    "timeout 5 sh -c",
    "time -p eval",
    "time eval",
    "cat",
    "tee",
    "tee out",
    "sed -n -e",
    "awk",
    ".",
    "source /dev/stdin <<<",
    "command -v",
    "set --",
    "alias a=",
    "a=",
    "$none",
    "$none eval",
    "sh -c $none",
    "bash -eo pipefail -c",
    "sh -c -e",
    "timeout --signal KILL 5",
    "time -f %e eval",
    "perl -e 1 -e",
    "xargs -rI{} sh -c",
    "xargs -n1 env",
    "[[ a == a && 1 -eq",
    "[[ -n a ]] && [[ 1 -lt",
    "readonly -a a=",
    "RANDOM=",
    "PS4=",
    "read PS4 <<<",
    "a[1]=b",
    "exit",
    "sed p -e",
];

/// Pseudo-random, and the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn word(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 9 } else { 12 }) {
            0..=3 => "{{x}}".to_owned(),
            4 => "'a b'".to_owned(),
            5 => "\"a $# b\"".to_owned(),
            6 => "w={{x}}".to_owned(),
            7 => "\\\n{{x}}b".to_owned(),
            8 => ":".to_owned(),
            9 => format!("$({})", self.list(depth - 1)),
            10 => format!("<({})", self.list(depth - 1)),
            _ => "$((1 + 1))".to_owned(),
        }
    }

    fn simple(&mut self, depth: usize) -> String {
        let name = NAMES[self.below(NAMES.len())];
        let joined = if name.ends_with('=') { "" } else { " " };
        let mut text = format!("{name}{joined}{}", self.word(depth));
        for _ in 0..self.below(3) {
            text = format!("{text} {}", self.word(depth));
        }
        if name.starts_with("tee") && depth > 0 {
            text = format!("{text} >({})", self.list(depth - 1)); // who reads it would wait for ever
        } else if name.starts_with("[[") {
            text += " ]]";
        } else if name.starts_with('[') {
            text += " ]";
        }
        match self.below(12) {
            0 => format!("{text} &>out {}", self.word(0)),
            1..=4 => text + &self.redirection(depth),
            _ => text,
        }
    }

    /// Behind a command or a group.
    fn redirection(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => " <<<{{x}}".to_owned(),
            1 => " <<'E'\nx\nE\n".to_owned(),
            2 => " >out 2>&1".to_owned(),
            3 => " >>{{x}}".to_owned(),
            4 => " 2>{{x}}".to_owned(),
            5 => " </dev/null".to_owned(),
            6 => format!(" < <({})", self.list(depth - 1)),
            7 => format!(" > >({})", self.list(depth - 1)),
            _ => format!(" 2> >({}) >&2", self.list(depth - 1)),
        }
    }

    fn list(&mut self, depth: usize) -> String {
        let mut text = self.command(depth);
        for _ in 0..self.below(3) {
            let between = ["; ", " | ", " && ", " || ", "\n", " |\n ", " & "][self.below(7)];
            let between = if text.ends_with('\n') { "" } else { between };
            text = format!("{text}{between}{}", self.command(depth));
        }
        text
    }

    fn command(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.simple(0);
        }
        match self.group(depth) {
            Some(group) if self.below(3) == 0 => group + &self.redirection(depth),
            Some(group) => group,
            None => self.simple(depth),
        }
    }

    fn group(&mut self, depth: usize) -> Option<String> {
        let inner = |dice: &mut Self| dice.list(depth - 1);
        Some(match self.below(18) {
            0 => format!("{{ {}\n}}", inner(self)),
            1 => format!("( {}\n)", inner(self)),
            2 => format!("if {}\nthen {}\nfi", inner(self), inner(self)),
            3 => format!("for f in {}; do {}\ndone", self.word(0), inner(self)),
            4 => format!("for f do {}\ndone", inner(self)),
            5 => format!("while read -r w; do {}\ndone", inner(self)),
            6 => format!("case {} in a|'b') {}\n;; *) {}\n;; esac", self.word(0), inner(self), inner(self)),
            7 => format!("f() {{ {}\n}}; f {}", inner(self), self.word(0)),
            8 => format!("function g {{ {}\n}}; g", inner(self)),
            9 => format!("for ((i = 0; i < {}; i++)); do break; done", self.word(0)),
            10 => format!("! {}", self.simple(depth)),
            11 => format!("until {}\ndo {}\nbreak; done", inner(self), inner(self)),
            _ => return None,
        })
    }
}

/// The check follows no files: so the words that scripts have cannot be written to and then be run as a script.
fn make_empty(folder: &std::path::Path) {
    for found in std::fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        let _is_folder = std::fs::remove_file(path);
    }
    for word in ["a b", "a 0 b", ":", "2"] {
        std::fs::create_dir_all(folder.join(word)).unwrap();
    }
}

#[test]
fn what_the_check_lets_through_never_runs_a_value() {
    let scripts: usize = std::env::var("APPFERRY_TEST_SCRIPTS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let mut dice = Dice(std::env::var("APPFERRY_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(11));
    let folders: Vec<_> = SHELLS.iter().filter_map(|shell| Some((*shell, there(shell)?))).collect();
    let (mut let_through, mut refused) = (0, 0);
    while let_through < scripts {
        let script = dice.list(2);
        if !script.contains("{{x}}") || !check(&script, &slots(&script), &[]).is_empty() {
            refused += 1;
            continue;
        }
        let_through += 1;
        for value in [VALUES[dice.below(VALUES.len())], VALUES[dice.below(VALUES.len())]] {
            for (shell, folder) in &folders {
                make_empty(folder.path());
                run(shell, folder.path(), &render(&script, &[("x", value.as_bytes())]));
                assert!(!folder.path().join("PWN1ED").exists(), "{shell:?} ran {value:?} in\n{script}");
            }
        }
    }
    assert!(refused > scripts / 4, "most places are wrong ones: {refused} refused");
}
