//! Proves that the apps folder can be read, written and renamed in.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::report::Step;
use crate::domain::Failure;

/// The folder for our own files in the apps folder; apps cannot start with a dot.
const HIDDEN: &str = ".appferry";
const NAME: &str = "apps folder";

pub(super) async fn check(dir: &Path) -> Step {
    let dir: PathBuf = dir.to_owned();
    match tokio::task::spawn_blocking(move || prove(&dir)).await {
        Ok(Ok(step)) => step,
        Ok(Err(failure)) => Step::fail(NAME, &failure),
        Err(error) => Step::fail(NAME, &Failure::internal(format!("the look at the apps folder broke off: {error}"))),
    }
}

fn prove(path: &Path) -> Result<Step, Failure> {
    let failed = |doing: &str| {
        let doing = format!("cannot {doing} the apps folder {}", path.display());
        move |error: Errno| Failure::disk(&doing, &error.into())
    };
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(CWD, path, folder, Mode::empty()).map_err(|error| match error {
        Errno::NOENT => Failure::new(
            crate::domain::FailureClass::Disk,
            format!("there is no folder {}", path.display()),
            "mount it there, or correct APPFERRY_APPS_DIR",
        ),
        Errno::NOTDIR => Failure::new(
            crate::domain::FailureClass::Disk,
            format!("{} is not a folder", path.display()),
            "give the folder that the builder keeps its apps in as APPFERRY_APPS_DIR",
        ),
        error => failed("open")(error),
    })?;
    let apps = count_apps(&dir).map_err(failed("read"))?;
    let made = match rustix::fs::mkdirat(&dir, HIDDEN, Mode::from_raw_mode(0o700)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(failed("write to")(error)),
    };
    let proved = open_beneath(&dir).map_err(failed("open a folder in")).and_then(|(hidden, mut notes)| {
        notes.extend(write_and_rename(&hidden).map_err(|error| {
            Failure::disk(format!("cannot write and rename in the apps folder {}", path.display()), &error)
        })?);
        Ok(notes)
    });
    if made {
        // Another check may have put its files there meanwhile: then it stays.
        let _not_empty = rustix::fs::unlinkat(&dir, HIDDEN, AtFlags::REMOVEDIR);
    }
    let detail = format!("{}, {apps} apps; read, write and rename work", path.display());
    Ok(Step::ok(NAME, detail).with_notes(proved?))
}

fn count_apps(dir: &OwnedFd) -> rustix::io::Result<usize> {
    let mut apps = 0;
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let folder = match entry.file_type() {
            FileType::Directory => true,
            // Some file systems do not say what an entry is.
            FileType::Unknown => rustix::fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            _ => false,
        };
        apps += usize::from(folder && !entry.file_name().to_bytes().starts_with(b"."));
    }
    Ok(apps)
}

/// Opens the hidden folder the way all access goes: beneath the apps folder, without following links.
fn open_beneath(dir: &OwnedFd) -> rustix::io::Result<(OwnedFd, Vec<String>)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(dir, HIDDEN, flags, Mode::empty(), beneath) {
        Ok(hidden) => Ok((hidden, Vec::new())),
        Err(Errno::NOSYS | Errno::PERM) => {
            let note =
                "this kernel or sandbox has no openat2: links inside the folder are looked for one step at a time";
            Ok((rustix::fs::openat(dir, HIDDEN, flags, Mode::empty())?, vec![note.to_owned()]))
        }
        Err(error) => Err(error),
    }
}

/// Makes two files, swaps them, reads one back and removes both. Answers what works less well than it could.
fn write_and_rename(hidden: &OwnedFd) -> io::Result<Option<String>> {
    let unique = format!("check-{}-{:08x}", std::process::id(), rand::random::<u32>());
    let (first, second) = (format!("{unique}-a"), format!("{unique}-b"));
    let proved = swap(hidden, &first, &second);
    for name in [&first, &second] {
        match rustix::fs::unlinkat(hidden, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return proved.and(Err(error.into())),
        }
    }
    proved
}

fn swap(hidden: &OwnedFd, first: &str, second: &str) -> io::Result<Option<String>> {
    for name in [first, second] {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut file = File::from(rustix::fs::openat(hidden, name, flags, Mode::from_raw_mode(0o600))?);
        file.write_all(name.as_bytes())?;
    }
    let note = match rustix::fs::renameat_with(hidden, first, hidden, second, RenameFlags::EXCHANGE) {
        Ok(()) => None,
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
            rustix::fs::renameat(hidden, first, hidden, second)?;
            Some(
                "this file system cannot swap two files (RENAME_EXCHANGE): a save in the moment of an install is \
                 looked for by its stat instead"
                    .to_owned(),
            )
        }
        Err(error) => return Err(error.into()),
    };
    let mut content = String::new();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    File::from(rustix::fs::openat(hidden, second, flags, Mode::empty())?).read_to_string(&mut content)?;
    if content == first { Ok(note) } else { Err(io::Error::other("a renamed file does not hold what was written")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Outcome;

    #[test]
    fn a_writable_folder_is_proved_and_left_as_it_was() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("PO App")).expect("an app");
        let step = prove(dir.path()).expect("works");
        assert!(matches!(&step.outcome, Outcome::Ok(detail) if detail.contains("1 apps")), "{step}");
        let left: Vec<_> = std::fs::read_dir(dir.path()).expect("there").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["PO App"]);
    }

    #[test]
    fn a_hidden_folder_that_was_there_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join(HIDDEN)).expect("hidden");
        prove(dir.path()).expect("works");
        assert!(dir.path().join(HIDDEN).is_dir());
    }

    #[test]
    fn a_missing_folder_and_a_link_in_place_of_ours_are_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let missing = prove(&dir.path().join("none")).expect_err("missing");
        assert!(missing.remedy.contains("APPFERRY_APPS_DIR"), "{missing}");
        std::os::unix::fs::symlink("/tmp", dir.path().join(HIDDEN)).expect("a link");
        assert!(prove(dir.path()).is_err());
    }
}
