//! Hellos: sending (RFC 2328 §9.5) and receiving (§10.5).

use std::cmp::Reverse;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::{Deviation, HelloJitter, NetworkType};
use crate::established::established;
use crate::event::Event;
use crate::ids::{InterfaceId, NeighborId, NeighborKey, RouterId};
use crate::interface::nonbroadcast::Audience;
use crate::interface::receive::Origin;
use crate::interface::send::Destination;
use crate::io::Addressing;
use crate::machine::dr_election::Designated;
use crate::machine::interface::{InterfaceEvent, InterfaceState};
use crate::machine::neighbor::{NeighborEvent, NeighborState};
use crate::refusal::Refusal;
use crate::state::answers::{HELLO_ANSWERS, HELLO_WINDOW};
use crate::state::engine::Engine;
use crate::state::interface::{Crowded, Interface};
use crate::state::neighbor::Neighbor;
use crate::state::timers::TimerKey;
use crate::time::Instant;
use crate::wire::{HELLO_FIXED_LEN, Hello, Options, PacketBody};

/// Hellos that do not list us make us send ours early, but not more often than this, whatever the number of senders.
const EARLY_HELLO_SPACING: Duration = Duration::from_millis(100);

/// An interface with as many neighbours as fit a hello is reported again after this interval.
const CROWD_REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Octets that a neighbour needs in a hello.
const ROUTER_ID_LEN: usize = 4;

impl Engine {
    /// Sends a hello at once and sets the timer for the next, because the Hello Timer fired or the interface came up. Jitter never makes
    /// the interval longer than HelloInterval, because RouterDeadInterval may be small.
    pub(crate) fn hello_timer(&mut self, id: InterfaceId) {
        let Some(interval) = self.interfaces.get(&id).map(Interface::hello_interval) else { return };
        let early = match self.config.hello_jitter {
            HelloJitter::Off => Duration::ZERO,
            HelloJitter::UpToTenth => self.random.below(interval / 10),
        };
        self.timers.set(TimerKey::Hello(id), self.now + (interval - early));
        self.send_hello(id);
    }

    /// Sends a hello before the Hello Timer fires, because the neighbours lack information that they should have.
    pub(crate) fn hello_early(&mut self, id: InterfaceId) {
        if !self.config.conduct.has(Deviation::EarlyHellos) {
            return;
        }
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let earliest = interface.last_hello + EARLY_HELLO_SPACING;
        if earliest <= self.now {
            self.send_hello(id);
        } else if self.timers.deadline(TimerKey::Hello(id)).is_some_and(|regular| earliest < regular) {
            self.timers.set(TimerKey::Hello(id), earliest);
        }
    }

    /// Sends a hello that lists all neighbours, to all its recipients (§9.5).
    pub(crate) fn send_hello(&mut self, id: InterfaceId) {
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        interface.last_hello = self.now;
        self.announce_restart(id);
        let most = self.most_neighbors(id);
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let (audience, listed) = (interface.audience(), interface.listed_neighbors(most));
        self.send_hello_listing(id, &audience, listed);
    }

    /// Sends a hello to one neighbour of a non-broadcast network.
    pub(crate) fn send_hello_to(&mut self, id: InterfaceId, address: Ipv4Addr) {
        let most = self.most_neighbors(id);
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let listed = interface.listed_neighbors(most);
        self.send_hello_listing(id, &Audience::Each(vec![address]), listed);
    }

