//! The way to the host without a key: as far as it goes.

use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::report::{Outcome, Step};
use crate::domain::{Failure, FailureClass, RepoUrl};

const PATIENCE: Duration = Duration::from_secs(10);
const NEEDS_KEY: &str = "it needs the key";
const BEHIND: [&str; 5] = ["host key", "login", "read", "write", "branch"];

/// Name lookup to branch.
pub(super) async fn steps(url: &RepoUrl) -> Vec<Step> {
    let mut steps = match url {
        RepoUrl::Ssh { host, port, .. } => {
            let lookup = name_lookup(host, *port).await;
            let connect = match lookup.outcome {
                Outcome::Ok(_) => connect(host, *port).await,
                _ => Step::skip("connect", "it needs the step before it"),
            };
            vec![lookup, connect]
        }
        _ => vec![Step::skip("name lookup", NEEDS_KEY), Step::skip("connect", NEEDS_KEY)],
    };
    steps.extend(BEHIND.map(|name| Step::skip(name, NEEDS_KEY)));
    steps
}

async fn name_lookup(host: &str, port: u16) -> Step {
    let problem = match timeout(PATIENCE, lookup_host((host, port))).await {
        Ok(Ok(mut addresses)) => match addresses.next() {
            Some(_) => return Step::ok("name lookup", host),
            None => "it has no address".to_owned(),
        },
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let remedy = "correct the host in the URL, or the name servers of this machine";
    Step::fail("name lookup", &Failure::new(FailureClass::NameLookup, format!("{host}: {problem}"), remedy))
}

async fn connect(host: &str, port: u16) -> Step {
    let problem = match timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => return Step::ok("connect", format!("{host} port {port}")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let remedy = "look at the port in the URL and at the firewalls on the way";
    Step::fail("connect", &Failure::new(FailureClass::Connect, format!("{host} port {port}: {problem}"), remedy))
}
