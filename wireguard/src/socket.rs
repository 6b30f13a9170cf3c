//! Unix sockets with a name: the name of a dead process is taken over, that of a live one is refused, and our own is removed at the end.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A live process listens at this path.
    #[error("another process serves {}", .0.display())]
    Taken(PathBuf),
    /// An operation of the file system or of the socket failed.
    #[error("{}", .path.display())]
    Io {
        /// Path of the socket or of its directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// A listening socket with mode 0600. Its name is removed on drop, unless another socket has taken the name meanwhile.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    inode: (u64, u64),
}

impl Socket {
    /// Listens at `path`. The directory is made (mode 0700) if it is missing, and a socket that no process serves is replaced.
    pub async fn listen(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        if let Some(dir) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|source| SocketError::Io { path: dir.to_owned(), source })?;
        }
        match UnixStream::connect(path).await {
            Ok(_) => return Err(SocketError::Taken(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)?;
                tracing::info!(path = %path.display(), "replaced a dead socket");
            }
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        let inode = inode(path).map_err(failed)?;
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    /// Waits for the next client.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(client, _)| client)
    }

    /// Whether clients still find this socket by its name.
    pub fn is_in_place(&self) -> bool {
        inode(&self.path).is_ok_and(|inode| inode == self.inode)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_in_place()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "removing socket");
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/x.sock");
        let first = Socket::listen(&path).await.unwrap();
        assert!(matches!(Socket::listen(&path).await, Err(SocketError::Taken(_))));

        // As kill -9 leaves it: the name without the listener.
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Socket::listen(&path).await.unwrap();
        assert!(second.is_in_place());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_name_that_somebody_else_took_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let ours = Socket::listen(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!ours.is_in_place());
        let theirs = Socket::listen(&path).await.unwrap();
        drop(ours);
        assert!(theirs.is_in_place());
    }
}
