//! What the kernel shows of a process to others.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::support::{PATIENCE, wait_for};

/// The command line and the environment of a process. The environment is missing if its own user may not read it.
pub(super) fn shown(pid: u32) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |file: &str| {
        let path = PathBuf::from(format!("/proc/{pid}/{file}"));
        match fs::read(&path) {
            Ok(content) => Some((path, content)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && file == "environ" => None,
            Err(error) => panic!("{}: {error}", path.display()),
        }
    };
    ["cmdline", "environ"].into_iter().filter_map(read).collect()
}

/// Whoever started it may have allowed core dumps: it takes that back, as the first thing that it does.
pub(super) fn wait_until_it_dumps_no_core(pid: u32) {
    let limits = || fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    wait_for(PATIENCE, limits, || {
        let limits = limits();
        let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
        let words: Vec<&str> = line.split_whitespace().skip(4).take(2).collect();
        (words == ["0", "0"]).then_some(())
    });
}