    /// Sends a hello that lists no neighbour, so that every neighbour drops the adjacency (1-WayReceived, §10.2).
    pub(crate) fn send_goodbye(&mut self, id: InterfaceId) {
        // An interface of the former configuration may be gone already.
        let Some(interface) = self.interfaces.get(&id) else { return };
        let audience = match interface.audience() {
            Audience::Everybody => Audience::Everybody,
            Audience::Each(_) => {
                let known = interface.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::Init);
                Audience::Each(known.map(|neighbor| neighbor.address).collect())
            }
        };
        self.send_hello_listing(id, &audience, Vec::new());
    }

    /// Sends a hello that lists no neighbour to some neighbours only.
    pub(crate) fn send_goodbye_to(&mut self, id: InterfaceId, addresses: Vec<Ipv4Addr>) {
        self.send_hello_listing(id, &Audience::Each(addresses), Vec::new());
    }

    fn send_hello_listing(&mut self, id: InterfaceId, audience: &Audience, neighbors: Vec<RouterId>) {
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let Some(link) = interface.active_link() else { return };
        let hello = Hello {
            // §9.5: "on unnumbered point-to-point networks and on virtual links this field should be set to 0x00000000".
            network_mask: match link.addressing {
                Addressing::Unnumbered(_) => Ipv4Addr::UNSPECIFIED,
                Addressing::Numbered { subnet, .. } => subnet.netmask(),
            },
            hello_interval: hello_seconds(interface),
            // The O-bit is used in Database Descriptions only (RFC 5250 §3.1).
            options: interface.external_routing.hello_options(),
            priority: interface.config.priority,
            dead_interval: dead_seconds(interface),
            designated_router: interface.designated.router.unwrap_or(Ipv4Addr::UNSPECIFIED),
            backup_designated_router: interface.designated.backup.unwrap_or(Ipv4Addr::UNSPECIFIED),
            neighbors,
        };
        let destinations = match audience {
            Audience::Everybody => vec![Destination::AllSpfRouters],
            Audience::Each(addresses) => addresses.iter().copied().map(Destination::Neighbor).collect(),
        };
        for destination in destinations {
            self.send(id, destination, PacketBody::Hello(hello.clone()));
        }
    }

    /// Handles a received hello (§10.5).
    pub(crate) fn receive_hello(
        &mut self,
        id: InterfaceId,
        source: Ipv4Addr,
        router_id: RouterId,
        origin: Origin,
        hello: &Hello,
    ) -> Result<(), Refusal> {
        let own_id = self.config.router_id;
        let Some(interface) = established(self.interfaces.get(&id)) else { return Err(Refusal::InterfaceNotActive) };
        if !has_same_mask(interface, hello) {
            return Err(Refusal::NetworkMaskMismatch);
        }
        if hello.hello_interval != hello_seconds(interface) {
            return Err(Refusal::HelloIntervalMismatch);
        }
        if hello.dead_interval != dead_seconds(interface) {
            return Err(Refusal::DeadIntervalMismatch);
        }
        let options = interface.external_routing.hello_options();
        if hello.options.contains(Options::E) != options.contains(Options::E) {
            return Err(Refusal::ExternalCapabilityMismatch);
        }
        // RFC 3101 §2.1: the N-bit must match, like the E-bit.
        if hello.options.contains(Options::NP) != options.contains(Options::NP) {
            return Err(Refusal::NssaCapabilityMismatch);
        }

        let key = NeighborKey { interface: id, id: interface.neighbor_id(router_id, source) };
        if !interface.may_be_neighbor(source) {
            return Err(Refusal::NeighborNotListed);
        }
        self.admit_speaker(key, router_id, source, origin)?;
        self.admit_neighbor(key)?;
        let before = self.note_hello(key, router_id, source, hello);
        self.neighbor_event(key, NeighborEvent::HelloReceived);

        if hello.neighbors.contains(&own_id) {
            // Our hello that lists the neighbour is sent at once if this speeds up the adjacency, and before any Database Description.
            if before.state < NeighborState::TwoWay {
                self.answer_hello(key);
            }
            self.two_way(key);
            self.resume_designation(
                id,
                Designated::from_hello(hello.designated_router, hello.backup_designated_router),
            );
            self.note_election(key, &before);
        } else {
            self.neighbor_event(key, NeighborEvent::OneWayReceived);
            if before.state == NeighborState::Down {
                self.answer_hello(key);
            } else {
                self.hello_early(id);
            }
        }
        // §9.5.1
        let answers =
            |interface: &Interface| interface.neighbors.get(&key.id).is_some_and(|n| interface.answers_hello_of(n));
        if before.state >= NeighborState::Init && self.interfaces.get(&id).is_some_and(answers) {
            self.answer_hello_alone(key);
        }
        Ok(())
    }

    /// Checks that there is room for a neighbour: all neighbours must fit a hello in one packet. Known neighbours stay.
    fn admit_neighbor(&mut self, key: NeighborKey) -> Result<(), Refusal> {
        let now = self.now;
        let most = self.most_neighbors(key.interface);
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return Ok(()) };
        if interface.neighbors.len() < most || interface.neighbors.contains_key(&key.id) {
            return Ok(());
        }
        let recent = interface.crowded(now).map(|crowded| crowded.reported);
        let recent = recent.filter(|&reported| now.saturating_since(reported) < CROWD_REPORT_INTERVAL);
        interface.crowded = Some(Crowded { refused: now, reported: recent.unwrap_or(now) });
        if recent.is_none() {
            self.event(Event::NeighborLimitReached { interface: key.interface, most });
        }
        Err(Refusal::TooManyNeighbors)
    }

    /// The most neighbours of an interface: as many as fit a hello in one packet.
    pub(crate) fn most_neighbors(&self, id: InterfaceId) -> usize {
        (self.room(id, HELLO_FIXED_LEN) / ROUTER_ID_LEN).max(1)
    }

    /// Handles a hello that lists this router (§10.3, 2-WayReceived): §10.4 decides what follows, unless the path is down.
    pub(crate) fn two_way(&mut self, key: NeighborKey) {
        if self.holds(key) {
            return;
        }
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        let Some(neighbor) = established(interface.neighbors.get(&key.id)) else { return };
        let adjacency = interface.wants_adjacency(neighbor);
        self.neighbor_event(key, NeighborEvent::TwoWayReceived { adjacency });
    }

    /// Sends a hello to a neighbour that should not wait for the Hello Timer.
    fn answer_hello(&mut self, key: NeighborKey) {
        if !self.config.conduct.has(Deviation::EarlyHellos) {
            return;
        }
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        match (interface.config.network, interface.audience()) {
            (NetworkType::PointToPoint, _) => {
                let (now, on) = (self.now, key.interface);
                let answers = self.interfaces.get_mut(&on).map(|interface| &mut interface.hello_answers);
                match answers.is_some_and(|answers| answers.may_answer(now, HELLO_ANSWERS, HELLO_WINDOW)) {
                    true => self.send_hello(on),
                    false => self.hello_early(on),
                }
            }
            // All neighbours receive the same hello, so one serves many that come up together.
            (_, Audience::Everybody) => self.hello_early(key.interface),
            (_, Audience::Each(_)) => self.answer_hello_alone(key),
        }
    }

    /// Sends a hello to one neighbour of a non-broadcast network. If several were sent just now, the neighbour waits for the Hello Timer.
    fn answer_hello_alone(&mut self, key: NeighborKey) {
        let now = self.now;
        let Some(neighbor) = established(self.neighbor_mut(key)) else { return };
        let address = neighbor.address;
        if neighbor.hello_answers.may_answer(now, HELLO_ANSWERS, HELLO_WINDOW) {
            self.send_hello_to(key.interface, address);
        }
    }

    /// Records the contents of a hello for its sender, which may be new; returns what was known before.
    fn note_hello(&mut self, key: NeighborKey, router_id: RouterId, source: Ipv4Addr, hello: &Hello) -> Before {
        let now = self.now;
        let Some(interface) = established(self.interfaces.get_mut(&key.interface)) else { return Before::default() };
        let virtual_address = interface.virtual_far_address();
        let random = &mut self.random;
        let neighbor = interface
            .neighbors
            .entry(key.id)
            // §10.8: the first DD sequence number should not have been used recently.
            .or_insert_with(|| Neighbor::new(key.id, source, random.next_u32(), now));
        // §10.5: the address of a neighbour on a virtual link comes from the calculation.
        let address = virtual_address.unwrap_or(source);
        let moved = neighbor.address != address;
        let before = Before { state: neighbor.state, priority: neighbor.priority, declared: neighbor.declared };
        neighbor.router_id = router_id;
        neighbor.address = address;
        neighbor.priority = hello.priority;
        // RFC 3623 §3: "if X was Designated Router ... Y maintains X as the Designated Router", whatever it declares meanwhile.
        if neighbor.helping.is_none() {
            neighbor.declared = Designated::from_hello(hello.designated_router, hello.backup_designated_router);
        }
        neighbor.last_hello = now;
        if before.state < NeighborState::ExStart {
            neighbor.options = hello.options;
        }
        if moved {
            self.schedule_calculation();
        }
        before
    }

    /// Generates the events BackupSeen and NeighborChange (§10.5) for a neighbour in state 2-Way or above.
    fn note_election(&mut self, key: NeighborKey, before: &Before) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        if !interface.elects() {
            return;
        }
        let Some(neighbor) = established(interface.neighbors.get(&key.id)) else { return };
        let claims = |declared: Designated| {
            (declared.router == Some(neighbor.address), declared.backup == Some(neighbor.address))
        };
        let (claims_router, claims_backup) = claims(neighbor.declared);
        let (claimed_router, claimed_backup) = claims(before.declared);
        let waiting = interface.state == InterfaceState::Waiting;
        // "If the neighbor is both declaring itself to be Designated Router ... and the Backup Designated Router field in the packet is
        // equal to 0.0.0.0 and the receiving interface is in state Waiting", or if it declares itself the backup.
        let backup_seen = claims_router && neighbor.declared.backup.is_none() || claims_backup;
        let changed =
            before.priority != neighbor.priority || claims_router != claimed_router || claims_backup != claimed_backup;
        if waiting && backup_seen {
            self.schedule_interface_event(key.interface, InterfaceEvent::BackupSeen);
        } else if changed {
            self.schedule_interface_event(key.interface, InterfaceEvent::NeighborChange);
        }
    }

    /// Restarts the Inactivity Timer, counted from the last hello.
    pub(crate) fn await_hello(&mut self, key: NeighborKey) {
        let Some(interface) = established(self.interfaces.get(&key.interface)) else { return };
        let Some(neighbor) = established(interface.neighbors.get(&key.id)) else { return };
        if neighbor.helping.is_some() {
            return;
        }
        self.timers.set(TimerKey::Inactivity(key), neighbor.last_hello + interface.dead_interval());
    }

    /// Handles the expiry of the Inactivity Timer: no hello was received for RouterDeadInterval (§10.3, InactivityTimer).
    pub(crate) fn inactivity_timer(&mut self, key: NeighborKey) {
        self.neighbor_event(key, NeighborEvent::InactivityTimer);
    }
}

