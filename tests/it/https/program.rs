//! The whole program over HTTPS: both ways, a token that is rotated, and no secret anywhere.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use appferry::domain::FailureClass;
use appferry::domain::status::RepositoryState;

use super::authority::Authority;
use super::front::{self, Server};
use crate::support::PATIENCE;
use crate::support::apps::{set, value, write_app};
use crate::support::instance::Instance;
use crate::support::remote::RemoteRepo;
use crate::wire::http::Site;

const TOKEN: &str = "t0ken-aefd81";
const SCREEN: &str = "PO App/screens/Screen 2/meta.json";

/// A Git server over HTTPS, and what an instance needs to know of it.
struct World {
    authority: Authority,
    repo: RemoteRepo,
    site: Arc<Site>,
    server: Server,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Option<Self> {
        let authority = Authority::new()?;
        let folder = tempfile::tempdir().expect("a folder");
        let repo = RemoteRepo::init(folder.path().join("apps.git"));
        let site = Site::new(repo.path(), true);
        site.accept(TOKEN);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let server = runtime.block_on(front::tls(site.router(), &authority.for_this_host()));
        Some(Self { authority, repo, site, server, runtime, folder })
    }

    fn instance(&self, name: &str) -> Instance {
        let token = self.token_file();
        fs::write(&token, format!("{TOKEN}\n")).expect("written");
        let mut instance = Instance::new(name);
        instance
            .set("GIT_SYNC", "true")
            .set("GIT_SYNC_REPOSITORY_URL", self.server.url())
            .set("GIT_SYNC_BRANCH_NAME", "main")
            .set("GIT_SYNC_PERSONAL_ACCESS_TOKEN_FILE", token.display().to_string())
            .set("GIT_SYNC_AUTO_SAVE", "true")
            .set("GIT_SYNC_AUTO_ADD_NEW_RESOURCES", "true")
            .set("APPFERRY_CA_FILE", self.authority.file().display().to_string());
        instance
    }

    fn token_file(&self) -> std::path::PathBuf {
        self.folder.path().join("token")
    }
}

#[test]
fn an_app_goes_there_and_back_over_https() {
    let Some(world) = World::new() else { return };
    let (mut one, mut other) = (world.instance("one"), world.instance("other"));
    write_app(&one.apps, "PO App");
    let report = one.cli_text(&["check"]);
    assert!(report.contains("may push"), "{report}");
    one.start();
    one.wait_until_in_sync();
    other.start();
    other.wait(PATIENCE, "the app", || other.apps.join(SCREEN).exists());
    set(&other.apps.join(SCREEN), "color", "crimson");
    one.wait(PATIENCE, "the way back", || value(&one.apps.join(SCREEN), "color") == Some("crimson".into()));
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("crimson")));
    for instance in [&mut one, &mut other] {
        instance.stop();
        instance.fsck();
    }
}

