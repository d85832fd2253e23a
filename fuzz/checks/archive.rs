//! The first byte chooses the form (`j`, `t`, `g`, `z`), the rest is the archive.

use std::collections::BTreeSet;
use std::io::Cursor;

use appferry::archive::{Form, Limits, read, write};
use appferry::domain::app_name::broken_component_rule;
use appferry::domain::{AppFile, ObjectId};

/// Whether it is an app. What is taken is within the limits, has harmless paths, and is the same after a way through
/// every form.
pub(super) fn check(bytes: &[u8]) -> bool {
    let Some((first, archive)) = bytes.split_first() else { return false };
    let form = match first {
        b'j' => Form::Json,
        b't' => Form::Tar,
        b'g' => Form::TarGz,
        b'z' => Form::Zip,
        _ => return false,
    };
    let limits = Limits { file: 4096, whole: 16_384, entries: 64 };
    let Some((files, contents)) = read_all(form, archive, limits) else { return false };
    let bytes: usize = files.iter().map(|file| contents[index(file.id)].len()).sum();
    assert!(!files.is_empty() && files.len() <= limits.entries && bytes as u64 <= limits.whole);
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths.len(), files.len(), "a path is there twice");
    for path in paths {
        assert!(path.split('/').all(|part| broken_component_rule(part).is_none()), "{path:?}");
    }
    for form in Form::ALL {
        let mut written = Cursor::new(Vec::new());
        write(form, &files, &|id| Ok(contents[index(id)].clone()), &mut written).expect("memory takes it");
        let again = read_all(form, written.get_ref(), limits);
        assert_eq!(again.as_ref(), Some(&(files.clone(), contents.clone())), "{form:?}");
    }
    true
}

/// The files, and their contents by the numbers that name them.
fn read_all(form: Form, bytes: &[u8], limits: Limits) -> Option<(Vec<AppFile>, Vec<Vec<u8>>)> {
    let mut contents = Vec::new();
    let files = read(form, Cursor::new(bytes), limits, &mut |bytes| {
        contents.push(bytes.to_vec());
        let mut name = [0; 20];
        name[..8].copy_from_slice(&(contents.len() as u64 - 1).to_le_bytes());
        Ok(ObjectId::from_bytes(name))
    });
    files.ok().map(|files| (files, contents))
}

fn index(id: ObjectId) -> usize {
    let mut number = [0; 8];
    number.copy_from_slice(&id.as_bytes()[..8]);
    usize::try_from(u64::from_le_bytes(number)).expect("no more than there are")
}
