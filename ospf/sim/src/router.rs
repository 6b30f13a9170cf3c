//! A router of the simulation: its configuration, its engine, and what the engine has reported so far.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ospf::{
    Addressing, Alternates, AreaConfig, AreaId, AreaKind, Config, Engine, Event, Instant, InterfaceConfig, InterfaceId,
    LinkState, NbmaNeighbor, NeighborState, NetworkType, NssaConfig, Rfc1583Compatibility, RouterId, TranslatorRole,
};

use crate::excuse::{Excuses, FarEnds};
use crate::keys::KeyRollover;
use crate::own_lsas::OwnLsas;
use crate::situation::Situation;
use crate::told::ToldRoutes;
use crate::topology::{Lan, LanEnd, LanIndex, LinkIndex, Numbering, Pace, RouterIndex, Side, Topology, stub_interface};

/// The IP MTU of every link, octets, including the IP header.
pub const MTU: u16 = 1420;

/// Octets of an IP header, for which the engine has to leave room.
pub const IP_HEADER_LEN: usize = 20;

/// PollInterval, in HelloIntervals.
const POLL: u32 = 3;

/// TranslatorStabilityInterval: how long a translator continues after another one has replaced it.
pub(crate) const TRANSLATOR_STABILITY: Duration = Duration::from_secs(10);

/// One in this many engines does its work in tiny slices.
const INTERRUPTED: u64 = 4;

/// The most units of work in a slice of these engines.
const MOST_UNITS: u64 = 8;

/// Protocol timers, which are the same on all links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// HelloInterval.
    pub hello: Duration,
    /// RouterDeadInterval. On links that lose packets with probability p, a neighbour is lost by chance about once in p^-(dead/hello)
    /// hellos, so this must be long enough for what a run requires.
    pub dead: Duration,
    /// RxmtInterval.
    pub retransmit: Duration,
}

impl Timers {
    /// Returns the timers of a network with this pace.
    #[must_use]
    pub fn at(self, pace: Pace) -> Self {
        match pace {
            Pace::Normal => self,
            Pace::Patient => Self { dead: self.dead * 2, ..self },
            Pace::Slow => Self { hello: self.hello * 2, dead: self.dead * 2, ..self },
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self { hello: Duration::from_secs(1), dead: Duration::from_secs(10), retransmit: Duration::from_secs(5) }
    }
}

/// The parts of the routers' configuration that the topology does not have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) timers: Timers,
    /// Authentication of all interfaces; `None` for none.
    pub(crate) keys: Option<KeyRollover>,
}

/// A running router.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) engine: Engine,
    /// The time of the earliest wake-up that is scheduled for it.
    pub(crate) wake_up: Option<Instant>,
    /// Its routing table, from the changes that its engine reported.
    pub(crate) told: ToldRoutes,
    /// The states of the neighbours on each interface, as the engine reported them.
    pub(crate) neighbors: BTreeMap<(InterfaceId, RouterId), NeighborState>,
    pub(crate) own: OwnLsas,
    pub(crate) last_input: Instant,
    /// Whether its deadline stayed due after a tick.
    pub(crate) stuck: bool,
    /// Whether its changes are recorded.
    pub(crate) is_watched: bool,
    /// Whether it has ended for a planned restart.
    pub(crate) is_ready_to_restart: bool,
    pub(crate) inputs: u64,
    /// The engine is checked after one in this many inputs.
    pub(crate) check_every: u64,
    pub(crate) excuses: Excuses,
    far_ends: FarEnds,
}

impl Running {
    /// Creates a router; `phase` inputs count as handled already, so that engines are not all checked at the same input.
    pub(crate) fn new(
        config: Config,
        seed: u64,
        now: Instant,
        far_ends: FarEnds,
        (phase, check_every): (u64, u64),
    ) -> Self {
        let own = OwnLsas::new(config.router_id);
        let mut engine = Engine::new(config, seed, now);
        // Some engines leave almost everything to the next tick, so that inputs arrive between any two steps of long work.
        if seed.is_multiple_of(INTERRUPTED) {
            let units = 1 + seed / INTERRUPTED % MOST_UNITS;
            engine.set_slices(usize::try_from(units).expect("a few units"));
        }
        Self {
            engine,
            wake_up: None,
            told: ToldRoutes::default(),
            neighbors: BTreeMap::new(),
            own,
            last_input: now,
            stuck: false,
            is_watched: false,
            is_ready_to_restart: false,
            inputs: phase,
            check_every,
            excuses: Excuses::default(),
            far_ends,
        }
    }

    /// Records an event. Returns a complaint if no correct neighbour can have caused it.
    pub(crate) fn note(&mut self, at: Instant, event: &Event) -> Option<String> {
        match event {
            Event::Neighbor { interface, router_id, to: NeighborState::Down, .. } => {
                self.neighbors.remove(&(*interface, *router_id));
                None
            }
            Event::Neighbor { interface, router_id, to, .. } => {
                self.neighbors.insert((*interface, *router_id), *to);
                None
            }
            Event::RestartReady { .. } => {
                self.is_ready_to_restart = true;
                None
            }
            Event::PacketRefused { .. } | Event::LsaRefused { .. } => {
                let explained = self.excuses.explain(at, event, &self.far_ends)
                    || self.excuses.explain_by_help(event, &self.engine);
                (!explained).then(|| format!("{event:?}"))
            }
            Event::RouteRefused { .. } | Event::DuplicateRouterId { .. } => Some(format!("{event:?}")),
            _ => None,
        }
    }
}