#[test]
fn without_the_authoritys_file_nothing_is_trusted_and_the_check_says_what_to_do() {
    let Some(world) = World::new() else { return };
    let mut instance = world.instance("one");
    instance.env.remove("APPFERRY_CA_FILE");
    write_app(&instance.apps, "PO App");
    let output = instance.cli(&["check"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(
        report.contains("an authority that is not trusted here") && report.contains("APPFERRY_CA_FILE"),
        "{report}"
    );
    instance.start();
    let repository = instance.wait_for_state(RepositoryState::Blocked);
    assert_eq!(repository.last_error.map(|error| error.failure.class), Some(FailureClass::HostKey));
    assert_eq!(world.repo.branches(), Vec::<String>::new());
}

#[test]
fn a_wrong_authoritys_file_stops_the_start_and_says_what_is_wrong() {
    let Some(world) = World::new() else { return };
    let mut instance = world.instance("one");
    for (name, content, wanted) in [
        ("absent.pem", None, "cannot be read"),
        ("empty.pem", Some(""), "holds no certificate"),
        (
            "key.pem",
            Some("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"),
            "a private key and no certificate",
        ),
    ] {
        let file = instance.aside().join(name);
        if let Some(content) = content {
            fs::write(&file, content).expect("written");
        }
        instance.set("APPFERRY_CA_FILE", file.display().to_string());
        for command in ["check", "run"] {
            let output = instance.cli(&[command]);
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(!output.status.success() && said.contains("APPFERRY_CA_FILE") && said.contains(wanted), "{said}");
        }
    }
}

#[test]
fn a_machine_without_authorities_says_so() {
    let Some(world) = World::new() else { return };
    let mut instance = world.instance("one");
    instance.env.remove("APPFERRY_CA_FILE");
    instance.set("SSL_CERT_FILE", "/dev/null").set("SSL_CERT_DIR", "/nonexistent");
    let output = instance.cli(&["check"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("no list of trusted certificate authorities"), "{report}");
    instance.set("APPFERRY_CA_FILE", world.authority.file().display().to_string());
    assert!(instance.cli_text(&["check"]).contains("may push"), "the file alone is enough");
}

#[test]
fn a_token_is_rotated_without_a_restart() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();

    world.site.accept("n3w-token-77d1");
    let blocked = dev.wait_for_state(RepositoryState::Blocked);
    assert_eq!(blocked.last_error.map(|error| error.failure.class), Some(FailureClass::Authentication));
    set(&dev.apps.join(SCREEN), "color", "crimson");
    fs::write(world.token_file(), "n3w-token-77d1\n").expect("written");
    dev.wait(PATIENCE, "the push with the new token", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("crimson"))
    });
    dev.wait_until_in_sync();

    for gone in [None, Some("")] {
        match gone {
            None => fs::remove_file(world.token_file()).expect("removed"),
            Some(content) => fs::write(world.token_file(), content).expect("written"),
        }
        let blocked = dev.wait_for_state(RepositoryState::Blocked);
        let failure = blocked.last_error.expect("an error").failure;
        assert_eq!(failure.class, FailureClass::Key, "{failure}");
        assert!(failure.message.contains(&world.token_file().display().to_string()), "{failure}");
        fs::write(world.token_file(), "n3w-token-77d1\n").expect("written");
        dev.wait_until_in_sync();
    }
}

#[test]
fn neither_token_nor_the_proxys_password_is_anywhere_even_at_the_loudest_log() {
    let Some(world) = World::new() else { return };
    let proxy = world.runtime.block_on(front::proxy());
    let mut dev = world.instance("dev");
    dev.set("HTTPS_PROXY", format!("http://jo:pr0xy-f3e1@{}", proxy.address)).set("RUST_LOG", "trace");
    write_app(&dev.apps, "PO App");
    let report = dev.cli(&["check"]);
    dev.start();
    dev.wait_until_in_sync();
    assert!(proxy.connected() > 0, "the proxy was used");
    world.site.accept("another");
    dev.wait_for_state(RepositoryState::Blocked);
    let command_line = fs::read(format!("/proc/{}/cmdline", dev.pid())).expect("its command line");
    let status = dev.cli(&["status"]);
    let (_, body) = dev.http_get("/api/v1/status", true).expect("an answer");
    dev.stop();
    let mut places = vec![("command line", command_line), ("log", dev.whole_log().into_bytes()), ("API", body)];
    places.extend([
        ("check", report.stdout),
        ("check", report.stderr),
        ("status", status.stdout),
        ("status", status.stderr),
    ]);
    for (place, content) in places {
        assert_clean(place, &content);
    }
    assert!(dev.whole_log().contains("TRACE"), "the log is loud");
    for_each_file(&dev.data, &mut |path, content| assert_clean(&path.display().to_string(), content));
}

/// That no secret of the test is in `content`, as it is, in base64 or in hex.
fn assert_clean(place: &str, content: &[u8]) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    for secret in [TOKEN, "pr0xy-f3e1"] {
        let in_hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let mut forms = vec![secret.to_owned(), in_hex, STANDARD.encode(secret)];
        // Inside `user:secret` base64 begins anywhere; what is cut off at its ends depends on that.
        for user in ["git:", "jo:"] {
            let whole = STANDARD.encode(format!("{user}{secret}"));
            forms.push(whole[8..whole.len() - 4].to_owned());
        }
        for form in forms {
            let found = content.windows(form.len()).position(|window| window == form.as_bytes());
            let around = found.map(|at| {
                String::from_utf8_lossy(&content[at.saturating_sub(200)..(at + 50).min(content.len())]).into_owned()
            });
            assert_eq!(around, None, "{place} holds a secret");
        }
    }
}

fn for_each_file(folder: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => for_each_file(&path, look),
            Ok(kind) if kind.is_file() => look(&path, &fs::read(&path).expect("readable")),
            _ => {}
        }
    }
}
