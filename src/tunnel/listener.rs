//! Where clients connect to: a port of this machine, or a socket that only our own user may open.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::io::Interest;
use tokio::net::{TcpListener, UnixDatagram, UnixListener, tcp, unix};

use super::cut_off::CutOffUnlessEnded;
use crate::domain::tunnel::Listen;
use crate::domain::{Failure, FailureClass};
use crate::ports::{ClientRead, ClientReader, ClientWriter};

/// Clients that the kernel keeps until they are taken: a pool may open hundreds at once.
const BACKLOG: u32 = 1024;

/// An open place. A socket's file goes with it.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another one may have taken its place meanwhile.
    identity: (u64, u64),
}

impl Listener {
    /// Listens there. A socket that nobody listens on any more is taken over.
    ///
    /// # Errors
    /// Listen, with the reason.
    pub(super) fn bind(listen: &Listen) -> Result<Self, Failure> {
        match listen {
            Listen::Tcp(address) => {
                let socket =
                    if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() };
                let bound = socket.and_then(|socket| {
                    socket.set_reuseaddr(true)?;
                    socket.bind(*address)?;
                    socket.listen(BACKLOG)
                });
                bound.map(Self::Tcp).map_err(|error| cannot(listen, &error))
            }
            Listen::Unix(path) => socket(path).map_err(|error| cannot(listen, &error)),
        }
    }

    /// Where it listens, with the port that was found.
    pub(super) fn place(&self) -> Option<String> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(|address| address.to_string()),
            Self::Unix(_, file) => Some(file.path.display().to_string()),
        }
    }

    /// Whether it has a file, and is to be looked after.
    pub(super) const fn may_be_taken_away(&self) -> bool {
        matches!(self, Self::Unix(..))
    }

    /// Whether clients can still find it: a socket's file may have been taken away, or replaced.
    pub(super) fn can_be_found(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Unix(_, file) => file.is_there(),
        }
    }

    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<(ClientReader, ClientWriter)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (reader, writer) = CutOffUnlessEnded::halves(stream)?;
                Ok((Box::new(reader), Box::new(writer)))
            }
            // A Unix socket knows no reset.
            Self::Unix(listener, _) => {
                let (reader, writer) = listener.accept().await?.0.into_split();
                Ok((Box::new(reader), Box::new(writer)))
            }
        }
    }
}

#[async_trait]
impl ClientRead for tcp::OwnedReadHalf {
    async fn broken(&self) {
        let _ = self.ready(Interest::ERROR).await;
    }
}

#[async_trait]
impl ClientRead for unix::OwnedReadHalf {
    async fn broken(&self) {
        let _ = self.ready(Interest::ERROR).await;
    }
}

fn socket(path: &Path) -> io::Result<Listener> {
    let there = std::fs::symlink_metadata(path);
    if let Ok(there) = there {
        if !there.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else that is no socket"));
        }
        // Only a refusal shows that nobody has it. As a datagram, so that its owner notices nothing: a connection would be a client
        // each time, and for another tunnel a channel to its target.
        match UnixDatagram::unbound()?.connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // it has gone meanwhile
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            _ => return Err(io::ErrorKind::AddrInUse.into()), // of the wrong type, for an owner that listens
        }
    }
    // Made under another name and moved once its mode is right: in between, nobody else could connect.
    let making = path.with_file_name(format!(".{:07x}", rand::random::<u32>() >> 4));
    let listener = UnixListener::bind(&making)?;
    let placed = std::fs::set_permissions(&making, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&making, path))
        .and_then(|()| std::fs::symlink_metadata(path));
    match placed {
        Ok(made) => Ok(Listener::Unix(listener, SocketFile { path: path.to_owned(), identity: identity(&made) })),
        Err(error) => {
            let _ = std::fs::remove_file(&making);
            Err(error)
        }
    }
}

impl SocketFile {
    fn is_there(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|there| identity(&there) == self.identity)
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn cannot(listen: &Listen, error: &io::Error) -> Failure {
    let remedy = match (error.kind(), listen) {
        (io::ErrorKind::AddrInUse, _) => "end what listens there, or give the tunnel another place",
        (io::ErrorKind::AddrNotAvailable, _) => "give the tunnel an address that this machine has",
        (io::ErrorKind::PermissionDenied, Listen::Tcp(_)) => "take a port above 1023",
        (io::ErrorKind::PermissionDenied, Listen::Unix(_)) => {
            "give the user that appferry runs as the right to write into that folder"
        }
        (io::ErrorKind::NotFound, _) => "make the folder of the socket",
        (io::ErrorKind::AlreadyExists, _) => "take it away, or give the tunnel another place",
        _ => "check the place",
    };
    let remedy = format!("{remedy}; it is tried again by itself");
    Failure::new(FailureClass::Listen, format!("cannot listen on {listen}: {error}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_ours_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sock");
        let listen = Listen::Unix(path.clone());
        let first = Listener::bind(&listen).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let failure = Listener::bind(&listen).err().unwrap();
        assert!(failure.class == FailureClass::Listen && failure.remedy.contains("end what listens"), "{failure}");
        drop(first);
        assert!(!path.exists());
        // What a killed process left behind is taken over.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists() && Listener::bind(&listen).is_ok());
        std::fs::write(&path, "text").unwrap();
        assert!(Listener::bind(&listen).is_err() && path.exists());
    }

    #[tokio::test]
    async fn a_socket_whose_owner_is_busy_is_not_taken_over() {
        use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sock");
        let socket = || socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        let (owner, address) = (socket(), SocketAddrUnix::new(&path).unwrap());
        bind(&owner, &address).unwrap();
        listen(&owner, 0).unwrap();
        // Clients that it has not taken yet, until there is no room for one more.
        let waiting: Vec<_> = std::iter::repeat_with(socket).take_while(|one| connect(one, &address).is_ok()).collect();
        let failure = Listener::bind(&Listen::Unix(path.clone())).err().unwrap();
        assert!(failure.message.contains("in use") && !waiting.is_empty() && path.exists(), "{failure}");
    }

    #[tokio::test]
    async fn the_owner_of_a_socket_does_not_notice_who_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sock");
        let owner = std::os::unix::net::UnixListener::bind(&path).unwrap();
        owner.set_nonblocking(true).unwrap();
        for _ in 0..3 {
            let failure = Listener::bind(&Listen::Unix(path.clone())).err().unwrap();
            assert!(failure.message.contains("in use"), "{failure}");
        }
        assert_eq!(owner.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "no client came");
        drop(owner);
        assert!(Listener::bind(&Listen::Unix(path)).is_ok());
    }

    #[tokio::test]
    async fn the_longest_path_that_is_taken_can_be_listened_on() {
        let folder = tempfile::tempdir().unwrap();
        let longest = |length: usize| {
            let name = "s".repeat(length.saturating_sub(folder.path().as_os_str().len() + 1));
            folder.path().join(name).display().to_string()
        };
        for listen in
            [longest(107).parse::<Listen>().unwrap(), folder.path().join("s").display().to_string().parse().unwrap()]
        {
            assert!(Listener::bind(&listen).is_ok(), "{listen}");
        }
        assert!(longest(108).parse::<Listen>().is_err());
    }
}