/// Returns the configuration of a router that starts for the `boot`th time.
pub(crate) fn config(situation: &Situation, router: RouterIndex, boot: u32, settings: Settings) -> Config {
    let Settings { timers, keys } = settings;
    let topology = situation.configured_at(router);
    let mut interfaces = BTreeMap::new();
    for (index, link, side) in topology.links_of(router).filter(|(_, link, _)| link.is_configured) {
        let config = interface(format!("link{}", index.0), link.area, link.end(side).cost, timers.at(link.pace));
        interfaces.insert(index.interface(), config);
    }
    for (index, lan, end) in topology.lans_of(router).filter(|(_, _, end)| end.is_configured) {
        interfaces.insert(index.interface(), lan_interface(topology, (index, lan), end, timers.at(lan.pace)));
    }
    for (id, link, other) in topology.virtual_links_of(router) {
        let network = NetworkType::VirtualLink { transit_area: link.transit, far_end: topology.id(other) };
        let virtual_link = interface(format!("virtual link to {other}"), AreaId::BACKBONE, 1, timers);
        interfaces.insert(id, InterfaceConfig { network, ..virtual_link });
    }
    let description = &topology.routers[router.0];
    for (place, (network, &cost)) in description.stubs.iter().enumerate() {
        let stub =
            InterfaceConfig { passive: true, ..interface(format!("stub {network}"), description.area, cost, timers) };
        interfaces.insert(stub_interface(place), stub);
    }
    if let Some(keys) = keys {
        let authentication = keys.authentication(router);
        interfaces.values_mut().for_each(|interface| interface.authentication = authentication.clone());
    }
    Config {
        boot,
        interfaces,
        loopbacks: BTreeMap::from([(description.area, BTreeSet::from([router.loopback()]))]),
        externals: description.externals.clone(),
        areas: topology.kinds.iter().map(|(&area, kind)| (area, area_config(kind, description.translator))).collect(),
        // RFC 2328 §C.1: this prevents all routing loops, and is weft's default. If costs alone decide, packets to external destinations
        // may loop, and the ends of a virtual link beside a partitioned backbone change their advertisements for ever.
        rfc1583: Rfc1583Compatibility::Disabled,
        alternates: Alternates::On,
        ..Config::new(topology.id(router))
    }
}

/// Returns the configuration of a router's interface to a LAN.
fn lan_interface(topology: &Topology, (index, lan): (LanIndex, &Lan), end: LanEnd, timers: Timers) -> InterfaceConfig {
    let LanEnd { router, cost, priority, .. } = end;
    let others = lan.ends.iter().filter(|other| other.router != router && !lan.network.carries_multicast());
    let neighbor =
        |other: &LanEnd| Some((topology.lan_address(index, other.router)?, NbmaNeighbor { priority: other.priority }));
    InterfaceConfig {
        network: lan.network.network_type(),
        priority,
        neighbors: others.filter_map(neighbor).collect(),
        poll_interval: timers.hello * POLL,
        ..interface(format!("lan{}", index.0), lan.area, cost, timers)
    }
}

fn area_config(kind: &AreaKind, translator: TranslatorRole) -> AreaConfig {
    let kind = match kind {
        AreaKind::Nssa(nssa) => {
            AreaKind::Nssa(NssaConfig { translator, stability_interval: TRANSLATOR_STABILITY, ..nssa.clone() })
        }
        AreaKind::Normal | AreaKind::Stub { .. } => kind.clone(),
    };
    AreaConfig { kind, ..AreaConfig::default() }
}

fn interface(name: String, area: AreaId, cost: u16, timers: Timers) -> InterfaceConfig {
    InterfaceConfig {
        cost,
        hello_interval: timers.hello,
        dead_interval: timers.dead,
        retransmit_interval: timers.retransmit,
        ..InterfaceConfig::new(name, area, NetworkType::PointToPoint)
    }
}

/// Returns the states of a router's interfaces at its start.
pub(crate) fn link_states(
    situation: &Situation,
    router: RouterIndex,
) -> impl Iterator<Item = (InterfaceId, LinkState)> {
    let links = situation
        .topology
        .links_of(router)
        .map(|(index, _, side)| (index.interface(), link_state(situation, index, side)));
    let stubs = situation.topology.routers[router.0].stubs.keys().enumerate().map(move |(place, &subnet)| {
        let interface = stub_interface(place);
        let address = std::net::Ipv4Addr::from(u32::from(subnet.network()) + 1 + router.0 as u32 % 250);
        (
            interface,
            LinkState::Up { index: interface.0, mtu: MTU, addressing: Addressing::Numbered { address, subnet } },
        )
    });
    let lans = situation.topology.lans_of(router).filter_map(move |(index, _, _)| {
        let (interface, subnet) = (index.interface(), index.subnet());
        let address = situation.topology.lan_address(index, router)?;
        let addressing = Addressing::Numbered { address, subnet };
        Some((interface, LinkState::Up { index: interface.0, mtu: MTU, addressing }))
    });
    links.chain(stubs).chain(lans)
}

/// Returns the state of the interface at one side of a link.
pub(crate) fn link_state(situation: &Situation, link: LinkIndex, side: Side) -> LinkState {
    if !situation.has_carrier(link) {
        return LinkState::Down;
    }
    let address = situation.topology.address(link, side);
    let addressing = match situation.topology.links[link.0].numbering {
        Numbering::Unnumbered => Addressing::Unnumbered(address),
        Numbering::Numbered => Addressing::Numbered { address, subnet: link.subnet() },
    };
    LinkState::Up { index: link.interface().0, mtu: MTU, addressing }
}
