//! The secrets folder on a real disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use appferry::domain::FailureClass;
use appferry::key_sources::SecretsFolder;
use appferry::ports::{KeySource, Stamp};
use rustix::fs::inotify;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{KEY, OTHER_KEY, failure, found, is_absent, name, names, private};
use crate::support;

struct Folder {
    dir: TempDir,
    source: SecretsFolder,
}

impl Folder {
    fn new() -> Self {
        let dir = TempDir::new().expect("a folder");
        let source = SecretsFolder::new(dir.path().to_owned());
        Self { dir, source }
    }

    fn put(&self, file: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.dir.path().join(file);
        let _ = fs::remove_file(&path);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path
    }
}

#[tokio::test]
async fn a_key_is_found_by_the_name_of_its_file_with_the_passphrase_beside_it() {
    let folder = Folder::new();
    let path = folder.put("Deploy.Key-1", KEY, 0o400);
    folder.put("Deploy.Key-1.passphrase", "two words\n", 0o440);
    let key = found(&folder.source, "Deploy.Key-1").await;
    assert_eq!(key.private.expose_secret(), KEY);
    assert_eq!(key.passphrase.map(|text| text.expose_secret().to_owned()).as_deref(), Some("two words"));
    assert_eq!((key.place, key.notice), (path.display().to_string(), None));
    assert!(is_absent(&folder.source, "deploy.key-1").await, "names are compared exactly");
}

#[tokio::test]
async fn only_private_keys_are_listed_among_the_secrets() {
    let folder = Folder::new();
    folder.put("pem", KEY, 0o400);
    folder.put("a.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-MAC: 00\n", 0o400);
    folder.put("pem.passphrase", "words", 0o400);
    folder.put("appferry-master-key", "00".repeat(32), 0o400);
    folder.put("token", "glpat-xyz", 0o400);
    folder.put("pem.pub", "ssh-ed25519 AAAA", 0o400);
    folder.put(".hidden", KEY, 0o400);
    folder.put("no key name", KEY, 0o400);
    folder.put("large", [KEY.as_bytes(), &vec![b'\n'; 70_000]].concat(), 0o400);
    folder.put("bytes", [0xff_u8; 100], 0o400);
    fs::create_dir(folder.dir.path().join("a-folder")).expect("a folder");
    let _socket = UnixListener::bind(folder.dir.path().join("socket")).expect("a socket");
    symlink("nowhere", folder.dir.path().join("dangling")).expect("a link");
    assert_eq!(names(&folder.source).await, ["a.ppk", "pem"]);
    for other in ["a-folder", "socket", "missing"] {
        assert!(is_absent(&folder.source, other).await, "{other}");
    }
}

