//! Tunnels where the system allows few open files.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::Duration;
use super::program::{Stage, works};
use crate::support::sshd::Setup;
use crate::support::{PATIENCE, wait_for};

fn stage(name: &str, limits: &str) -> Option<Stage> {
    let mut stage = Stage::with(name, Setup::default(), Stage::echo())?;
    let value = format!("listen=127.0.0.1:0;bastion={};key=Deploy;target={}", stage.bastion(), stage.target);
    stage.instance.set("APPFERRY_TUNNEL_db", value);
    stage.instance.launcher = vec!["prlimit".into(), format!("--nofile={limits}")];
    stage.instance.start();
    Some(stage)
}

fn allowed(stage: &Stage) -> u64 {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", stage.instance.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

#[test]
fn a_tunnel_raises_the_limit_of_open_files_as_far_as_its_clients_need_it() {
    let Some(mut stage) = stage("files-raised", "256:8192") else { return };
    let allowed = allowed(&stage);
    assert!((2_000..8_192).contains(&allowed), "1,000 clients with two files each: {allowed}");
    assert!(!stage.instance.log().contains("limit of open files"));
    stage.instance.stop();
}

#[test]
fn more_clients_than_the_open_files_allow_are_turned_away_and_the_rest_goes_on() {
    let Some(mut stage) = stage("files-few", "320:320") else { return };
    assert!(stage.instance.log().contains("the limit of open files is too small"), "{}", stage.instance.log());
    let place = stage.place("db");
    let mut clients: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(place).unwrap()).collect();
    let served = clients.iter_mut().filter_map(|client| {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = [0];
        (client.write_all(b"x").is_ok() && client.read_exact(&mut answer).is_ok()).then_some(())
    });
    assert_eq!(served.count(), (320 - 200 - 4) / 2);
    // All that answered are still there.
    let status = stage.list().tunnels.remove(0);
    assert!(status.last_error.unwrap().failure.message.contains("all tunnels together have their 58 clients"));
    stage.instance.generate_key("Another");
    drop(clients);
    wait_for(PATIENCE, || stage.instance.log(), || works(place).then_some(()));
    stage.instance.stop();
}

#[test]
fn that_clients_cannot_be_taken_is_said_once() {
    let Some(mut stage) = stage("files-none", "4096:8192") else { return };
    let place = stage.place("db");
    let pid = Pid::from_raw(stage.instance.pid().try_into().unwrap());
    let limit =
        |current| prlimit(pid, Resource::Nofile, Rlimit { current: Some(current), maximum: Some(8192) }).unwrap();
    limit(3);
    let mut client = TcpStream::connect(place).unwrap(); // the kernel keeps it
    let said = || stage.instance.log().matches("clients cannot be taken").count();
    wait_for(PATIENCE, || stage.instance.log(), || (said() > 0).then_some(()));
    std::thread::sleep(Duration::from_millis(500)); // several times in vain
    limit(4096);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    assert_eq!(said(), 1, "{}", stage.instance.log());
    stage.instance.stop();
}
