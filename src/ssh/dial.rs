//! From a host name to a connected socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failures;
use super::settings::Settings;
use crate::domain::Failure;
use crate::ports::SshTarget;

/// How long one address has before the next one is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Connects to the first address of the host that answers.
pub(super) async fn dial(target: &SshTarget, settings: &Settings) -> Result<TcpStream, Failure> {
    let addresses = look_up(target, settings.connect_timeout).await?;
    let socket = match first_connected(&addresses, settings.connect_timeout).await {
        Ok(socket) => socket,
        Err(attempts) => return Err(failures::connect(target, &attempts)),
    };
    if let Err(error) = tune(&socket, settings) {
        tracing::debug!(%error, "a socket option could not be set");
    }
    Ok(socket)
}

async fn look_up(target: &SshTarget, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let found = timeout(limit, tokio::net::lookup_host((target.host.as_str(), target.port))).await;
    let found = found.map_err(|_| failures::name_lookup(target, &io::ErrorKind::TimedOut.into()))?;
    let addresses = alternate(found.map_err(|error| failures::name_lookup(target, &error))?.collect());
    if addresses.is_empty() {
        return Err(failures::name_lookup(target, &io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

/// Keeps the resolver's order within a family, but takes the families in turn, so that one broken family costs little.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for address in addresses {
        let family = if address.is_ipv6() == first_is_v6 { &mut first } else { &mut second };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    std::iter::from_fn(|| Some([first.next(), second.next()]).filter(|pair| pair.iter().any(Option::is_some)))
        .flatten()
        .flatten()
        .take(MAX_ADDRESSES)
        .collect()
}

async fn first_connected(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, Vec<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut failed = Vec::new();
    running.extend(waiting.next().map(|address| attempt(address, limit)));
    loop {
        tokio::select! {
            ended = running.next() => match ended {
                Some(Ok(socket)) => return Ok(socket),
                Some(Err(error)) => {
                    failed.push(error);
                    running.extend(waiting.next().map(|address| attempt(address, limit)));
                }
                None => return Err(failed),
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => {
                running.extend(waiting.next().map(|address| attempt(address, limit)));
            }
        }
    }
}

async fn attempt(address: SocketAddr, limit: Duration) -> Result<TcpStream, (SocketAddr, io::Error)> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_err(|error| (address, error)),
        Err(_) => Err((address, io::ErrorKind::TimedOut.into())),
    }
}

fn tune(socket: &TcpStream, settings: &Settings) -> io::Result<()> {
    socket.set_nodelay(true)?;
    // A write that nobody acknowledges keeps russh from asking for signs of life: let the kernel give up as early.
    let milliseconds = u32::try_from(settings.patience().as_millis()).unwrap_or(u32::MAX);
    Ok(rustix::net::sockopt::set_tcp_user_timeout(socket, milliseconds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_take_turns_and_the_first_of_the_resolver_stays_first() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::2]:1", "127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"]);
        let wanted = addresses(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "127.0.0.3:1"]);
        assert_eq!(alternate(found), wanted);
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_stop_the_next_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = first_connected(&[dead, good], Duration::from_secs(5)).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), good);
        assert_eq!(first_connected(&[dead], Duration::from_secs(5)).await.unwrap_err().len(), 1);
    }
}
