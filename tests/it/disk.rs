//! The apps folder on a real disk: looks, installs, crashes and other people's saves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests may fail loudly too"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use appferry::domain::input::size::FileSize;
use appferry::domain::patterns::{AppFilter, Patterns};
use appferry::domain::{AppName, EntryKind, Failure, FailureClass, ObjectId, TreeEntry};
use appferry::ports::{AppOnDisk, Commit, FolderOnDisk, Hint, Installed, LocalRepository, RefEdit, Tag, Workspace};
use appferry::watch::{Hints, WatchMode, Watcher};
use appferry::workspace::{AppsFolder, Settings};
use proptest::prelude::*;
use sha1::{Digest, Sha1};
use tempfile::TempDir;

// ---------------------------------------------------------------- a repository in memory

#[derive(Default)]
struct Memory {
    blobs: Mutex<HashMap<ObjectId, Vec<u8>>>,
    trees: Mutex<HashMap<ObjectId, Vec<TreeEntry>>>,
    blobs_written: AtomicUsize,
    trees_written: AtomicUsize,
    /// A file and its content that somebody saves when all is staged, and nothing swapped yet.
    saved_at_flush: Mutex<Option<(PathBuf, &'static str)>>,
}

fn git_name(kind: &str, body: &[u8]) -> ObjectId {
    let mut sha = Sha1::new();
    sha.update(format!("{kind} {}\0", body.len()));
    sha.update(body);
    ObjectId::from_bytes(sha.finalize().into())
}

fn missing<T>() -> Result<T, Failure> {
    Err(Failure::internal("the object is missing"))
}

impl LocalRepository for Memory {
    fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, Failure> {
        self.trees.lock().unwrap().get(&id).cloned().map_or_else(missing, Ok)
    }
    fn blob(&self, id: ObjectId) -> Result<Vec<u8>, Failure> {
        self.blobs.lock().unwrap().get(&id).cloned().map_or_else(missing, Ok)
    }
    fn commit(&self, _: ObjectId) -> Result<Commit, Failure> {
        missing()
    }
    fn contains(&self, id: ObjectId) -> Result<bool, Failure> {
        Ok(self.trees.lock().unwrap().contains_key(&id) || self.blobs.lock().unwrap().contains_key(&id))
    }
    fn write_blob(&self, bytes: &[u8]) -> Result<ObjectId, Failure> {
        self.blobs_written.fetch_add(1, Ordering::Relaxed);
        let id = git_name("blob", bytes);
        self.blobs.lock().unwrap().entry(id).or_insert_with(|| bytes.to_vec());
        Ok(id)
    }
    fn write_tree(&self, entries: &[TreeEntry]) -> Result<ObjectId, Failure> {
        self.trees_written.fetch_add(1, Ordering::Relaxed);
        let mut sorted = entries.to_vec();
        sorted.sort_by_key(|entry| {
            let mut name = entry.name.clone();
            if entry.kind == EntryKind::Tree {
                name.push(b'/');
            }
            name
        });
        let mut body = Vec::new();
        for entry in &sorted {
            body.extend_from_slice(format!("{:o} ", entry.kind.mode()).as_bytes());
            body.extend_from_slice(&entry.name);
            body.push(0);
            body.extend_from_slice(entry.id.as_bytes());
        }
        let id = git_name("tree", &body);
        self.trees.lock().unwrap().insert(id, sorted);
        Ok(id)
    }
    fn write_commit(&self, _: &Commit) -> Result<ObjectId, Failure> {
        missing()
    }
    fn write_tag(&self, _: &Tag) -> Result<ObjectId, Failure> {
        missing()
    }
    fn flush(&self) -> Result<(), Failure> {
        if let Some((path, text)) = self.saved_at_flush.lock().unwrap().take() {
            fs::write(path, text).unwrap();
        }
        Ok(())
    }
    fn find_ref(&self, _: &str) -> Result<Option<ObjectId>, Failure> {
        Ok(None)
    }
    fn list_refs(&self, _: &str) -> Result<Vec<(String, ObjectId)>, Failure> {
        Ok(Vec::new())
    }
    fn edit_refs(&self, _: &[RefEdit]) -> Result<(), Failure> {
        Ok(())
    }
    fn descends_from(&self, _: ObjectId, _: ObjectId) -> Result<bool, Failure> {
        Ok(false)
    }
    fn maintain(&self) -> Result<bool, Failure> {
        Ok(false)
    }
}

impl Memory {
    /// A tree of files; a path that ends with `*` is executable.
    fn plant(&self, files: &[(&str, &str)]) -> ObjectId {
        let mut entries = Vec::new();
        let mut folders: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for (path, text) in files {
            if let Some((folder, rest)) = path.split_once('/') {
                folders.entry(folder).or_default().push((rest, text));
            } else {
                let kind = if path.ends_with('*') { EntryKind::Executable } else { EntryKind::File };
                let id = self.write_blob(text.as_bytes()).unwrap();
                entries.push(entry(path.trim_end_matches('*'), kind, id));
            }
        }
        for (folder, inner) in folders {
            entries.push(entry(folder, EntryKind::Tree, self.plant(&inner)));
        }
        self.write_tree(&entries).unwrap()
    }
}

fn entry(name: &str, kind: EntryKind, id: ObjectId) -> TreeEntry {
    TreeEntry { name: name.as_bytes().to_vec(), kind, id }
}

// ---------------------------------------------------------------- a bench to work at

const DEBOUNCE: Duration = Duration::from_millis(150);

struct Bench {
    home: TempDir,
    repo: Arc<Memory>,
    disk: AppsFolder,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("apps")).unwrap();
        Self::at(home, DEBOUNCE)
    }

    /// On a file system in memory, if there is one: for many installs.
    fn quick() -> Self {
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(home.path().join("apps")).unwrap();
        Self::at(home, DEBOUNCE)
    }

    fn at(home: TempDir, debounce: Duration) -> Self {
        let repo = Arc::new(Memory::default());
        let disk = open(home.path(), debounce, &repo);
        Self { home, repo, disk }
    }

    fn apps(&self) -> PathBuf {
        self.home.path().join("apps")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.apps().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.apps().join(path)).unwrap()
    }

    fn exists(&self, path: &str) -> bool {
        self.apps().join(path).exists()
    }

    fn restart(&mut self) {
        self.disk = open(self.home.path(), DEBOUNCE, &self.repo);
    }

    /// Looks until the app is not busy any more.
    fn settle(&mut self, name: &str) -> AppOnDisk {
        settle(&mut self.disk, name)
    }

    fn tree_of(&mut self, name: &str) -> ObjectId {
        match self.settle(name) {
            AppOnDisk::Settled(tree) => tree,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn install(&mut self, name: &str, from: Option<ObjectId>, to: Option<ObjectId>) -> Installed {
        self.disk.install(&app(name), from, to).unwrap()
    }

    fn staged(&self) -> Vec<String> {
        let folder = self.apps().join(".appferry/staging");
        fs::read_dir(folder).map_or_else(
            |_| Vec::new(),
            |found| found.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect(),
        )
    }

    fn journals(&self) -> usize {
        fs::read_dir(self.home.path().join("data/installs")).unwrap().count()
    }
}

fn open(home: &Path, debounce: Duration, repo: &Arc<Memory>) -> AppsFolder {
    let settings = Settings {
        apps_dir: home.join("apps"),
        data: home.join("data"),
        debounce,
        file_mode: 0o644,
        dir_mode: 0o755,
        ignore: Patterns::default(),
        largest_file: FileSize(25_000_000),
    };
    AppsFolder::open(settings, Arc::clone(repo) as Arc<dyn LocalRepository>).unwrap()
}

fn settle(disk: &mut AppsFolder, name: &str) -> AppOnDisk {
    loop {
        match disk.look_at(&app(name)).unwrap() {
            AppOnDisk::Busy(rest) => std::thread::sleep(rest + Duration::from_millis(2)),
            other => return other,
        }
    }
}

fn app(name: &str) -> AppName {
    AppName::new(name).unwrap()
}

fn reason(seen: &AppOnDisk) -> (&str, &str) {
    match seen {
        AppOnDisk::Unreadable { path, reason } => (path, reason),
        other => panic!("it should be unreadable, but is {other:?}"),
    }
}

// ---------------------------------------------------------------- looking

#[test]
fn an_app_that_is_left_out_is_not_read() {
    let mut bench = Bench::new();
    bench.write("Mine/meta.json", "{}");
    bench.write("Other (old)/meta.json", "{}");
    bench.settle("Mine");
    let exclude = Patterns::parse("*(old)").unwrap();
    let folder = open(bench.home.path(), Duration::ZERO, &bench.repo);
    let mut folder = folder.only(AppFilter { exclude, ..AppFilter::default() });
    let FolderOnDisk::Apps { apps, .. } = folder.look_at_all().unwrap() else { panic!("it is there") };
    assert_eq!(apps.into_iter().map(|(app, _)| app.to_string()).collect::<Vec<_>>(), ["Mine"]);
}

#[test]
fn a_quiet_app_becomes_the_tree_that_git_would_make_and_a_young_one_is_busy() {
    let mut bench = Bench::new();
    bench.disk = open(bench.home.path(), Duration::from_hours(1), &bench.repo);
    bench.write("it's \"Ünï\" ✓/meta.json", "{}");
    bench.write("it's \"Ünï\" ✓/screens/Screen 1/run.sh", "#!/bin/sh\n");
    let script = bench.apps().join("it's \"Ünï\" ✓/screens/Screen 1/run.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o750)).unwrap();
    fs::create_dir(bench.apps().join("it's \"Ünï\" ✓/empty")).unwrap();
    let young = bench.disk.look_at(&app("it's \"Ünï\" ✓")).unwrap();
    assert!(matches!(young, AppOnDisk::Busy(rest) if rest <= Duration::from_hours(1)), "{young:?}");
    bench.restart();
    let tree = bench.tree_of("it's \"Ünï\" ✓");
    let wanted = bench.repo.plant(&[("meta.json", "{}"), ("screens/Screen 1/run.sh*", "#!/bin/sh\n")]);
    assert_eq!(tree, wanted);
    let git = Command::new("sh")
        .args(["-c", "git init -q . && git add -A && git write-tree"])
        .current_dir(bench.apps().join("it's \"Ünï\" ✓"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&git.stdout).trim(), tree.to_string());
}

#[test]
fn a_second_look_reads_nothing_and_one_changed_file_is_read_alone() {
    let mut bench = Bench::new();
    for file in 0..20 {
        bench.write(&format!("a/f{file}"), "text");
    }
    std::thread::sleep(Duration::from_millis(2100)); // older than the grain of any clock
    bench.tree_of("a");
    let (blobs, trees) =
        (bench.repo.blobs_written.load(Ordering::Relaxed), bench.repo.trees_written.load(Ordering::Relaxed));
    bench.tree_of("a");
    bench.disk.save_cache().unwrap();
    bench.restart();
    bench.tree_of("a");
    assert_eq!(bench.repo.blobs_written.load(Ordering::Relaxed), blobs);
    assert_eq!(bench.repo.trees_written.load(Ordering::Relaxed), trees);
    bench.write("a/f7", "other");
    bench.tree_of("a");
    assert_eq!(bench.repo.blobs_written.load(Ordering::Relaxed), blobs + 1);
    // A repository that lost the app gets it again.
    bench.repo.trees.lock().unwrap().clear();
    bench.repo.blobs.lock().unwrap().clear();
    let tree = bench.tree_of("a");
    assert_eq!(bench.repo.tree(tree).unwrap().len(), 20);
}

#[test]
fn a_change_that_leaves_size_and_times_as_they_were_is_found_while_the_file_is_young() {
    let mut bench = Bench::new();
    bench.write("a/f", "one");
    let before = bench.tree_of("a");
    bench.write("a/f", "two");
    let after = bench.tree_of("a");
    assert_ne!(before, after);
}

#[test]
fn what_cannot_be_part_of_an_app_is_named_with_its_reason() {
    let mut bench = Bench::new();
    bench.write("link/x", "");
    symlink("/etc/passwd", bench.apps().join("link/y")).unwrap();
    bench.write("git/in/.GIT/config", "");
    bench.write("pipe/x", "");
    let pipe = bench.apps().join("pipe/p");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::create_dir(bench.apps().join("bytes")).unwrap();
    fs::write(bench.apps().join("bytes").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    symlink(bench.apps().join("pipe"), bench.apps().join("linked app")).unwrap();
    fs::create_dir(bench.apps().join("back\\slash")).unwrap();
    fs::create_dir(bench.apps().join(".hidden")).unwrap();
    bench.write("not an app.txt", "");

    let seen = bench.disk.look_at(&app("link")).unwrap();
    assert!(reason(&seen).0 == "y" && reason(&seen).1.contains("symbolic link"), "{seen:?}");
    let seen = bench.disk.look_at(&app("git")).unwrap();
    assert!(reason(&seen).0 == "in/.GIT" && reason(&seen).1.contains("Git's own folder"), "{seen:?}");
    let seen = bench.disk.look_at(&app("pipe")).unwrap();
    assert!(reason(&seen).1.contains("pipe"), "{seen:?}");
    let seen = bench.disk.look_at(&app("bytes")).unwrap();
    assert!(reason(&seen).1.contains("UTF-8"), "{seen:?}");
    let seen = bench.disk.look_at(&app("linked app")).unwrap();
    assert!(reason(&seen).1.contains("symbolic link"), "{seen:?}");
    let FolderOnDisk::Apps { apps, refused } = bench.disk.look_at_all().unwrap() else { panic!("it is mounted") };
    assert_eq!(apps.iter().map(|(app, _)| app.as_str()).collect::<Vec<_>>(), ["bytes", "git", "link", "pipe"]);
    assert_eq!(refused.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["back\\\\slash", "linked app"]);
}

#[test]
fn an_empty_folder_is_empty_and_a_missing_one_is_absent() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.apps().join("hollow/in/in")).unwrap();
    assert_eq!(bench.settle("hollow"), AppOnDisk::Empty);
    assert_eq!(bench.settle("hollow"), AppOnDisk::Empty);
    assert_eq!(bench.settle("nowhere"), AppOnDisk::Absent);
}

#[test]
fn a_missing_apps_folder_is_not_a_deletion_and_comes_back_by_itself() {
    let mut bench = Bench::new();
    bench.write("a/f", "1");
    bench.tree_of("a");
    fs::rename(bench.apps(), bench.home.path().join("away")).unwrap();
    let seen = bench.disk.look_at_all().unwrap();
    assert!(matches!(&seen, FolderOnDisk::NotMounted(reason) if reason.contains("missing")), "{seen:?}");
    assert_eq!(bench.disk.look_at(&app("a")).unwrap_err().class, FailureClass::Disk);
    assert!(bench.disk.install(&app("a"), None, None).is_err());
    fs::rename(bench.home.path().join("away"), bench.apps()).unwrap();
    assert!(matches!(bench.settle("a"), AppOnDisk::Settled(_)));
}

#[test]
fn another_file_system_mounted_over_the_folder_is_seen_and_the_old_one_taken_back() {
    let mut bench = Bench::new();
    bench.write("a/f", "1");
    bench.tree_of("a");
    let Some(mounted) = Tmpfs::mount(&bench.apps(), "1m") else { return };
    let seen = bench.disk.look_at_all().unwrap();
    assert!(matches!(&seen, FolderOnDisk::NotMounted(reason) if reason.contains("another file system")), "{seen:?}");
    drop(mounted);
    assert!(matches!(bench.settle("a"), AppOnDisk::Settled(_)));
}

struct Tmpfs(PathBuf);

impl Tmpfs {
    /// `None`, said aloud, where this is not allowed.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        assert!(std::env::var_os("CI").is_none(), "mounting a tmpfs must work where all tests must run");
        eprintln!("skipped: this user may not mount a tmpfs");
        None
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

// ---------------------------------------------------------------- installing

#[test]
fn an_app_is_installed_changed_and_deleted_and_is_never_busy_by_our_own_hand() {
    let mut bench = Bench::new();
    let first = bench.repo.plant(&[("meta.json", "{}"), ("in/deep/run.sh*", "1"), ("gone/x", "2")]);
    assert_eq!(bench.install("a", None, Some(first)), Installed::Done);
    assert_eq!(bench.disk.look_at(&app("a")).unwrap(), AppOnDisk::Settled(first));
    let mode = |path: &str| fs::metadata(bench.apps().join(path)).unwrap().mode() & 0o777;
    assert_eq!((mode("a/meta.json"), mode("a/in/deep/run.sh"), mode("a/in")), (0o644, 0o755, 0o755));
    let second = bench.repo.plant(&[("meta.json", "{\"a\":1}"), ("in/deep/run.sh", "1"), ("new/y", "3")]);
    assert_eq!(bench.install("a", Some(first), Some(second)), Installed::Done);
    assert_eq!(bench.disk.look_at(&app("a")).unwrap(), AppOnDisk::Settled(second));
    assert!(!bench.exists("a/gone"));
    assert_eq!(bench.install("a", Some(second), None), Installed::Done);
    assert!(!bench.exists("a"));
    assert_eq!((bench.staged(), bench.journals()), (vec![], 0));
}

#[test]
fn an_install_touches_only_what_differs_and_the_next_look_reads_nothing() {
    let mut bench = Bench::new();
    let first = bench.repo.plant(&[("a", "1"), ("b/c", "2"), ("b/d", "3")]);
    bench.install("x", None, Some(first));
    let apps = bench.apps();
    let inode = |path: &str| fs::metadata(apps.join(path)).unwrap().ino();
    let before = (inode("x/a"), inode("x/b/c"));
    std::thread::sleep(Duration::from_millis(30));
    let second = bench.repo.plant(&[("a", "1"), ("b/c", "2"), ("b/d", "4")]);
    bench.install("x", Some(first), Some(second));
    assert_eq!((inode("x/a"), inode("x/b/c")), before);
    assert_eq!(bench.disk.look_at(&app("x")).unwrap(), AppOnDisk::Settled(second));
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    let mut bench = Bench::new();
    let first = bench.repo.plant(&[("a", "file"), ("b/c/d", "deep"), ("b/e", "flat")]);
    let second = bench.repo.plant(&[("a/x/y", "deep"), ("b", "file")]);
    bench.install("x", None, Some(first));
    assert_eq!(bench.install("x", Some(first), Some(second)), Installed::Done);
    assert_eq!((bench.read("x/a/x/y"), bench.read("x/b")), ("deep".to_owned(), "file".to_owned()));
    assert_eq!(bench.install("x", Some(second), Some(first)), Installed::Done);
    assert_eq!(bench.disk.look_at(&app("x")).unwrap(), AppOnDisk::Settled(first));
}

#[test]
fn mode_and_owner_of_existing_files_stay_and_new_ones_belong_to_whom_the_folder_belongs() {
    let mut bench = Bench::new();
    let first = bench.repo.plant(&[("a", "1"), ("in/b", "1")]);
    bench.install("x", None, Some(first));
    fs::set_permissions(bench.apps().join("x/a"), fs::Permissions::from_mode(0o600)).unwrap();
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        std::os::unix::fs::chown(bench.apps().join("x/a"), Some(1234), Some(1235)).unwrap();
        std::os::unix::fs::chown(bench.apps().join("x/in"), Some(1236), Some(1237)).unwrap();
    }
    let second = bench.repo.plant(&[("a", "2"), ("in/b", "1"), ("in/new/c", "3")]);
    assert_eq!(bench.install("x", Some(first), Some(second)), Installed::Done);
    let of = |path: &str| {
        let found = fs::metadata(bench.apps().join(path)).unwrap();
        (found.uid(), found.gid(), found.mode() & 0o777)
    };
    assert_eq!(of("x/a").2, 0o600);
    if root {
        assert_eq!(of("x/a"), (1234, 1235, 0o600));
        assert_eq!(of("x/in/new/c"), (1236, 1237, 0o644));
        assert_eq!(of("x/in/new"), (1236, 1237, 0o755));
    }
}

#[test]
fn a_save_that_the_plan_did_not_know_disturbs_the_install_and_stays() {
    let mut bench = Bench::new();
    let first = bench.repo.plant(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let second = bench.repo.plant(&[("a", "2"), ("c", "1")]);
    bench.install("x", None, Some(first));
    bench.write("x/a", "mine");
    assert_eq!(bench.install("x", Some(first), Some(second)), Installed::Disturbed);
    assert_eq!((bench.read("x/a"), bench.read("x/b")), ("mine".to_owned(), "1".to_owned()));
    bench.write("x/a", "1");
    bench.write("x/b", "mine");
    assert_eq!(bench.install("x", Some(first), None), Installed::Disturbed);
    assert_eq!(bench.read("x/b"), "mine");
    bench.write("x/b", "1");
    bench.write("x/new", "mine");
    assert_eq!(bench.install("x", Some(first), None), Installed::Disturbed);
    assert_eq!(bench.read("x/new"), "mine");
    assert_eq!((bench.staged(), bench.journals()), (vec![], 0));
}

#[test]
fn an_install_that_has_begun_is_finished_around_a_save_in_its_middle() {
    let mut bench = Bench::new();
    let first = bench.repo.plant(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    let second = bench.repo.plant(&[("a", "2"), ("b", "2"), ("c", "2"), ("e", "2")]);
    bench.install("x", None, Some(first));
    let save = |bench: &Bench, file: &str| {
        *bench.repo.saved_at_flush.lock().unwrap() = Some((bench.apps().join("x").join(file), "mine"));
    };
    let files = |bench: &Bench| ["a", "b", "c"].map(|file| bench.read(&format!("x/{file}")));
    // Of the first file nothing has been done: the plan is made again.
    save(&bench, "a");
    assert_eq!(bench.disk.bring(&app("x"), Some(first), Some(second)).unwrap(), Installed::Disturbed);
    assert_eq!(files(&bench), ["mine", "1", "1"]);
    assert_eq!(bench.disk.take_arrived()[0].left, ["a", "b", "c", "d", "e"].map(str::to_owned).into());
    bench.write("x/a", "1");
    save(&bench, "b");
    assert_eq!(bench.disk.bring(&app("x"), Some(first), Some(second)).unwrap(), Installed::Disturbed);
    assert_eq!(files(&bench), ["2", "mine", "2"]);
    assert!(bench.exists("x/e") && !bench.exists("x/d"), "all the rest is there");
    let arrived = bench.disk.take_arrived();
    assert_eq!((arrived.len(), arrived[0].tree), (1, Some(second)));
    assert_eq!(arrived[0].left, BTreeSet::from(["b".to_owned()]));
    bench.disk.note_arrived().unwrap();
    assert_eq!((bench.staged(), bench.journals()), (vec![], 0));
}

#[test]
fn what_came_is_told_again_when_the_state_that_would_have_noted_it_is_gone() {
    let mut bench = Bench::new();
    let tree = bench.repo.plant(&[("a", "1")]);
    assert_eq!(bench.disk.bring(&app("x"), None, Some(tree)).unwrap(), Installed::Done);
    assert_eq!(bench.disk.take_arrived().len(), 1);
    bench.disk.forget();
    bench.disk.note_arrived().unwrap(); // of a state that knows nothing of it
    assert_eq!(bench.journals(), 1);
    bench.disk.recover().unwrap();
    assert_eq!(bench.disk.take_arrived().iter().map(|arrived| arrived.tree).collect::<Vec<_>>(), [Some(tree)]);
    bench.disk.note_arrived().unwrap();
    assert_eq!(bench.journals(), 0);
}

#[test]
fn what_nobody_was_told_of_yet_keeps_its_journal() {
    let mut bench = Bench::new();
    let tree = bench.repo.plant(&[("a", "1")]);
    for name in ["x", "y"] {
        assert_eq!(bench.disk.bring(&app(name), None, Some(tree)).unwrap(), Installed::Done);
        assert_eq!(bench.journals(), 1);
        bench.disk.note_arrived().unwrap(); // the state was saved before it was asked what came
        assert_eq!(bench.journals(), 1);
        assert_eq!(bench.disk.take_arrived().iter().map(|came| came.app.clone()).collect::<Vec<_>>(), [app(name)]);
        bench.disk.note_arrived().unwrap();
        assert_eq!(bench.journals(), 0);
    }
}

#[test]
fn without_exchange_an_install_still_works_and_still_sees_saves() {
    let mut bench = Bench::new();
    bench.disk = open(bench.home.path(), DEBOUNCE, &bench.repo).without_exchange();
    let first = bench.repo.plant(&[("a", "1"), ("b/c", "1")]);
    let second = bench.repo.plant(&[("a", "2"), ("d", "1")]);
    assert_eq!(bench.install("x", None, Some(first)), Installed::Done);
    assert_eq!(bench.install("x", Some(first), Some(second)), Installed::Done);
    assert_eq!(bench.disk.look_at(&app("x")).unwrap(), AppOnDisk::Settled(second));
    bench.write("x/d", "mine");
    assert_eq!(bench.install("x", Some(second), None), Installed::Disturbed);
    assert_eq!(bench.read("x/d"), "mine");
}

#[test]
fn hostile_trees_are_refused_and_nothing_of_them_is_written() {
    let mut bench = Bench::new();
    let blob = bench.repo.write_blob(b"evil").unwrap();
    let good = entry("good", EntryKind::File, blob);
    let bad = |name: &str, kind| vec![good.clone(), entry(name, kind, blob)];
    let trees = [
        bad(".git", EntryKind::File),
        bad("..", EntryKind::File),
        bad("a/b", EntryKind::File),
        bad("/etc", EntryKind::File),
        bad("new\nline", EntryKind::File),
        bad("GIT~1", EntryKind::File),
        bad("link", EntryKind::Symlink),
        bad("sub", EntryKind::Submodule),
        vec![good.clone(), good.clone()],
        vec![good.clone(), TreeEntry { name: vec![0xff], kind: EntryKind::File, id: blob }],
    ];
    for entries in trees {
        let inner = bench.repo.write_tree(&entries).unwrap();
        let outer = bench.repo.write_tree(&[entry("in", EntryKind::Tree, inner)]).unwrap();
        for tree in [inner, outer] {
            let failure = bench.disk.install(&app("x"), None, Some(tree)).unwrap_err();
            assert_eq!(failure.class, FailureClass::Protocol, "{failure}");
            assert!(!bench.exists("x"));
        }
    }
    assert_eq!((bench.staged(), bench.journals()), (vec![], 0));
}

#[test]
fn no_link_on_the_way_leads_an_install_out_of_the_folder() {
    let mut bench = Bench::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "1").unwrap();
    let first = bench.repo.plant(&[("in/f", "1"), ("keep", "1")]);
    let second = bench.repo.plant(&[("in/f", "evil"), ("in/g", "evil"), ("keep", "1")]);
    bench.install("x", None, Some(first));
    fs::remove_dir_all(bench.apps().join("x/in")).unwrap();
    symlink(outside.path(), bench.apps().join("x/in")).unwrap();
    assert_eq!(bench.install("x", Some(first), Some(second)), Installed::Disturbed);
    assert_eq!(bench.install("x", Some(first), None), Installed::Disturbed);
    symlink(outside.path(), bench.apps().join("y")).unwrap();
    assert!(!matches!(bench.disk.install(&app("y"), None, Some(second)), Ok(Installed::Done)));
    assert_eq!(fs::read_to_string(outside.path().join("f")).unwrap(), "1");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn on_a_full_disk_nothing_half_is_visible_and_the_install_goes_on_when_there_is_space() {
    let mut bench = Bench::new();
    let Some(_mounted) = Tmpfs::mount(&bench.apps(), "1m") else { return };
    let big = "x".repeat(300_000);
    let first = bench.repo.plant(&[("a", &big), ("b", "1")]);
    assert_eq!(bench.install("x", None, Some(first)), Installed::Done);
    let (new_a, new_c) = ("y".repeat(300_000), "z".repeat(500_000));
    let second = bench.repo.plant(&[("a", &new_a), ("b", "2"), ("c", &new_c)]);
    for _ in 0..2 {
        let failure = bench.disk.install(&app("x"), Some(first), Some(second)).unwrap_err();
        assert_eq!(failure.class, FailureClass::Disk);
        assert!(failure.remedy.contains("free space"), "{failure}");
        assert_eq!(bench.staged(), Vec::<String>::new());
        assert_eq!(bench.tree_of("x"), first);
    }
    assert!(Command::new("mount").args(["-o", "remount,size=4m"]).arg(bench.apps()).status().unwrap().success());
    assert_eq!(bench.install("x", Some(first), Some(second)), Installed::Done);
}

// ---------------------------------------------------------------- other people's saves

#[test]
fn a_saver_that_never_rests_loses_no_save_and_readers_see_whole_files() {
    let mut bench = Bench::new();
    let text = |version: usize| format!("{{\"version\":{version:06}}}").repeat(200);
    let trees: Vec<ObjectId> =
        (0..2).map(|version| bench.repo.plant(&[("f", &text(version)), ("g", "same")])).collect();
    bench.install("x", None, Some(trees[0]));
    let path = bench.apps().join("x/f");
    let stop = Arc::new(AtomicBool::new(false));
    let saver = std::thread::spawn({
        let (path, stop) = (path.clone(), Arc::clone(&stop));
        move || {
            let mut last = 0;
            for save in 100_000..102_000 {
                let temporary = path.with_file_name("..saving");
                fs::write(&temporary, format!("{{\"version\":{save:06}}}").repeat(200)).unwrap();
                fs::rename(&temporary, &path).unwrap();
                last = save;
                std::thread::sleep(Duration::from_micros(300));
            }
            stop.store(true, Ordering::Relaxed);
            last
        }
    });
    let reader = std::thread::spawn({
        let (path, stop) = (path.clone(), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                let found = fs::read_to_string(&path).expect("the file is always there");
                assert_eq!(found.len(), 200 * "{\"version\":000000}".len(), "a reader saw half a file");
            }
        }
    });
    let mut turns = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        // The plan is made from whatever is there, and may be outdated at once.
        let seen = fs::read_to_string(&path).unwrap();
        let from = bench.repo.plant(&[("f", &seen), ("g", "same")]);
        match bench.install("x", Some(from), Some(trees[1])) {
            Installed::Done => turns.0 += 1,
            Installed::Disturbed => turns.1 += 1,
        }
    }
    let last = saver.join().unwrap();
    reader.join().unwrap();
    let found = fs::read_to_string(&path).unwrap();
    let kept = found == text(1) || found == text(last);
    assert!(kept, "{}", &found[..20]);
    if found == text(1) {
        assert!(
            bench.repo.contains(git_name("blob", text(last).as_bytes())).unwrap(),
            "the last save was planned from"
        );
    }
    assert_eq!(bench.staged(), Vec::<String>::new());
    eprintln!("{} installs done, {} disturbed", turns.0, turns.1);
}

// ---------------------------------------------------------------- watching

async fn until_inotify(watcher: &Watcher) {
    let mut modes = watcher.modes();
    modes.wait_for(|mode| *mode == WatchMode::Inotify).await.unwrap();
}

async fn next(hints: &mut Hints) -> Hint {
    tokio::time::timeout(Duration::from_secs(20), hints.next()).await.expect("a hint comes")
}

/// Takes hints until one names this app.
async fn hint_for(hints: &mut Hints, name: &str) {
    loop {
        if matches!(next(hints).await, Hint::Apps(apps) if apps.contains(&app(name))) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_deep_in_an_app_is_hinted_at_and_our_own_staging_is_not() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("PO App/screens/1")).unwrap();
    fs::create_dir_all(home.path().join(".appferry/staging")).unwrap();
    fs::create_dir(home.path().join("mark")).unwrap();
    let (watcher, mut hints) = Watcher::start(home.path().to_owned()).unwrap();
    assert_eq!(next(&mut hints).await, Hint::Everything);
    until_inotify(&watcher).await;
    fs::write(home.path().join(".appferry/staging/x"), "1").unwrap();
    fs::write(home.path().join("PO App/screens/1/meta.json"), "{}").unwrap();
    assert_eq!(next(&mut hints).await, Hint::Apps([app("PO App")].into()));
    // A folder that came later is watched too.
    fs::create_dir_all(home.path().join("new/in")).unwrap();
    hint_for(&mut hints, "new").await;
    // Events come in their order, and a new link is one event: when it is here, so is all that was before it.
    let before_a_mark = async |hints: &mut Hints, number: u32| {
        symlink("nowhere", home.path().join(format!("mark/{number}"))).unwrap();
        let mut before = BTreeSet::new();
        while !before.contains(&app("mark")) {
            let Hint::Apps(apps) = next(hints).await else { panic!("everything is no answer") };
            before.extend(apps);
        }
        before
    };
    before_a_mark(&mut hints, 0).await;
    for number in 1.. {
        fs::write(home.path().join("new/in/x"), "1").unwrap();
        if before_a_mark(&mut hints, number).await.contains(&app("new")) {
            break; // it is put under watch a moment after its own event
        }
    }
    // Reading is no change.
    fs::read(home.path().join("new/in/x")).unwrap();
    assert!(!before_a_mark(&mut hints, 0x000f_ffff).await.contains(&app("new")));
    drop(watcher);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_missing_or_made_anew_is_watched_once_it_is_there() {
    let home = tempfile::tempdir().unwrap();
    let apps = home.path().join("apps");
    let (watcher, mut hints) = Watcher::start(apps.clone()).unwrap();
    assert!(matches!(watcher.mode(), WatchMode::Polling { every, .. } if every == Duration::from_secs(5)));
    for _ in 0..2 {
        fs::create_dir_all(apps.join("a")).unwrap();
        assert_eq!(next(&mut hints).await, Hint::Everything);
        until_inotify(&watcher).await;
        fs::write(apps.join("a/f"), "1").unwrap();
        hint_for(&mut hints, "a").await;
        fs::remove_dir_all(&apps).unwrap();
        let mut modes = watcher.modes();
        modes.wait_for(|mode| matches!(mode, WatchMode::Polling { .. })).await.unwrap();
        while next(&mut hints).await != Hint::Everything {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_looked_at_when_others_may_read_the_folder() {
    let apps = tempfile::tempdir().unwrap();
    let (watcher, mut hints) = Watcher::start(apps.path().to_owned()).unwrap();
    assert_eq!(next(&mut hints).await, Hint::Everything);
    until_inotify(&watcher).await;
    for mode in [0o500, 0o700] {
        fs::set_permissions(apps.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(next(&mut hints).await, Hint::Everything);
    }
    assert_eq!(watcher.mode(), WatchMode::Inotify);
}

const FEW_WATCHES: &str = "APPFERRY_TEST_FEW_WATCHES";

/// Not a test by itself: it runs in a user namespace whose limit is 20 watches.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_may_watch_only_a_few_folders() {
    if std::env::var_os(FEW_WATCHES).is_none() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    for folder in 0..40 {
        fs::create_dir(home.path().join(format!("app {folder}"))).unwrap();
    }
    let (watcher, mut hints) = Watcher::start(home.path().to_owned()).unwrap();
    assert_eq!(next(&mut hints).await, Hint::Everything);
    let mode = watcher.mode();
    assert!(matches!(&mode, WatchMode::Polling { reason, .. } if reason.contains("max_user_watches")), "{mode:?}");
    assert_eq!(next(&mut hints).await, Hint::Everything, "by the clock");
}

#[test]
fn more_folders_than_watches_are_scanned_and_the_limit_is_named() {
    let limited = Command::new("unshare")
        .args(["-Ur", "sh", "-c", "echo 20 > /proc/sys/user/max_inotify_watches || exit 77; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disk::child_that_may_watch_only_a_few_folders"])
        .env(FEW_WATCHES, "1")
        .output();
    match limited {
        Ok(output) if output.status.success() => {}
        Ok(output)
            if String::from_utf8_lossy(&output.stdout).contains("panicked") || output.status.code() == Some(101) =>
        {
            panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        _ => {
            assert!(std::env::var_os("CI").is_none(), "user namespaces must work where all tests must run");
            eprintln!("skipped: this user may not make a user namespace");
        }
    }
}

// ---------------------------------------------------------------- crashes

const CRASH_HOME: &str = "APPFERRY_TEST_CRASH_HOME";
/// What is installed is a state of the branch.
const CRASH_BRINGS: &str = "APPFERRY_TEST_CRASH_BRINGS";
const BEFORE: [(&str, &str); 5] = [("a", "1"), ("b/c", "1"), ("gone/d", "1"), ("turns", "1"), ("z", "1")];
const AFTER: [(&str, &str); 5] = [("a", "2"), ("b/c", "2"), ("new/e", "2"), ("turns/f", "2"), ("z", "1")];

/// Not a test by itself: the process that the crash tests start and kill.
#[test]
fn child_that_installs_and_may_be_killed() {
    let Some(home) = std::env::var_os(CRASH_HOME).map(PathBuf::from) else { return };
    let repo = Arc::new(Memory::default());
    let (before, after) = (repo.plant(&BEFORE), repo.plant(&AFTER));
    let mut disk = open(&home, DEBOUNCE, &repo);
    let outcome = match std::env::var_os(CRASH_BRINGS) {
        Some(_) => disk.bring(&app("x"), Some(before), Some(after)),
        None => disk.install(&app("x"), Some(before), Some(after)),
    };
    fs::write(home.join("outcome"), format!("{outcome:?}")).unwrap();
}

/// Runs that child under strace, which does something to it at the system calls named.
fn child(home: &Path, inject: &str) -> Option<std::process::Child> {
    spawn_traced(Command::new("strace").env(CRASH_HOME, home), inject)
}

/// As [`child`], bringing a state of the branch.
fn bringing_child(home: &Path, inject: &str) -> Option<std::process::Child> {
    spawn_traced(Command::new("strace").env(CRASH_HOME, home).env(CRASH_BRINGS, "1"), inject)
}

fn spawn_traced(strace: &mut Command, inject: &str) -> Option<std::process::Child> {
    let started = strace
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disk::child_that_installs_and_may_be_killed"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
    if started.is_err() {
        assert!(std::env::var_os("CI").is_none(), "strace must be there where all tests must run");
        eprintln!("skipped: strace is not installed");
    }
    started.ok()
}

fn before_the_crash() -> Bench {
    let mut bench = Bench::new();
    let before = bench.repo.plant(&BEFORE);
    bench.repo.plant(&AFTER);
    bench.install("x", None, Some(before));
    bench
}

#[test]
fn killed_at_any_step_an_install_is_rolled_forward_and_no_save_is_lost() {
    let mut kills = 0;
    for call in ["rename", "renameat", "renameat2", "unlinkat", "fsync", "mkdirat", "unlink", "fchmod"] {
        for nth in 1.. {
            let mut bench = before_the_crash();
            let (before, after) = (bench.repo.plant(&BEFORE), bench.repo.plant(&AFTER));
            let Some(mut child) = child(bench.home.path(), &format!("{call}:signal=KILL:when={nth}")) else { return };
            if child.wait().unwrap().success() {
                break;
            }
            kills += 1;
            for (path, _) in BEFORE.iter().chain(&AFTER) {
                let found = fs::read_to_string(bench.apps().join("x").join(path)).unwrap_or_default();
                assert!(["", "1", "2"].contains(&found.as_str()), "half a file {path} after {call} {nth}");
            }
            let saved = nth % 2 == 0;
            if saved {
                bench.write("x/z", "mine");
            }
            bench.restart();
            let begun = bench.journals() == 1;
            let touched = bench.disk.recover().unwrap();
            assert_eq!(touched.len(), usize::from(begun));
            let wanted = if !begun {
                if saved { None } else { Some(vec![before, after]) }
            } else if saved {
                let mut files = AFTER;
                files[4].1 = "mine";
                Some(vec![bench.repo.plant(&files)])
            } else {
                Some(vec![after])
            };
            let tree = bench.tree_of("x");
            assert!(wanted.is_none_or(|wanted| wanted.contains(&tree)), "half an app after {call} {nth}");
            assert!(!saved || bench.read("x/z") == "mine");
            assert_eq!((bench.staged(), bench.journals()), (vec![], 0), "after {call} {nth}");
        }
    }
    eprintln!("{kills} kills survived");
    assert!(kills > 20);
}

#[test]
fn killed_at_any_step_it_is_known_on_top_of_which_state_a_later_save_was_made() {
    let mut seen = BTreeSet::new();
    for call in ["rename", "renameat", "renameat2", "unlinkat", "fsync"] {
        for nth in 1.. {
            let mut bench = before_the_crash();
            let after = bench.repo.plant(&AFTER);
            let inject = format!("{call}:signal=KILL:when={nth}");
            let Some(mut child) = bringing_child(bench.home.path(), &inject) else { return };
            if child.wait().unwrap().success() {
                break;
            }
            let was_there = bench.read("x/a");
            bench.write("x/a", "mine");
            bench.restart(); // a note that was not finished is none
            let begun = bench.journals() == 1;
            for _ in 0..2 {
                bench.restart();
                bench.disk.recover().unwrap();
                let arrived = bench.disk.take_arrived();
                assert_eq!(arrived.len(), usize::from(begun), "told until it is noted, after {call} {nth}");
                for it in arrived {
                    let left: Vec<String> = it.left.into_iter().collect();
                    let expected: &[&str] = if was_there == "1" { &["a"] } else { &[] };
                    assert_eq!((it.tree, left), (Some(after), expected.iter().map(|it| (*it).to_owned()).collect()));
                }
                assert!(bench.disk.take_arrived().is_empty(), "once a start");
            }
            bench.disk.note_arrived().unwrap();
            let mut files = AFTER;
            files[0].1 = "mine";
            let wanted = bench.repo.plant(&files);
            assert!(!begun || bench.tree_of("x") == wanted, "after {call} {nth}");
            assert_eq!((bench.staged(), bench.journals()), (vec![], 0), "after {call} {nth}");
            seen.insert((begun, was_there));
        }
    }
    assert!(seen.contains(&(true, "1".to_owned())) && seen.contains(&(true, "2".to_owned())), "{seen:?}");
}

#[test]
fn what_a_save_in_between_kept_from_being_brought_is_told_file_by_file() {
    let mut bench = before_the_crash();
    let (before, after) = (bench.repo.plant(&BEFORE), bench.repo.plant(&AFTER));
    assert_eq!(bench.disk.bring(&app("x"), Some(before), Some(after)).unwrap(), Installed::Done);
    let arrived = bench.disk.take_arrived();
    assert_eq!((arrived.len(), arrived[0].tree, arrived[0].left.len()), (1, Some(after), 0));
    assert_eq!(bench.journals(), 1, "a crash now would have it told again");
    bench.disk.note_arrived().unwrap();
    bench.write("x/b/c", "mine");
    bench.settle("x");
    assert_eq!(bench.disk.bring(&app("x"), Some(after), Some(before)).unwrap(), Installed::Disturbed);
    assert!(bench.disk.take_arrived().is_empty(), "nothing was begun");
    assert_eq!(bench.journals(), 0);
}

#[test]
fn a_save_that_was_swapped_out_when_the_crash_came_is_put_back() {
    let mut bench = before_the_crash();
    let Some(mut child) = child(bench.home.path(), "renameat2:signal=KILL:when=1") else { return };
    assert!(!child.wait().unwrap().success());
    // As after the exchange: what somebody saved is in the staging folder, and ours is live.
    let staging = bench.apps().join(".appferry/staging");
    let staged = bench.staged().into_iter().find(|name| name.ends_with("-0")).expect("a is the first change");
    fs::write(staging.join(staged), "mine").unwrap();
    bench.write("x/a", "2");
    bench.restart();
    bench.disk.recover().unwrap();
    assert_eq!((bench.read("x/a"), bench.read("x/b/c")), ("mine".to_owned(), "2".to_owned()));
    assert_eq!((bench.staged(), bench.journals()), (vec![], 0));
}

#[test]
fn a_save_in_the_moment_before_the_swap_is_swapped_back() {
    for how in ["renamed over", "written in place", "deleted"] {
        let mut rounds = 0;
        while !save_before_the_swap(how) {
            rounds += 1;
            assert!(rounds < 50, "the save never came in time");
        }
    }
}

/// Answers whether the save came in time, which a busy machine does not promise.
fn save_before_the_swap(how: &str) -> bool {
    const DELAY: Duration = Duration::from_millis(700);
    let bench = before_the_crash();
    let inject = format!("renameat2:delay_enter={}:when=2", DELAY.as_micros());
    let Some(mut child) = child(bench.home.path(), &inject) else { return true };
    while bench.journals() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // turns is deleted first (it becomes a folder); then a is swapped (1), then b/c (2): it waits there.
    let mut not_yet = Instant::now();
    while bench.read("x/a") == "1" {
        not_yet = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
    }
    match how {
        "renamed over" => {
            bench.write("saving", "mine");
            fs::rename(bench.apps().join("saving"), bench.apps().join("x/b/c")).unwrap();
        }
        "written in place" => bench.write("x/b/c", "mine"),
        _ => fs::remove_file(bench.apps().join("x/b/c")).unwrap(),
    }
    let in_time = not_yet.elapsed() < DELAY;
    assert!(child.wait().unwrap().success());
    if in_time {
        assert_eq!(fs::read_to_string(bench.home.path().join("outcome")).unwrap(), "Ok(Disturbed)", "{how}");
        if how == "deleted" {
            assert!(!bench.exists("x/b/c"));
        } else {
            assert_eq!(bench.read("x/b/c"), "mine", "{how}");
        }
    }
    assert_eq!((bench.staged(), bench.journals()), (vec![], 0));
    in_time
}

// ---------------------------------------------------------------- any trees at all

type Files = BTreeMap<String, String>;

/// Few names, so that files turn into folders and back, and few contents, so that files stay the same.
fn any_files() -> impl Strategy<Value = Files> {
    let path = proptest::collection::vec(prop_oneof!["a", "b", "c"], 1..4).prop_map(|parts| parts.join("/"));
    proptest::collection::btree_map(path, "[12]", 1..7).prop_map(|files| without_clashes(&files))
}

/// A path cannot be a file and a folder.
fn without_clashes(files: &Files) -> Files {
    let inside = |path: &str| files.keys().any(|other| other.starts_with(&format!("{path}/")));
    files.iter().filter(|(path, _)| !inside(path)).map(|(path, text)| (path.clone(), text.clone())).collect()
}

fn planted(repo: &Memory, files: &Files) -> ObjectId {
    repo.plant(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

fn on_disk(root: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_becomes_any_other_and_any_save_in_between_stays(
        from in any_files(),
        to in any_files(),
        saved in proptest::option::of((0_usize..8, prop_oneof!["mine", ""])),
        exchange in any::<bool>(),
    ) {
        let mut bench = Bench::quick();
        if !exchange {
            bench.disk = open(bench.home.path(), DEBOUNCE, &bench.repo).without_exchange();
        }
        let (old, new) = (planted(&bench.repo, &from), planted(&bench.repo, &to));
        prop_assert_eq!(bench.install("x", None, Some(old)), Installed::Done);
        let saved = saved.and_then(|(which, text)| Some((from.keys().nth(which)?.clone(), text)));
        if let Some((path, text)) = &saved {
            bench.write(&format!("x/{path}"), text);
        }
        let outcome = bench.install("x", Some(old), Some(new));
        let found = on_disk(&bench.apps().join("x"));
        match &saved {
            None => prop_assert_eq!(&outcome, &Installed::Done),
            Some((path, text)) => prop_assert_eq!(found.get(path), Some(text)),
        }
        if outcome == Installed::Done {
            prop_assert_eq!(found, to);
            prop_assert_eq!(bench.disk.look_at(&app("x")).unwrap(), AppOnDisk::Settled(new));
        }
        prop_assert_eq!((bench.staged(), bench.journals()), (vec![], 0));
    }
}
