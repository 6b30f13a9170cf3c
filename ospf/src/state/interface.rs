//! The interface data structure (RFC 2328 §9).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::{ExternalRouting, InterfaceConfig, KeyId, KeyStanding, NetworkType};
use crate::ids::{Domain, InterfaceId, NeighborId, RouterId};
use crate::io::Addressing;
use crate::machine::dr_election::Designated;
use crate::machine::interface::InterfaceState;
use crate::machine::neighbor::Adjacency;
use crate::refusal::Refusal;
use crate::state::answers::Answers;
use crate::state::counters::Counters;
use crate::state::neighbor::{LONGEST_UNDER_WAY, Neighbor};
use crate::time::Instant;
use crate::wire::LsaHeader;

/// The shortest interval that any timer of an interface is set to, whatever is configured.
pub(crate) const SHORTEST_TIMER: Duration = Duration::from_millis(10);

/// The data of [`crate::LinkState::Up`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) mtu: u16,
    pub(crate) addressing: Addressing,
}

impl Link {
    /// Source address of packets sent on this link (§8.1).
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.addressing.address()
    }
}

/// A path that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DownPath {
    /// The hellos for which the neighbour at its end is held in Init; `None` before the first one that lists this router.
    pub(crate) held: Option<Held>,
}

/// Hellos that list this router, and come over a path that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    /// The first one after a gap of RouterDeadInterval.
    pub(crate) since: Instant,
    /// The latest one.
    pub(crate) latest: Instant,
}

/// A configured interface and its state.
#[derive(Debug, Clone)]
pub(crate) struct Interface {
    pub(crate) config: InterfaceConfig,
    /// The external routing capability of its area.
    pub(crate) external_routing: ExternalRouting,
    /// The state of the interface machine.
    pub(crate) state: InterfaceState,
    /// The underlying link, unless it is down.
    pub(crate) link: Option<Link>,
    /// How the other end of a virtual link is reached, while it is up.
    pub(crate) far_end: Option<FarEnd>,
    /// Designated router and backup; none before the first election.
    pub(crate) designated: Designated,
    pub(crate) neighbors: BTreeMap<NeighborId, Neighbor>,
    /// The addresses of neighbours to which no packets pass, by a test below OSPF ([`crate::Input::Path`]).
    pub(crate) down_paths: BTreeMap<Ipv4Addr, DownPath>,
    /// When it last came up.
    pub(crate) up_since: Instant,
    /// When a hello was last sent.
    pub(crate) last_hello: Instant,
    /// Acknowledgements waiting to be sent as delayed acknowledgements (§13.5).
    pub(crate) delayed_acks: Vec<LsaHeader>,
    /// Octets of the LSAs that `delayed_acks` acknowledge.
    pub(crate) delayed_ack_octets: usize,
    pub(crate) counters: Counters,
    /// The reason and the time of the last refused packet.
    pub(crate) last_refusal: Option<(Refusal, Instant)>,
    /// The key that the last packet was signed with.
    pub(crate) signing_key: Option<(KeyId, KeyStanding)>,
    /// The router that was last refused or replaced because only one neighbour is possible here (§10.5).
    pub(crate) contender: Option<SecondSpeaker>,
    /// When a neighbour was last refused for lack of room, and when that was last reported.
    pub(crate) crowded: Option<Crowded>,
    /// Counts the hellos sent at once in answer to others.
    pub(crate) hello_answers: Answers,
    /// Counts the packets of direct acknowledgements.
    pub(crate) ack_answers: Answers,
    /// The source and the time of the last report of a duplicate router id.
    pub(crate) duplicate_reported: Option<(Ipv4Addr, Instant)>,
}

impl Interface {
    pub(crate) fn new(config: InterfaceConfig, external_routing: ExternalRouting) -> Self {
        Self {
            config,
            external_routing,
            state: InterfaceState::Down,
            link: None,
            far_end: None,
            designated: Designated::default(),
            neighbors: BTreeMap::new(),
            down_paths: BTreeMap::new(),
            up_since: Instant::ZERO,
            last_hello: Instant::ZERO,
            delayed_acks: Vec::new(),
            delayed_ack_octets: 0,
            counters: Counters::default(),
            last_refusal: None,
            signing_key: None,
            contender: None,
            crowded: None,
            hello_answers: Answers::default(),
            ack_answers: Answers::default(),
            duplicate_reported: None,
        }
    }

