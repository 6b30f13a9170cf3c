//! The interface data structure and machine (RFC 2328 §9), for interfaces without a designated router.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::adjacency::Neighbor;
use crate::area::ExternalRouting;
use crate::config::{InterfaceConfig, KeyId, KeyStanding, NetworkType};
use crate::counters::Counters;
use crate::databases::Domain;
use crate::engine::Engine;
use crate::ids::{InterfaceId, NeighborId, NeighborKey};
use crate::io::{Addressing, LinkState};
use crate::neighbor::NeighborEvent;
use crate::time::Instant;
use crate::timers::TimerKey;
use crate::wire::LsaHeader;

/// The shortest time that any timer of an interface is set to, whatever the configuration says.
const SHORTEST_TIMER: Duration = Duration::from_millis(10);

/// Interface states (RFC 2328 §9.1) with what is known of the link in each.
///
/// ```text
///        Link Up, active       +--------------+
///     .----------------------> |Point-to-Point|----.
///  +----+                      +--------------+    | Link Down
///  |Down| <----------------------------------------+ UnloopInd and LoopInd do not occur
///  +----+                      +-------+           |
///     '----------------------> |Passive|-----------'
///        Link Up, passive      +-------+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InterfaceState {
    /// No packet is sent or taken, nothing is advertised.
    Down,
    /// The network is advertised, no packet is sent or taken.
    Passive(Link),
    /// Operational.
    PointToPoint(Link),
}

/// What [`LinkState::Up`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) mtu: u16,
    pub(crate) addressing: Addressing,
}

impl Link {
    /// Source of the packets sent here (§8.1).
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.addressing.address()
    }
}

/// An interface that is configured.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) config: InterfaceConfig,
    /// That of its area.
    pub(crate) external_routing: ExternalRouting,
    pub(crate) state: InterfaceState,
    pub(crate) neighbors: BTreeMap<NeighborId, Neighbor>,
    /// When a hello was last sent.
    pub(crate) last_hello: Instant,
    /// Acknowledgements held back (§13.5).
    pub(crate) delayed_acks: Vec<LsaHeader>,
    /// Octets of the LSAs that `delayed_acks` acknowledge.
    pub(crate) delayed_ack_octets: usize,
    pub(crate) counters: Counters,
    /// The key that the last packet was signed with.
    pub(crate) signing_key: Option<(KeyId, KeyStanding)>,
    /// When and from whom a duplicate router id was last reported.
    pub(crate) duplicate_reported: Option<(Ipv4Addr, Instant)>,
}

impl Interface {
    pub(crate) fn new(config: InterfaceConfig, external_routing: ExternalRouting) -> Self {
        Self {
            config,
            external_routing,
            state: InterfaceState::Down,
            neighbors: BTreeMap::new(),
            last_hello: Instant::ZERO,
            delayed_acks: Vec::new(),
            delayed_ack_octets: 0,
            counters: Counters::default(),
            signing_key: None,
            duplicate_reported: None,
        }
    }

    /// The link, unless it is down.
    pub(crate) fn link(&self) -> Option<&Link> {
        match &self.state {
            InterfaceState::Down => None,
            InterfaceState::Passive(link) | InterfaceState::PointToPoint(link) => Some(link),
        }
    }

    /// The link, if packets are sent and taken here.
    pub(crate) fn active_link(&self) -> Option<&Link> {
        match &self.state {
            InterfaceState::Down | InterfaceState::Passive(_) => None,
            InterfaceState::PointToPoint(link) => Some(link),
        }
    }

    /// Whether LSAs of a domain are flooded here.
    pub(crate) fn is_in(&self, id: InterfaceId, domain: Domain) -> bool {
        match domain {
            Domain::Link(interface) => interface == id,
            Domain::Area(area) => area == self.config.area,
            // §13.3: "excluding virtual links and those interfaces attaching to stub areas".
            Domain::As => self.external_routing == ExternalRouting::AsExternal && !self.is_virtual(),
        }
    }

    /// Whether this is a virtual link (§15).
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.config.network, NetworkType::VirtualLink { .. })
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

    /// InfTransDelay in seconds, at least one (§C.3).
    pub(crate) fn transmit_delay(&self) -> u16 {
        u16::try_from(self.config.transmit_delay.as_secs()).unwrap_or(u16::MAX).max(1)
    }
}

impl Engine {
    /// The state of a link as the driver sees it: events InterfaceUp and InterfaceDown (§9.2), and changes while it is up.
    pub(crate) fn link_changed(&mut self, id: InterfaceId, state: LinkState) {
        self.links.insert(id, state.clone());
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let LinkState::Up { index, mtu, addressing } = state else {
            self.interface_down(id);
            return;
        };
        let link = Link { index, mtu, addressing };
        match &mut interface.state {
            InterfaceState::Down => self.interface_up(id, link),
            InterfaceState::Passive(present) | InterfaceState::PointToPoint(present) => {
                if *present == link {
                    return;
                }
                let moved = present.address() != link.address();
                *present = link;
                let area = interface.config.area;
                self.router_lsa_changed(area);
                if moved {
                    // The neighbour learns the address to send and to route to from our hello.
                    self.send_hello(id);
                }
            }
        }
    }

    /// Event InterfaceUp (§9.3).
    pub(crate) fn interface_up(&mut self, id: InterfaceId, link: Link) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        debug_assert!(interface.neighbors.is_empty(), "an interface that is down has no neighbours");
        let area = interface.config.area;
        if interface.config.passive {
            interface.state = InterfaceState::Passive(link);
        } else {
            interface.state = match interface.config.network {
                NetworkType::PointToPoint => InterfaceState::PointToPoint(link),
                NetworkType::Broadcast
                | NetworkType::NonBroadcast
                | NetworkType::PointToMultipoint
                | NetworkType::VirtualLink { .. } => return,
            };
            self.hold_first_router_lsa(area);
            self.hello_timer(id);
        }
        self.router_lsa_changed(area);
    }

    /// Event InterfaceDown (§9.3): all neighbours are gone, all variables reset.
    pub(crate) fn interface_down(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        if interface.state == InterfaceState::Down {
            return;
        }
        let area = interface.config.area;
        for neighbor in interface.neighbors.keys().copied().collect::<Vec<_>>() {
            self.neighbor_event(NeighborKey { interface: id, id: neighbor }, NeighborEvent::LlDown);
        }
        self.timers.cancel(TimerKey::Hello(id));
        self.timers.cancel(TimerKey::DelayedAck(id));
        self.databases.forget(Domain::Link(id));
        self.exchanged.retain(|place| place.domain != Domain::Link(id));
        if let Some(interface) = self.interfaces.get_mut(&id) {
            debug_assert!(interface.neighbors.is_empty(), "LLDown removes every neighbour");
            interface.state = InterfaceState::Down;
            interface.delayed_acks.clear();
            interface.delayed_ack_octets = 0;
        }
        self.router_lsa_changed(area);
    }
}
