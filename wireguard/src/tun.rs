//! A TUN device: IP packets in and out, its MTU, and the news that somebody deleted it.
//!
//! It lives as long as this value: the kernel removes the interface when the descriptor closes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::{InterfaceName, sys};

/// An open TUN device.
pub struct Tun {
    name: InterfaceName,
    packets: AsyncFd<File>,
    /// Any socket of the network namespace in which the interface was made: the MTU is asked for through it.
    namespace: OwnedFd,
}

impl Tun {
    /// Makes the interface `name`, or attaches to a persistent one that nobody holds.
    ///
    /// Errors of the kernel: `EBUSY` if another process holds it, `EINVAL` if an interface of another kind has the name.
    pub fn open(name: &InterfaceName) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        sys::attach_tun(file.as_fd(), name)?;
        let packets = sys::poll_file(file)?;
        let namespace = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self { name: name.clone(), packets, namespace })
    }

    /// Reads one packet, cut to the length of `buffer`.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.packets.async_io(Interest::READABLE, |mut file| file.read(buffer)).await
    }

    /// Hands one packet to the kernel.
    pub async fn send(&self, packet: &[u8]) -> io::Result<()> {
        let written = self.packets.async_io(Interest::WRITABLE, |mut file| file.write(packet)).await?;
        debug_assert_eq!(written, packet.len(), "a TUN device takes a packet whole");
        Ok(())
    }

    /// The interface's present MTU in bytes.
    pub fn mtu(&self) -> io::Result<u16> {
        sys::mtu(self.namespace.as_fd(), &self.name)
    }

    /// Returns when the interface has been deleted under us.
    pub async fn deleted(&self) {
        // The kernel raises EPOLLERR, and nothing else does, once the interface is being unregistered.
        if let Err(error) = self.packets.ready(Interest::ERROR).await {
            tracing::error!(interface = %self.name, %error, "polling TUN device");
        }
    }
}

/// Whether an error of [`Tun::recv`] or [`Tun::send`] means that the interface is no more.
pub fn is_deleted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADFD | libc::ENODEV))
}
