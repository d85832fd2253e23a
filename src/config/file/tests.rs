//! Every rule of the file, without a file.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use super::*;
use crate::config::{Config, Credential, Environment, TokenSource};

struct FakeFiles(HashMap<PathBuf, String>);

impl Files for FakeFiles {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}

const PATH: &str = "/etc/appferry.toml";

fn read_with(path: &str, text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let files = [(path, text), ("/run/token", "t0ken\n"), ("/run/passphrase", "correct horse\n")];
    let files = FakeFiles(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect());
    let mut pairs = vec![("APPFERRY_CONFIG", path), ("APPFERRY_DATA_DIR", "/data")];
    pairs.extend(variables);
    let read = Config::from_environment(&Environment::of(pairs), &files);
    read.map_err(|ConfigErrors(errors)| errors.iter().map(ToString::to_string).collect())
}

fn read(text: &str) -> Result<Config, Vec<String>> {
    read_with(PATH, text, &[])
}

#[track_caller]
fn problems(text: &str) -> Vec<String> {
    read(text).expect_err("should not be accepted")
}

const TWO: &str = r#"
[defaults]
branch = "main"
key = "TeamKey"
auto_save = true
poll_interval = "30s"

[[repository]]
name = "dev"
url = "git@github.com:team/apps.git"
apps_dir = "/srv/dev"

[[repository]]
name = "web"
url = "https://gitlab.example.org/team/apps.git"
branch = "prod"
token_file = "/run/token"
apps_dir = "/srv/web"
locked = true
prefix = ""
file_mode = 0o640
volatile_keys = ["updated_time", "saved_at"]
include = ["PO *"]
exclude = "Old *"
"#;

#[test]
fn entries_are_read_with_what_holds_for_all_and_what_the_environment_says() {
    let config = read_with(PATH, TWO, &[("APPFERRY_DEBOUNCE", "3s"), ("APPFERRY_POLL_INTERVAL", "7s")]).expect("valid");
    assert!(config.sync.is_none() && config.warnings.is_empty(), "{:?}", config.warnings);
    let [dev, web] = config.repositories.as_slice() else { panic!("two") };
    assert_eq!((dev.name.as_str(), dev.sync.branch.as_str(), dev.sync.prefix.as_str()), ("dev", "main", "App"));
    assert!(matches!(&dev.sync.credential, Credential::Key { name, .. } if name.as_str() == "TeamKey"));
    assert!(dev.sync.auto_save && !dev.sync.locked && dev.single.is_none());
    assert_eq!((dev.sync.poll_interval, dev.sync.debounce), (Duration::from_secs(30), Duration::from_secs(3)));
    assert_eq!((web.sync.branch.as_str(), web.sync.prefix.as_str(), web.sync.file_mode), ("prod", "", 0o640));
    assert!(
        matches!(&web.sync.credential, Credential::Token(TokenSource::File(path)) if path == Path::new("/run/token"))
    );
    assert_eq!(web.sync.volatile_keys, ["updated_time", "saved_at"]);
    let takes = |app| web.filter.takes(&AppName::new(app).expect("a name"));
    assert!(takes("PO App") && !takes("Old App") && !takes("App"));
}

#[test]
fn yaml_says_the_same() {
    let text = "defaults:\n  branch: main\n  file_mode: 0640\nrepository:\n  - name: dev\n    url: git@host:a.git\n    key: K\n    apps_dir: /srv/dev\n    auto_save: on\n";
    let config = read_with("/etc/appferry.yaml", text, &[]).expect("valid");
    let [dev] = config.repositories.as_slice() else { panic!("one") };
    assert!(dev.sync.auto_save && dev.sync.file_mode == 0o640 && dev.sync.branch.as_str() == "main");
    let problems = read_with("/etc/appferry.yml", "repository:\n  - nme: dev\n", &[]).expect_err("wrong");
    assert!(
        problems[0]
            .starts_with("/etc/appferry.yml, line 2, repository 1, nme: there is no such key; did you mean `name`?")
    );
}

#[test]
fn everything_wrong_is_said_at_once_with_file_line_and_entry() {
    let said = problems(
        r#"
[defaults]
poll_interval = "soon"
colour = "blue"

[[repository]]
name = "dev"
url = "git@github.com:team/apps.git"
apps_dir = "srv/dev"
branc = "main"
token = "ghp_s3cret"

[[repository]]
name = "a b"
url = "https://jo:s3cret@host/a.git"
branch = "main"
apps_dir = "/srv/b"
"#,
    );
    for part in [
        "/etc/appferry.toml, line 3, defaults, poll_interval: \"soon\" is not a time",
        "/etc/appferry.toml, line 4, defaults, colour: there is no such key; there are: name",
        "/etc/appferry.toml, line 9, repository \"dev\", apps_dir: \"srv/dev\" depends on where",
        "/etc/appferry.toml, line 10, repository \"dev\", branc: there is no such key; did you mean `branch`?",
        "/etc/appferry.toml, line 11, repository \"dev\", token: a secret does not belong into this file",
        "/etc/appferry.toml, line 6, repository \"dev\", branch: it is not set",
        "/etc/appferry.toml, line 6, repository \"dev\", key: it is not set",
        "/etc/appferry.toml, line 14, repository \"a b\", name: \"a b\" is not a name",
        "/etc/appferry.toml, line 15, repository \"a b\", url:",
    ] {
        assert!(said.iter().any(|problem| problem.starts_with(part)), "{part}\n{said:#?}");
    }
    assert_eq!(said.iter().filter(|problem| problem.contains("soon")).count(), 1, "{said:#?}");
    assert!(!said.iter().any(|problem| problem.contains("s3cret")), "{said:#?}");
}

