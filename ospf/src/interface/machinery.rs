//! The interface data structure (RFC 2328 §9), and what the interface machine's steps mean for it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::state::neighbor::Neighbor;
use crate::exchange::answers::Answers;
use crate::origination::area::ExternalRouting;
use crate::config::{InterfaceConfig, KeyId, KeyStanding, NetworkType};
use crate::state::counters::Counters;
use crate::state::databases::Domain;
use crate::machine::dr_election::{Candidate, Designated, elect};
use crate::engine::Engine;
use crate::event::{Event, NeighborState};
use crate::interface::hello::Crowded;
use crate::ids::{InterfaceId, NeighborId, NeighborKey};
use crate::machine::interface::{InterfaceEvent, InterfaceState, Step, opening, transition};
use crate::io::{Addressing, LinkState};
use crate::machine::neighbor::{Adjacency, NeighborEvent};
use crate::refusal::Refusal;
use crate::interface::second_speaker::SecondSpeaker;
use crate::time::Instant;
use crate::state::timers::TimerKey;
use crate::interface::virtual_link::FarEnd;
use crate::wire::LsaHeader;

/// The shortest time that any timer of an interface is set to, whatever the configuration says.
const SHORTEST_TIMER: Duration = Duration::from_millis(10);

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
#[derive(Debug, Clone)]
pub(crate) struct Interface {
    pub(crate) config: InterfaceConfig,
    /// That of its area.
    pub(crate) external_routing: ExternalRouting,
    /// What [`transition`] decides.
    pub(crate) state: InterfaceState,
    /// The link below, unless it is down.
    link: Option<Link>,
    /// How the other end of a virtual link is reached, while it is up.
    pub(crate) far_end: Option<FarEnd>,
    /// Designated router and backup, nobody before the first election.
    pub(crate) designated: Designated,
    pub(crate) neighbors: BTreeMap<NeighborId, Neighbor>,
    /// When it last came up.
    pub(crate) up_since: Instant,
    /// When a hello was last sent.
    pub(crate) last_hello: Instant,
    /// Acknowledgements held back (§13.5).
    pub(crate) delayed_acks: Vec<LsaHeader>,
    /// Octets of the LSAs that `delayed_acks` acknowledge.
    pub(crate) delayed_ack_octets: usize,
    pub(crate) counters: Counters,
    /// Why a packet was last refused, and when.
    pub(crate) last_refusal: Option<(Refusal, Instant)>,
    /// The key that the last packet was signed with.
    pub(crate) signing_key: Option<(KeyId, KeyStanding)>,
    /// Who was last refused, or replaced, because there can be one router only (§10.5).
    pub(crate) contender: Option<SecondSpeaker>,
    /// When a neighbour was last refused for want of room, and when that was reported.
    pub(crate) crowded: Option<Crowded>,
    /// Hellos sent at once in answer to others.
    pub(crate) hello_answers: Answers,
    /// Direct acknowledgements sent.
    pub(crate) ack_answers: Answers,
    /// When and from whom a duplicate router id was last reported.
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

    /// The link, unless it is down.
    pub(crate) fn link(&self) -> Option<&Link> {
        debug_assert_eq!(self.link.is_none(), self.state == InterfaceState::Down);
        self.link.as_ref()
    }

    /// The link, if packets are sent and taken here.
    pub(crate) fn active_link(&self) -> Option<&Link> {
        self.link().filter(|_| self.state != InterfaceState::Passive)
    }

    /// Whether a designated router is elected on such a network (§1.2).
    pub(crate) fn elects(&self) -> bool {
        matches!(self.config.network, NetworkType::Broadcast | NetworkType::NonBroadcast)
    }

    /// Whether an address is the designated router's or the backup's.
    pub(crate) fn is_designated(&self, address: Ipv4Addr) -> bool {
        [self.designated.router, self.designated.backup].contains(&Some(address))
    }

    /// Whether an adjacency is to be formed with a neighbour heard both ways (§10.4).
    pub(crate) fn wants_adjacency(&self, neighbor: &Neighbor) -> Adjacency {
        if !self.elects() || self.state.is_designated() || self.is_designated(neighbor.address) {
            Adjacency::Wanted
        } else {
            Adjacency::Unwanted
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

    /// What a neighbour here is told of (§10.3, NegotiationDone), in order: its link's, its area's and, unless that is a stub or the link is
    /// virtual, the AS's LSAs.
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
        let elects = interface.elects();
        let Some(present) = interface.link else {
            self.interface_up(id, link);
            return;
        };
        if present == link {
            return;
        }
        let moved = present.addressing != addressing;
        if moved && elects {
            // Whoever knows us by our address would take us for another router.
            self.interface_down(id);
            self.interface_up(id, link);
            return;
        }
        self.replace_link(id, link);
        if moved {
            // The neighbour learns the address to send and to route to from our hello.
            self.send_hello(id);
        }
    }

    /// The link is another one though it was not down in between.
    pub(crate) fn replace_link(&mut self, id: InterfaceId, link: Link) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        debug_assert!(interface.link.is_some());
        interface.link = Some(link);
        let area = interface.config.area;
        self.review_networks_of(link.address());
        self.router_lsa_changed(area);
    }

