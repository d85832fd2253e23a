//! What was written is read again as it was, and what is hostile is refused.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use tar::{EntryType, Header};

use super::*;
use crate::domain::EntryKind;

/// Contents by the names that they get here: numbers.
#[derive(Default)]
struct Contents(RefCell<HashMap<ObjectId, Vec<u8>>>);

impl Contents {
    fn store(&self, bytes: &[u8]) -> ObjectId {
        let mut contents = self.0.borrow_mut();
        let mut name = [0; 20];
        name[..8].copy_from_slice(&(contents.len() as u64 + 1).to_le_bytes());
        contents.insert(ObjectId::from_bytes(name), bytes.to_vec());
        ObjectId::from_bytes(name)
    }

    fn load(&self, id: ObjectId) -> Vec<u8> {
        self.0.borrow()[&id].clone()
    }
}

type Files = Vec<(String, bool, Vec<u8>)>;

fn sample() -> Files {
    let all: Vec<u8> = (0..=255).collect();
    vec![
        ("__export_meta.json".to_owned(), false, b"{\r\n  \"a\": 1}".to_vec()),
        ("empty".to_owned(), false, Vec::new()),
        ("icon/appIcon.png".to_owned(), false, all),
        (format!("screens/Screen 1/{}/\"q\" \u{fc}\u{4e2d}.js", "long".repeat(50)), false, b"return 1;\n".to_vec()),
        ("tools/run.sh".to_owned(), true, b"#!/bin/sh\n".to_vec()),
    ]
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

fn written(form: Form, files: &Files) -> File {
    let contents = Contents::default();
    let kind = |executable| if executable { EntryKind::Executable } else { EntryKind::File };
    let list: Vec<AppFile> = (files.iter())
        .map(|(path, executable, bytes)| AppFile {
            path: path.clone(),
            kind: kind(*executable),
            id: contents.store(bytes),
        })
        .collect();
    let mut target = tempfile::tempfile().unwrap();
    write(form, &list, &|id| Ok(contents.load(id)), target.try_clone().unwrap()).unwrap();
    target.seek(SeekFrom::Start(0)).unwrap();
    target
}

fn read_within(form: Form, source: File, limits: Limits) -> Result<Files, ArchiveError> {
    let contents = Contents::default();
    let list = read(form, source, limits, &mut |bytes| Ok(contents.store(bytes)))?;
    Ok(list.into_iter().map(|f| (f.path, f.kind == EntryKind::Executable, contents.load(f.id))).collect())
}

fn read_bytes(form: Form, bytes: &[u8]) -> Result<Files, ArchiveError> {
    read_within(form, file_of(bytes), Limits::default())
}

fn bytes_of(mut file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    bytes
}

#[test]
fn every_form_gives_back_what_was_written() {
    for form in Form::ALL {
        let read = read_within(form, written(form, &sample()), Limits::default()).unwrap();
        assert_eq!(read, sample(), "{form:?}");
    }
}

#[test]
fn a_form_that_was_cut_off_anywhere_is_refused() {
    for form in Form::ALL {
        let whole = bytes_of(written(form, &sample()));
        // Of a tar's end one block is enough.
        let shortest = if form == Form::Tar { whole.len() - 1024 } else { whole.len() - 2 };
        for length in (0..shortest).step_by(97).chain([shortest]) {
            let read = read_bytes(form, &whole[..length]);
            assert!(read.is_err(), "{form:?} of {length} of {} bytes", whole.len());
        }
    }
}

#[test]
fn limits_are_kept_by_what_comes_and_not_by_what_is_said() {
    let limits = Limits { file: 300, whole: 600, entries: 12 };
    let big = |name: &str, length| (name.to_owned(), false, vec![b'x'; length]);
    for form in Form::ALL {
        let within = vec![big("a", 300), big("b", 300)];
        assert!(read_within(form, written(form, &within), limits).is_ok(), "{form:?}");
        let too_large = [vec![big("a", 301)], vec![big("a", 300), big("b", 200), big("c", 101)]];
        let too_many = (0..13).map(|n| big(&format!("f{n}"), 1)).collect();
        for files in too_large.into_iter().chain([too_many]) {
            let read = read_within(form, written(form, &files), limits);
            assert!(matches!(read, Err(ArchiveError::TooLarge(_))), "{form:?} {read:?}");
        }
    }
}

#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    // 512 MiB of zeros in half a megabyte.
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = Header::new_gnu();
    header.set_path("zeros").unwrap();
    header.set_size(512 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    compressed.write_all(header.as_bytes()).unwrap();
    for _ in 0..512 {
        compressed.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = compressed.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let read = read_bytes(Form::TarGz, &bomb);
    assert!(matches!(read, Err(ArchiveError::TooLarge(_))), "{read:?}");
}

/// Tells how much of it was read.
struct Counted<'a>(std::io::Cursor<Vec<u8>>, &'a std::cell::Cell<u64>);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.set(self.1.get() + read as u64);
        Ok(read)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_text_or_a_name_that_is_too_long_is_not_taken_into_memory_first() {
    let limits = Limits { file: 300, ..Limits::default() };
    let text = format!("{{\"a\": \"{}\"}}", "x".repeat(8 << 20)).into_bytes();
    let mut long_name = Header::new_gnu();
    long_name.set_path("././@LongLink").unwrap();
    long_name.set_entry_type(EntryType::GNULongName);
    long_name.set_size(8 << 20);
    long_name.set_cksum();
    let mut tar = long_name.as_bytes().to_vec();
    tar.extend(vec![b'x'; 8 << 20]);
    tar.extend(tar_with("a", EntryType::Regular, ""));
    for (form, bytes) in [(Form::Json, text), (Form::Tar, tar)] {
        let (contents, taken) = (Contents::default(), std::cell::Cell::new(0));
        let source = Counted(std::io::Cursor::new(bytes), &taken);
        assert!(read(form, source, limits, &mut |bytes| Ok(contents.store(bytes))).is_err(), "{form:?}");
        assert!(taken.get() < 2 << 20, "{form:?}: {} bytes were read", taken.get());
    }
}

fn tar_with(path: &str, kind: EntryType, link: &str) -> Vec<u8> {
    let mut header = Header::new_gnu();
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([0; 1024]);
    bytes
}

#[test]
fn what_must_never_be_written_is_refused_by_its_name() {
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let read = read_bytes(Form::Tar, &tar_with("screens/x", kind, "/etc/passwd"));
        assert!(matches!(&read, Err(ArchiveError::Refused { path, .. }) if path == "screens/x"), "{kind:?} {read:?}");
    }
    for path in ["../x", "/etc/x", "a/../../x", ".git/hooks/post-checkout", "a\\x", "a\u{1}", ".GIT./x", "./"] {
        let read = read_bytes(Form::Tar, &tar_with(path, EntryType::Regular, ""));
        assert!(matches!(&read, Err(ArchiveError::Refused { .. })), "{path} {read:?}");
        let json = serde_json::to_vec(&HashMap::from([(path, "")])).unwrap();
        assert!(matches!(read_bytes(Form::Json, &json), Err(ArchiveError::Refused { .. })), "{path}");
    }
}

