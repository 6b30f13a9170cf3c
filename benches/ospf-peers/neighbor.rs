//! The synthetic neighbour. It implements as much of OSPF as is needed to become Full with an empty database and to flood given LSAs.
//!
//! It floods without a window, and retransmits LSAs that were not acknowledged after RxmtInterval, as most implementations do.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use ospf::wire::{Authentication, DatabaseDescription, DdFlags, Hello, Lsa, LsaHeader, Options, Packet, PacketBody};
use ospf::{AreaId, LsaKey};
use socket2::{Domain, Protocol, Socket, Type};
use std::os::fd::AsFd as _;

use crate::link::{self, Link};

const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
const HELLO_INTERVAL: Duration = Duration::from_secs(1);
const DEAD_INTERVAL: u32 = 4;
/// RxmtInterval: the usual five seconds.
const RETRANSMIT_INTERVAL: Duration = Duration::from_secs(5);
/// Time after which a Database Description is retransmitted.
const DESCRIPTION_INTERVAL: Duration = Duration::from_secs(1);
const MTU: usize = 1500;
/// Length of the IP, OSPF and Link State Update headers, in octets.
const HEADERS: usize = 20 + 24 + 4;
/// Maximum number of LSA headers in a Link State Acknowledgment.
const ACKS: usize = (MTU - 44) / 20;
const RECEIVE_BUFFER: usize = 4 << 20;

pub struct Neighbor {
    socket: Socket,
    buffer: Vec<u8>,
    next_hello: Instant,
    /// Whether a hello of the router was received, so that our hellos list it.
    two_way: bool,
    exchange: Exchange,
    /// The sequence number of the outstanding Database Description, and when it is retransmitted.
    sequence: u32,
    next_description: Instant,
    /// LSAs that were flooded and not acknowledged, with the time at which each was last sent.
    unacknowledged: BTreeMap<LsaKey, (Lsa, Instant)>,
    /// Number of LSAs that had to be retransmitted.
    pub retransmitted: u64,
    /// When the router's last hello arrived, and the longest time between two since [`Neighbor::forget_hellos`].
    last_hello: Option<Instant>,
    pub hello_gap: Duration,
}

/// The state of the database exchange. This end is the master, and has no LSAs to describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exchange {
    NotYet,
    Negotiating,
    Describing,
    Done,
}

impl Neighbor {
    pub fn open(link: &Link) -> Result<Self> {
        let socket = link.as_neighbor(|| {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(89))).context("a raw socket")?;
            socket.bind_device(Some(link::INTERFACE.as_bytes()))?;
            socket.join_multicast_v4(&ALL_SPF_ROUTERS, &link::NEIGHBOR)?;
            socket.set_multicast_if_v4(&link::NEIGHBOR)?;
            socket.set_multicast_loop_v4(false)?;
            setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        let now = Instant::now();
        Ok(Self {
            socket,
            buffer: vec![0; 65_536],
            next_hello: now,
            two_way: false,
            exchange: Exchange::NotYet,
            sequence: 1000,
            next_description: now,
            unacknowledged: BTreeMap::new(),
            retransmitted: 0,
            last_hello: None,
            hello_gap: Duration::ZERO,
        })
    }

    /// Whether the database exchange is done.
    pub fn is_full(&self) -> bool {
        self.exchange == Exchange::Done
    }

    /// Measures the times between hellos anew.
    pub fn forget_hellos(&mut self) {
        (self.last_hello, self.hello_gap) = (None, Duration::ZERO);
    }

    /// Whether all flooded LSAs were acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Floods LSAs in Link State Updates that are as long as the MTU allows.
    pub fn flood(&mut self, lsas: Vec<Lsa>) -> Result<()> {
        for batch in batches(&lsas) {
            self.send(ALL_SPF_ROUTERS, PacketBody::LinkStateUpdate(batch))?;
        }
        self.await_acknowledgement(lsas);
        Ok(())
    }

    /// Floods LSAs in one Link State Update, whatever its length, so that they are one change.
    pub fn flood_together(&mut self, lsas: Vec<Lsa>) -> Result<()> {
        self.send(ALL_SPF_ROUTERS, PacketBody::LinkStateUpdate(lsas.clone()))?;
        self.await_acknowledgement(lsas);
        Ok(())
    }

