//! Builtins, variables and operators that take a word for something else than data.

/// Builtins that calculate with their words; zsh and bash run what a subscript in them says.
pub(super) const CALCULATES: &[&str] = &[
    "break", "bye", "continue", "declare", "exit", "float", "integer", "let", "logout", "return", "shift", "typeset",
    "ulimit",
];

/// Builtins that take words as names of variables.
pub(super) const NAMES: &[&str] =
    &["export", "getopts", "local", "mapfile", "read", "readarray", "readonly", "unset", "wait"];

/// Those that declare variables.
pub(super) const DECLARE: &[&str] = &["declare", "export", "float", "integer", "local", "readonly", "typeset"];

/// Their options with which a value is calculated, names another variable, or is read as a list.
pub(super) const NO_PLAIN_TEXT: &str = "aAinEFLRZ";

/// Variables whose value a shell, the loader or a program that many others start runs.
pub(super) const VARIABLES: &[&str] = &[
    "BASH_ENV",
    "EDITOR",
    "ENV",
    "FPATH",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_SEQUENCE_EDITOR",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LESSCLOSE",
    "LESSOPEN",
    "LUA_INIT",
    "MAKEFLAGS",
    "MANPAGER",
    "NODE_OPTIONS",
    "NULLCMD",
    "PAGER",
    "PATH",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PROMPT_COMMAND",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "READNULLCMD",
    "RSYNC_RSH",
    "RUBYLIB",
    "RUBYOPT",
    "SHELLOPTS",
    "SSH_ASKPASS",
    "TAR_OPTIONS",
    "VISUAL",
    "ZDOTDIR",
];

/// Variables that are numbers to zsh or bash: what is assigned to them is calculated.
pub(super) const NUMBERS: &[&str] = &[
    "COLUMNS",
    "EGID",
    "ERRNO",
    "EUID",
    "FUNCNEST",
    "GID",
    "HISTCMD",
    "HISTSIZE",
    "KEYTIMEOUT",
    "LINES",
    "LISTMAX",
    "MAILCHECK",
    "OPTIND",
    "RANDOM",
    "SAVEHIST",
    "SECONDS",
    "SHLVL",
    "SRANDOM",
    "TRY_BLOCK_ERROR",
    "TRY_BLOCK_INTERRUPT",
    "UID",
    "ZLE_RPROMPT_INDENT",
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

/// Programs that print the words they are given.
pub(super) const PRINT_WORDS: &[&str] =
    &["basename", "dirname", "echo", "expr", "print", "printf", "readlink", "realpath", "yes"];

/// Programs that print what is written into them, or a part of it.
pub(super) const PASS_ON: &[&str] = &[
    "awk", "base64", "cat", "column", "cut", "fmt", "fold", "gawk", "grep", "head", "iconv", "jq", "mawk", "nl",
    "paste", "rev", "sed", "sort", "tac", "tail", "tee", "tr", "uniq", "xargs",
];
