//! Named network namespaces, as `ip netns` lists them: a file under /run/netns over which the namespace is bind-mounted.
//!
//! Entering a namespace moves only one thread, so everything that must happen inside runs on a thread of its own ([`Namespace::within`]). A
//! socket stays in the namespace in which it was opened, wherever it is used later.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// The directory of the names of `ip netns`.
pub const DIRECTORY: &str = "/run/netns";

/// An open named namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

/// Identifies a namespace on this machine: device and inode of its file in nsfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The namespace of the file `path`, for example `/proc/PID/ns/net`.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Namespace {
    /// Creates a namespace with a name that must not exist yet.
    pub fn create(name: &str) -> Result<Self> {
        let path = path_of(name);
        File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("making the namespace file {}", path.display()))?;
        let bound = on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        });
        if let Err(error) = bound {
            // The empty file would look like a namespace to `ip netns`. An error here is ignored: the first error is the one to report.
            let _ = fs::remove_file(&path);
            return Err(error).with_context(|| format!("making the network namespace {name}"));
        }
        Self::existing(name)
    }

    /// Opens the namespace of that name; `None` if there is none.
    pub fn open(name: &str) -> Result<Option<Self>> {
        let path = path_of(name);
        match File::open(&path) {
            Ok(file) => Ok(Some(Self { name: name.to_owned(), file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("opening {}", path.display())),
        }
    }

    /// Opens the namespace of that name, which has to exist.
    pub fn existing(name: &str) -> Result<Self> {
        Self::open(name)?
            .with_context(|| format!("the network namespace {name} is missing; `weft lab up` makes it again"))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its identity, which equals that of `/proc/PID/ns/net` of a process in it.
    pub fn identity(&self) -> Result<Identity> {
        let metadata = self.file.metadata().with_context(|| format!("looking at the namespace {}", self.name))?;
        Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Moves the calling thread, and no other, into the namespace.
    pub fn enter(&self) -> Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("entering the network namespace {}", self.name))
    }

    /// Runs `work` inside the namespace, on a thread of its own.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            self.enter()?;
            work()
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Removes the name. The namespace itself ends with the last process and socket in it.
pub fn delete(name: &str) -> Result<()> {
    let path = path_of(name);
    match umount2(&path, MntFlags::MNT_DETACH) {
        // Not a mount point: the remains of an interrupted `create`.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(errno) => return Err(errno).with_context(|| format!("unmounting {}", path.display())),
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The path of the name's file.
pub fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Makes [`DIRECTORY`] a shared mount, as `ip netns` does, so that names created here appear in every mount namespace. Returns true if the
/// directory did not exist before.
pub fn prepare_directory() -> Result<bool> {
    let made = match fs::create_dir(DIRECTORY) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error).with_context(|| format!("making {DIRECTORY}")),
    };
    let share = || mount(None::<&str>, DIRECTORY, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match share() {
        Ok(()) => return Ok(made),
        // Not a mount point yet: turn it into one.
        Err(Errno::EINVAL) => {}
        Err(errno) => bail!("making {DIRECTORY} a shared mount: {errno}"),
    }
    mount(Some(DIRECTORY), DIRECTORY, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .with_context(|| format!("mounting {DIRECTORY} on itself"))?;
    share().with_context(|| format!("making {DIRECTORY} a shared mount"))?;
    Ok(made)
}

/// Reverts [`prepare_directory`] if no namespace is left there; otherwise changes nothing.
pub fn remove_directory_if_unused() {
    let empty = fs::read_dir(DIRECTORY).is_ok_and(|mut entries| entries.next().is_none());
    // Without MNT_DETACH the kernel refuses while a namespace is mounted below, so no name of another program can be lost.
    if empty && umount2(DIRECTORY, MntFlags::empty()).is_ok() {
        let _ = fs::remove_dir(DIRECTORY);
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
