//! Shell commands: `true` over a warm session, with its row in the store and in the audit log, against `ssh`.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appferry::domain::KeyName;
use appferry::domain::shell::{SavedCommand, ShellHost, ShellName};
use appferry::shell::{RunRequest, ShellService, Told, Who};
use appferry::ssh::{HostKeys, Sessions};
use appferry::store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Size;
use crate::place::{Place, run};
use crate::table::Table;
use crate::wire::OneKey;

/// Runs between two looks at the peers, so that all meet the same noise.
const BLOCK: usize = 50;

pub(crate) fn true_over_a_warm_session(place: &Place, size: Size, table: &mut Table) {
    let blocks = if size.rounds < 10 { 4 } else { 20 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = place.path("shell");
    let shell = runtime.block_on(async {
        let store = Store::open(&folder, "bench").await.unwrap();
        let host_keys = HostKeys::new(Some(place.known_hosts(place.port)));
        let sessions = Sessions::new(Arc::new(OneKey(place.path("git_key"))), host_keys, <_>::default());
        let saved = ShellService::saved(Arc::new(store));
        let shell = saved.running("bench", Arc::new(sessions), TaskTracker::new(), CancellationToken::new()).await;
        shell.put_host(&host(place), false).await.unwrap();
        shell.save(&command(), false).await.unwrap();
        once(&shell).await; // opens the session
        shell
    });
    let master = master(place);
    let (mut ours, mut cold, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..blocks {
        for _ in 0..BLOCK {
            // In a task, as all that the service does.
            let shell = shell.clone();
            let run = runtime.spawn(async move { once(&shell).await });
            ours.push(runtime.block_on(run).unwrap());
        }
        (0..BLOCK / 5).for_each(|_| warm.push(timed(&mut ssh(place, &["-S", &socket(place)]))));
        cold.push(timed(&mut ssh(place, &["-S", "none"])));
    }
    run(ssh(place, &["-S", &socket(place)]).args(["-O", "exit"]));
    drop(master);
    table.times("shell command `true` over a warm session, kept and audited; `ssh`, cold", &ours, &cold);
    table.times("the same; `ssh` with ControlMaster", &ours, &warm);
}

async fn once(shell: &ShellService) -> Duration {
    let begun = Instant::now();
    let request = RunRequest { values: BTreeMap::new(), hosts: Vec::new(), limit: None };
    let mut told = shell.run(&ShellName::new("true").unwrap(), request, Who::Admin).await.unwrap();
    while let Some(one) = told.recv().await {
        if let Told::Ended(report) = one {
            assert!(report.is_ok(), "{report:?}");
            return begun.elapsed();
        }
    }
    panic!("it never ended");
}

fn host(place: &Place) -> ShellHost {
    ShellHost {
        name: ShellName::new("bench").unwrap(),
        address: "127.0.0.1".to_owned(),
        port: place.port,
        user: place.user.clone(),
        key: KeyName::new("bench").unwrap(),
        shell: <_>::default(),
    }
}

fn command() -> SavedCommand {
    serde_json::from_str(r#"{"name":"true","host":"bench","script":"true"}"#).unwrap()
}

fn socket(place: &Place) -> String {
    place.path("control").display().to_string()
}

fn ssh(place: &Place, options: &[&str]) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i"]).arg(place.path("git_key"));
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", place.known_hosts(place.port).display()));
    ssh.args(["-p", &place.port.to_string()]).args(options).arg(format!("{}@127.0.0.1", place.user));
    ssh.env_remove("SSH_AUTH_SOCK");
    ssh
}

/// A connection that the others share.
fn master(place: &Place) -> Master {
    let child = ssh(place, &["-M", "-N", "-S", &socket(place)]).spawn().unwrap();
    let begun = Instant::now();
    while !place.path("control").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "ssh does not become a master");
        std::thread::sleep(Duration::from_millis(5));
    }
    Master(child)
}

struct Master(std::process::Child);

impl Drop for Master {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn timed(ssh: &mut Command) -> Duration {
    let begun = Instant::now();
    run(ssh.arg("true"));
    begun.elapsed()
}
