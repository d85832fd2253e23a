//! Who else may read a key file.

use std::path::Path;

use super::file::Snapshot;
use super::mounts;

/// What others than the owner may do that they need not: the group anything but read, the rest anything.
const TOO_WIDE: u32 = 0o037;

/// What to say about the file's mode, with the command that narrows it. Nothing about mounted secrets: their mode is the
/// platform's, and no other user is inside the mount.
pub(super) fn notice(dir: &Path, path: &Path, file: &Snapshot) -> Option<String> {
    if file.mode & TOO_WIDE == 0 || mounts::is_mounted_secret(dir, path) {
        return None;
    }
    Some(words(path, file.mode, file.owner, rustix::process::geteuid().as_raw()))
}

fn words(path: &Path, mode: u32, owner: u32, us: u32) -> String {
    let path = path.display();
    let narrow = format!("chmod 0440 '{path}'");
    // Narrowed alone, a file of somebody else could not be read any more.
    let command = if us == 0 || owner == us { narrow } else { format!("chown {us} '{path}' && {narrow}") };
    format!("{path} has the mode {mode:04o}, wider than 0440; run `{command}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_leaves_the_file_readable() {
        let path = Path::new("/keys/deploy");
        assert_eq!(
            words(path, 0o644, 10, 10),
            "/keys/deploy has the mode 0644, wider than 0440; run `chmod 0440 '/keys/deploy'`"
        );
        assert!(words(path, 0o644, 0, 10).contains("chown 10 '/keys/deploy' && chmod 0440 '/keys/deploy'"));
        assert!(!words(path, 0o644, 10, 0).contains("chown"));
    }
}
