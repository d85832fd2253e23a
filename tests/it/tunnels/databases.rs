//! Real databases behind a bastion, asked by their own clients.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use secrecy::ExposeSecret as _;

use super::*;
use crate::support::postgres::Postgres;
use crate::support::process::{free_port, kill_tree};
use crate::support::{skip, wait_for};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        kill_tree(&mut self.0);
    }
}

/// Runs a client to its end, and answers what it said.
async fn said(mut command: Command) -> String {
    let done = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().expect("a client"));
    let done = done.await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_answers_through_a_tunnel() {
    let Some(scene) = Scene::new() else { return };
    let Some(server) = tokio::task::spawn_blocking(Postgres::start).await.unwrap() else { return };
    let url = server.url("postgres").expose_secret().to_owned();
    let target = url.rsplit('@').next().unwrap().split('/').next().unwrap().to_owned();
    let place = scene.one(&target).await;
    let url = url.replace(&target, &place.to_string());
    let mut psql = Command::new("psql");
    psql.args([
        &url,
        "-v",
        "ON_ERROR_STOP=1",
        "-Atc",
        "select sum(length(repeat('x', n))) from generate_series(1, 3000) n",
    ]);
    assert_eq!(said(psql).await, "4501500");
    let mut large = Command::new("psql");
    large.args([&url, "-Atc", "select repeat('y', 1000) from generate_series(1, 20000)"]);
    assert_eq!(said(large).await.len(), 20_000 * 1_001 - 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_speaks_first_through_a_tunnel() {
    if !["/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db", "/usr/bin/mariadb"]
        .iter()
        .all(|path| Path::new(path).exists())
    {
        skip("MariaDB is missing (apt-get install mariadb-server)");
        return;
    }
    let Some(scene) = Scene::new() else { return };
    let folder = tempfile::Builder::new().prefix("mariadb-").tempdir().unwrap();
    let (data, port) = (folder.path().join("data"), free_port());
    let server = {
        let (data, place) = (data.clone(), folder.path().to_owned());
        tokio::task::spawn_blocking(move || mariadb(&data, &place, port)).await.unwrap()
    };
    let place = scene.one(format!("127.0.0.1:{port}")).await;
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--protocol=tcp", "--skip-ssl", "-h", "127.0.0.1", "-u", "ferry", "-pferry"]);
    client.args(["-P", &place.port().to_string(), "-N", "-e", "select repeat('z', 100000)"]);
    assert_eq!(said(client).await.len(), 100_000);
    drop(server);
    scene.end().await;
}

fn mariadb(data: &Path, folder: &Path, port: u16) -> Server {
    let user = current_user();
    let init = folder.join("init.sql");
    fs::write(&init, "create user ferry@'127.0.0.1' identified by 'ferry';\n").unwrap();
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    install.arg(format!("--user={user}")).arg(format!("--datadir={}", data.display()));
    let done = install.stdin(Stdio::null()).output().expect("mariadb-install-db");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let log = folder.join("log.err"); // it adds that ending itself
    let mut server = Command::new("/usr/sbin/mariadbd");
    server.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]).arg(format!("--port={port}"));
    server.arg(format!("--user={user}")).arg(format!("--datadir={}", data.display()));
    server.arg(format!("--socket={}", folder.join("socket").display())).arg(format!("--init-file={}", init.display()));
    server.arg(format!("--log-error={}", log.display())).arg(format!("--pid-file={}", folder.join("pid").display()));
    let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mariadbd");
    let server = Server(child);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait_for(PATIENCE, said, || said().contains("ready for connections").then_some(()));
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_answers_through_a_tunnel() {
    if !["/usr/bin/redis-server", "/usr/bin/redis-cli"].iter().all(|path| Path::new(path).exists()) {
        skip("Redis is missing (apt-get install redis-server)");
        return;
    }
    let Some(scene) = Scene::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut server = Command::new("redis-server");
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).current_dir(folder.path());
    let server = Server(server.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("redis-server"));
    let place = scene.one(format!("127.0.0.1:{port}")).await;
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < deadline, "redis does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ask = |words: &[&str]| {
        let mut client = Command::new("redis-cli");
        client.args(["-h", "127.0.0.1", "-p", &place.port().to_string()]).args(words);
        client
    };
    assert_eq!(said(ask(&["set", "name", "ferry"])).await, "OK");
    assert_eq!(said(ask(&["get", "name"])).await, "ferry");
    drop(server);
    scene.end().await;
}
