//! The whole program: command line, API, file, environment, store.

use std::io::{Read as _, Write as _};
use std::net;

use appferry::http::TunnelList;

use super::{Duration, SocketAddr};
use crate::support::instance::Instance;
use crate::support::sshd::{Setup, Sshd, current_user};
use crate::support::{PATIENCE, wait_for};

/// An instance that knows a bastion, and a server behind that.
pub(super) struct Stage {
    sshd: Sshd,
    pub(super) instance: Instance,
    pub(super) target: SocketAddr,
}

impl Stage {
    fn new(name: &str) -> Option<Self> {
        Self::with(name, Setup::default(), Self::echo())
    }

    /// With a bastion that is set up in a special way.
    pub(super) fn with(name: &str, setup: Setup, target: SocketAddr) -> Option<Self> {
        let sshd = Sshd::start_with(setup)?;
        let mut instance = Instance::new(name);
        instance.set("APPFERRY_KNOWN_HOSTS", sshd.known_hosts_file().display().to_string());
        sshd.authorize(&instance.generate_key("Deploy"));
        Some(Self { sshd, instance, target })
    }

    /// A server that sends back what it gets. It ends with the test's process.
    pub(super) fn echo() -> SocketAddr {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        target
    }

    pub(super) fn bastion(&self) -> String {
        format!("{}@127.0.0.1:{}", current_user(), self.sshd.port())
    }

    pub(super) fn list(&self) -> TunnelList {
        serde_json::from_str(&self.instance.cli_text(&["tunnel", "list", "--json"])).unwrap()
    }

    pub(super) fn place(&self, name: &str) -> SocketAddr {
        wait_for(
            PATIENCE,
            || self.instance.log(),
            || {
                let list = self.list();
                let found = list.tunnels.into_iter().find(|one| one.tunnel.name == name)?;
                found.listening?.parse().ok()
            },
        )
    }

    fn refused(&self, args: &[&str], words: &str) {
        let output = self.instance.cli(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{args:?}: {said}");
    }
}

pub(super) fn works(place: SocketAddr) -> bool {
    let Ok(mut stream) = net::TcpStream::connect(place) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0];
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"x"
}

