//! Programs that run what they are given, and their options (`options` says how a table of those is read).

/// Programs that run the command that follows their options: the options that take a word, and how many words come between.
pub(super) const WRAPPERS: &[(&str, &str, usize)] = &[
    ("builtin", "", 0),
    ("busybox", "", 0),
    ("chroot", "--groups --userspec", 1),
    ("chrt", "-TPD --sched-deadline --sched-period --sched-runtime", 1),
    ("chronic", "", 0),
    ("command", "", 0),
    ("coproc", "", 0),
    ("dbus-run-session", "--config-file --dbus-daemon", 0),
    ("doas", "-uC", 0),
    ("eatmydata", "", 0),
    ("env", "-uC --chdir --unset", 0),
    ("exec", "-a", 0),
    ("faketime", "-f", 1),
    ("fakeroot", "-lsibu", 0),
    ("flock", "-wE --conflict-exit-code --timeout --wait", 1),
    ("gosu", "", 1),
    ("i386", "", 0),
    ("ionice", "-cnp --class --classdata --pid", 0),
    ("jobs", "", 0),
    ("linux32", "", 0),
    ("linux64", "", 0),
    ("ltrace", "-aDeFlnopsuxX", 0),
    ("nice", "-n --adjustment", 0),
    ("nocorrect", "", 0),
    ("noglob", "", 0),
    ("nohup", "", 0),
    ("nsenter", "-tSG --setgid --setuid --target", 0),
    ("numactl", "-CNmpil", 0),
    ("pkexec", "--user", 0),
    ("prlimit", "-p --pid", 0),
    ("proxychains", "-f", 0),
    ("proxychains4", "-f", 0),
    ("repeat", "", 1),
    ("run0", "-u --user --group --chdir --property --unit", 0),
    (
        "setpriv",
        "--ambient-caps --bounding-set --egid --euid --groups --inh-caps --regid --reuid --rgid --ruid --securebits",
        0,
    ),
    ("setarch", "", 0),
    ("setsid", "", 0),
    ("sshpass", "-dfpP", 0),
    ("stdbuf", "-ioe --error --input --output", 0),
    ("strace", "-aeEIoOpPsSuXb --output", 0),
    ("su-exec", "", 1),
    (
        "sudo",
        "-ughpCrtTUDR --chdir --chroot --close-from --command-timeout --group --host --other-user --prompt --role --type --user",
        0,
    ),
    (
        "systemd-run",
        "-pMHuGE --description --gid --host --machine --nice --on-calendar --property --service-type --setenv --slice --uid --unit --working-directory",
        0,
    ),
    ("taskset", "", 1),
    ("time", "-fo --format --output", 0),
    ("timeout", "-ks --kill-after --signal", 1),
    ("toybox", "", 0),
    ("unbuffer", "", 0),
    ("unshare", "-SGRw --map-group --map-user --root --setgid --setuid --wd", 0),
    ("valgrind", "", 0),
    ("x86_64", "", 0),
    ("xvfb-run", "-efnpsw --error-file --auth-file --server-args --server-num --wait --xauth-protocol", 0),
];

/// Those of them that begin a shell where no command follows: what is written into them is read by it.
pub(super) const BEGIN_SHELLS: &[&str] =
    &["chroot", "doas", "fakeroot", "linux32", "linux64", "nsenter", "run0", "setarch", "sudo", "unshare", "x86_64"];

/// The options of `xargs`.
pub(super) const XARGS: &str =
    "-InPLdEsaRJS =eil --arg-file --delimiter --max-args --max-chars --max-procs --process-slot-var";

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

/// The options of `ssh` that take a word.
pub(super) const SSH: &str = "-BbcDEeFIiJLlmOopQRSWw";

/// Programs for which a shell's name and an option behind it are only text.
pub(super) const TEXT: &[&str] =
    &["[", "[[", "adduser", "chsh", "echo", "egrep", "fgrep", "grep", "logger", "printf", "test", "useradd", "usermod"];

/// Interpreters that are shells.
pub(super) const SHELLS: &[&str] = &["ash", "bash", "csh", "dash", "ksh", "mksh", "rbash", "sh", "tcsh", "zsh"];

/// A program that takes a script.
pub(super) struct Interpreter {
    pub(super) name: &'static str,
    /// Options whose word is source.
    pub(super) code: &'static str,
    /// Options whose word names a file of source.
    pub(super) files: &'static str,
    /// Options whose word names what is loaded beside it.
    pub(super) loads: &'static str,
    /// Other options with a word.
    pub(super) words: &'static str,
    pub(super) then: Then,
}

