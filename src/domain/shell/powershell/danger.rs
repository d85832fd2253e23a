//! What takes text for source in PowerShell, and on Windows; all in small letters.

/// Commands and programs.
pub(super) const SOURCE: &[&str] = &[
    "add-type",
    "bash",
    "cmd",
    "cscript",
    "icim",
    "icm",
    "iex",
    "ii",
    "import-module",
    "invoke-cimmethod",
    "invoke-command",
    "invoke-expression",
    "invoke-item",
    "invoke-wmimethod",
    "ipmo",
    "iwmi",
    "mshta",
    "nal",
    "new-alias",
    "powershell",
    "psexec",
    "pwsh",
    "rundll32",
    "sal",
    "saps",
    "set-alias",
    "sh",
    "ssh",
    "start",
    "start-process",
    "wmic",
    "wscript",
    "wsl",
];

/// Methods, types and classes, wherever they stand in the statement.
pub(super) const METHODS: &[&str] = &[
    ".addcommand(",
    ".run(",
    "addscript",
    "assembly]::",
    "expandstring",
    "invokescript",
    "newscriptblock",
    "scriptblock]",
    "shell.application",
    "win32_process",
    "wscript.shell",
];

/// Programs with the options, by letter or whole, that say what to run.
pub(super) const BY_OPTION: &[(&str, &str, &[&str])] = &[
    ("dash", "c", &[]),
    ("forfiles", "", &["/c"]),
    ("node", "ep", &["--eval", "--print", "--require"]),
    ("perl", "e", &[]),
    ("php", "r", &[]),
    ("py", "c", &[]),
    ("python", "c", &[]),
    ("ruby", "e", &[]),
    ("schtasks", "", &["/tr"]),
    ("zsh", "c", &[]),
];

/// Variables of the environment that decide what is run.
pub(super) const VARIABLES: &[&str] = &[
    "comspec",
    "editor",
    "git_ssh_command",
    "node_options",
    "pager",
    "path",
    "pathext",
    "perl5opt",
    "psmodulepath",
    "pythonpath",
];