#[test]
fn a_tunnel_is_added_used_closed_opened_and_removed_at_the_command_line() {
    let Some(mut stage) = Stage::new("tunnel-cli") else { return };
    stage.instance.start();
    let (bastion, target) = (stage.bastion(), stage.target.to_string());
    let add = ["tunnel", "add", "db", "--bastion", &bastion, "--key", "Deploy", "--target", &target];
    assert!(stage.instance.cli_text(&add).contains(&format!("leads to {target}")));
    stage.refused(&add, "there is a tunnel db already");
    stage.refused(&["tunnel", "add", "x", "--bastion", &bastion, "--key", "Deplyo", "--target", &target], "Deploy");
    stage.refused(
        &["tunnel", "add", "x", "--bastion", "b", "--key", "Deploy", "--target", "t", "--listen", "0.0.0.0:1"],
        "listen: ",
    );
    assert!(works(stage.place("db")));
    assert!(stage.instance.cli_text(&["tunnel", "test", "db"]).contains("db works"));
    assert!(stage.instance.cli_text(&["tunnel", "list"]).contains("open"));

    let same = format!("localhost:{}", stage.place("db").port());
    stage.refused(
        &["tunnel", "add", "x", "--listen", &same, "--bastion", &bastion, "--key", "Deploy", "--target", &target],
        "is the place of the tunnel db",
    );

    // A place that is taken is named, and the tunnel is kept.
    let taken = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let busy =
        ["tunnel", "add", "busy", "--listen", &listen, "--bastion", &bastion, "--key", "Deploy", "--target", &target];
    let words = format!("cannot listen on {listen}: Address already in use (os error 98); end what listens there");
    stage.refused(&busy, &format!("busy is added, but {words}"));
    stage.refused(&["tunnel", "open", "busy"], &words);
    assert!(stage.instance.cli_text(&["tunnel", "list"]).contains("(listen): cannot listen"));
    stage.instance.cli_text(&["tunnel", "remove", "busy"]);
    assert_eq!(stage.instance.http_get("/api/v1/tunnels/busy", true).unwrap().0, 404);

    // The log of its key says what it was used for.
    let used = format!("tunnel {}", stage.bastion());
    assert!(stage.instance.cli_text(&["keys", "show", "Deploy"]).contains(&used));

    // Its key is in use.
    stage.refused(&["keys", "delete", "Deploy"], "tunnel db of");
    stage.refused(&["keys", "rename", "Deploy", "Other"], "tunnel db of");

    let (code, metrics) = stage.instance.http_get("/metrics", true).unwrap();
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(code == 200 && metrics.contains("appferry_tunnel_open{tunnel=\"db\"} 1"), "{metrics}");
    assert_eq!(stage.instance.http_get("/metrics", false).unwrap().0, 401);
    assert_eq!(stage.instance.http_get("/api/v1/tunnels", false).unwrap().0, 401);

    let place = stage.place("db");
    stage.instance.cli_text(&["tunnel", "close", "db"]);
    stage.refused(&["tunnel", "test", "db"], "is closed");
    wait_for(PATIENCE, || "it still listens".into(), || net::TcpStream::connect(place).is_err().then_some(()));

    // What was closed stays closed after a restart, what was added is still there.
    stage.instance.stop();
    stage.instance.start();
    let list = stage.list();
    assert_eq!(format!("{:?}", list.tunnels[0].state), "Closed");
    stage.instance.cli_text(&["tunnel", "open", "db"]);
    assert!(works(stage.place("db")));
    stage.instance.cli_text(&["tunnel", "remove", "db"]);
    stage.refused(&["tunnel", "remove", "db"], "there is no tunnel");
    assert!(stage.list().tunnels.is_empty());
    stage.instance.cli_text(&["keys", "rename", "Deploy", "Other"]);
    stage.instance.stop();
}

#[test]
fn tunnels_of_the_environment_and_of_the_file_run_and_the_file_is_followed() {
    let Some(mut stage) = Stage::new("tunnel-file") else { return };
    let file = stage.instance.aside().join("appferry.toml");
    let (bastion, target) = (stage.bastion(), stage.target);
    let entry = |name: &str| {
        format!(
            "[[tunnel]]\nname = \"{name}\"\nlisten = \"127.0.0.1:0\"\nbastion = \"{bastion}\"\nkey = \"Deploy\"\ntarget = \"{target}\"\n"
        )
    };
    std::fs::write(&file, entry("filed")).unwrap();
    stage.instance.set("APPFERRY_CONFIG", file.display().to_string());
    let value = format!("listen=127.0.0.1:0;bastion={bastion};key=Deploy;target={target};eager=true");
    stage.instance.set("APPFERRY_TUNNEL_env", value).start();
    assert!(works(stage.place("env")) && works(stage.place("filed")));
    let kept = stage.place("env");
    std::fs::write(&file, entry("second") + &entry("third")).unwrap();
    assert!(works(stage.place("third")) && works(stage.place("second")));
    assert_eq!((stage.list().tunnels.len(), stage.place("env")), (3, kept));
    stage.refused(&["tunnel", "remove", "second"], "in the file of APPFERRY_CONFIG");
    stage.refused(&["keys", "delete", "Deploy"], "tunnel third of");
    // A wrong file changes nothing.
    std::fs::write(&file, "[[tunnel]]\nname = \"wrong\"\n").unwrap();
    wait_for(
        PATIENCE,
        || stage.instance.log(),
        || stage.instance.log().contains("the configuration file is refused").then_some(()),
    );
    assert!(stage.instance.log().contains("bastion: it is missing"), "{}", stage.instance.log());
    assert_eq!(stage.list().tunnels.len(), 3);
    stage.instance.stop();
}