    /// Event InterfaceUp (§9.3).
    pub(crate) fn interface_up(&mut self, id: InterfaceId, link: Link) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        debug_assert!(interface.neighbors.is_empty(), "an interface that is down has no neighbours");
        // Routers that elect one of them know each other by addresses of one subnet (§1.2).
        if interface.elects() && matches!(link.addressing, Addressing::Unnumbered(_)) {
            return;
        }
        interface.link = Some(link);
        self.review_networks_of(link.address());
        self.interface_event(id, InterfaceEvent::InterfaceUp);
    }

    /// Event InterfaceDown (§9.3): all neighbours are gone, all variables reset.
    pub(crate) fn interface_down(&mut self, id: InterfaceId) {
        self.interface_event(id, InterfaceEvent::InterfaceDown);
    }

    /// The Wait Timer fired: nobody said who the designated router is.
    pub(crate) fn wait_timer(&mut self, id: InterfaceId) {
        self.interface_event(id, InterfaceEvent::WaitTimer);
    }

    /// Has an event of §9.2 executed when the present input has been dealt with.
    pub(crate) fn schedule_interface_event(&mut self, id: InterfaceId, event: InterfaceEvent) {
        self.interface_events.insert((id, event));
    }

    /// Once for each input: executes what was scheduled.
    pub(crate) fn execute_interface_events(&mut self) {
        while let Some((id, event)) = self.interface_events.pop_first() {
            self.interface_event(id, event);
        }
    }

    fn interface_event(&mut self, id: InterfaceId, event: InterfaceEvent) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let (from, opening) = (interface.state, opening(&interface.config));
        match transition(from, event, opening) {
            None => return,
            Some(Step::Become(InterfaceState::Down)) => self.close(id),
            Some(Step::Become(state)) => {
                interface.state = state;
                self.open(id);
            }
            Some(Step::Elect) => self.elect(id),
        }
        let Some(interface) = self.interfaces.get(&id) else { return };
        let (area, to) = (interface.config.area, interface.state);
        if from != to {
            self.router_lsa_changed(area);
            self.event(Event::Interface { interface: id, from, to, cause: event.name() });
        }
    }

    /// An interface has come up (§9.3, InterfaceUp).
    fn open(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.up_since = self.now;
        let (area, state) = (interface.config.area, interface.state);
        if state == InterfaceState::Passive {
            return;
        }
        if state == InterfaceState::Waiting {
            self.timers.set(TimerKey::Wait(id), self.now + interface.dead_interval());
        }
        self.hold_first_router_lsa(area);
        self.meet_configured_neighbors(id);
        self.hello_timer(id);
    }

    fn close(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.state = InterfaceState::Down;
        interface.link = None;
        interface.far_end = None;
        interface.designated = Designated::default();
        interface.delayed_acks.clear();
        interface.delayed_ack_octets = 0;
        interface.contender = None;
        interface.crowded = None;
        for neighbor in interface.neighbors.keys().copied().collect::<Vec<_>>() {
            let key = NeighborKey { interface: id, id: neighbor };
            self.neighbor_event(key, NeighborEvent::LlDown);
            self.forget_neighbor(key);
        }
        for timer in [TimerKey::Hello(id), TimerKey::Wait(id), TimerKey::DelayedAck(id)] {
            self.timers.cancel(timer);
        }
        self.debris.lsdbs(self.databases.forget(Domain::Link(id)));
        self.forget_announcement(id);
        self.originations.touch_domain(Domain::Link(id));
        self.opaques_changed();
        self.exchanged.retain(|place| place.domain != Domain::Link(id));
    }

    /// Elects designated router and backup (§9.4), and lets all see the outcome that it concerns.
    fn elect(&mut self, id: InterfaceId) {
        let router_id = self.config.router_id;
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        debug_assert!(interface.elects());
        let Some(address) = interface.link().map(Link::address) else { return };
        let (before, was_designated) = (interface.designated, interface.state.is_designated());
        // Nobody is adjacent yet, also where a restarting router already knows what its election will say (RFC 3623 §2.1).
        let was_waiting = interface.state == InterfaceState::Waiting;
        let own = Candidate { router_id, address, priority: interface.config.priority, declared: before };
        let heard = interface.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::TwoWay);
        let candidates: Vec<_> = heard.map(Neighbor::candidate).collect();
        let after = elect(own, &candidates);
        interface.designated = after;
        // (5)
        interface.state = match after {
            Designated { router: Some(router), .. } if router == address => InterfaceState::Dr,
            Designated { backup: Some(backup), .. } if backup == address => InterfaceState::Backup,
            Designated { .. } => InterfaceState::DrOther,
        };
        let is_designated = interface.state.is_designated();
        let area = interface.config.area;
        self.timers.cancel(TimerKey::Wait(id));
        // (6)
        if is_designated && !was_designated {
            self.start_ineligible_neighbors(id);
        }
        // (7)
        if before != after || was_waiting {
            self.reconsider_adjacencies(id);
            self.router_lsa_changed(area);
            self.hello_early(id);
        }
    }

    /// Event AdjOK? for all neighbours that are heard both ways (§9.4 (7)).
    fn reconsider_adjacencies(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let heard = interface.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::TwoWay);
        let verdicts: Vec<_> = heard.map(|neighbor| (neighbor.id, interface.wants_adjacency(neighbor))).collect();
        for (neighbor, adjacency) in verdicts {
            self.neighbor_event(NeighborKey { interface: id, id: neighbor }, NeighborEvent::AdjOk { adjacency });
        }
    }
}
