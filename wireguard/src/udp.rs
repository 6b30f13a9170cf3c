//! Sends and receives datagrams in batches, each with its local address (`IP_PKTINFO`, `IPV6_PKTINFO`).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrLike as _, SockaddrStorage,
    getsockname, recvmmsg, sendmmsg, setsockopt, sockopt,
};

use crate::endpoint::{Endpoint, Source};

/// Maximum number of messages in one system call.
pub const BATCH: usize = 100;

/// Largest message in bytes: datagrams of one sender that the kernel joins (UDP_GRO) are together no longer than an IP packet.
const MAX_MESSAGE: usize = 1 << 16;

/// Buffers for received messages. The kernel allocates their pages when they are first written to.
pub struct Buffers(Vec<u8>);

impl Default for Buffers {
    fn default() -> Self {
        Self(vec![0; BATCH * MAX_MESSAGE])
    }
}

/// Makes `socket` report the destination address of each datagram that it receives.
pub fn report_destinations(socket: &impl AsFd) -> io::Result<()> {
    let address: SockaddrStorage = getsockname(socket.as_fd().as_raw_fd())?;
    if address.family() == Some(AddressFamily::Inet6) {
        // This option reports IPv4 destinations, too, as IPv4-mapped addresses.
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    Ok(())
}

/// Receives up to [`BATCH`] messages without waiting, and passes every datagram to `each`. Datagrams that the kernel joined are passed
/// one by one.
///
/// # Errors
/// `WouldBlock` if no message is queued.
pub fn receive(
    socket: BorrowedFd<'_>,
    buffers: &mut Buffers,
    mut each: impl FnMut(&Endpoint, &[u8]),
) -> io::Result<()> {
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(
        BATCH,
        Some(cmsg_space!(i32, libc::in6_pktinfo, libc::in_pktinfo)),
    );
    let mut slices: Vec<_> = buffers.0.chunks_exact_mut(MAX_MESSAGE).map(|buffer| [IoSliceMut::new(buffer)]).collect();
    let messages = recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
    for message in messages {
        let Some(remote) = message.address.as_ref().and_then(socket_address) else { continue };
        // A truncated datagram is useless, and so are joined datagrams whose length is missing.
        if message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) {
            continue;
        }
        let Ok(controls) = message.cmsgs() else { continue };
        let (mut source, mut length) = (None, None);
        for control in controls {
            match control {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    let address = Ipv4Addr::from_bits(u32::from_be(info.ipi_addr.s_addr)).into();
                    source = u32::try_from(info.ipi_ifindex).ok().map(|interface| Source { address, interface });
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
                    source = Some(Source { address, interface: info.ipi6_ifindex });
                }
                ControlMessageOwned::UdpGroSegments(octets) => {
                    length = usize::try_from(octets).ok().filter(|octets| *octets > 0)
                }
                _ => {}
            }
        }
        let endpoint = Endpoint::new(remote, source);
        let octets = message.iovs().next().unwrap_or_default();
        for datagram in octets.chunks(length.unwrap_or(MAX_MESSAGE)) {
            each(&endpoint, datagram);
        }
    }
    Ok(())
}

/// Sends at most [`BATCH`] datagrams, each to its remote address, all from `source` if there is one; returns how many were sent.
///
/// # Errors
/// The error of the first datagram, if that was not sent. [`may_be_for_the_source`] tells whether `source` can be the cause.
pub fn send<'a>(
    socket: BorrowedFd<'_>,
    datagrams: impl Iterator<Item = (&'a [u8], SocketAddr)>,
    source: Option<Source>,
) -> Result<usize, Errno> {
    let (slices, remotes): (Vec<_>, Vec<_>) = datagrams
        .take(BATCH)
        .map(|(octets, remote)| ([IoSlice::new(octets)], Some(SockaddrStorage::from(remote))))
        .unzip();
    let (v4, v6);
    let (space, control) = match source {
        Some(Source { address: IpAddr::V4(address), .. }) => {
            v4 = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: address.to_bits().to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            (Some(cmsg_space!(libc::in_pktinfo)), Some(ControlMessage::Ipv4PacketInfo(&v4)))
        }
        Some(Source { address: IpAddr::V6(address), interface }) => {
            v6 = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                // A link-local address belongs to one interface; for any other address the routes decide the interface.
                ipi6_ifindex: if address.is_unicast_link_local() { interface } else { 0 },
            };
            (Some(cmsg_space!(libc::in6_pktinfo)), Some(ControlMessage::Ipv6PacketInfo(&v6)))
        }
        None => (None, None),
    };
    let mut headers = MultiHeaders::preallocate(slices.len(), space);
    let sent =
        sendmmsg(socket.as_raw_fd(), &mut headers, &slices, remotes, control.as_slice(), MsgFlags::MSG_DONTWAIT)?;
    Ok(sent.count())
}

/// Whether [`send`] may have failed because `source` is not, or no longer, an address of this machine, or has no route. Which error Linux
/// returns then depends on its version and on the address family.
pub fn may_be_for_the_source(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    matches!(code, Some(libc::EINVAL | libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EADDRNOTAVAIL | libc::ENODEV))
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::from(*address)))
}
