//! Commands that take a word for something else than data.

/// Programs that run the command that follows their options: those options that take a word, and how many words come between.
pub(super) const WRAPPERS: &[(&str, &str, usize)] = &[
    ("builtin", "", 0),
    ("busybox", "", 0),
    ("chroot", "", 1),
    ("command", "", 0),
    ("coproc", "", 0),
    ("doas", "uC", 0),
    ("env", "uC", 0),
    ("exec", "a", 0),
    ("flock", "wE", 1),
    ("ionice", "cnp", 0),
    ("nice", "n", 0),
    ("nohup", "", 0),
    ("setsid", "", 0),
    ("stdbuf", "ioe", 0),
    ("sudo", "ughpCrtTUDR", 0),
    ("time", "fo", 0),
    ("timeout", "ks", 1),
    ("xargs", "InPLdEsa", 0),
];

/// Commands that take any word for source, or hand it to a shell.
pub(super) const SOURCE: &[&str] = &[
    ".",
    "alias",
    "at",
    "batch",
    "crontab",
    "enable",
    "eval",
    "fc",
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
];

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
    ("ruby", "e", "I"),
    ("sed", "e", ""),
    ("sh", "c", "o"),
    ("tcsh", "c", ""),
    ("zsh", "c", "o"),
];

/// Builtins that calculate with their words; zsh and bash run what a subscript in them says.
pub(super) const CALCULATES: &[&str] =
    &["[[", "break", "continue", "declare", "exit", "float", "integer", "let", "return", "shift", "typeset", "ulimit"];

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
