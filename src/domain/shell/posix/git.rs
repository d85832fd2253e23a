//! Git: its options before the subcommand, and the subcommands that run what they are given.

use super::commands::{all, by_option, check, wild};
use super::options::{is_option, takes, takes_next};
use super::scan::{Scan, Word};

/// Options before the subcommand: those whose word can name a program, and the others with a word.
const SETS: &str = "-c --config-env --exec-path";
const WITH_WORD: &str = "-C --git-dir --namespace --super-prefix --work-tree";

/// Options of subcommands whose word is run.
const RUN_BY: &[(&str, &str, &str)] = &[
    ("clone", "-cu --config --upload-pack", "-bjo --branch --depth --origin"),
    ("difftool", "-x --extcmd", "-t --tool"),
    ("fetch", "--upload-pack", "-jo --depth"),
    (
        "filter-branch",
        "--commit-filter --env-filter --index-filter --msg-filter --parent-filter --setup --tag-name-filter --tree-filter",
        "-d",
    ),
    ("grep", "-O --open-files-in-pager", "-efmABC"),
    ("ls-remote", "--upload-pack --exec", ""),
    ("pull", "--upload-pack", "-jsX --depth"),
    ("push", "--receive-pack --exec", "-o"),
    ("rebase", "-x --exec", "-sXC --onto --strategy"),
];

const FIXED_VALUE: &str = "write a fixed value";

/// Looks at the words behind `git`.
pub(super) fn git(scan: &mut Scan<'_>, words: &[Word], fed: &[usize]) {
    let mut rest = words;
    while let Some((first, others)) = rest.split_first().filter(|(first, _)| is_option(first) || first.may_vanish()) {
        rest = others;
        let shown = if first.slots.is_empty() { &first.text } else { &first.before };
        let sets = takes(&[SETS], shown).is_some();
        let with_word = takes_next(SETS, first) || takes_next(WITH_WORD, first);
        if sets {
            wild(scan, first, "would be run by `git`", FIXED_VALUE);
        }
        while let Some((word, others)) = rest.split_first().filter(|_| with_word) {
            rest = others;
            if sets {
                wild(scan, word, "would be run by `git`", FIXED_VALUE);
            }
            if !word.may_vanish() {
                break;
            }
        }
    }
    let Some((subcommand, words)) = rest.split_first() else { return };
    let name = subcommand.text.as_str();
    let second = words.iter().position(|word| !word.text.starts_with('-'));
    let behind = second.map(|at| (words.get(at), words.get(at + 1..).unwrap_or_default()));
    match (name, behind) {
        ("bisect", Some((Some(second), words))) if second.text == "run" => check(scan, words, fed),
        ("submodule", Some((Some(second), words))) if second.text == "foreach" => {
            for word in words {
                all(scan, word, "would be run as source by `git submodule foreach`", "write what it runs itself");
            }
        }
        _ => {
            if let Some((_, run, with_word)) = RUN_BY.iter().find(|(known, ..)| *known == name) {
                by_option(scan, "git", (run, with_word), words);
            }
        }
    }
}
