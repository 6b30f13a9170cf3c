//! A TUN device: reads and writes IP packets, reads the MTU, and reports that the interface was deleted.
//!
//! The interface exists as long as this value: the kernel removes it when the descriptor is closed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{InterfaceName, sys};

/// An open TUN device.
pub struct Tun {
    /// The interface's name. Behind a lock because the data path shares this value with the task that renames the interface.
    name: Mutex<InterfaceName>,
    packets: AsyncFd<File>,
    namespace: Namespace,
}

/// A socket that belongs to the network namespace in which it was opened, for reading the MTU of interfaces there. Clones share it.
#[derive(Debug, Clone)]
pub struct Namespace(Arc<OwnedFd>);

impl Namespace {
    /// Opens a socket in the network namespace of this thread.
    pub fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self(Arc::new(socket)))
    }
}

impl Tun {
    /// Makes the interface `name` in `namespace`, which must be this thread's, or attaches to a persistent interface that no process holds.
    ///
    /// Errors of the kernel: `EBUSY` if another process holds it, `EINVAL` if an interface of another kind has the name.
    pub fn open(name: &InterfaceName, namespace: &Namespace) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        sys::attach_tun(file.as_fd(), name)?;
        Self::of(name, file, namespace)
    }

    /// The TUN device of interface `name` with `packets` as its open file.
    pub(crate) fn of(name: &InterfaceName, packets: File, namespace: &Namespace) -> io::Result<Self> {
        Ok(Self { name: Mutex::new(name.clone()), packets: sys::poll_file(packets)?, namespace: namespace.clone() })
    }

    /// Notes that the interface has another name.
    pub fn rename(&self, to: InterfaceName) {
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn name(&self) -> InterfaceName {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads one packet, truncated to the length of `buffer`. Fails with `UnexpectedEof` if no more packets will follow.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.packets.async_io(Interest::READABLE, |mut file| file.read(buffer)).await? {
            // A TUN device never delivers an empty packet. A caller that read again would loop for ever.
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            octets => Ok(octets),
        }
    }

    /// Passes one packet to the kernel.
    pub async fn send(&self, packet: &[u8]) -> io::Result<()> {
        let written = self.packets.async_io(Interest::WRITABLE, |mut file| file.write(packet)).await?;
        debug_assert_eq!(written, packet.len(), "a TUN device takes a packet whole");
        Ok(())
    }

    /// The interface's present MTU in bytes.
    pub fn mtu(&self) -> io::Result<u16> {
        sys::mtu(self.namespace.0.as_fd(), &self.name())
    }

    /// Waits until another process has deleted the interface.
    pub async fn deleted(&self) {
        // The kernel reports EPOLLERR only once the interface is being unregistered.
        if let Err(error) = self.packets.ready(Interest::ERROR).await {
            tracing::error!(interface = %self.name(), %error, "polling TUN device");
        }
    }
}

/// Whether an error of [`Tun::recv`] or [`Tun::send`] means that the interface was deleted.
pub fn is_deleted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADFD | libc::ENODEV))
}
