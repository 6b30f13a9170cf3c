//! Ensures that there is only one daemon for a run directory, and one in a network namespace: two would keep removing each other's
//! addresses and routes.
//!
//! There are two locks: on a file, and a bound abstract socket, whose name belongs to the network namespace. The kernel releases both when
//! the process ends, for whatever reason.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::bail;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};
use tracing::warn;

use crate::input_file;

/// The lock file in the run directory; it contains the process ID of the daemon.
const LOCK: &str = "lock";

/// The name of the socket, after the NUL that makes it abstract (unix(7)).
const NAME: &str = "\0weft/daemon";

/// The most connections that may wait before the queue is emptied.
const QUEUE: i32 = 64;

/// The locks of this process, released when this is dropped.
#[derive(Debug)]
pub(super) struct InstanceLock {
    lock: PathBuf,
    /// The lock file. Empty if the directory is not writable: the daemon works without the lock, and takes it when it becomes possible.
    directory: OnceLock<File>,
    /// The socket. `None` if a user without privileges has bound the name, who must not be able to prevent a router from starting.
    namespace: Option<Socket>,
}

impl InstanceLock {
    /// Locks the run directory and the network namespace of this thread.
    ///
    /// # Errors
    /// If another daemon has one of the locks. The error names that daemon and a remedy.
    pub(super) fn acquire(run_dir: &Path) -> anyhow::Result<Self> {
        let directory = claim_directory(run_dir)?.map_or_else(OnceLock::new, OnceLock::from);
        Ok(Self { lock: run_dir.join(LOCK), directory, namespace: claim_namespace()? })
    }

    /// Empties the queue of connections to the socket, and locks the directory if that was not possible before. Must be called
    /// periodically.
    pub(super) fn keep(&self) {
        if self.directory.get().is_none()
            && let Ok(file) = open(&self.lock)
            && file.try_lock().is_ok()
        {
            name_holder(&file);
            // Only this function sets it.
            let _ = self.directory.set(file);
        }
        if let Some(socket) = &self.namespace {
            // Other daemons connect to learn our process ID, and have it already.
            while socket.accept().is_ok() {}
        }
    }
}

/// Returns the process ID of the daemon that uses the run directory; empty if the lock file does not contain it.
pub(super) fn holder(run_dir: &Path) -> Option<String> {
    let file = open(&run_dir.join(LOCK)).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Some(content(&file)),
        // Closing the file releases the lock.
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn claim_directory(run_dir: &Path) -> anyhow::Result<Option<File>> {
    let path = run_dir.join(LOCK);
    let outcome = open(&path).map_err(TryLockError::Error).and_then(|file| file.try_lock().map(|()| file));
    match outcome.as_ref() {
        Err(TryLockError::WouldBlock) => {
            let pid = open(&path).map(|file| content(&file)).unwrap_or_default();
            bail!(
                "another weft daemon{} uses the run directory {}: stop it first, or use another --run-dir",
                of(&pid),
                run_dir.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            warn!(path = %path.display(), %error, "not locked: a second daemon may use this directory");
        }
        Ok(file) => name_holder(file),
    }
    Ok(outcome.ok())
}

/// Writes our process ID to the lock file.
fn name_holder(mut file: &File) {
    // The lock is valid without the process ID, too.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
    input_file::ensure_regular(&file)?;
    Ok(file)
}

fn content(mut file: &File) -> String {
    let mut text = String::new();
    // If reading fails, there is no process ID.
    let _ = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    text.trim().to_owned()
}

fn claim_namespace() -> anyhow::Result<Option<Socket>> {
    let claimed = socket().and_then(|socket| {
        socket.bind(&SockAddr::unix(NAME)?)?;
        socket.listen(QUEUE)?;
        Ok(socket)
    });
    match claimed {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match other() {
            Some((_, uid)) if uid != 0 && uid != geteuid().as_raw() => {
                warn!(uid, "a user without privileges has the name by which weft's daemons know of each other");
                Ok(None)
            }
            found => {
                let pid = found.map(|(pid, _)| pid.to_string()).unwrap_or_default();
                bail!(
                    "another weft daemon{} runs in this network namespace, and would fight with this one over addresses and routes: stop \
                     it first, or run one of the two in a namespace of its own",
                    of(&pid)
                )
            }
        },
        Err(error) => {
            warn!(%error, "a second daemon in this network namespace would not be noticed");
            Ok(None)
        }
    }
}

fn socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

/// Returns the process and user ID of the process that has bound the socket; `None` if its queue of connections is full.
fn other() -> Option<(i32, u32)> {
    let socket = socket().ok()?;
    socket.connect(&SockAddr::unix(NAME).ok()?).ok()?;
    let credentials = getsockopt(&socket, PeerCredentials).ok()?;
    Some((credentials.pid(), credentials.uid()))
}

/// Describes the process, with its command line.
fn of(pid: &str) -> String {
    if pid.is_empty() {
        return String::new();
    }
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    match command.trim() {
        "" => format!(" (pid {pid})"),
        command => format!(" (pid {pid}: `{command}`)"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sched::{CloneFlags, unshare};

    use super::*;

    /// Runs `test` in a network namespace of its own.
    fn apart(test: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("this test needs root");
                test();
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }

    #[test]
    fn a_run_directory_and_a_namespace_have_one_daemon_each_until_it_ends() {
        apart(|| {
            let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let pid = std::process::id().to_string();
            assert_eq!(holder(one.path()), None);
            let claim = InstanceLock::acquire(one.path()).unwrap();
            assert_eq!(holder(one.path()), Some(pid.clone()));
            let error = InstanceLock::acquire(one.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("(pid {pid}: `")) && error.contains("another --run-dir"), "{error}");
            let error = InstanceLock::acquire(other.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("(pid {pid}: `")) && error.contains("network namespace"), "{error}");
            assert_eq!(holder(other.path()), None, "what was refused is claimed by nobody");
            // With its queue full it is not named, but there all the same.
            for _ in 0..2 * QUEUE {
                assert!(InstanceLock::acquire(other.path()).is_err());
            }
            claim.keep();
            assert!(InstanceLock::acquire(other.path()).unwrap_err().to_string().contains(&pid));
            drop(claim);
            drop(InstanceLock::acquire(other.path()).unwrap());
            InstanceLock::acquire(one.path()).unwrap();
        });
    }

    #[test]
    fn a_directory_that_cannot_be_written_to_keeps_no_router_down() {
        apart(|| {
            let dir = tempfile::tempdir().unwrap();
            drop(InstanceLock::acquire(&dir.path().join("missing")).unwrap());
            symlink("/run/precious", dir.path().join(LOCK)).unwrap();
            drop(InstanceLock::acquire(dir.path()).unwrap());
        });
    }
}
