//! UDP sockets of sessions (RFC 5881 §4, §5).
//!
//! One socket for each interface receives, bound to it: packets of one interface are never taken for those of another. One for each session
//! sends, bound to its interface, so that its packets leave there whatever the routing table says, and with a source port of its own.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::{Duration, SystemTime};

use ::bfd::CONTROL_PORT;
use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt,
    sockopt::{Ipv4RecvTtl, ReceiveTimestampns},
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::net::IfName;

/// Source ports (RFC 5881 §4).
const SOURCE_PORTS: RangeInclusive<u16> = 49152..=65535;
/// The TTL that receivers insist on.
const TTL: u32 = 255;
/// CS6, network control.
const TOS: u32 = 0xc0;
/// SO_PRIORITY of network control: above everything that waits in a queue of the interface.
const PRIORITY: u32 = 7;
/// More octets than any control packet has.
const BUFFER: usize = 512;

/// A received datagram.
#[derive(Debug)]
pub(super) struct Datagram {
    pub source: Ipv4Addr,
    pub ttl: u8,
    /// How long ago the kernel received it.
    pub age: Duration,
    pub octets: Vec<u8>,
}

/// Receives on one interface.
#[derive(Debug)]
pub(super) struct Receiver(Socket);

impl Receiver {
    pub fn open(interface: &IfName) -> io::Result<Self> {
        let socket = open(interface)?;
        // Another program may listen for packets of other interfaces.
        socket.set_reuse_address(true)?;
        setsockopt(&socket, Ipv4RecvTtl, &true)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        socket.bind(&SockAddr::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CONTROL_PORT)))?;
        Ok(Self(socket))
    }

    /// Returns the next datagram; `None` if none is there.
    pub fn receive(&self) -> Option<Datagram> {
        let mut buffer = [0; BUFFER];
        loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let mut control = cmsg_space!(i32, TimeSpec);
            let received =
                recvmsg::<SockaddrIn>(self.0.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_DONTWAIT);
            let message = match received {
                Ok(message) => message,
                Err(nix::errno::Errno::EINTR) => continue,
                // EAGAIN, or an error that ends nothing: what else arrives is read with the next event.
                Err(_) => return None,
            };
            let (mut ttl, mut age) = (0, Duration::ZERO);
            for control in message.cmsgs().into_iter().flatten() {
                match control {
                    ControlMessageOwned::Ipv4Ttl(value) => ttl = u8::try_from(value).unwrap_or(0),
                    ControlMessageOwned::ScmTimestampns(at) => {
                        let at = SystemTime::UNIX_EPOCH + Duration::from(at);
                        age = SystemTime::now().duration_since(at).unwrap_or_default();
                    }
                    _ => {}
                }
            }
            let Some(source) = message.address.map(|address| address.ip()) else { continue };
            let length = message.bytes.min(BUFFER);
            return Some(Datagram { source, ttl, age, octets: buffer[..length].to_vec() });
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends the packets of one session.
#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    peer: SockAddr,
}

impl Sender {
    /// Opens a socket with one of the source ports, the first of which to try is determined by `number`.
    pub fn open(interface: &IfName, source: Ipv4Addr, peer: Ipv4Addr, number: u32) -> io::Result<Self> {
        let socket = open(interface)?;
        socket.set_ttl_v4(TTL)?;
        socket.set_tos_v4(TOS)?;
        socket.set_priority(PRIORITY)?;
        // Nothing is to be received here.
        socket.set_recv_buffer_size(1)?;
        let count = u32::from(SOURCE_PORTS.end() - SOURCE_PORTS.start()) + 1;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for offset in 0..count {
            let port = SOURCE_PORTS.start() + u16::try_from((number.wrapping_add(offset)) % count).unwrap_or_default();
            match socket.bind(&SockAddr::from(SocketAddrV4::new(source, port))) {
                Ok(()) => return Ok(Self { socket, peer: SockAddr::from(SocketAddrV4::new(peer, CONTROL_PORT)) }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Sends a packet, or fails at once.
    pub fn send(&self, octets: &[u8]) -> io::Result<()> {
        self.socket.send_to(octets, &self.peer).map(drop)
    }
}

/// A socket that is bound to the interface and never waits.
fn open(interface: &IfName) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    socket.bind_device(Some(interface.as_str().as_bytes()))?;
    Ok(socket)
}
