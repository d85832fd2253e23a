//! Crashes, with core dumps allowed by whoever starts the program.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::support::instance::Instance;
use crate::support::skip;

/// A launcher that allows core dumps, and starts the program in `folder`, where the kernel would put them.
pub(super) fn launcher(folder: &Path) -> Vec<String> {
    let script = "ulimit -c unlimited && cd \"$0\" && exec \"$@\"";
    ["sh", "-c", script, &folder.display().to_string()].map(str::to_owned).to_vec()
}

/// Aborts the worker, and asserts that the kernel wrote down nothing of it.
pub(super) fn abort(instance: &mut Instance) {
    let status = instance.end_with(Signal::ABORT);
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
    assert!(!status.core_dumped(), "a core was dumped");
    for folder in [instance.aside(), instance.data.clone()] {
        assert_eq!(cores(&folder), [""; 0], "in {}", folder.display());
    }
}

fn cores(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.contains("core")).collect()
}

#[test]
fn an_aborted_worker_leaves_no_core_although_its_launcher_allows_them() {
    let mut instance = Instance::new("crash");
    let folder = instance.aside();
    instance.launcher = launcher(&folder);
    instance.start();
    abort(&mut instance);

    // The same with a program that lets itself be dumped: would this test have seen it?
    let words = launcher(&folder);
    let control = Command::new(&words[0]).args(&words[1..]).args(["sh", "-c", "kill -ABRT $$"]).status();
    let seen = control.expect("sh").core_dumped();
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if !seen {
        skip(&format!("this machine dumps no cores at all (core_pattern {:?})", pattern.trim()));
    } else if pattern.starts_with(['|', '/', '@']) {
        skip(&format!("this machine's cores go elsewhere (core_pattern {:?})", pattern.trim()));
    } else {
        assert!(!cores(&folder).is_empty(), "the control's core is not where the test looks");
    }
}
