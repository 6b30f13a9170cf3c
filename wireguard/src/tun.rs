//! A TUN device: IP packets in and out, its MTU, and the news that somebody deleted it.
//!
//! It lives as long as this value: the kernel removes the interface when the descriptor closes.

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

/// A socket of the network namespace of whoever opens it, through which interfaces are asked for their MTU. Its clones share it.
#[derive(Debug, Clone)]
pub struct Namespace(Arc<OwnedFd>);

impl Namespace {
    /// The namespace of this thread.
    pub fn open() -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self(Arc::new(socket)))
    }
}

impl Tun {
    /// Makes the interface `name` in `namespace`, which is this thread's, or attaches to a persistent one that nobody holds.
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

    /// The interface `name` with `packets` as its end.
    pub(crate) fn of(name: &InterfaceName, packets: File, namespace: &Namespace) -> io::Result<Self> {
        Ok(Self { name: Mutex::new(name.clone()), packets: sys::poll_file(packets)?, namespace: namespace.clone() })
    }

    /// Takes note that the interface has another name.
    pub fn rename(&self, to: InterfaceName) {
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn name(&self) -> InterfaceName {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads one packet, cut to the length of `buffer`. `UnexpectedEof` if there will be no more.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.packets.async_io(Interest::READABLE, |mut file| file.read(buffer)).await? {
            // A TUN device has no packets without a header. Whoever read on would never stop.
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            octets => Ok(octets),
        }
    }

    /// Hands one packet to the kernel.
    pub async fn send(&self, packet: &[u8]) -> io::Result<()> {
        let written = self.packets.async_io(Interest::WRITABLE, |mut file| file.write(packet)).await?;
        debug_assert_eq!(written, packet.len(), "a TUN device takes a packet whole");
        Ok(())
    }

    /// The interface's present MTU in bytes.
    pub fn mtu(&self) -> io::Result<u16> {
        sys::mtu(self.namespace.0.as_fd(), &self.name())
    }

    /// Returns when the interface has been deleted under us.
    pub async fn deleted(&self) {
        // The kernel raises EPOLLERR, and nothing else does, once the interface is being unregistered.
        if let Err(error) = self.packets.ready(Interest::ERROR).await {
            tracing::error!(interface = %self.name(), %error, "polling TUN device");
        }
    }
}

/// Whether an error of [`Tun::recv`] or [`Tun::send`] means that the interface is no more.
pub fn is_deleted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADFD | libc::ENODEV))
}