/// The state of a neighbour before its hello.
#[derive(Debug)]
struct Before {
    state: NeighborState,
    priority: u8,
    declared: Designated,
}

impl Default for Before {
    fn default() -> Self {
        Self { state: NeighborState::Down, priority: 0, declared: Designated::default() }
    }
}

impl Interface {
    /// The identity of a neighbour that sends packets from an address (§8.2, §10.5).
    pub(crate) fn neighbor_id(&self, router_id: RouterId, source: Ipv4Addr) -> NeighborId {
        match self.config.network {
            NetworkType::PointToPoint | NetworkType::VirtualLink { .. } => NeighborId::Router(router_id),
            NetworkType::Broadcast | NetworkType::NonBroadcast | NetworkType::PointToMultipoint => {
                NeighborId::Address(source)
            }
        }
    }

    /// The neighbours listed in hellos: routers "from whom valid Hello packets have been seen recently" (§A.3.2), as many as fit. There are
    /// more only if the MTU has become smaller, or if more are configured. Adjacencies come first.
    fn listed_neighbors(&self, most: usize) -> Vec<RouterId> {
        let mut listed: Vec<_> =
            self.neighbors.values().filter(|neighbor| neighbor.state >= NeighborState::Init).collect();
        if listed.len() > most {
            listed.sort_by_key(|neighbor| Reverse(neighbor.state));
            listed.truncate(most);
        }
        listed.into_iter().map(|neighbor| neighbor.router_id).collect()
    }