/// What comes behind the script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Behind an option with source, nothing is an option any more.
    Data,
    /// Options, up to the first word that is none.
    Options,
    /// Options wherever they stand; and without a script, standard input is none.
    OptionsAnywhere,
}

const fn interpreter(name: &'static str, [code, files, loads, words]: [&'static str; 4], then: Then) -> Interpreter {
    Interpreter { name, code, files, loads, words, then }
}

const AWK: [&str; 4] = ["-e --source", "-fE --file --exec", "-il --include --load", "-vF --assign --field-separator"];
const PYTHON: [&str; 4] = ["-c", "-m", "", "-WXQ"];

/// Programs that take a script and are no shells.
pub(super) const INTERPRETERS: &[Interpreter] = &[
    interpreter("awk", AWK, Then::OptionsAnywhere),
    interpreter("bun", ["-ep --eval --print", "", "-r --preload", ""], Then::Options),
    interpreter("elixir", ["-e --eval", "", "-r", ""], Then::Options),
    interpreter("fish", ["-cC --command --init-command", "", "", "-dfo"], Then::Options),
    interpreter("gawk", AWK, Then::OptionsAnywhere),
    interpreter("groovy", ["-e", "", "", ""], Then::Options),
    interpreter("jshell", ["", "", "", ""], Then::Options),
    interpreter("julia", ["-eE --eval --print", "", "-L --load", "-CJptO"], Then::Options),
    interpreter("lua", ["-e", "", "-l", ""], Then::Options),
    interpreter("mawk", AWK, Then::OptionsAnywhere),
    interpreter("nawk", AWK, Then::OptionsAnywhere),
    interpreter(
        "node",
        [
            "-ep --eval --print",
            "",
            "-r --require --import --loader --experimental-loader",
            "-C --conditions --input-type",
        ],
        Then::Options,
    ),
    interpreter("osascript", ["-e", "", "", "-ls"], Then::Options),
    interpreter("perl", ["-eE", "", "=Mm", "-I =iFDVx"], Then::Options),
    interpreter(
        "php",
        ["-rBRE --run --process-begin --process-code --process-end", "-fF --file --process-file", "-z", "-dcSt"],
        Then::Options,
    ),
    interpreter("pypy", PYTHON, Then::Data),
    interpreter("python", PYTHON, Then::Data),
    interpreter("Rscript", ["-e", "", "", ""], Then::Options),
    interpreter("ruby", ["-e", "", "-r --require", "-ICE =iFxKTW0"], Then::Options),
    interpreter("sed", ["-e --expression", "-f --file", "", "-l =i --line-length"], Then::OptionsAnywhere),
];

/// Other programs that read source from standard input, unless an option or so many words say what to run.
pub(super) const READERS: &[(&str, &str, usize)] = &[
    ("dc", "-ef --expression --file", 1),
    ("ed", "", usize::MAX),
    ("ex", "", usize::MAX),
    ("gdb", "", usize::MAX),
    ("mariadb", "-e --execute", usize::MAX),
    ("mysql", "-e --execute", usize::MAX),
    ("psql", "-cf --command --file", usize::MAX),
    ("sqlite3", "", 2),
];

/// Options whose word a program runs, and its other options with a word.
pub(super) const RUN_BY_OPTION: &[(&str, &str, &str)] = &[
    ("dc", "-e --expression", "-f --file"),
    ("gdb", "-x --command --eval-command --ex", ""),
    ("hash", "-p", ""),
    ("man", "-PH --pager --html", "-CLmMSErRT"),
    ("mariadb", "-e --execute", "-uhPDS =p"),
    ("mysql", "-e --execute", "-uhPDS =p"),
    ("nc", "-e", "-iIpPqsTVwxX"),
    ("ncat", "-ec --exec --sh-exec --lua-exec", "-gGipmosw"),
    ("psql", "-cf --command --file", "-dhUpvoLPRTF"),
    ("rsync", "-e --rsh --rsync-path", "-fBTM"),
    ("scp", "-oS", "-FciJlPD"),
    ("sftp", "-boS", "-BcDFiJlPRs"),
    ("sort", "--compress-program", "-kotST"),
    ("split", "--filter", "-abCln"),
    ("tar", "-FI --info-script --new-volume-script --rsh-command --to-command --use-compress-program", "-fCTXbVgKLN"),
    ("vim", "-cS --cmd", "-isTuUwW"),
];
