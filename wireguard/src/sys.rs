//! Operations that have no safe wrapper: making a TUN device, reading an interface's MTU, polling an owned file.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::InterfaceName;

const TUNSETIFF: libc::c_ulong = nix::request_code_write!(b'T', 202, size_of::<c_int>()) as libc::c_ulong;

/// Attaches an open `/dev/net/tun` to the interface `name`, which is made if it is missing. Packets have no additional header (IFF_NO_PI).
pub fn attach_tun(fd: BorrowedFd<'_>, name: &InterfaceName) -> io::Result<()> {
    let mut request = interface_request(name);
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open for the length of the borrow, and the argument of TUNSETIFF is an ifreq that lives
    // on this stack frame; the kernel reads and writes within it.
    let outcome = unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETIFF, &mut request) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// MTU in bytes of the interface `name` in the network namespace of the socket `fd`.
pub fn mtu(fd: BorrowedFd<'_>, name: &InterfaceName) -> io::Result<u16> {
    let mut request = interface_request(name);
    // SAFETY: the descriptor is open for the length of the borrow, and the argument of SIOCGIFMTU is an ifreq that
    // lives on this stack frame; the kernel reads and writes within it.
    let outcome = unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCGIFMTU, &mut request) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: SIOCGIFMTU succeeded, so ifru_mtu is the member of the union that the kernel wrote.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// Registers `file` with the runtime, to wait until it is readable or writable or has an error.
pub fn poll_file(file: File) -> io::Result<AsyncFd<File>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    // SAFETY: a File owns its descriptor, keeps it open until it is dropped and always names the same one.
    unsafe { AsyncFd::register_with_interest(file, interest) }.map_err(io::Error::from)
}

fn interface_request(name: &InterfaceName) -> libc::ifreq {
    // SAFETY: ifreq is a C structure of integers and byte arrays, for which all zero is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    assert!(name.as_str().len() < request.ifr_name.len(), "an InterfaceName leaves room for the NUL");
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = from as libc::c_char;
    }
    request
}