fn entry(name: &str, apps_dir: &str, more: &str) -> String {
    format!(
        "[[repository]]\nname = \"{name}\"\nurl = \"git@h:a.git\"\nbranch = \"m\"\nkey = \"K\"\napps_dir = \"{apps_dir}\"\n{more}\n"
    )
}

#[test]
fn repositories_in_each_others_way_are_refused() {
    for (text, part) in [
        (entry("a", "/x", "") + &entry("a", "/y", ""), "line 8, repository \"a\", name: the repository of line 1"),
        (entry("a", "/x", "") + &entry("b", "/x/", ""), "apps_dir: /x is the folder of the repository \"a\" already"),
        (
            entry("a", "/x", "") + &entry("b", "/x/y", ""),
            "apps_dir: /x/y lies in /x, the folder of the repository \"a\"",
        ),
        (entry("a", "/data/x", ""), "lies in /data, the folder of APPFERRY_DATA_DIR"),
        (entry("a", "/", ""), "the data folder /data lies in it"),
        (entry("global", "/x", ""), "is the repository of the environment"),
    ] {
        let said = problems(&text);
        assert!(said.len() == 1 && said[0].contains(part), "{part}\n{said:#?}");
    }
    let global = [
        ("GIT_SYNC", "true"),
        ("GIT_SYNC_REPOSITORY_URL", "git@h:a.git"),
        ("GIT_SYNC_BRANCH_NAME", "main"),
        ("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "K"),
        ("APPFERRY_APPS_DIR", "/apps/global"),
    ];
    for (folder, part) in
        [("/apps/global/x", "lies in /apps/global"), ("/apps", "lies in /apps;"), ("/apps/global", "already")]
    {
        let said = read_with(PATH, &entry("a", folder, ""), &global).expect_err(folder);
        assert!(said[0].contains(part), "{said:#?}");
    }
    let config = read_with(PATH, &entry("a", "/apps/a", ""), &global).expect("valid");
    assert_eq!(config.all_repositories().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["global", "a"]);
}

#[test]
fn a_repository_may_be_one_app() {
    let single = |app: &str| format!("layout = \"single\"\napp = \"{app}\"");
    let config = read(&(entry("a", "/x", &single("PO App")) + &entry("b", "/x", &single("Stock")))).expect("valid");
    assert_eq!(config.repositories[0].single.as_ref().map(AppName::as_str), Some("PO App"));
    assert!(problems(&entry("a", "/x", &single("../x")))[0].contains("cannot name an app"));
    assert!(problems(&entry("a", "/x", "layout = \"single\""))[0].contains("app: it is not set"));
    assert!(problems(&entry("a", "/x", "layout = \"flat\""))[0].contains("write `folders` or `single`"));
    assert!(problems(&entry("a", "/x", "app = \"X\""))[0].contains("set `layout = \"single\"`"));
}

#[test]
fn what_is_not_the_file_it_should_be_is_told() {
    let said = |path: &str, text: &str| read_with(path, text, &[]).expect_err("wrong").join("\n");
    assert!(said("/etc/appferry.json", "{}").contains("neither TOML nor YAML"));
    assert!(
        said(PATH, "[[repository]\n").starts_with("/etc/appferry.toml, line 1: it is not TOML"),
        "{}",
        said(PATH, "[[repository]\n")
    );
    assert!(said(PATH, "repository = 1\n").contains("write `[[repository]]`"));
    assert!(said(PATH, "repositry = 1\n").contains("there are: repository, defaults"));
    let absent =
        Config::from_environment(&Environment::of([("APPFERRY_CONFIG", "/no.toml")]), &FakeFiles(HashMap::new()));
    assert!(absent.is_err_and(|errors| errors.to_string().contains("the file /no.toml cannot be read")));
    assert!(read("").expect("valid").repositories.is_empty());
}

#[test]
fn an_entry_is_the_same_until_something_in_it_changes() {
    let read = |text: &str| read(text).expect("valid").repositories;
    let (before, after) = (read(TWO), read(&TWO.replace("locked = true", "locked = false")));
    assert!(before == read(&format!("# moved\n{TWO}")));
    assert!(before[0] == after[0] && before[1] != after[1]);
    let all = read(&TWO.replace("auto_save = true", "auto_save = false"));
    assert!(before[0] != all[0] && before[1] != all[1], "a default reaches all");
}
