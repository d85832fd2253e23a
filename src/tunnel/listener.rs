//! Where clients connect to: a port of this machine, or a socket that only our own user may open.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::domain::tunnel::Listen;
use crate::domain::{Failure, FailureClass};
use crate::ports::{ClientReader, ClientWriter};

/// Clients that the kernel keeps until they are taken: a pool may open hundreds at once.
const BACKLOG: u32 = 1024;

/// An open place. A socket's file goes with it.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

pub(super) struct SocketFile {
    path: PathBuf,
    /// Another one may have taken its place meanwhile.
    inode: u64,
}

impl Listener {
    /// Listens there. A socket that nobody listens on any more is taken over.
    ///
    /// # Errors
    /// Refused, when somebody else is there; disk, when the socket cannot be made.
    pub(super) async fn bind(listen: &Listen) -> Result<Self, Failure> {
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
            Listen::Unix(path) => unix(path).await.map_err(|error| cannot(listen, &error)),
        }
    }

    /// Where it listens, with the port that was found.
    pub(super) fn place(&self) -> Option<String> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(|address| address.to_string()),
            Self::Unix(_, file) => Some(file.path.display().to_string()),
        }
    }

    /// The next client.
    pub(super) async fn accept(&self) -> io::Result<(ClientReader, ClientWriter)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (reader, writer) = stream.into_split();
                Ok((Box::new(reader), Box::new(writer)))
            }
            Self::Unix(listener, _) => {
                let (reader, writer) = listener.accept().await?.0.into_split();
                Ok((Box::new(reader), Box::new(writer)))
            }
        }
    }
}

async fn unix(path: &Path) -> io::Result<Listener> {
    let there = std::fs::symlink_metadata(path);
    if let Ok(there) = there {
        if !there.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else that is no socket"));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    // Made under another name and moved once its mode is right: in between, nobody else could connect.
    let making = path.with_extension(format!("{:08x}", rand::random::<u32>()));
    let listener = UnixListener::bind(&making)?;
    let placed = std::fs::set_permissions(&making, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&making, path))
        .and_then(|()| std::fs::symlink_metadata(path));
    match placed {
        Ok(made) => Ok(Listener::Unix(listener, SocketFile { path: path.to_owned(), inode: made.ino() })),
        Err(error) => {
            let _ = std::fs::remove_file(&making);
            Err(error)
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn cannot(listen: &Listen, error: &io::Error) -> Failure {
    let (class, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (FailureClass::Refused, "end what listens there, or give the tunnel another place"),
        io::ErrorKind::AddrNotAvailable => (FailureClass::Refused, "give the tunnel an address that this machine has"),
        io::ErrorKind::PermissionDenied => {
            (FailureClass::Disk, "give the user that appferry runs as access, or take a port above 1023")
        }
        _ => (FailureClass::Disk, "check the place; it is tried again by itself"),
    };
    Failure::new(class, format!("cannot listen on {listen}: {error}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_ours_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sock");
        let listen = Listen::Unix(path.clone());
        let first = Listener::bind(&listen).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Listener::bind(&listen).await.err().unwrap().class, FailureClass::Refused);
        drop(first);
        assert!(!path.exists());
        // What a killed process left behind is taken over.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists() && Listener::bind(&listen).await.is_ok());
        std::fs::write(&path, "text").unwrap();
        assert!(Listener::bind(&listen).await.is_err() && path.exists());
    }
}