#[test]
fn one_of_the_environment_that_hides_a_stored_one_is_not_removed_and_neither_is_that() {
    let Some(mut stage) = Stage::new("tunnel-hides") else { return };
    let (bastion, target) = (stage.bastion(), stage.target.to_string());
    stage.instance.start();
    stage.instance.cli_text(&["tunnel", "add", "db", "--bastion", &bastion, "--key", "Deploy", "--target", &target]);
    stage.instance.stop();
    let value = format!("listen=127.0.0.1:0;bastion={bastion};key=Deploy;target={target};limit=7");
    stage.instance.set("APPFERRY_TUNNEL_db", value).start();
    let words = "written down in the environment; the one of the store, which it hides, stays";
    stage.refused(&["tunnel", "remove", "db"], words);
    assert_eq!(stage.list().tunnels[0].tunnel.limit, Some(7), "it goes on");
    stage.instance.stop();
    stage.instance.set("APPFERRY_TUNNEL_db", "").start();
    stage.instance.cli_text(&["tunnel", "remove", "db"]);
    assert!(stage.list().tunnels.is_empty());
    stage.instance.stop();
}

#[test]
fn a_target_that_is_not_allowed_is_refused_wherever_it_is_written() {
    let Some(mut stage) = Stage::new("tunnel-allowed") else { return };
    stage.instance.set("APPFERRY_TUNNELS_ALLOWED", "*.internal:5432").start();
    let bastion = stage.bastion();
    let add = |target| ["tunnel", "add", "db", "--bastion", &bastion, "--key", "Deploy", "--target", target];
    stage.refused(&add("db.internal:5433"), "is not allowed");
    stage.instance.cli_text(&add("db.internal:5432"));
    stage.instance.stop();
    // What was allowed when it was added is not hidden when it no longer is.
    stage.instance.set("APPFERRY_TUNNELS_ALLOWED", "*.internal:6379").start();
    let words = "db.internal:5432 is not allowed";
    assert!(stage.instance.cli_text(&["tunnel", "list"]).contains(words));
    stage.refused(&["tunnel", "test", "db"], words);
    stage.instance.cli_text(&["tunnel", "remove", "db"]);
    stage.instance.stop();
    stage.instance.set("APPFERRY_TUNNELS_ALLOWED", "*.internal:5432 db");
    stage.refused(&["run"], "APPFERRY_TUNNELS_ALLOWED: \"db\" names no port; write `db:5432`");
    stage.instance.set("APPFERRY_TUNNELS_ALLOWED", "*.internal:5432");
    stage.instance.set("APPFERRY_TUNNEL_x", "listen=127.0.0.1:0;bastion=u@b;key=K;target=other:1");
    let output = stage.instance.cli(&["run"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && said.contains("APPFERRY_TUNNEL_x: target: other:1 is not allowed"),
        "{said}"
    );
}

#[test]
fn a_killed_program_leaves_its_clients_a_reset() {
    let Some(mut stage) = Stage::new("tunnel-kill") else { return };
    let value = format!("listen=127.0.0.1:0;bastion={};key=Deploy;target={}", stage.bastion(), stage.target);
    stage.instance.set("APPFERRY_TUNNEL_db", value).start();
    let mut client = net::TcpStream::connect(stage.place("db")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    stage.instance.kill();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_stopped_program_leaves_neither_socket_nor_client() {
    let Some(mut stage) = Stage::new("tunnel-stop") else { return };
    let socket = stage.instance.aside().join("db.sock");
    let value = format!("listen={};bastion={};key=Deploy;target={}", socket.display(), stage.bastion(), stage.target);
    stage.instance.set("APPFERRY_TUNNEL_db", value).start();
    wait_for(PATIENCE, || stage.instance.log(), || socket.exists().then_some(()));
    let mut client = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    stage.instance.stop();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    assert!(!socket.exists());
}