#[test]
fn a_zip_with_links_is_refused() {
    let mut zip = zip::ZipWriter::new(tempfile::tempfile().unwrap());
    zip.add_symlink("screens/x", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    let mut file = zip.finish().unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let read = read_within(Form::Zip, file, Limits::default());
    assert!(matches!(&read, Err(ArchiveError::Refused { path, .. }) if path == "screens/x"), "{read:?}");
}

#[test]
fn json_says_text_or_base64_and_nothing_else() {
    let read = |text: &str| read_bytes(Form::Json, text.as_bytes());
    assert_eq!(
        read(r#" {"a": "x\u00fc", "b": {"base64": "/w"}, "c": {"text": "y", "executable": true}} "#).unwrap(),
        [
            ("a".to_owned(), false, "xü".into()),
            ("b".to_owned(), false, vec![0xff]),
            ("c".to_owned(), true, b"y".to_vec())
        ]
    );
    for text in [
        "",
        "[]",
        "{",
        "{}",
        r#"{"a": "x"} x"#,
        r#"{"a": 1}"#,
        r#"{"a": null}"#,
        r#"{"a": {"base64": "%"}}"#,
        r#"{"a": {"base64": "", "text": ""}}"#,
        r#"{"a": {"content": ""}}"#,
        r#"{"a": "\ud800"}"#,
        r#"{"a": "x", "a": "y"}"#,
        r#"{"a": "x", "A": "y"}"#,
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn what_archivers_put_beside_the_files_is_no_file() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: EntryType, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, path, bytes).unwrap();
    };
    add("pax_global_header", EntryType::XGlobalHeader, b"19 comment=1234567\n");
    add("./screens/", EntryType::Directory, b"");
    add("./screens/a.js", EntryType::Regular, b"x");
    let read = read_bytes(Form::Tar, &builder.into_inner().unwrap()).unwrap();
    assert_eq!(read, [("screens/a.js".to_owned(), true, b"x".to_vec())]);
}
