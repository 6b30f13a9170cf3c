//! The raw socket for IP protocol 89, one for each interface.
//!
//! A single socket would not do, because the kernel limits the multicast groups that one socket may join (`igmp_max_memberships`, 20).

use std::io::{self, IoSlice, Read as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use anyhow::Context as _;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg, setsockopt, sockopt};
use ospf::Delivery;
use pnet::packet::Packet as _;
use pnet::packet::ipv4::Ipv4Packet;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use super::senders::Senders;

/// IP protocol number of OSPF (RFC 2328 §A.1).
const OSPF: i32 = 89;
/// AllSPFRouters (RFC 2328 §A.1).
const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
/// AllDRouters (RFC 2328 §A.1). Every socket joins it; the engine decides whether this router is a DR or BDR.
const ALL_D_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);
/// Precedence Internetwork Control (RFC 2328 §A.1).
const INTERNETWORK_CONTROL: u32 = 0xc0;
/// The SO_PRIORITY that matches (TC_PRIO_CONTROL), so that the interface's queue sends hellos first.
const PRIORITY_CONTROL: u32 = 7;
/// Octets of the receive buffer (SO_RCVBUFFORCE): room for a neighbour's whole database in flight. The kernel's default drops such bursts.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Octets of the largest IP packet.
const MAX_PACKET: usize = 65_535;

/// An OSPF socket on one interface.
#[derive(Debug)]
pub struct OspfSocket {
    socket: Socket,
    index: u32,
    source: Ipv4Addr,
}

/// A received packet, without its IP header.
#[derive(Debug)]
pub struct Received {
    /// IP source.
    pub source: Ipv4Addr,
    /// IP destination.
    pub destination: Ipv4Addr,
    /// IP TTL.
    pub ttl: u8,
    /// The IP payload.
    pub payload: Vec<u8>,
}

/// How a packet is sent.
#[derive(Debug, Clone, Copy)]
pub struct Departure {
    /// IP TTL.
    pub ttl: u8,
    /// Whether the routing table decides the path of the packet.
    pub delivery: Delivery,
}

impl OspfSocket {
    /// Opens the socket on the interface with this kernel index; packets are sent from `source`.
    pub fn open(index: u32, source: Ipv4Addr) -> anyhow::Result<Self> {
        let device = NonZeroU32::new(index).context("the interface has no index")?;
        let socket =
            Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(OSPF))).context("opening a raw socket")?;
        socket.bind_device_by_index_v4(Some(device)).context("binding to the interface")?;
        for group in [ALL_SPF_ROUTERS, ALL_D_ROUTERS] {
            socket
                .join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))
                .with_context(|| format!("joining {group}"))?;
        }
        socket.set_multicast_loop_v4(false).context("turning multicast loopback off")?;
        socket.set_tos_v4(INTERNETWORK_CONTROL).context("setting the precedence")?;
        socket.set_priority(PRIORITY_CONTROL).context("setting the priority")?;
        setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).context("enlarging the receive buffer")?;
        socket.set_nonblocking(true).context("making it non-blocking")?;
        Ok(Self { socket, index, source })
    }

    /// Attaches the filter by senders: the kernel drops packets that the engine would refuse for their sender before they fill the receive
    /// buffer.
    pub fn filter(&self, senders: &Senders) -> io::Result<()> {
        let program = senders.program();
        if program.is_empty() {
            // This fails only if there is no filter.
            let _ = self.socket.detach_filter();
            return Ok(());
        }
        self.socket.attach_filter(&program.into_iter().map(SockFilter::from).collect::<Vec<_>>())
    }

    /// Reads the next packet; fails with `WouldBlock` if there is none. Anything that is not an IPv4 packet is skipped.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<Received> {
        buffer.resize(MAX_PACKET, 0);
        loop {
            let length = (&self.socket).read(buffer.as_mut_slice())?;
            if let Some(received) = strip_ip_header(&buffer[..length]) {
                return Ok(received);
            }
        }
    }

    /// Sends one packet without waiting. If the queue is full, the packet is lost as on a wire, and retransmission repairs that.
    pub fn send(&self, destination: Ipv4Addr, departure: Departure, packet: &[u8]) -> io::Result<()> {
        let info = nix::libc::in_pktinfo {
            ipi_ifindex: self.index.cast_signed(),
            ipi_spec_dst: nix::libc::in_addr { s_addr: u32::from(self.source).to_be() },
            ipi_addr: nix::libc::in_addr { s_addr: 0 },
        };
        let route = match departure.delivery {
            Delivery::OnLink => MsgFlags::from_bits_retain(nix::libc::MSG_DONTROUTE),
            Delivery::Routed => MsgFlags::empty(),
        };
        let to = SockaddrIn::from(SocketAddrV4::new(destination, 0));
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(packet)],
            &[ControlMessage::Ipv4PacketInfo(&info), ControlMessage::Ipv4Ttl(&i32::from(departure.ttl))],
            MsgFlags::MSG_DONTWAIT | route,
            Some(&to),
        )?;
        Ok(())
    }
}

impl AsFd for OspfSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn strip_ip_header(bytes: &[u8]) -> Option<Received> {
    let packet = Ipv4Packet::new(bytes)?;
    Some(Received {
        source: packet.get_source(),
        destination: packet.get_destination(),
        ttl: packet.get_ttl(),
        payload: packet.payload().to_vec(),
    })
}
