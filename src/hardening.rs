//! What the program does first, so that its memory stays its own.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and other processes of the same user to look into this one's memory. Answers what did not work.
///
/// Both steps are needed: where core dumps are piped to a program, the kernel does not ask for the limit; and the limit
/// also holds for the programs that this one starts.
#[must_use]
pub fn keep_memory_private() -> Vec<String> {
    let no_cores = Rlimit { current: Some(0), maximum: Some(0) };
    let steps = [
        ("core dumps are not limited to nothing", setrlimit(Resource::Core, no_cores)),
        ("the process may be dumped and traced", set_dumpable_behavior(DumpableBehavior::NotDumpable)),
    ];
    steps.into_iter().filter_map(|(state, outcome)| Some(warning(state, outcome.err()?))).collect()
}

fn warning(state: &str, errno: Errno) -> String {
    format!("{state}: {errno}; a core dump could hold private keys: turn them off with `ulimit -c 0`")
}
