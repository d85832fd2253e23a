//! Backups as files: how the program writes and reads them.

use age::x25519::Identity;

use super::*;
use crate::support::instance::Instance;
use crate::support::small_disk::SmallDisk;
use crate::support::{run, skip};

fn written(instance: &Instance, file: &str, content: &[u8]) -> String {
    let path = instance.aside().join(file);
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

fn identity(instance: &Instance) -> (String, String) {
    let identity = Identity::generate();
    let file = written(instance, "identity", format!("{}\n", identity.to_string().expose_secret()).as_bytes());
    (identity.to_public().to_string(), file)
}

fn error_of(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_backup_is_private_never_overwritten_and_put_back_on_another_instance() {
    let (one, other) = (Instance::new("one"), Instance::new("other"));
    let line = one.generate_key("k");
    let (recipient, identity) = identity(&one);
    let to = one.aside().join("keys.age");
    let to_text = to.display().to_string();
    let said = one.cli_text(&["keys", "backup", "--to", &to_text, "--recipient", &recipient]);
    assert!(said.starts_with("1 key is in "), "{said}");
    assert_eq!(mode(&to), 0o600);
    let content = fs::read(&to).unwrap();
    let again = one.cli(&["keys", "backup", "--to", &to_text, "--recipient", &recipient]);
    assert!(again.status.code() == Some(1) && error_of(&again).contains("is there already"), "{}", error_of(&again));
    assert_eq!(fs::read(&to).unwrap(), content);
    assert_eq!(contents(&one.aside()).len(), 2, "no draft is left: {:?}", contents(&one.aside()).keys());

    let said = other.cli_text(&["keys", "restore", "--from", &to_text, "--identity-file", &identity]);
    assert_eq!(said, "1 key is in the backup.\nk: put back\n");
    assert_eq!(other.cli_text(&["keys", "public", "k"]).trim(), line);
    let third = Instance::new("third");
    third.generate_key("k");
    let taken = third.cli(&["keys", "restore", "--from", &to_text, "--identity-file", &identity]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&taken.stdout).contains("k: NOT put back: another key has that name"));
}

#[test]
fn the_passphrase_of_a_backup_comes_from_standard_input_or_a_file() {
    let (one, other) = (Instance::new("one"), Instance::new("other"));
    one.generate_key("k");
    let to = one.aside().join("keys.age").display().to_string();
    let nobody = one.cli(&["keys", "backup", "--to", &to]);
    assert!(nobody.status.code() == Some(1) && error_of(&nobody).contains("--recipient"), "{}", error_of(&nobody));
    let made = one.cli_with_input(&["keys", "backup", "--to", &to, "--passphrase-stdin"], b"backup passphrase\n");
    assert!(made.status.success(), "{}", error_of(&made));
    let wrong = other.cli_with_input(&["keys", "restore", "--from", &to, "--passphrase-stdin"], b"wrong\n");
    assert!(wrong.status.code() == Some(1) && error_of(&wrong).contains("not the right one"), "{}", error_of(&wrong));
    let file = written(&one, "passphrase", b"backup passphrase\n");
    other.cli_text(&["keys", "restore", "--from", &to, "--passphrase-file", &file]);
    let absent = other.cli(&["keys", "restore", "--from", "/nowhere", "--passphrase-file", &file]);
    assert!(absent.status.code() == Some(1) && error_of(&absent).contains("/nowhere cannot be read"));
}

#[tokio::test]
async fn a_damaged_record_or_a_log_that_takes_nothing_does_not_keep_the_rest_out_of_a_backup() {
    let one = Instance::new("one");
    for key in ["bad", "good"] {
        one.generate_key(key);
    }
    let (recipient, identity) = identity(&one);
    let pool = raw(&one.data).await;
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END";
    execute(&pool, refuse).await.unwrap();
    let bad = "UPDATE key_material SET sealed_private = zeroblob(100) WHERE key_id = (SELECT id FROM keys WHERE name = 'bad')";
    execute(&pool, bad).await.unwrap();
    let to = one.aside().join("keys.age").display().to_string();
    let made = one.cli(&["keys", "backup", "--to", &to, "--recipient", &recipient]);
    let (said, warned) = (String::from_utf8_lossy(&made.stdout).into_owned(), error_of(&made));
    assert_eq!(made.status.code(), Some(1), "{said}{warned}");
    assert!(said.starts_with("1 key is in ") && said.contains("\nbad: NOT in the backup: the record of"), "{said}");
    assert!(warned.contains("the audit log does not say so"), "{warned}");
    let other = Instance::new("other");
    let said = other.cli_text(&["keys", "restore", "--from", &to, "--identity-file", &identity]);
    assert_eq!(said, "1 key is in the backup.\ngood: put back\n");

    execute(&pool, "UPDATE key_material SET sealed_private = zeroblob(100)").await.unwrap();
    let nothing = one.aside().join("nothing.age");
    let none = one.cli(&["keys", "backup", "--to", &nothing.display().to_string(), "--recipient", &recipient]);
    assert!(none.status.code() == Some(1) && error_of(&none).contains("cannot be opened"), "{}", error_of(&none));
    assert!(!nothing.exists());
}

#[test]
fn a_name_that_the_secrets_folder_has_is_not_put_back_behind_it() {
    let (one, mut other) = (Instance::new("one"), Instance::new("other"));
    for key in ["free", "k"] {
        one.generate_key(key);
    }
    let (recipient, identity) = identity(&one);
    let to = one.aside().join("keys.age").display().to_string();
    one.cli_text(&["keys", "backup", "--to", &to, "--recipient", &recipient]);
    let folder = other.aside();
    let (pem, _) = made_by_openssh("ed25519", "");
    fs::write(folder.join("k"), pem).unwrap();
    fs::set_permissions(folder.join("k"), fs::Permissions::from_mode(0o600)).unwrap();
    other.set("APPFERRY_KEYS_DIR", folder.display().to_string());
    let restored = other.cli(&["keys", "restore", "--from", &to, "--identity-file", &identity]);
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert_eq!(restored.status.code(), Some(1), "{said}{}", error_of(&restored));
    assert!(said.contains("free: put back\nk: NOT put back: the secrets folder has a key of that name"), "{said}");
    other.env.remove("APPFERRY_KEYS_DIR");
    assert!(!other.cli_text(&["keys", "list"]).contains("k "), "it is in the store");
}

#[test]
fn a_full_disk_leaves_no_half_backup() {
    let one = Instance::new("one");
    one.generate_key("k");
    let (recipient, _) = identity(&one);
    let folder = one.aside().join("small");
    fs::create_dir(&folder).unwrap();
    let Some(disk) = SmallDisk::over(&folder, "64k") else { return };
    let filler = disk.fill();
    let to = folder.join("keys.age").display().to_string();
    let full = one.cli(&["keys", "backup", "--to", &to, "--recipient", &recipient]);
    let said = error_of(&full);
    assert!(full.status.code() == Some(1) && said.contains("cannot be written") && said.contains("space"), "{said}");
    let left: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, ["filler"]);
    fs::remove_file(filler).unwrap();
    one.cli_text(&["keys", "backup", "--to", &to, "--recipient", &recipient]);
}

#[test]
fn debians_age_opens_a_backup() {
    if Command::new("age").arg("--version").output().is_err() {
        skip("there is no age");
        return;
    }
    let one = Instance::new("one");
    one.generate_key("k");
    let made = run("age-keygen", &["-o", "identity"], &one.aside(), b"");
    assert!(made.status.success());
    let text = fs::read_to_string(one.aside().join("identity")).unwrap();
    let recipient = text.split_whitespace().find(|word| word.starts_with("age1")).unwrap();
    let to = one.aside().join("keys.age").display().to_string();
    one.cli_text(&["keys", "backup", "--to", &to, "--recipient", recipient]);
    let opened = run("age", &["-d", "-i", "identity", "keys.age"], &one.aside(), b"");
    assert!(opened.status.success(), "{}", error_of(&opened));
    let content: serde_json::Value = serde_json::from_slice(&opened.stdout).unwrap();
    assert_eq!(content["keys"][0]["name"], "k");
    let pem = BASE64_STANDARD.decode(content["keys"][0]["current"]["private_key"].as_str().unwrap()).unwrap();
    assert!(pem.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----"));
}
