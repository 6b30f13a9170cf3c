//! The sockets of all interfaces, with one place to wait for a packet on any of them.
//!
//! They are read by the task that owns the engine and by nobody else: before it judges a timer it can take what lies in the sockets,
//! whether or not the runtime has noticed that yet. One epoll instance says which have something, in time that grows with their number
//! only and not with that of all interfaces; among those that have something each has its turn.

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

/// Sockets that epoll names at a time.
const READY_AT_ONCE: usize = 64;
/// Packets that one socket may give before the next has its turn.
const PACKETS_IN_A_ROW: usize = 8;
/// How often epoll is asked before it is taken that there is nothing: a socket may have an error in place of a packet.
const LOOKS: usize = 2;

/// The socket that an interface is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Index and source address to open it for.
    pub open_for: (u32, Ipv4Addr),
    /// Whose packets it is to let through.
    pub senders: Senders,
}

/// What an interface has to do without.
#[derive(Debug)]
pub(super) enum Lack {
    /// A socket, and why.
    Socket(anyhow::Error),
    /// A filter by senders on its socket, and why.
    Filter(io::Error),
}

/// One interface's socket.
#[derive(Debug)]
struct Port {
    socket: OspfSocket,
    /// Index and source address that the socket was opened for.
    opened_for: (u32, Ipv4Addr),
    /// Whose packets it lets through.
    filtered_for: Senders,
}

/// All sockets.
#[derive(Debug)]
pub(super) struct Ports {
    ports: BTreeMap<InterfaceId, Port>,
    epoll: Epoll,
    /// The runtime's view of the same epoll instance: readable once a socket is.
    readiness: AsyncFd<OwnedFd>,
    /// Sockets that had something when epoll was last asked, and how many packets each may still give in this turn.
    ready: VecDeque<(InterfaceId, usize)>,
    buffer: Vec<u8>,
}

impl Ports {
    /// None yet.
    pub fn new() -> anyhow::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("making an epoll instance")?;
        let twin = epoll.0.try_clone().context("duplicating the epoll instance")?;
        let readiness = crate::sys::register_descriptor(twin).context("registering with the runtime")?;
        Ok(Self { ports: BTreeMap::new(), epoll, readiness, ready: VecDeque::new(), buffer: Vec::new() })
    }

    /// Opens, reopens, filters anew and closes sockets so that there is one for each of `wanted`. What could not be had is given back.
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

    /// A socket that lets everybody's packets through.
    fn open(&self, interface: InterfaceId, opened_for: (u32, Ipv4Addr)) -> anyhow::Result<Port> {
        let (index, source) = opened_for;
        let socket = OspfSocket::open(index, source)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(interface.0));
        self.epoll.add(&socket, event).context("waiting for packets")?;
        Ok(Port { socket, opened_for, filtered_for: Senders::Anyone })
    }

    /// A packet that lies in one of the sockets; `None` if there is none. Never waits.
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
                    // ENETDOWN comes once when the interface goes down; the daemon learns of that by netlink.
                    Err(error) => debug!(?interface, %error, "receiving"),
                }
            }
            if !self.look() {
                return None;
            }
        }
        None
    }

    /// Notes which sockets have something; `false` if none has.
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

    /// Waits until a socket has something. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        loop {
            let mut guard = self.readiness.readable().await?;
            // What is seen before the sockets are found empty may be forgotten, and nothing else.
            let mut event = [EpollEvent::empty()];
            if !self.ready.is_empty() || self.epoll.wait(&mut event, EpollTimeout::ZERO)? > 0 {
                return Ok(());
            }
            guard.clear_ready();
        }
    }

    /// The socket of an interface.
    pub fn socket(&self, interface: InterfaceId) -> Option<&OspfSocket> {
        self.ports.get(&interface).map(|port| &port.socket)
    }
}