    /// Handles timers and received packets once. Waits for a packet or a timer until `end` at most.
    pub fn turn(&mut self, end: Instant) -> Result<()> {
        let now = Instant::now();
        self.timers(now)?;
        let next = self.next_hello.min(self.next_description.max(now + HELLO_INTERVAL / 100)).min(end);
        let wait = next.saturating_duration_since(now).min(HELLO_INTERVAL);
        let timeout = PollTimeout::from(wait.as_millis() as u16 + 1);
        poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], timeout)?;
        // All packets that have arrived are read, so that acknowledgements do not queue up.
        while let Ok(length) = (&self.socket).read(&mut self.buffer) {
            let header = usize::from(self.buffer[0] & 0xf) * 4;
            let packet = Packet::decode(&self.buffer[header..length]).context("from the router")?;
            self.receive(packet)?;
        }
        Ok(())
    }

    /// Handles timers and packets for this long.
    pub fn stay(&mut self, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    fn timers(&mut self, now: Instant) -> Result<()> {
        if now >= self.next_hello {
            self.next_hello = now + HELLO_INTERVAL;
            self.send_hello()?;
        }
        if now >= self.next_description && matches!(self.exchange, Exchange::Negotiating | Exchange::Describing) {
            self.send_description()?;
        }
        let due: Vec<Lsa> = self
            .unacknowledged
            .values_mut()
            .filter(|(_, sent)| now.duration_since(*sent) >= RETRANSMIT_INTERVAL)
            .map(|(lsa, sent)| {
                *sent = now;
                lsa.clone()
            })
            .collect();
        self.retransmitted += due.len() as u64;
        for batch in batches(&due) {
            self.send(ALL_SPF_ROUTERS, PacketBody::LinkStateUpdate(batch))?;
        }
        Ok(())
    }

    fn receive(&mut self, packet: Packet) -> Result<()> {
        if packet.router_id != link::ROUTER_ID {
            return Ok(());
        }
        match packet.body {
            PacketBody::Hello(hello) => {
                let before = self.last_hello.replace(Instant::now());
                self.hello_gap = before.map_or(self.hello_gap, |before| self.hello_gap.max(before.elapsed()));
                let two_way = hello.neighbors.contains(&link::NEIGHBOR_ID);
                ensure!(two_way || !self.is_full(), "the router has dropped the adjacency");
                if !self.two_way {
                    self.two_way = true;
                    self.send_hello()?;
                }
                if two_way && self.exchange == Exchange::NotYet {
                    self.exchange = Exchange::Negotiating;
                    self.send_description()?;
                }
            }
            PacketBody::DatabaseDescription(description) => self.described(&description)?,
            PacketBody::LinkStateRequest(_) => {}
            PacketBody::LinkStateUpdate(lsas) => {
                let headers: Vec<LsaHeader> = lsas.iter().map(|lsa| lsa.header).collect();
                for headers in headers.chunks(ACKS) {
                    self.send(ALL_SPF_ROUTERS, PacketBody::LinkStateAck(headers.to_vec()))?;
                }
            }
            PacketBody::LinkStateAck(headers) => {
                for header in headers {
                    let pending = self.unacknowledged.get(&header.key);
                    if pending.is_some_and(|(lsa, _)| lsa.header.sequence == header.sequence) {
                        self.unacknowledged.remove(&header.key);
                    }
                }
            }
        }
        Ok(())
    }

    /// Handles a Database Description of the router. The router is the slave, because its Router ID is lower: it answers each of ours with
    /// its own LSA headers.
    fn described(&mut self, description: &DatabaseDescription) -> Result<()> {
        if description.flags.master || description.sequence != self.sequence {
            return Ok(());
        }
        match self.exchange {
            Exchange::Negotiating => self.exchange = Exchange::Describing,
            Exchange::Describing if !description.flags.more => {
                self.exchange = Exchange::Done;
                return Ok(());
            }
            Exchange::Describing => {}
            Exchange::NotYet | Exchange::Done => return Ok(()),
        }
        self.sequence += 1;
        self.send_description()
    }

    fn send_description(&mut self) -> Result<()> {
        self.next_description = Instant::now() + DESCRIPTION_INTERVAL;
        let init = self.exchange == Exchange::Negotiating;
        let description = DatabaseDescription {
            interface_mtu: MTU as u16,
            options: Options::E,
            flags: DdFlags { init, more: init, master: true },
            sequence: self.sequence,
            headers: Vec::new(),
        };
        self.send(ALL_SPF_ROUTERS, PacketBody::DatabaseDescription(description))
    }

    fn send_hello(&mut self) -> Result<()> {
        let hello = Hello {
            network_mask: Ipv4Addr::new(255, 255, 255, 252),
            hello_interval: HELLO_INTERVAL.as_secs() as u16,
            options: Options::E,
            priority: 0,
            dead_interval: DEAD_INTERVAL,
            designated_router: Ipv4Addr::UNSPECIFIED,
            backup_designated_router: Ipv4Addr::UNSPECIFIED,
            neighbors: self.two_way.then_some(link::ROUTER_ID).into_iter().collect(),
        };
        self.send(ALL_SPF_ROUTERS, PacketBody::Hello(hello))
    }

    fn send(&self, to: Ipv4Addr, body: PacketBody) -> Result<()> {
        let authentication = Authentication::Null;
        let packet = Packet { router_id: link::NEIGHBOR_ID, area_id: AreaId::BACKBONE, authentication, body };
        self.socket
            .send_to(&packet.encode().context("encoding")?, &SocketAddrV4::new(to, 0).into())
            .context("sending")?;
        Ok(())
    }

    fn await_acknowledgement(&mut self, lsas: Vec<Lsa>) {
        let now = Instant::now();
        self.unacknowledged.extend(lsas.into_iter().map(|lsa| (lsa.header.key, (lsa, now))));
    }
}

/// Divides LSAs into Link State Updates that fit the MTU.
fn batches(lsas: &[Lsa]) -> Vec<Vec<Lsa>> {
    let mut batches: Vec<Vec<Lsa>> = Vec::new();
    let mut room = 0;
    for lsa in lsas {
        let length = usize::from(lsa.header.length);
        match batches.last_mut() {
            Some(batch) if length <= room => batch.push(lsa.clone()),
            _ => {
                batches.push(vec![lsa.clone()]);
                room = MTU - HEADERS;
            }
        }
        room = room.saturating_sub(length);
    }
    batches
}