    /// When a neighbour was last refused for lack of room, if that was within RouterDeadInterval.
    pub(crate) fn crowded(&self, now: Instant) -> Option<Crowded> {
        self.crowded.filter(|crowded| now.saturating_since(crowded.refused) < self.dead_interval())
    }
}

/// §10.5: the network masks must be equal, except on point-to-point networks and virtual links, where the mask is ignored.
fn has_same_mask(interface: &Interface, hello: &Hello) -> bool {
    match (interface.config.network, interface.active_link().map(|link| link.addressing)) {
        (NetworkType::PointToPoint | NetworkType::VirtualLink { .. }, _) => true,
        // Without a subnet there is nothing to compare.
        (_, Some(Addressing::Unnumbered(_)) | None) => true,
        (_, Some(Addressing::Numbered { subnet, .. })) => hello.network_mask == subnet.netmask(),
    }
}

/// HelloInterval in seconds, as hellos carry it.
fn hello_seconds(interface: &Interface) -> u16 {
    u16::try_from(seconds(interface.config.hello_interval)).unwrap_or(u16::MAX)
}

/// RouterDeadInterval in seconds, as hellos carry it.
fn dead_seconds(interface: &Interface) -> u32 {
    u32::try_from(seconds(interface.config.dead_interval)).unwrap_or(u32::MAX)
}

fn seconds(interval: Duration) -> u64 {
    interval.as_secs().max(1)
}