#[tokio::test]
async fn what_is_in_the_place_of_a_key_and_is_none_is_an_error_with_its_path() {
    let folder = Folder::new();
    folder.put("token", "glpat-s3cret", 0o400);
    folder.put("empty", "", 0o400);
    folder.put("bytes", [KEY.as_bytes(), &[0xff]].concat(), 0o400);
    folder.put("large", "x".repeat(64 * 1024 + 1), 0o400);
    symlink("nowhere", folder.dir.path().join("dangling")).expect("a link");
    for (key, words) in [
        ("token", "holds no private key"),
        ("empty", "is empty"),
        ("bytes", "holds no private key"),
        ("large", "is larger than 64 KiB"),
        ("dangling", "it is a link to nothing"),
    ] {
        let failure = failure(&folder.source, key).await;
        let said = failure.to_string();
        let path = folder.dir.path().join(key);
        assert_eq!(failure.class, FailureClass::Key);
        assert!(said.contains(words) && said.contains(&path.display().to_string()), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_an_error_with_its_path() {
    let folder = Folder::new();
    // A file that nobody can read from its start, root neither.
    symlink("/proc/self/mem", folder.dir.path().join("deploy")).expect("a link");
    let failure = failure(&folder.source, "deploy").await;
    let said = failure.to_string();
    assert_eq!(failure.class, FailureClass::Key);
    assert!(said.contains("deploy cannot be read: ") && said.contains("mount the secret again"), "{said}");
    folder.put("other", KEY, 0o400);
    assert_eq!(names(&folder.source).await, ["other"], "the list goes on without it");
}

#[tokio::test]
async fn a_folder_that_has_gone_is_not_one_without_the_key() {
    let outer = TempDir::new().expect("a folder");
    let source = SecretsFolder::new(outer.path().join("keys"));
    assert_eq!(failure(&source, "deploy").await.class, FailureClass::Disk);
    assert!(source.names().await.is_err());
    fs::create_dir(outer.path().join("keys")).expect("a folder");
    assert!(is_absent(&source, "deploy").await);
}

#[tokio::test]
async fn a_kubernetes_secret_is_followed_through_its_links_and_its_swap() {
    let folder = Folder::new();
    let version = |version: &str, content: &str| {
        let dir = folder.dir.path().join(version);
        fs::create_dir(&dir).expect("a folder");
        fs::write(dir.join("deploy"), content).expect("written");
        fs::set_permissions(dir.join("deploy"), fs::Permissions::from_mode(0o440)).expect("its mode");
        symlink(version, folder.dir.path().join("..data_tmp")).expect("a link");
        fs::rename(folder.dir.path().join("..data_tmp"), folder.dir.path().join("..data")).expect("swapped");
    };
    version("..2026_11_24_1", KEY);
    symlink("..data/deploy", folder.dir.path().join("deploy")).expect("a link");
    assert_eq!(names(&folder.source).await, ["deploy"]);
    assert_eq!(private(&folder.source, "deploy").await, KEY);
    version("..2026_11_24_2", OTHER_KEY);
    assert_eq!(private(&folder.source, "deploy").await, OTHER_KEY);
}

#[tokio::test]
async fn a_file_caught_half_written_is_read_again() {
    let folder = Folder::new();
    for _ in 0..50 {
        let path = folder.put("deploy", &KEY[..60], 0o600);
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).expect("a watch");
        inotify::add_watch(&watch, &path, inotify::WatchFlags::CLOSE_NOWRITE).expect("watched");
        let mend = tokio::task::spawn_blocking(move || {
            rustix::io::read(&watch, &mut [0_u8; 64]).expect("it was read once");
            fs::write(&path, KEY).expect("written");
            Instant::now()
        });
        let (deploy, began) = (name("deploy"), Instant::now());
        let (found, mended) = tokio::join!(folder.source.find(&deploy), mend);
        // Whoever mends it later than it is read again, as a busy machine may let us, comes too late.
        if mended.expect("mended").duration_since(began) < Duration::from_millis(200) {
            let key = found.expect("an answer").expect("a key");
            assert_eq!(key.private.expose_secret(), KEY);
            return;
        }
    }
    panic!("it was never mended in time");
}

#[tokio::test]
async fn a_wide_mode_is_noticed_with_the_command_that_narrows_it() {
    let folder = Folder::new();
    for (mode, is_wide) in [(0o400, false), (0o440, false), (0o600, false), (0o644, true), (0o444, true), (0o460, true)]
    {
        let path = folder.put("deploy", KEY, mode);
        let notice = found(&folder.source, "deploy").await.notice;
        assert_eq!(notice.is_some(), is_wide, "{mode:o}: {notice:?}");
        if let Some(notice) = notice {
            assert!(notice.contains(&format!("chmod 0440 '{}'", path.display())), "{notice}");
        }
    }
    folder.put("deploy", KEY, 0o400);
    let beside = folder.put("deploy.passphrase", "words", 0o644);
    let notice = found(&folder.source, "deploy").await.notice.expect("a notice");
    assert!(notice.contains(&beside.display().to_string()), "{notice}");
}

#[tokio::test]
async fn nothing_is_said_about_the_mode_of_a_mounted_secret() {
    let mount = Path::new("/dev/shm");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    if !table.lines().any(|line| line.split(' ').nth(4) == Some("/dev/shm")) {
        support::skip("/dev/shm is no mount here");
        return;
    }
    let file = format!("appferry-test-{}", std::process::id());
    fs::write(mount.join(&file), KEY).expect("written");
    fs::set_permissions(mount.join(&file), fs::Permissions::from_mode(0o644)).expect("its mode");
    let key = SecretsFolder::new(mount.to_owned()).find(&name(&file)).await;
    fs::remove_file(mount.join(&file)).expect("removed");
    assert_eq!(key.expect("an answer").expect("a key").notice, None);
}

#[tokio::test]
async fn a_stamp_changes_with_the_file_and_with_the_passphrase() {
    let folder = Folder::new();
    let deploy = name("deploy");
    let written = Instant::now();
    folder.put("deploy", KEY, 0o400);
    let young = folder.source.stamp(&deploy).await;
    let is_old = written.elapsed() > Duration::from_secs(1); // by a busy machine
    assert!(young.is_none() || is_old, "too young to tell two writes apart");
    let first = settled(&folder).await;
    assert_eq!(folder.source.stamp(&deploy).await.as_ref(), Some(&first));
    folder.put("deploy.passphrase", "words", 0o400);
    let second = settled(&folder).await;
    assert_ne!(first, second);
    folder.put("deploy", OTHER_KEY, 0o400);
    assert_ne!(settled(&folder).await, second);
    fs::remove_file(folder.dir.path().join("deploy")).expect("removed");
    assert_eq!(folder.source.stamp(&deploy).await, None);
}

/// The stamp, as soon as the files are old enough to have one.
async fn settled(folder: &Folder) -> Stamp {
    let asking = async {
        loop {
            if let Some(stamp) = folder.source.stamp(&name("deploy")).await {
                return stamp;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, asking).await.expect("a stamp")
}
