//! The OSPF sockets of all interfaces, with one place to wait for a packet on any of them.
//!
//! Only the task that owns the engine reads them: before it handles an expired timer, it can read the packets that are in the sockets
//! already, even if the runtime has not noticed them yet. One epoll instance names the sockets that are readable, in time that grows with
//! their number and not with that of all interfaces. The readable sockets take turns.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use anyhow::Context as _;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ospf::InterfaceId;
use tokio::io::unix::AsyncFd;
use tracing::debug;

use super::senders::Senders;
use super::socket::{OspfSocket, Received};

/// The most sockets that one call to epoll returns.
const READY_AT_ONCE: usize = 64;
/// The most packets that are read from one socket before the next has its turn.
const PACKETS_IN_A_ROW: usize = 8;
/// How often epoll is asked before the sockets count as empty: a socket may be readable because of an error instead of a packet.
const LOOKS: usize = 2;

/// The socket that an interface should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The interface index and the source address to open it for.
    pub open_for: (u32, Ipv4Addr),
    /// The senders whose packets it should let through.
    pub senders: Senders,
}

/// What could not be set up for an interface.
#[derive(Debug)]
pub(super) enum Lack {
    /// The socket, with the error.
    Socket(anyhow::Error),
    /// The filter by senders on the socket, with the error.
    Filter(io::Error),
}

/// The socket of one interface.
#[derive(Debug)]
struct Port {
    socket: OspfSocket,
    /// The interface index and the source address that it was opened for.
    opened_for: (u32, Ipv4Addr),
    /// The senders whose packets it lets through.
    filtered_for: Senders,
}

/// The sockets of all interfaces.
#[derive(Debug)]
pub(super) struct Ports {
    ports: BTreeMap<InterfaceId, Port>,
    epoll: Epoll,
    /// The runtime's registration of the same epoll instance, which is readable when any of the sockets is.
    readiness: AsyncFd<OwnedFd>,
    /// The sockets that were readable when epoll was last asked, and how many more packets may be read from each in this turn.
    ready: VecDeque<(InterfaceId, usize)>,
    buffer: Vec<u8>,
}

impl Ports {
    /// Creates the epoll instance, without any sockets.
    pub fn new() -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("making an epoll instance")?;
        let twin = epoll.0.try_clone().context("duplicating the epoll instance")?;
        let readiness = crate::sys::register_descriptor(twin).context("registering with the runtime")?;
        Ok(Self { ports: BTreeMap::new(), epoll, readiness, ready: VecDeque::new(), buffer: Vec::new() })
    }

    /// Opens, reopens, closes and filters sockets until there is one for each of `wanted`. Returns what could not be set up.
    pub fn sync(&mut self, wanted: &BTreeMap<InterfaceId, Wanted>) -> Vec<(InterfaceId, Lack)> {
        let epoll = &self.epoll;
        self.ports.retain(|interface, port| {
            let stays = wanted.get(interface).is_some_and(|wanted| wanted.open_for == port.opened_for);
            if !stays && let Err(error) = epoll.delete(&port.socket) {
                debug!(?interface, %error, "a socket was not watched");
            }
            stays
        });
        let mut lacks = Vec::new();
        for (interface, Wanted { open_for, senders }) in wanted {
            if !self.ports.contains_key(interface) {
                match self.open(*interface, *open_for) {
                    Ok(port) => drop(self.ports.insert(*interface, port)),
                    Err(error) => lacks.push((*interface, Lack::Socket(error))),
                }
            }
            let Some(port) = self.ports.get_mut(interface) else { continue };
            if port.filtered_for != *senders {
                lacks.extend(port.socket.filter(senders).err().map(|error| (*interface, Lack::Filter(error))));
                port.filtered_for = senders.clone();
            }
        }
        lacks
    }

    /// Opens a socket that lets the packets of all senders through.
    fn open(&self, interface: InterfaceId, opened_for: (u32, Ipv4Addr)) -> anyhow::Result<Port> {
        let (index, source) = opened_for;
        let socket = OspfSocket::open(index, source)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(interface.0));
        self.epoll.add(&socket, event).context("waiting for packets")?;
        Ok(Port { socket, opened_for, filtered_for: Senders::Anyone })
    }

    /// Returns the next packet from any of the sockets, or `None` if there is none. Never waits.
    pub fn receive(&mut self) -> Option<(InterfaceId, Received)> {
        for _ in 0..LOOKS {
            while let Some((interface, left)) = self.ready.pop_front() {
                let Some(port) = self.ports.get(&interface) else { continue };
                match port.socket.receive(&mut self.buffer) {
                    Ok(received) => {
                        if left > 1 {
                            self.ready.push_front((interface, left - 1));
                        }
                        return Some((interface, received));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // The kernel reports ENETDOWN once when the interface goes down; the daemon learns of that through netlink.
                    Err(error) => debug!(?interface, %error, "receiving"),
                }
            }
            if !self.look() {
                return None;
            }
        }
        None
    }

    /// Asks epoll which sockets are readable; returns `false` if none is.
    fn look(&mut self) -> bool {
        let mut events = [EpollEvent::empty(); READY_AT_ONCE];
        let found = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or_else(|error| {
            debug!(%error, "asking epoll");
            0
        });
        let interfaces = events[..found].iter().filter_map(|event| u32::try_from(event.data()).ok());
        self.ready.extend(interfaces.map(|interface| (InterfaceId(interface), PACKETS_IN_A_ROW)));
        found > 0
    }

    /// Waits until a socket is readable. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        loop {
            let mut guard = self.readiness.readable().await?;
            // Only a readiness from before the sockets were found empty may be cleared.
            let mut event = [EpollEvent::empty()];
            if !self.ready.is_empty() || self.epoll.wait(&mut event, EpollTimeout::ZERO)? > 0 {
                return Ok(());
            }
            guard.clear_ready();
        }
    }

    /// Returns the socket of an interface.
    pub fn socket(&self, interface: InterfaceId) -> Option<&OspfSocket> {
        self.ports.get(&interface).map(|port| &port.socket)
    }
}
