//! Commands that take a word for something else than data.

/// Programs that run the command that follows their options: those options that take a word, and how many words come between.
pub(super) const WRAPPERS: &[(&str, &str, usize)] = &[
    ("builtin", "", 0),
    ("busybox", "", 0),
    ("chroot", "", 1),
    ("chrt", "TPD", 1),
    ("command", "", 0),
    ("coproc", "", 0),
    ("doas", "uC", 0),
    ("env", "uC", 0),
    ("exec", "a", 0),
    ("fakeroot", "", 0),
    ("flock", "wE", 1),
    ("gosu", "", 1),
    ("ionice", "cnp", 0),
    ("nice", "n", 0),
    ("nocorrect", "", 0),
    ("noglob", "", 0),
    ("nohup", "", 0),
    ("nsenter", "tSG", 0),
    ("repeat", "", 1),
    ("setpriv", "", 0),
    ("setsid", "", 0),
    ("stdbuf", "ioe", 0),
    ("strace", "aeIoOpPsSuX", 0),
    ("su-exec", "", 1),
    ("sudo", "ughpCrtTUDR", 0),
    ("systemd-run", "pMHu", 0),
    ("taskset", "", 1),
    ("time", "fo", 0),
    ("timeout", "ks", 1),
    ("unshare", "SG", 0),
    ("xargs", "InPLdEsa", 0),
];

/// Commands that take any word for source, or hand it to a shell.
pub(super) const SOURCE: &[&str] = &[
    ".",
    "alias",
    "at",
    "batch",
    "bind",
    "compgen",
    "complete",
    "crontab",
    "enable",
    "eval",
    "fc",
    "gmake",
    "make",
    "parallel",
    "powershell",
    "pwsh",
    "rsh",
    "runuser",
    "script",
    "source",
    "ssh",
    "su",
    "tclsh",
    "trap",
    "watch",
    "zmv",
];

/// Those of them that read source from standard input.
pub(super) const LISTENERS: &[&str] = &["at", "batch", "crontab", "parallel", "powershell", "pwsh", "su", "tclsh"];

/// Programs for which a shell's name and an option behind it are only text.
pub(super) const TEXT: &[&str] = &["[", "[[", "echo", "egrep", "fgrep", "grep", "logger", "printf", "test"];

/// Interpreters that are shells.
pub(super) const SHELLS: &[&str] = &["ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "rbash", "sh", "tcsh", "zsh"];

/// Programs that take a script: the letters of options after which source comes, and those that take another word.
pub(super) const INTERPRETERS: &[(&str, &str, &str)] = &[
    ("ash", "c", "o"),
    ("awk", "e", "vF"),
    ("bash", "c", "oO"),
    ("csh", "c", ""),
    ("dash", "c", "o"),
    ("fish", "cC", ""),
    ("gawk", "e", "vF"),
    ("jshell", "", ""),
    ("ksh", "c", "o"),
    ("lua", "e", "l"),
    ("mawk", "e", "vF"),
    ("mksh", "c", "o"),
    ("nawk", "e", "vF"),
    ("node", "ep", "r"),
    ("perl", "eE", "I"),
    ("php", "r", "d"),
    ("python", "c", "WX"),
    ("rbash", "c", "oO"),
    ("ruby", "e", "I"),
    ("sed", "e", ""),
    ("sh", "c", "o"),
    ("tcsh", "c", ""),
    ("zsh", "c", "o"),
];

/// Builtins that calculate with their words; zsh and bash run what a subscript in them says.
pub(super) const CALCULATES: &[&str] =
    &["break", "continue", "declare", "exit", "float", "integer", "let", "return", "shift", "typeset", "ulimit"];

/// Builtins that take words as names of variables.
pub(super) const NAMES: &[&str] =
    &["export", "getopts", "local", "mapfile", "read", "readarray", "readonly", "unset", "wait"];

/// Variables whose value a shell or the loader runs.
pub(super) const VARIABLES: &[&str] = &[
    "BASH_ENV",
    "BASH_FUNC",
    "ENV",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PATH",
    "PROMPT_COMMAND",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "SHELLOPTS",
    "ZDOTDIR",
];

/// Options whose value some program runs.
pub(super) const OPTIONS: &[&str] = &[
    "--checkpoint-action=",
    "--command=",
    "--eval=",
    "--exec=",
    "--rsh=",
    "--to-command=",
    "--use-compress-program=",
    "-oProxyCommand=",
];

/// Operators of `test` that calculate, or look into what a name stands for.
pub(super) const TEST_OPERATORS: &[&str] = &["-R", "-eq", "-ge", "-gt", "-le", "-lt", "-ne", "-t", "-v"];

/// Options whose value a program runs; the value is the next word, or follows in the same.
pub(super) const RUN_BY_OPTION: &[(&str, &[&str])] = &[
    ("git", &["-c", "--exec-path", "--receive-pack", "--upload-pack"]),
    ("mariadb", &["-e", "--execute"]),
    ("mysql", &["-e", "--execute"]),
    ("psql", &["-c", "-f", "--command", "--file"]),
    ("rsync", &["-e", "--rsh", "--rsync-path"]),
    ("scp", &["-o", "-S"]),
    ("sftp", &["-b", "-o", "-S"]),
    ("sort", &["--compress-program"]),
    ("split", &["--filter"]),
    ("tar", &["-F", "-I", "--info-script", "--to-command", "--use-compress-program"]),
];
