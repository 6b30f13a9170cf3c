//! The daemon's only unsafe code.

use std::io;

use socket2::Socket;
use tokio::io::unix::AsyncFd;

/// Registers a non-blocking socket with the runtime.
pub(crate) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: a `Socket` owns its descriptor: it is open, always the same, and closed only with the `Socket`, which the
    // `AsyncFd` owns from here on and gives out by shared reference only.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}
