//! The local bare repository, checked with the real `git`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use appferry::domain::{EntryKind, FailureClass, ObjectId, TreeEntry};
use appferry::git::local::LocalRepo;
use appferry::ports::{Commit, LocalRepository, RefEdit, Signature};
use tempfile::TempDir;

fn fresh() -> (TempDir, LocalRepo) {
    let folder = tempfile::tempdir().unwrap();
    let repo = LocalRepo::open_or_create(&folder.path().join("repo.git")).unwrap();
    (folder, repo)
}

fn git(repo: &Path, words: &[&str]) -> String {
    let out = Command::new("git").arg("-C").arg(repo).args(words).output().unwrap();
    assert!(out.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn fsck(repo: &Path) {
    let out = Command::new("git").arg("-C").arg(repo).args(["fsck", "--full", "--strict"]).output().unwrap();
    let words = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let bad = words.lines().filter(|line| !line.starts_with("dangling ") && !line.starts_with("notice: "));
    assert_eq!(bad.collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(out.status.success(), "{words}");
}

fn packs(repo: &Path) -> BTreeSet<PathBuf> {
    let all = std::fs::read_dir(repo.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "pack")).collect()
}

fn entry(name: &str, kind: EntryKind, id: ObjectId) -> TreeEntry {
    TreeEntry { name: name.into(), kind, id }
}

fn commit_of(tree: ObjectId, parents: Vec<ObjectId>, message: &str) -> Commit {
    let author =
        Signature { name: "Ada".into(), email: "ada@example.org".into(), seconds: 1_700_000_000, offset_minutes: 330 };
    Commit { tree, parents, committer: author.clone(), author, message: message.into() }
}

/// A commit of one file, with its tree, not flushed.
fn write_commit(repo: &LocalRepo, content: &str, parents: Vec<ObjectId>) -> ObjectId {
    let blob = repo.write_blob(content.as_bytes()).unwrap();
    let app = repo.write_tree(&[entry("meta.json", EntryKind::File, blob)]).unwrap();
    let root = repo.write_tree(&[entry("App", EntryKind::Tree, app)]).unwrap();
    repo.write_commit(&commit_of(root, parents, &format!("{content}\n"))).unwrap()
}

fn point(repo: &LocalRepo, name: &str, to: Option<ObjectId>) {
    repo.edit_refs(&[RefEdit { name: name.into(), to }]).unwrap();
}

/// libgit2 makes the empty tree up when it is read, and believes from then on that it is stored.
#[test]
fn an_empty_tree_that_was_read_before_it_is_written_is_written_all_the_same() {
    let (_folder, repo) = fresh();
    let empty = ObjectId::from_hex("4b825dc642cb6eb9a060e54bf8d69288fbee4904").unwrap();
    assert_eq!(repo.tree(empty).unwrap(), []);
    assert_eq!(repo.write_tree(&[]).unwrap(), empty);
    let commit = repo.write_commit(&commit_of(empty, Vec::new(), "nothing\n")).unwrap();
    point(&repo, "refs/heads/main", Some(commit));
    fsck(repo.path());
}

/// As many commits as asked for, each flushed by itself, on `refs/heads/main`.
fn grow(repo: &LocalRepo, commits: usize) -> Vec<ObjectId> {
    let mut made: Vec<ObjectId> = repo.find_ref("refs/heads/main").unwrap().into_iter().collect();
    for _ in 0..commits {
        let content = format!("content {} {:?}", made.len(), SystemTime::now());
        let tip = write_commit(repo, &content, made.last().copied().into_iter().collect());
        point(repo, "refs/heads/main", Some(tip));
        made.push(tip);
    }
    made
}

fn make_old(path: &Path) {
    let before = SystemTime::now() - Duration::from_hours(3);
    File::open(path).unwrap().set_modified(before).unwrap();
}

#[test]
fn the_size_of_a_blob_is_told_wherever_it_lies() {
    let (folder, repo) = fresh();
    let content = "x".repeat(5_000);
    let blob = repo.write_blob(content.as_bytes()).unwrap();
    assert_eq!(repo.blob_size(blob).unwrap(), 5_000, "before it is written");
    repo.flush().unwrap();
    assert_eq!(repo.blob_size(blob).unwrap(), 5_000, "in a pack");
    let path = folder.path().join("loose");
    std::fs::write(&path, "loose").unwrap();
    let loose = git(&folder.path().join("repo.git"), &["hash-object", "-w", path.to_str().unwrap()]);
    assert_eq!(repo.blob_size(ObjectId::from_hex(loose.trim()).unwrap()).unwrap(), 5, "by itself");
    let missing = repo.blob_size(ObjectId::from_bytes([1; 20])).unwrap_err();
    assert!(missing.message.contains("missing"), "{missing}");
}

#[test]
fn what_is_written_can_be_read_at_once_and_by_git_after_the_flush() {
    let (_folder, repo) = fresh();
    let blob = repo.write_blob(b"{}\n").unwrap();
    let entries = [
        entry("x", EntryKind::Tree, repo.write_tree(&[]).unwrap()),
        entry("x.js", EntryKind::Executable, blob),
        entry("Screen 1.json", EntryKind::File, blob),
    ];
    let tree = repo.write_tree(&entries).unwrap();
    let first = repo.write_commit(&commit_of(tree, vec![], "'App_7' App added to git")).unwrap();
    assert_eq!(packs(repo.path()).len(), 0);
    assert_eq!(repo.blob(blob).unwrap(), b"{}\n");
    assert_eq!(repo.tree(tree).unwrap().len(), 3);
    let before = repo.commit(first).unwrap();
    point(&repo, "refs/heads/main", Some(first));
    fsck(repo.path());
    assert_eq!(repo.commit(first).unwrap(), before);
    assert_eq!(repo.tree(tree).unwrap()[2], entries[0].clone());
    assert_eq!(
        git(repo.path(), &["log", "--format=%an <%ae> %ai|%B", "main"]).trim(),
        "Ada <ada@example.org> 2023-11-15 03:43:20 +0530|'App_7' App added to git"
    );
    let listed = git(repo.path(), &["ls-tree", "--name-only", "main"]);
    assert_eq!(listed, "Screen 1.json\nx.js\nx\n");
}

#[test]
fn writing_what_is_there_already_adds_nothing() {
    let (_folder, repo) = fresh();
    let made = grow(&repo, 1);
    let blob = repo.write_blob(b"one more").unwrap();
    repo.flush().unwrap();
    let before = packs(repo.path());
    assert_eq!(repo.write_blob(b"one more").unwrap(), blob);
    repo.write_commit(&repo.commit(made[0]).unwrap()).unwrap();
    repo.flush().unwrap();
    assert_eq!(packs(repo.path()), before);
}

#[test]
fn many_objects_are_written_out_before_they_fill_the_memory() {
    let (_folder, repo) = fresh();
    let ids: Vec<_> = (0..20_001).map(|n| repo.write_blob(format!("file {n}").as_bytes()).unwrap()).collect();
    assert_eq!(packs(repo.path()).len(), 1);
    let large: Vec<u8> = (0..17_u32 << 20).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let large_id = repo.write_blob(&large).unwrap();
    assert_eq!(packs(repo.path()).len(), 2);
    repo.flush().unwrap();
    fsck(repo.path());
    assert_eq!(repo.blob(ids[20_000]).unwrap(), b"file 20000");
    assert!(repo.blob(large_id).unwrap() == large);
}

#[test]
fn a_ref_moves_is_listed_and_is_deleted() {
    let (_folder, repo) = fresh();
    let made = grow(&repo, 2);
    let edit = |name: &str, to| RefEdit { name: name.into(), to };
    let edits: Vec<_> = (0..200).map(|n| edit(&format!("refs/appferry/base/{n:03}"), Some(made[0]))).collect();
    repo.edit_refs(&edits).unwrap();
    assert_eq!(repo.list_refs("refs/appferry/").unwrap().len(), 200);
    assert_eq!(repo.list_refs("refs/heads/").unwrap(), [("refs/heads/main".to_owned(), made[1])]);
    git(repo.path(), &["pack-refs", "--all"]);
    assert_eq!(repo.list_refs("refs/appferry/").unwrap().len(), 200);
    repo.edit_refs(&[edit("refs/appferry/base/007", Some(made[1])), edit("refs/appferry/base/008", None)]).unwrap();
    assert_eq!(repo.find_ref("refs/appferry/base/007").unwrap(), Some(made[1]));
    assert_eq!(repo.find_ref("refs/appferry/base/008").unwrap(), None);
    assert_eq!(repo.list_refs("refs/appferry/").unwrap().len(), 199);
    assert_eq!(git(repo.path(), &["for-each-ref", "--count=999", "refs/appferry"]).lines().count(), 199);
    fsck(repo.path());
}

#[test]
fn a_ref_may_stand_where_deleted_refs_left_folders() {
    let (_folder, repo) = fresh();
    let tip = grow(&repo, 1)[0];
    point(&repo, "refs/heads/a/b/c", Some(tip));
    let below = repo.edit_refs(&[RefEdit { name: "refs/heads/a".into(), to: Some(tip) }]).unwrap_err();
    assert_eq!(below.class, FailureClass::Disk);
    assert!(!repo.path().join("refs/heads/a.lock").exists());
    point(&repo, "refs/heads/a/b/c", None);
    std::fs::create_dir_all(repo.path().join("refs/heads/a/b")).unwrap();
    point(&repo, "refs/heads/a", Some(tip));
    assert_eq!(repo.find_ref("refs/heads/a").unwrap(), Some(tip));
    assert_eq!(repo.find_ref("refs/heads/a/b").unwrap(), None);
}

#[test]
fn a_ref_cannot_lead_out_of_the_repository_or_to_nothing() {
    let (_folder, repo) = fresh();
    let tip = grow(&repo, 1)[0];
    for name in ["refs/../../x", "HEAD", "refs/heads/a..b", "refs/heads/.lock", "/tmp/x", ""] {
        let refused = repo.edit_refs(&[RefEdit { name: name.into(), to: Some(tip) }]).unwrap_err();
        assert_eq!(refused.class, FailureClass::Internal, "{name}");
    }
    let nowhere = ObjectId::from_bytes([9; 20]);
    let refused = repo.edit_refs(&[RefEdit { name: "refs/heads/x".into(), to: Some(nowhere) }]).unwrap_err();
    assert!(refused.message.contains(&nowhere.to_string()), "{refused}");
    assert_eq!(repo.find_ref("refs/heads/x").unwrap(), None);
}

#[test]
fn descent_is_seen_in_memory_and_on_disk() {
    let (_folder, repo) = fresh();
    let stored = grow(&repo, 3);
    let waiting = write_commit(&repo, "next", vec![stored[2]]);
    let last = write_commit(&repo, "last", vec![waiting]);
    let other = write_commit(&repo, "other", vec![]);
    for (descendant, ancestor, expected) in [
        (stored[2], stored[0], true),
        (stored[0], stored[2], false),
        (stored[1], stored[1], true),
        (last, waiting, true),
        (last, stored[0], true),
        (stored[2], last, false),
        (other, stored[0], false),
        (last, ObjectId::from_bytes([9; 20]), false),
    ] {
        assert_eq!(repo.descends_from(descendant, ancestor).unwrap(), expected, "{descendant:?} {ancestor:?}");
    }
    let missing = ObjectId::from_bytes([8; 20]);
    assert!(repo.descends_from(missing, stored[0]).unwrap_err().message.contains(&missing.to_string()));
}

#[test]
fn damage_is_named_and_nothing_panics() {
    let (_folder, repo) = fresh();
    let tip = grow(&repo, 1)[0];
    let missing = ObjectId::from_bytes([9; 20]);
    assert!(repo.blob(missing).unwrap_err().message.contains(&missing.to_string()));
    assert!(repo.tree(tip).unwrap_err().message.contains("is not a tree"));

    std::fs::write(repo.path().join("refs/heads/cut"), "").unwrap();
    let cut = repo.find_ref("refs/heads/cut").unwrap_err();
    assert!(cut.class == FailureClass::Damaged && cut.message.contains("refs/heads/cut"), "{cut}");
    repo.list_refs("refs/heads/").unwrap_err();
    point(&repo, "refs/heads/cut", Some(tip)); // mends it
    assert_eq!(repo.list_refs("refs/heads/").unwrap().len(), 2);

    let mut child = Command::new("git")
        .arg("-C")
        .arg(repo.path())
        .args(["hash-object", "-w", "--stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"to be damaged").unwrap();
    let id = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned();
    let file = repo.path().join("objects").join(&id[..2]).join(&id[2..]);
    let id = ObjectId::from_hex(&id).unwrap();
    assert_eq!(repo.blob(id).unwrap(), b"to be damaged");
    for damage in [&b""[..], b"junk", b"x\x01\x03\x00"] {
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, damage).unwrap();
        let failure = repo.blob(id).unwrap_err();
        assert!(failure.class == FailureClass::Damaged && failure.message.contains(&id.to_string()), "{failure}");
    }
    let repo = LocalRepo::open_or_create(repo.path()).unwrap();
    assert!(!repo.contains(id).unwrap());
    fsck(repo.path());
}

#[test]
fn what_a_killed_process_left_is_cleared_away() {
    let (folder, repo) = fresh();
    let tip = grow(&repo, 1)[0];
    let path = repo.path().to_owned();
    drop(repo);
    let leftovers = [
        "refs/heads/main.lock",
        "packed-refs.lock",
        "objects/pack/tmp_pack_new",
        "objects/pack/pack-1.pack",
        "objects/tmp_maintenance",
    ];
    for name in leftovers {
        if name.ends_with("maintenance") {
            std::fs::create_dir(path.join(name)).unwrap();
        } else {
            std::fs::write(path.join(name), "").unwrap();
            make_old(&path.join(name));
        }
    }
    std::fs::create_dir_all(folder.path().join("other.git.new/refs")).unwrap(); // a repository half made
    let repo = LocalRepo::open_or_create(&path).unwrap();
    for name in leftovers {
        assert!(!path.join(name).exists(), "{name}");
    }
    point(&repo, "refs/heads/main", Some(tip));
    fsck(&path);
    let other = LocalRepo::open_or_create(&folder.path().join("other.git")).unwrap();
    assert_eq!(git(other.path(), &["config", "pack.deltaCacheSize"]), "1m\n");
}

#[test]
fn small_packs_are_melted_and_the_large_one_is_left_alone() {
    let (_folder, repo) = fresh();
    for n in 0_u32..3_000 {
        repo.write_blob(format!("{:?}", [n.wrapping_mul(2_654_435_761); 9]).as_bytes()).unwrap();
    }
    repo.flush().unwrap();
    let large = packs(repo.path());
    let made = grow(&repo, 20);
    assert_eq!(packs(repo.path()).len(), 21);
    assert!(repo.maintain().unwrap());
    assert!(!repo.maintain().unwrap());
    assert_eq!(packs(repo.path()).len(), 2);
    assert!(packs(repo.path()).is_superset(&large));
    fsck(repo.path());
    assert_eq!(repo.commit(made[0]).unwrap().parents, []);
    grow(&repo, 300);
    for _ in 0..20 {
        grow(&repo, 20);
        repo.maintain().unwrap();
    }
    assert!(packs(repo.path()).len() <= 21);
    fsck(repo.path());
    assert_eq!(git(repo.path(), &["rev-list", "--count", "main"]).trim(), "720");
}

#[test]
fn what_nothing_needs_goes_and_what_is_young_or_in_use_stays() {
    let (_folder, repo) = fresh();
    let adrift = write_commit(&repo, "adrift", vec![]);
    repo.flush().unwrap();
    let used = write_commit(&repo, "used", vec![]);
    repo.flush().unwrap();
    for pack in &packs(repo.path()) {
        make_old(pack);
    }
    let path = repo.path().to_owned();
    drop(repo);

    let repo = LocalRepo::open(&path).unwrap(); // a new process knows nothing of the old one's use
    assert!(repo.contains(used).unwrap());
    let tip = *grow(&repo, 21).last().unwrap();
    let young = write_commit(&repo, "young", vec![]);
    repo.flush().unwrap();
    let waiting = write_commit(&repo, "waiting", vec![]);
    assert!(repo.maintain().unwrap());
    assert_eq!(packs(&path).len(), 1);
    for id in [used, young, waiting, tip] {
        repo.tree(repo.commit(id).unwrap().tree).unwrap();
    }
    assert!(!repo.contains(adrift).unwrap());
    repo.flush().unwrap();
    fsck(&path);
}

#[test]
fn loose_objects_are_packed_and_deleted() {
    let (_folder, repo) = fresh();
    let made = grow(&repo, 520);
    let outside = tempfile::tempdir().unwrap();
    for pack in packs(repo.path()) {
        std::fs::rename(&pack, outside.path().join(pack.file_name().unwrap())).unwrap();
        std::fs::remove_file(pack.with_extension("idx")).unwrap();
    }
    for pack in std::fs::read_dir(outside.path()).unwrap() {
        let pack = File::open(pack.unwrap().path()).unwrap();
        let unpack = Command::new("git").arg("-C").arg(repo.path()).args(["unpack-objects", "-q"]).stdin(pack).status();
        assert!(unpack.unwrap().success());
    }
    assert!(repo.maintain().unwrap());
    let count = git(repo.path(), &["count-objects", "-v"]);
    assert!(count.starts_with("count: 0\n") && count.contains("packs: 1\n"), "{count}");
    assert_eq!(repo.commit(made[0]).unwrap().parents, []);
    fsck(repo.path());
}

#[test]
fn readers_and_writers_go_on_while_packs_are_melted() {
    let (_folder, repo) = fresh();
    let made = grow(&repo, 30);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut rounds = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) || rounds == 0 {
                    for id in &made {
                        repo.tree(repo.commit(*id).unwrap().tree).unwrap();
                    }
                    rounds += 1;
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..6 {
                grow(&repo, 15);
                repo.maintain().unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        for _ in 0..20 {
            git(repo.path(), &["log", "--oneline", "main", "--", "App"]);
        }
    });
    fsck(repo.path());
}

#[test]
fn a_fetched_pack_is_seen() {
    let (_folder, theirs) = fresh();
    let tip = *grow(&theirs, 3).last().unwrap();
    let (_folder, ours) = fresh();
    grow(&ours, 1);
    let handle = git2::Repository::open_bare(ours.path()).unwrap();
    let mut remote = handle.remote_anonymous(theirs.path().to_str().unwrap()).unwrap();
    remote.fetch(&["refs/heads/main"], None, None).unwrap();
    point(&ours, "refs/heads/theirs", Some(tip));
    assert_eq!(ours.commit(tip).unwrap(), theirs.commit(tip).unwrap());
    fsck(ours.path());
}

/// Mounts a tiny file system; `None` where that is not permitted.
struct TinyDisk(TempDir);

impl TinyDisk {
    fn mount(kilobytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={kilobytes}k");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|out| out.status.success()).then_some(Self(folder))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_costs_only_time() {
    let Some(disk) = TinyDisk::mount(1_024) else {
        assert!(std::env::var_os("CI").is_none(), "mounting a small file system is not permitted here");
        eprintln!("skipped: mounting a small file system is not permitted here");
        return;
    };
    let repo = LocalRepo::open_or_create(&disk.0.path().join("repo.git")).unwrap();
    let made = grow(&repo, 2);
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 800 << 10]).unwrap();
    let noise: Vec<u8> =
        (0..300_u32 << 10).map(|n| (n.wrapping_mul(2_654_435_761) >> 11 ^ n >> 7).to_le_bytes()[0]).collect();
    let blob = repo.write_blob(&noise).unwrap();
    for _ in 0..2 {
        let full = repo.flush().unwrap_err();
        assert!(full.class == FailureClass::Disk && full.remedy.contains("free space"), "{full}");
        assert!(repo.blob(blob).unwrap() == noise);
        fsck(repo.path());
    }
    assert!(repo.edit_refs(&[RefEdit { name: "refs/heads/x".into(), to: Some(made[0]) }]).is_err());
    std::fs::remove_file(&ballast).unwrap();
    point(&repo, "refs/heads/x", Some(made[0]));
    assert_eq!(git(repo.path(), &["cat-file", "-s", &blob.to_string()]).trim(), noise.len().to_string());
    fsck(repo.path());
}

/// The child of the next test: writes, moves refs and maintains until it is killed.
#[test]
#[ignore = "it is started by another test, and runs until it is killed"]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os("LOCALREPO_CHILD") else { return };
    let repo = LocalRepo::open_or_create(Path::new(&path)).unwrap();
    loop {
        let tip = *grow(&repo, 5).last().unwrap();
        repo.maintain().unwrap();
        println!("tip {tip}");
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_a_valid_repository() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repo.git");
    for round in 0..8_u8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "localrepo::writes_until_it_is_killed"])
            .env("LOCALREPO_CHILD", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut tips = lines.by_ref().filter_map(|line| ObjectId::from_hex(line.rsplit_once("tip ")?.1));
        let tip = tips.nth(4 + usize::from(round)).expect("the child writes");
        std::thread::sleep(Duration::from_micros(u64::from(round) * 1_700)); // any moment
        child.kill().unwrap();
        child.wait().unwrap();
        let repo = LocalRepo::open_or_create(&path).unwrap();
        let main = repo.find_ref("refs/heads/main").unwrap().unwrap();
        assert!(repo.descends_from(main, tip).unwrap());
        fsck(&path);
    }
}
