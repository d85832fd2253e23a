//! `appferry host …` with the real program, on a scratch system with a real sshd that has `StrictModes yes`.

mod api;
mod causes;
mod narrowed;
mod powershell;
mod safety;
mod script;

use std::net::TcpListener;

use serde_json::Value;

use crate::support::instance::Instance;
use crate::support::scratch::Scratch;
use crate::support::skip;

const FILE: &str = "/home/dronahq/.ssh/authorized_keys";

/// A server that knows the key `Admin`, and the program with that key and the key `Key`.
struct Scene {
    server: Scratch,
    own: Instance,
}

impl Scene {
    fn start() -> Option<Self> {
        let mut own = Instance::new("setup");
        let admin = own.generate_key("Admin");
        own.generate_key("Key");
        let server = Scratch::start(&admin)?;
        own.set("APPFERRY_KNOWN_HOSTS", server.known_hosts().display().to_string());
        Some(Self { server, own })
    }

    /// Sets `dronahq` up for `Key` over root's login; answers whether it worked and what was said.
    fn try_setup(&self, more: &[&str]) -> (bool, String) {
        let root = self.server.login("root");
        let base = ["host", "setup", "--for", "debian", "--key", "Key", "--run", &root, "--admin-key", "Admin"];
        said(&self.own, &[&base, more].concat())
    }

    fn setup(&self, more: &[&str]) -> String {
        let (ok, text) = self.try_setup(more);
        assert!(ok, "{text}\n{}", self.server.log());
        text
    }

    fn check(&self, more: &[&str]) -> (bool, String) {
        let login = self.server.login("dronahq");
        said(&self.own, &[&["host", "check", &login, "--key", "Key"], more].concat())
    }

    /// The check with the admin's login, which has to find one cause; answers it.
    fn cause(&self) -> String {
        let (login, root) = (self.server.login("dronahq"), self.server.login("root"));
        let args = ["host", "check", &login, "--key", "Key", "--admin", &root, "--admin-key", "Admin", "--json"];
        let output = self.own.cli(&args);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((output.status.code(), &report["ok"]), (Some(1), &Value::Bool(false)), "{report}");
        let causes = report["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "cause");
        let causes: Vec<String> = causes.map(|cause| format!("{}; {}", cause["words"], cause["remedy"])).collect();
        assert_eq!(causes.len(), 1, "{report:#}\n{}", self.server.log());
        causes[0].clone()
    }

    fn file(&self) -> String {
        self.server.sh(&format!("cat {FILE}"))
    }
}

fn said(own: &Instance, args: &[&str]) -> (bool, String) {
    let output = own.cli(args);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("text"))
}

/// Something that listens, for tunnels.
fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    (listener, address)
}

#[test]
fn a_server_is_set_up_and_the_login_is_proved_step_by_step() {
    let Some(scene) = Scene::start() else { return };
    let (_listener, address) = target();
    let (ok, refused) = scene.check(&["--permit-open", &address]);
    assert!(!ok && refused.contains("FAIL     login") && refused.contains("appferry host setup"), "{refused}");

    let text = scene.setup(&["--permit-open", &address]);
    for line in [
        "changed  account      made dronahq, without a password",
        "changed  folder",
        "changed  keys-file",
        "ok       done",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let (ok, proved) = scene.check(&["--permit-open", &address]);
    assert!(ok, "{proved}\n{}", scene.server.log());
    for step in ["key", "name-lookup", "connect", "host-key", "login", "command", "forwarding"] {
        assert!(proved.contains(&format!("ok       {step:<12} ")), "{step}: {proved}");
    }
    let state =
        "stat -c '%a %U %G' /home/dronahq/.ssh /home/dronahq/.ssh/authorized_keys; getent shadow dronahq | cut -d: -f2";
    assert_eq!(scene.server.sh(state), "700 dronahq dronahq\n600 dronahq dronahq\n*");
}

#[test]
fn a_host_whose_key_nobody_trusts_is_refused_with_the_usual_words() {
    let Some(mut scene) = Scene::start() else { return };
    scene.own.env.remove("APPFERRY_KNOWN_HOSTS");
    let (ok, text) = scene.try_setup(&[]);
    assert!(!ok && text.contains("appferry hosts trust 127.0.0.1:"), "{text}");
    let (ok, text) = scene.check(&[]);
    assert!(!ok && text.contains("FAIL     host-key") && text.contains("appferry hosts trust"), "{text}");
    assert!(!scene.server.log().contains("Accepted publickey"));
}

#[test]
fn an_admin_who_is_not_root_and_may_not_become_it_is_told_so() {
    let Some(scene) = Scene::start() else { return };
    scene.setup(&[]);
    let login = scene.server.login("dronahq");
    let base = ["host", "setup", "--for", "debian", "--key", "Key", "--run", &login, "--admin-key", "Key"];
    let (ok, text) = said(&scene.own, &base);
    assert!(!ok && text.contains("runs no script as an administrator") && text.contains("sudo"), "{text}");
}

#[test]
fn an_admin_who_is_not_root_becomes_it_by_sudo() {
    let Some(scene) = Scene::start() else { return };
    if !std::path::Path::new("/usr/bin/sudo").exists() {
        return skip("sudo is not installed");
    }
    scene.setup(&[]);
    scene.server.sh("echo 'dronahq ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin; chmod 440 /etc/sudoers.d/admin");
    let login = scene.server.login("dronahq");
    let base = ["host", "setup", "--for", "debian", "--key", "Key", "--run", &login, "--admin-key", "Key"];
    let (ok, text) = said(&scene.own, &[&base[..], &["--user", "other"]].concat());
    assert!(ok && text.contains("changed  account      made other") && text.contains("ok       done"), "{text}");
    // The address that sshd knows comes along, or rules of sshd_config about it would not be seen.
    scene.server.sh("sed -i '1i Match User other Address 192.0.2.0/24\\nAuthorizedKeysFile /etc/keys\\nMatch all' /etc/ssh/sshd_config");
    let (ok, text) = said(&scene.own, &[&base[..], &["--user", "other"]].concat());
    assert!(ok, "{text}");
    scene.server.sh("sed -i 's/192.0.2.0.24/127.0.0.0\\/8/' /etc/ssh/sshd_config");
    let (ok, text) = said(&scene.own, &[&base[..], &["--user", "other"]].concat());
    assert!(!ok && text.contains("FAIL     keys-file") && text.contains("/etc/keys"), "{text}");
}