    /// Until when packets may arrive that were sent before the interface came up; `None` if that time is over.
    pub(crate) fn previous_until(&self, now: Instant) -> Option<Instant> {
        Some(self.up_since + LONGEST_UNDER_WAY).filter(|until| *until > now)
    }

    /// The link, unless it is down.
    pub(crate) fn link(&self) -> Option<&Link> {
        debug_assert_eq!(self.link.is_none(), self.state == InterfaceState::Down);
        self.link.as_ref()
    }

    /// The link, if packets are sent and received on it.
    pub(crate) fn active_link(&self) -> Option<&Link> {
        self.link().filter(|_| self.state != InterfaceState::Passive)
    }

    /// Whether a designated router is elected on such a network (§1.2).
    pub(crate) fn elects(&self) -> bool {
        matches!(self.config.network, NetworkType::Broadcast | NetworkType::NonBroadcast)
    }

    /// Whether an address is that of the designated router or its backup.
    pub(crate) fn is_designated(&self, address: Ipv4Addr) -> bool {
        [self.designated.router, self.designated.backup].contains(&Some(address))
    }

    /// Whether an adjacency is to be formed with a neighbour in state 2-Way or above (§10.4).
    pub(crate) fn wants_adjacency(&self, neighbor: &Neighbor) -> Adjacency {
        if !self.elects() || self.state.is_designated() || self.is_designated(neighbor.address) {
            Adjacency::Wanted
        } else {
            Adjacency::Unwanted
        }
    }

    /// Whether LSAs of a domain are flooded on this interface.
    pub(crate) fn is_in(&self, id: InterfaceId, domain: Domain) -> bool {
        match domain {
            Domain::Link(interface) => interface == id,
            Domain::Area(area) => area == self.config.area,
            // §13.3: "excluding virtual links and those interfaces attaching to stub areas".
            Domain::As => self.external_routing == ExternalRouting::AsExternal && !self.is_virtual(),
        }
    }

    /// The domains that are described to neighbours on this interface (§10.3, NegotiationDone), in order: the link, the area and, unless
    /// the area is a stub or the link is virtual, the AS.
    pub(crate) fn described_domains(&self, id: InterfaceId) -> impl Iterator<Item = Domain> {
        let domains = [Domain::Link(id), Domain::Area(self.config.area), Domain::As];
        domains.into_iter().filter(move |&domain| self.is_in(id, domain))
    }

    pub(crate) fn hello_interval(&self) -> Duration {
        self.config.hello_interval.max(SHORTEST_TIMER)
    }

    pub(crate) fn dead_interval(&self) -> Duration {
        self.config.dead_interval.max(SHORTEST_TIMER)
    }

    pub(crate) fn retransmit_interval(&self) -> Duration {
        self.config.retransmit_interval.max(SHORTEST_TIMER)
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        self.config.poll_interval.max(SHORTEST_TIMER)
    }

    /// InfTransDelay in seconds, at least one (§C.3).
    pub(crate) fn transmit_delay(&self) -> u16 {
        u16::try_from(self.config.transmit_delay.as_secs()).unwrap_or(u16::MAX).max(1)
    }
}

/// How the far end of a virtual link is reached at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FarEnd {
    /// The outgoing interface of the path, which is in the transit area.
    pub(crate) way_out: InterfaceId,
    /// This router's address on that interface.
    pub(crate) address: Ipv4Addr,
    /// The far end's address: that of its interface on the path.
    pub(crate) far_address: Ipv4Addr,
    /// Cost of the path through the transit area, which is the cost of the virtual link (§15).
    pub(crate) cost: u16,
}

/// A second router that sends, or sent, hellos where another router is the neighbour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecondSpeaker {
    pub(crate) router_id: RouterId,
    pub(crate) address: Ipv4Addr,
    /// When its last hello came.
    pub(crate) last_hello: Instant,
    pub(crate) standing: Standing,
}

/// Neighbours were refused because the interface has as many as fit a hello.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowded {
    /// When a neighbour was last refused.
    pub(crate) refused: Instant,
    /// When that was last reported.
    pub(crate) reported: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was the neighbour until another router replaced it, and has been silent since.
    Replaced,
    /// It sends hellos while another router is the neighbour; `reported` is when that was last reported.
    Refused { reported: Instant },
}
