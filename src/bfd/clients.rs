//! The control socket of the BFD process, without waiting: clients that send too much or do not read are dropped.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::protocol::{Command, MAX_LINE, Reply};

/// Clients at a time.
const MAX_CLIENTS: usize = 32;
/// Octets that are read from a client at a time.
const READ: usize = 64 << 10;

/// Identifies a client for as long as the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientId(pub u64);

/// The listening socket. Its name is removed when this is dropped, unless it belongs to another socket by then.
#[derive(Debug)]
pub(super) struct Listener {
    path: PathBuf,
    socket: UnixListener,
    inode: (u64, u64),
}

impl Listener {
    /// Listens at `path`, mode 0600. A socket that no process serves is replaced.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        match UnixStream::connect(path) {
            Ok(_) => bail!("another process serves {}", path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
            }
            Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
        }
        let socket = UnixListener::bind(path).with_context(|| format!("listening at {}", path.display()))?;
        let prepare = || -> io::Result<(u64, u64)> {
            std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
            socket.set_nonblocking(true)?;
            inode(path)
        };
        let inode = prepare().with_context(|| format!("preparing {}", path.display()))?;
        Ok(Self { path: path.to_owned(), socket, inode })
    }

    /// Accepts the next client; `None` if there is none.
    pub fn accept(&self) -> Option<UnixStream> {
        let (stream, _) = self.socket.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(stream)
    }

    /// Whether clients still find this socket by its name.
    pub fn is_in_place(&self) -> bool {
        inode(&self.path).is_ok_and(|inode| inode == self.inode)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.is_in_place()
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "control socket not removed");
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// A client.
#[derive(Debug)]
struct Client {
    stream: UnixStream,
    /// What has been read of the next line.
    input: Vec<u8>,
    /// What has not been written yet.
    output: Vec<u8>,
    watches: bool,
}

/// All clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    clients: BTreeMap<ClientId, Client>,
    last: u64,
}

impl Clients {
    /// Adds a client; `None` if there are too many.
    pub fn add(&mut self, stream: UnixStream) -> Option<ClientId> {
        if self.clients.len() >= MAX_CLIENTS {
            return None;
        }
        self.last += 1;
        let id = ClientId(self.last);
        let client = Client { stream, input: Vec::new(), output: Vec::new(), watches: false };
        self.clients.insert(id, client);
        Some(id)
    }

    /// The client's descriptor.
    pub fn descriptor(&self, id: ClientId) -> Option<BorrowedFd<'_>> {
        Some(self.clients.get(&id)?.stream.as_fd())
    }

    /// Whether something waits to be written to the client.
    pub fn has_output(&self, id: ClientId) -> bool {
        self.clients.get(&id).is_some_and(|client| !client.output.is_empty())
    }

    /// Reads what a client has sent, and writes what waits for it. Returns its commands, each as far as it could be understood; `None` if
    /// the client has gone, or sends lines that are too long.
    pub fn serve(&mut self, id: ClientId) -> Option<Vec<serde_json::Result<Command>>> {
        let client = self.clients.get_mut(&id)?;
        match client.read().and_then(|()| client.write()) {
            Ok(()) => Some(client.commands()),
            Err(error) => {
                tracing::debug!(%error, "control client left");
                self.clients.remove(&id);
                None
            }
        }
    }

    /// Sends a client every change from now on.
    pub fn watch(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.watches = true;
        }
    }

    /// Answers a client.
    pub fn answer(&mut self, id: ClientId, reply: &Reply) {
        let line = line(reply);
        if self.clients.get_mut(&id).is_some_and(|client| client.put(&line).is_err()) {
            self.clients.remove(&id);
        }
    }

    /// Tells all that watch.
    pub fn tell(&mut self, reply: &Reply) {
        let line = line(reply);
        self.clients.retain(|_, client| !client.watches || client.put(&line).is_ok());
    }
}

fn line(reply: &Reply) -> Vec<u8> {
    let mut line = serde_json::to_vec(reply).expect("replies are plain data");
    line.push(b'\n');
    line
}

impl Client {
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; READ];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.input.extend_from_slice(&buffer[..count]);
                    if self.input.len() > MAX_LINE {
                        return Err(io::Error::other("its line is too long"));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn commands(&mut self) -> Vec<serde_json::Result<Command>> {
        let Some(end) = self.input.iter().rposition(|octet| *octet == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.input.drain(..=end).collect();
        let lines = whole.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
        lines.map(serde_json::from_slice).collect()
    }

    /// Writes a line, or keeps what cannot be written yet.
    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        if self.output.len() + line.len() > 2 * MAX_LINE {
            return Err(io::Error::other("it does not read"));
        }
        self.output.extend_from_slice(line);
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
