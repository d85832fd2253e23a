//! Every rule of the environment, without an environment.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::config::{Credential, Provider, TokenSource};
use crate::domain::RepoUrl;

#[derive(Default)]
struct FakeFiles(HashMap<PathBuf, String>);

impl Files for FakeFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}

fn files(pairs: &[(&str, &str)]) -> FakeFiles {
    FakeFiles(pairs.iter().map(|(path, content)| (PathBuf::from(path), (*content).to_owned())).collect())
}

const OLDER: &[(&str, &str)] = &[
    ("GIT_SYNC_IS_GLOBAL", "true"),
    ("GIT_SYNC_SSH_REPO_URL", "git@github.com:team/apps.git"),
    ("GIT_SYNC_BRANCH_NAME", "main"),
    ("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "MyKey"),
    ("APPFERRY_APPS_DIR", "/apps"),
    ("APPFERRY_DATA_DIR", "/data"),
];

const NEWER: &[(&str, &str)] = &[
    ("GIT_SYNC", "on"),
    ("GIT_SYNC_REPOSITORY_URL", "https://github.com/team/apps.git"),
    ("GIT_SYNC_BRANCH_NAME", "main"),
    ("GIT_SYNC_PERSONAL_ACCESS_TOKEN", "t0ken"),
    ("APPFERRY_APPS_DIR", "/apps"),
];

fn read_with(base: &[(&str, &str)], changes: &[(&str, &str)], files: &FakeFiles) -> Result<Config, ConfigErrors> {
    let mut pairs: HashMap<&str, &str> = base.iter().copied().collect();
    pairs.extend(changes.iter().copied());
    Config::from_environment(&Environment::of(pairs), files)
}

fn read(base: &[(&str, &str)], changes: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    read_with(base, changes, &FakeFiles::default())
}

#[track_caller]
fn problems(base: &[(&str, &str)], changes: &[(&str, &str)]) -> Vec<String> {
    let ConfigErrors(errors) = read(base, changes).expect_err("should not be accepted");
    errors.into_iter().map(|error| error.to_string()).collect()
}

#[track_caller]
#[test]
fn what_arrives_is_installed_by_itself_unless_the_environment_says_otherwise() {
    for (value, editing, locked) in [("always", true, true), ("Locked", false, true), ("'never'", false, false)] {
        let auto_pull = sync(OLDER, &[("APPFERRY_AUTO_PULL", value)]).auto_pull;
        assert_eq!((auto_pull.by_itself(false), auto_pull.by_itself(true)), (editing, locked), "{value}");
    }
    assert_eq!(sync(OLDER, &[]).auto_pull, crate::config::AutoPull::Always);
}

fn sync(base: &[(&str, &str)], changes: &[(&str, &str)]) -> crate::config::SyncConfig {
    read(base, changes).expect("valid").sync.expect("on")
}

#[test]
fn nothing_set_means_off_with_every_default() {
    let config = read(&[], &[]).expect("valid");
    assert!(config.sync.is_none() && config.warnings.is_empty());
    assert_eq!(config.listen.to_string(), "127.0.0.1:7420");
    assert_eq!(config.log_format, LogFormat::Human);
    assert_eq!(config.host_keys, HostKeyPolicy::Strict);
    assert_eq!(config.data_dir, Path::new("/var/lib/appferry"), "without a home");
    let home = read(&[], &[("HOME", "/home/jo")]).expect("valid");
    assert_eq!(home.data_dir, Path::new("/home/jo/.local/share/appferry"));
    let root = Environment { is_root: true, ..Environment::of([("HOME", "/root")]) };
    let root = Config::from_environment(&root, &FakeFiles::default()).expect("valid");
    assert_eq!(root.data_dir, Path::new("/var/lib/appferry"));
}

#[test]
fn both_generations_work() {
    let older = sync(OLDER, &[]);
    assert!(matches!(older.credential, Credential::Key { name, passphrase: None } if name.as_str() == "MyKey"));
    let newer = sync(NEWER, &[]);
    assert!(matches!(newer.credential, Credential::Token(TokenSource::Value(t)) if t.expose_secret() == "t0ken"));
    assert!(!older.auto_save && !older.locked && !older.auto_add);
    let switched = [
        ("GIT_SYNC_IS_AUTO_SAVE", "yes"),
        ("GIT_SYNC_IS_LOCK_APP_EDIT", "1"),
        ("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "ON"),
    ];
    let older = sync(OLDER, &switched);
    assert!(older.auto_save && older.locked && older.auto_add);
    let switched =
        [("GIT_SYNC_AUTO_SAVE", "yes"), ("GIT_SYNC_ALLOW_EDIT", "0"), ("GIT_SYNC_AUTO_ADD_NEW_RESOURCES", "TRUE")];
    let newer = sync(NEWER, &switched);
    assert!(newer.auto_save && newer.locked && newer.auto_add);
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let sync = sync(OLDER, &[]);
    assert_eq!((sync.poll_interval, sync.debounce), (Duration::from_secs(10), Duration::from_secs(1)));
    assert_eq!((sync.file_mode, sync.dir_mode, sync.kept_days), (0o644, 0o755, 90));
    assert_eq!((sync.prefix.as_str(), sync.volatile_keys), ("App", vec!["updated_time".to_owned()]));
    assert_eq!((sync.author_name, sync.author_email, sync.provider), (None, None, None));
    assert!(sync.input.skip_volatile_saves && sync.input.max_file_size.0 == 25_000_000);
    assert!(sync.input.ignore.match_file("x.tmp") && sync.input.allow_secrets.is_empty());
}

#[test]
fn quotes_and_spaces_are_taken_off() {
    let sync = sync(OLDER, &[("GIT_SYNC_IS_GLOBAL", " 'true' "), ("GIT_SYNC_BRANCH_NAME", "\" dev \"")]);
    assert_eq!(sync.branch.as_str(), "dev");
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let changes = [("GIT_SYNC", ""), ("GIT_SYNC_REPOSITORY_URL", " "), ("APPFERRY_POLL_INTERVAL", "''")];
    assert_eq!(sync(OLDER, &changes).poll_interval, Duration::from_secs(10));
    assert!(problems(OLDER, &[("GIT_SYNC_BRANCH_NAME", "")])[0].starts_with("GIT_SYNC_BRANCH_NAME: it is not set"));
}

#[test]
fn what_is_no_boolean_is_named_shown_and_told_what_is_allowed() {
    let found = problems(OLDER, &[("GIT_SYNC_IS_AUTO_SAVE", "maybe")]);
    assert_eq!(
        found,
        ["GIT_SYNC_IS_AUTO_SAVE: \"maybe\" is neither on nor off; write true, false, 1, 0, yes, no, on or off"]
    );
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let ConfigErrors(errors) = read(
        &[
            ("GIT_SYNC", "jein"),
            ("GIT_SYNC_REPOSITORY_URL", "https://jo:s3cret@host/x"),
            ("GIT_SYNC_BRANCH_NAME", "a..b"),
        ],
        &[
            ("APPFERRY_POLL_INTERVAL", "10"),
            ("APPFERRY_FILE_MODE", "888"),
            ("APPFERRY_LISTEN", "x"),
            ("APPFERRY_LOG_FORMAT", "xml"),
            ("APPFERRY_HOST_KEYS", "yes"),
        ],
    )
    .expect_err("much is wrong");
    let shown = ConfigErrors(errors).to_string();
    for part in [
        "GIT_SYNC: \"jein\"",
        "GIT_SYNC_REPOSITORY_URL",
        "GIT_SYNC_BRANCH_NAME",
        "APPFERRY_APPS_DIR: it is not set",
        "APPFERRY_POLL_INTERVAL: \"10\"",
        "APPFERRY_FILE_MODE: \"888\"",
        "APPFERRY_LISTEN: \"x\"",
        "APPFERRY_LOG_FORMAT",
        "APPFERRY_HOST_KEYS: \"yes\" is no way to treat host keys; write strict or accept-new",
        "wrong in 9 places",
        "\n  9. ",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in:\n{shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn generations_that_disagree_are_an_error_that_names_both() {
    let found = problems(OLDER, &[("GIT_SYNC", "false")]);
    assert!(found[0].starts_with("GIT_SYNC_IS_GLOBAL and GIT_SYNC: they disagree"), "{found:?}");
    let found = problems(OLDER, &[("GIT_SYNC_IS_LOCK_APP_EDIT", "true"), ("GIT_SYNC_ALLOW_EDIT", "true")]);
    assert!(found[0].starts_with("GIT_SYNC_IS_LOCK_APP_EDIT and GIT_SYNC_ALLOW_EDIT:"), "{found:?}");
    let found = problems(OLDER, &[("GIT_SYNC_REPOSITORY_URL", "git@github.com:other/apps.git")]);
    assert!(found[0].starts_with("GIT_SYNC_SSH_REPO_URL and GIT_SYNC_REPOSITORY_URL:"), "{found:?}");
    assert!(found[0].contains("other/apps.git"), "{found:?}");
}

#[test]
fn generations_that_agree_in_other_words_are_fine() {
    let changes = [
        ("GIT_SYNC", "1"),
        ("GIT_SYNC_IS_LOCK_APP_EDIT", "true"),
        ("GIT_SYNC_ALLOW_EDIT", "no"),
        ("GIT_SYNC_REPOSITORY_URL", "git@GitHub.com:team/apps.git"),
    ];
    assert!(sync(OLDER, &changes).locked);
}

#[test]
fn the_scheme_chooses_the_credential_and_the_other_is_a_warning() {
    let ssh = read(OLDER, &[("GIT_SYNC_PERSONAL_ACCESS_TOKEN", "t0ken")]).expect("valid");
    assert!(matches!(ssh.sync.expect("on").credential, Credential::Key { .. }));
    assert!(ssh.warnings[0].starts_with("GIT_SYNC_PERSONAL_ACCESS_TOKEN is not used"), "{:?}", ssh.warnings);
    let https = read(NEWER, &[("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "not a key")]).expect("valid");
    assert!(https.warnings[0].starts_with("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME is not used"), "{:?}", https.warnings);
    let missing = problems(OLDER, &[("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "")]);
    assert!(missing[0].contains("the repository's URL is SSH"), "{missing:?}");
    let missing = problems(NEWER, &[("GIT_SYNC_PERSONAL_ACCESS_TOKEN", "")]);
    assert!(missing[0].contains("GIT_SYNC_PERSONAL_ACCESS_TOKEN_FILE"), "{missing:?}");
}

#[test]
fn secrets_come_from_files_too_and_lose_one_trailing_newline() {
    let files = files(&[("/run/secrets/token", "t0ken\n"), ("/run/secrets/pass", " two \n\n"), ("/empty", "\n")]);
    let token = [("GIT_SYNC_PERSONAL_ACCESS_TOKEN", ""), ("GIT_SYNC_PERSONAL_ACCESS_TOKEN_FILE", "/run/secrets/token")];
    let config = read_with(NEWER, &token, &files).expect("valid");
    let credential = config.sync.expect("on").credential;
    assert!(
        matches!(credential, Credential::Token(TokenSource::File(path)) if path == Path::new("/run/secrets/token"))
    );
    let pass = [("GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE", "/run/secrets/pass")];
    let config = read_with(OLDER, &pass, &files).expect("valid");
    let Credential::Key { passphrase: Some(passphrase), .. } = config.sync.expect("on").credential else {
        panic!("a passphrase")
    };
    assert_eq!(passphrase.expose_secret(), " two \n");
    let missing = problems(OLDER, &[("GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE", "/nowhere")]);
    assert!(
        missing[0].contains("GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE: the file /nowhere cannot be read"),
        "{missing:?}"
    );
    let both = problems(NEWER, &[("GIT_SYNC_PERSONAL_ACCESS_TOKEN_FILE", "/empty")]);
    assert!(both[0].contains("both are set"), "{both:?}");
    let empty = [("GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE", "/empty")];
    assert!(read_with(OLDER, &empty, &files).is_err());
}

#[test]
fn a_secret_is_never_shown_not_even_in_debug_output() {
    let found = problems(NEWER, &[("GIT_SYNC_PERSONAL_ACCESS_TOKEN", "t0k en")]);
    assert!(found[0].starts_with("GIT_SYNC_PERSONAL_ACCESS_TOKEN:") && !found[0].contains("t0k"), "{found:?}");
    let config = read(NEWER, &[("APPFERRY_MASTER_KEY", "00ff")]).expect("valid");
    assert!(!format!("{config:?}").contains("t0ken") && !format!("{config:?}").contains("00ff"));
}

#[test]
fn a_path_needs_to_be_allowed() {
    for url in ["/srv/apps.git", "file:///srv/apps.git"] {
        let changes = [("GIT_SYNC_SSH_REPO_URL", url)];
        let found = problems(OLDER, &changes);
        assert!(found[0].contains("APPFERRY_ALLOW_PATH_REMOTE=true"), "{found:?}");
        let sync = sync(OLDER, &[changes[0], ("APPFERRY_ALLOW_PATH_REMOTE", "true")]);
        assert_eq!(sync.url, RepoUrl::Path("/srv/apps.git".into()));
        assert!(matches!(sync.credential, Credential::None));
    }
}

#[test]
fn our_own_variables_are_read() {
    let changes = [
        ("APPFERRY_PREFIX", "exports/App/"),
        ("APPFERRY_POLL_INTERVAL", "500ms"),
        ("APPFERRY_DEBOUNCE", "2s"),
        ("APPFERRY_FILE_MODE", "0664"),
        ("APPFERRY_DIR_MODE", "2775"),
        ("APPFERRY_VOLATILE_KEYS", "updated_time, saved_at,"),
        ("APPFERRY_IDENTITY_FIELDS", "slot, id"),
        ("APPFERRY_KEPT_DAYS", "7"),
        ("APPFERRY_SHELL_RUNS_DAYS", "3"),
        ("APPFERRY_SHELL_RUNS_KEPT", "200"),
        ("APPFERRY_SKIP_VOLATILE_SAVES", "off"),
        ("APPFERRY_MAX_FILE_SIZE", "100 MiB"),
        ("APPFERRY_IGNORE", "*.bak, !*.tmp"),
        ("APPFERRY_ALLOW_SECRETS", "PO App/configuration/*.json"),
        ("APPFERRY_ON_PROTECTED", "Branch"),
        ("GIT_PROVIDER", "gitlab"),
        ("APPFERRY_MASTER_KEY_FILE", "/a:/b"),
        ("APPFERRY_LISTEN", "localhost:0"),
        ("APPFERRY_LOG_FORMAT", "JSON"),
        ("APPFERRY_HOST_KEYS", "Accept-New"),
    ];
    let config = read(OLDER, &changes).expect("valid");
    assert_eq!(config.host_keys, HostKeyPolicy::AcceptNew);
    assert_eq!((config.shell_runs.days, config.shell_runs.most), (3, 200));
    assert_eq!((config.listen.to_string(), config.log_format), ("127.0.0.1:0".to_owned(), LogFormat::Json));
    assert_eq!(config.keys.master_keys.files, [Path::new("/a"), Path::new("/b")]);
    let sync = config.sync.expect("on");
    assert_eq!((sync.prefix.as_str(), sync.file_mode, sync.dir_mode), ("exports/App", 0o664, 0o2775));
    assert_eq!((sync.poll_interval.as_millis(), sync.debounce.as_secs(), sync.kept_days), (500, 2, 7));
    assert_eq!(sync.on_protected, crate::domain::OnProtected::Branch);
    assert_eq!((sync.volatile_keys.len(), sync.provider), (2, Some(Provider::GitLab)));
    assert_eq!(sync.identity_fields, ["slot", "id"]);
    let input = sync.input;
    assert!(!input.skip_volatile_saves && input.max_file_size.0 == 100 << 20);
    assert!(input.ignore.match_file("a/x.bak") && !input.ignore.match_file("x.tmp"));
    assert!(input.allow_secrets.match_file("PO App/configuration/db.json"));
}

#[test]
fn what_cannot_work_is_refused() {
    for change in [
        ("APPFERRY_PREFIX", "../x"),
        ("APPFERRY_SKIP_VOLATILE_SAVES", "perhaps"),
        ("APPFERRY_MAX_FILE_SIZE", "1TB"),
        ("APPFERRY_MAX_FILE_SIZE", "25 parsecs"),
        ("APPFERRY_IGNORE", "*.bak, [a-"),
        ("APPFERRY_ALLOW_SECRETS", "a//b"),
        ("APPFERRY_PREFIX", ".git"),
        ("APPFERRY_POLL_INTERVAL", "0s"),
        ("APPFERRY_DEBOUNCE", "2h"),
        ("APPFERRY_FILE_MODE", "0444"),
        ("APPFERRY_DIR_MODE", "+755"),
        ("APPFERRY_KEPT_DAYS", "0"),
        ("APPFERRY_SHELL_RUNS_DAYS", "0"),
        ("APPFERRY_SHELL_RUNS_KEPT", "many"),
        ("APPFERRY_ON_PROTECTED", "force"),
        ("APPFERRY_AUTHOR_EMAIL", "<jo@example.org>"),
        ("APPFERRY_AUTHOR_NAME", "a\nb"),
        ("APPFERRY_KNOWN_HOSTS", "/nowhere"),
        ("GIT_PROVIDER", "SOURCEFORGE"),
        ("APPFERRY_DATA_DIR", "/apps/.data"),
        ("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "my key"),
    ] {
        let found = problems(OLDER, &[change]);
        assert!(found.len() == 1 && found[0].contains(change.0), "{change:?}: {found:?}");
    }
}

#[test]
fn while_off_git_sync_is_not_looked_at_but_a_forgotten_switch_is_mentioned() {
    let config = read(OLDER, &[("GIT_SYNC_IS_GLOBAL", "false"), ("GIT_SYNC_BRANCH_NAME", "a..b")]).expect("valid");
    assert!(config.sync.is_none() && config.warnings.is_empty());
    let config = read(OLDER, &[("GIT_SYNC_IS_GLOBAL", "")]).expect("valid");
    assert!(config.warnings[0].contains("Git Sync is off"), "{:?}", config.warnings);
}

#[test]
fn a_misspelt_variable_is_a_warning() {
    let config = read(OLDER, &[("GIT_SYNC_AUTOSAVE", "true")]).expect("valid");
    assert!(config.warnings[0].contains("did you mean GIT_SYNC_AUTO_SAVE?"), "{:?}", config.warnings);
}

#[test]
fn a_value_that_is_not_utf_8_is_an_error_of_that_variable() {
    let environment = Environment { unreadable: vec!["GIT_SYNC".into(), "OTHER".into()], ..Environment::default() };
    let ConfigErrors(errors) = Config::from_environment(&environment, &FakeFiles::default()).expect_err("not UTF-8");
    assert_eq!((errors.len(), errors[0].variable.as_str()), (1, "GIT_SYNC"));
}

#[test]
fn keys_need_nothing_of_git_sync() {
    let pairs = [("GIT_SYNC", "jein"), ("GIT_SYNC_REPOSITORY_URL", "nonsense"), ("APPFERRY_DATA_DIR", "/data")];
    let files = files(&[("/run/credentials/appferry-master-key", "")]);
    let credentials = ("CREDENTIALS_DIRECTORY", "/run/credentials");
    let environment = Environment::of(pairs.into_iter().chain([credentials]));
    let base = BaseConfig::from_environment(&environment, &files).expect("valid");
    assert_eq!(base.data_dir, Path::new("/data"));
    assert!(base.keys.master_keys.credential.is_some());
}

proptest! {
    #[test]
    fn no_value_makes_it_panic_and_every_error_names_a_variable(
        values in proptest::collection::vec((0..crate::config::VARIABLES.len(), r"[ -~\t'é]{0,20}|true|on|git@h:p|https://h/p"), 0..12)
    ) {
        let pairs = values.into_iter().map(|(index, value)| (crate::config::VARIABLES[index].name, value));
        let pairs: HashMap<_, _> = pairs.chain([("GIT_SYNC", "true".to_owned())]).collect();
        if let Err(ConfigErrors(errors)) = Config::from_environment(&Environment::of(pairs), &FakeFiles::default()) {
            for error in errors {
                prop_assert!(error.variable.contains("GIT_") || error.variable.contains("APPFERRY_"), "{error}");
            }
        }
    }
}

#[test]
fn a_switch_that_says_both_on_and_off_does_not_hide_what_else_is_wrong() {
    let problems = problems(OLDER, &[("GIT_SYNC", "false"), ("GIT_SYNC_BRANCH_NAME", "a..b")]).join("\n");
    assert!(problems.contains("GIT_SYNC_IS_GLOBAL and GIT_SYNC: they disagree"), "{problems}");
    assert!(problems.contains("\"a..b\" is not a branch name"), "{problems}");
}

#[test]
fn a_space_in_a_key_name_is_answered_with_the_name_without_it() {
    let problems = problems(OLDER, &[("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "My Git Sync Key")]).join("\n");
    assert!(problems.contains("did you mean `MyGitSyncKey`?"), "{problems}");
}

#[test]
fn the_commands_about_keys_and_hosts_do_not_mind_a_file_of_host_keys_that_is_missing() {
    let environment = Environment::of([("APPFERRY_KNOWN_HOSTS", "/missing")]);
    let base = BaseConfig::from_environment(&environment, &FakeFiles::default()).expect("valid");
    assert_eq!(base.known_hosts.as_deref(), Some(Path::new("/missing")));
}
