//! What a network under test consists of: values only. The same plan becomes weft's mesh files, FRR's and BIRD's
//! configurations, namespaces and the oracle's graph. HelloInterval is 1 s everywhere.
//!
//! Addresses follow from numbers: the routers are numbered from 1 in the order in which they are named, router `n` has
//! the router id 10.255.0.n and, on a segment 10.0.s.0/24, the address 10.0.s.n.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnetwork::Ipv4Network;

use super::auth::Auth;
use super::disturbance::Disturbance;

/// Area 0.
pub const BACKBONE: u8 = 0;

/// The environment variable by which `frr` or `bird` takes weft's places: tells a fault of weft from one of a test.
const STAND_IN_VARIABLE: &str = "WEFT_TEST_STAND_IN";

/// Cost of a port that does not say another.
const COST: u16 = 10;

/// Which implementation a router runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speaker {
    Weft,
    Frr,
    Bird,
}

/// The network types of RFC 2328 §9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Broadcast,
    NonBroadcast,
    PointToMultipoint,
    PointToPoint,
}

#[derive(Debug, Clone)]
pub struct Plan {
    /// Prefix of the namespaces' names; no other test has it.
    pub name: &'static str,
    pub routers: Vec<Router>,
    pub segments: Vec<Segment>,
    pub areas: BTreeMap<u8, Area>,
    pub stubs: Vec<Stub>,
    pub externals: Vec<External>,
    /// Whether the kernels get the routes that are redistributed only when every adjacency is Full.
    pub late_externals: bool,
    pub virtual_links: Vec<VirtualLink>,
    /// RouterDeadInterval of every interface, seconds.
    pub dead_interval: u8,
    /// RxmtInterval of FRR and BIRD, seconds; `None` = as short as the tests of their adjacencies like it. weft has its own.
    pub retransmit_interval: Option<u8>,
    /// How long weft waits with a calculation of routes (RFC 8405), seconds; `None` = no longer than it does by itself.
    pub spf_delay: Option<u8>,
    /// Whether every router helps its neighbours through a graceful restart and may restart so itself.
    pub graceful_restart: bool,
}

#[derive(Debug, Clone)]
pub struct Router {
    pub name: &'static str,
    pub number: u8,
    pub speaker: Speaker,
}

/// A link; its name is that of the routers' interfaces to it.
#[derive(Debug, Clone)]
pub struct Segment {
    pub name: &'static str,
    /// Third octet of its network.
    pub number: u8,
    pub medium: Medium,
    pub area: u8,
    pub ports: Vec<Port>,
    /// Where not all hear each other: the one in the middle, whom all hear.
    pub hub: Option<&'static str>,
    /// What happens to OSPF packets on the way.
    pub disturbance: Option<Disturbance>,
}

/// A router's end of a segment.
#[derive(Debug, Clone)]
pub struct Port {
    pub router: &'static str,
    pub cost: u16,
    pub priority: u8,
    pub mtu: u16,
    /// Whether weft ignores the MTU in Database Descriptions here.
    pub mtu_ignore: bool,
    pub auth: Auth,
}

/// A network without routers other than this one.
#[derive(Debug, Clone)]
pub struct Stub {
    pub router: &'static str,
    pub name: String,
    pub prefix: Ipv4Network,
    pub area: u8,
    pub cost: u16,
}

#[derive(Debug, Clone)]
pub struct Area {
    pub kind: AreaKind,
    pub ranges: Vec<Range>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AreaKind {
    Normal,
    Stub,
    TotallyStubby,
    Nssa,
    /// An NSSA into which border routers send a default route in place of summaries.
    TotallyNssa,
}

/// An area range (RFC 2328 §12.4.3).
#[derive(Debug, Clone)]
pub struct Range {
    pub prefix: Ipv4Network,
    pub advertise: bool,
}

/// A route of the kernel that a router redistributes.
#[derive(Debug, Clone)]
pub struct External {
    pub router: &'static str,
    pub prefix: Ipv4Network,
    pub metric: Metric,
    pub tag: u32,
    /// Gateway on one of its segments, which becomes the forwarding address; `None` = a discard route.
    pub via: Option<Ipv4Addr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Type1(u32),
    Type2(u32),
}

/// A virtual link between two border routers.
#[derive(Debug, Clone)]
pub struct VirtualLink {
    pub ends: [&'static str; 2],
    pub transit: u8,
    pub auth: Auth,
}

impl Plan {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            routers: Vec::new(),
            segments: Vec::new(),
            areas: BTreeMap::new(),
            stubs: Vec::new(),
            externals: Vec::new(),
            late_externals: false,
            virtual_links: Vec::new(),
            dead_interval: 4,
            retransmit_interval: None,
            spf_delay: None,
            graceful_restart: false,
        }
    }

    pub fn router(mut self, name: &'static str, speaker: Speaker) -> Self {
        let number = u8::try_from(self.routers.len() + 1).expect("few routers");
        let speaker = if speaker == Speaker::Weft { stand_in() } else { speaker };
        self.routers.push(Router { name, number, speaker });
        self
    }

    /// Each of the routers under its speaker's name.
    pub fn speakers(self, speakers: impl IntoIterator<Item = Speaker>) -> Self {
        speakers.into_iter().fold(self, |plan, speaker| plan.router(speaker.name(), speaker))
    }

    pub fn segment(mut self, segment: Segment) -> Self {
        self.segments.push(segment);
        self
    }

    pub fn area(mut self, area: u8, kind: AreaKind) -> Self {
        self.areas.entry(area).or_insert_with(Area::normal).kind = kind;
        self
    }

    pub fn range(mut self, area: u8, prefix: &str, advertise: bool) -> Self {
        let range = Range { prefix: network(prefix), advertise };
        self.areas.entry(area).or_insert_with(Area::normal).ranges.push(range);
        self
    }

    /// A stub network 10.N.0.0/24 at router number N, in `area`.
    pub fn stub(mut self, router: &'static str, area: u8, cost: u16) -> Self {
        let number = self.router_named(router).number;
        let nth = self.stubs.iter().filter(|stub| stub.router == router).count();
        let prefix = network(&format!("10.{number}.{nth}.0/24"));
        self.stubs.push(Stub { router, name: format!("stub{nth}"), prefix, area, cost });
        self
    }

    pub fn external(mut self, router: &'static str, prefix: &str, metric: Metric, tag: u32) -> Self {
        self.externals.push(External { router, prefix: network(prefix), metric, tag, via: None });
        self
    }

    /// Gives the latest external a gateway.
    pub fn via(mut self, gateway: Ipv4Addr) -> Self {
        self.externals.last_mut().expect("an external before its gateway").via = Some(gateway);
        self
    }

    /// Has no external appear before every adjacency is Full.
    pub fn late_externals(mut self) -> Self {
        self.late_externals = true;
        self
    }

    pub fn virtual_link(mut self, one: &'static str, other: &'static str, transit: u8) -> Self {
        self.virtual_links.push(VirtualLink { ends: [one, other], transit, auth: Auth::None });
        self
    }

    /// How packets of the latest virtual link are authenticated.
    pub fn authenticated(mut self, auth: Auth) -> Self {
        self.virtual_links.last_mut().expect("a virtual link before its authentication").auth = auth;
        self
    }

    /// The plan with another way for a router to authenticate on a segment.
    pub fn with_auth(mut self, segment: &str, router: &str, auth: Auth) -> Self {
        let segment = self.segments.iter_mut().find(|found| found.name == segment);
        segment.expect("the segment is in the plan").port_mut(router).auth = auth;
        self
    }

    pub fn dead_interval(mut self, seconds: u8) -> Self {
        self.dead_interval = seconds;
        self
    }

    pub fn retransmit_interval(mut self, seconds: u8) -> Self {
        self.retransmit_interval = Some(seconds);
        self
    }

    pub fn spf_delay(mut self, seconds: u8) -> Self {
        self.spf_delay = Some(seconds);
        self
    }

    pub fn with_graceful_restart(mut self) -> Self {
        self.graceful_restart = true;
        self
    }

    /// The plan as it is while `router` is dead.
    pub fn without(&self, router: &str) -> Self {
        let mut plan = self.clone();
        plan.routers.retain(|r| r.name != router);
        for segment in &mut plan.segments {
            segment.ports.retain(|port| port.router != router);
        }
        plan.stubs.retain(|stub| stub.router != router);
        plan.externals.retain(|external| external.router != router);
        plan.virtual_links.retain(|link| !link.ends.contains(&router));
        plan
    }

    pub fn router_named(&self, name: &str) -> &Router {
        self.routers.iter().find(|router| router.name == name).unwrap_or_else(|| panic!("{name} is in the plan"))
    }

    pub fn router_id(&self, name: &str) -> Ipv4Addr {
        Ipv4Addr::new(10, 255, 0, self.router_named(name).number)
    }

    /// Address of `router` on `segment`.
    pub fn address(&self, segment: &Segment, router: &str) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, segment.number, self.router_named(router).number)
    }

    pub fn segment_named(&self, name: &str) -> &Segment {
        self.segments.iter().find(|segment| segment.name == name).unwrap_or_else(|| panic!("{name} is in the plan"))
    }

    /// The segments of `router`, and its port on each.
    pub fn ports<'a>(&'a self, router: &'a str) -> impl Iterator<Item = (&'a Segment, &'a Port)> {
        self.segments.iter().filter_map(move |segment| Some((segment, segment.port(router)?)))
    }

    /// How `router` authenticates on its links.
    pub fn auths<'a>(&'a self, router: &'a str) -> impl Iterator<Item = &'a Auth> {
        let links = self.virtual_links.iter().filter(move |link| link.ends.contains(&router));
        self.ports(router).map(|(_, port)| &port.auth).chain(links.map(|link| &link.auth))
    }

    /// The areas of `router`, backbone first; a virtual link makes its ends backbone routers.
    pub fn areas_of(&self, router: &str) -> Vec<u8> {
        let mut areas: Vec<u8> = self.ports(router).map(|(segment, _)| segment.area).collect();
        areas.extend(self.stubs.iter().filter(|stub| stub.router == router).map(|stub| stub.area));
        if self.virtual_links.iter().any(|link| link.ends.contains(&router)) {
            areas.push(BACKBONE);
        }
        areas.sort_unstable();
        areas.dedup();
        areas
    }

    /// What `router` advertises besides its segments: its stub networks and, of weft, its router id as an address.
    pub fn stubs_of(&self, router: &str) -> Vec<(u8, Ipv4Network, u16)> {
        let stubs = self.stubs.iter().filter(|stub| stub.router == router);
        let mut stubs: Vec<_> = stubs.map(|stub| (stub.area, stub.prefix, stub.cost)).collect();
        // In the lowest of the areas that it has interfaces to.
        let areas = self.ports(router).map(|(segment, _)| segment.area).chain(stubs.iter().map(|stub| stub.0)).min();
        if let (Speaker::Weft, Some(area)) = (self.router_named(router).speaker, areas) {
            stubs.push((area, Ipv4Network::from(self.router_id(router)), 0));
        }
        stubs
    }

    /// Whether `router` summarises areas to each other.
    pub fn is_border(&self, router: &str) -> bool {
        let areas = self.areas_of(router);
        areas.len() > 1 && areas[0] == BACKBONE
    }

    pub fn kind(&self, area: u8) -> AreaKind {
        self.areas.get(&area).map_or(AreaKind::Normal, |area| area.kind)
    }
}

impl Segment {
    pub fn new(name: &'static str, number: u8, medium: Medium, routers: &[&'static str]) -> Self {
        let port = |router: &&'static str| Port {
            router,
            cost: COST,
            priority: 1,
            mtu: 1500,
            mtu_ignore: false,
            auth: Auth::None,
        };
        Self {
            name,
            number,
            medium,
            area: BACKBONE,
            ports: routers.iter().map(port).collect(),
            hub: None,
            disturbance: None,
        }
    }

    pub fn in_area(mut self, area: u8) -> Self {
        self.area = area;
        self
    }

    pub fn auth(mut self, auth: Auth) -> Self {
        for port in &mut self.ports {
            port.auth = auth.clone();
        }
        self
    }

    /// How one of its routers authenticates, if not as the others do.
    pub fn auth_of(mut self, router: &str, auth: Auth) -> Self {
        self.port_mut(router).auth = auth;
        self
    }

    /// Priorities in the order of the routers.
    pub fn priorities(mut self, priorities: &[u8]) -> Self {
        assert_eq!(priorities.len(), self.ports.len(), "a priority for each router");
        for (port, priority) in self.ports.iter_mut().zip(priorities) {
            port.priority = *priority;
        }
        self
    }

    pub fn cost(mut self, router: &str, cost: u16) -> Self {
        self.port_mut(router).cost = cost;
        self
    }

    pub fn mtu(mut self, router: &str, mtu: u16) -> Self {
        self.port_mut(router).mtu = mtu;
        self
    }

    /// Has `router`, which is weft, ignore the MTUs of others.
    pub fn mtu_ignore(mut self, router: &str) -> Self {
        self.port_mut(router).mtu_ignore = true;
        self
    }

    /// Only `hub` hears all others; they hear only it.
    pub fn hub(mut self, hub: &'static str) -> Self {
        self.hub = Some(hub);
        self
    }

    /// Has OSPF packets disturbed. All ports are alike then: every packet reaches all other routers, or may.
    pub fn disturbed(mut self, disturbance: Disturbance) -> Self {
        self.disturbance = Some(disturbance);
        self
    }

    pub fn prefix(&self) -> Ipv4Network {
        network(&format!("10.0.{}.0/24", self.number))
    }

    pub fn port(&self, router: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.router == router)
    }

    /// Whether these two hear each other.
    pub fn connects(&self, one: &str, other: &str) -> bool {
        one != other && self.hub.is_none_or(|hub| hub == one || hub == other)
    }

    /// Whom `router` hears here.
    pub fn neighbors<'a>(&'a self, router: &'a str) -> impl Iterator<Item = &'a Port> {
        self.ports.iter().filter(move |port| self.connects(router, port.router))
    }

    fn port_mut(&mut self, router: &str) -> &mut Port {
        self.ports.iter_mut().find(|port| port.router == router).unwrap_or_else(|| panic!("{router} is on the segment"))
    }
}

impl Stub {
    /// The router's address in it.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.prefix.network()) + 1)
    }
}

impl VirtualLink {
    /// The end that is not `router`, if the other one is.
    pub fn far_end(&self, router: &str) -> Option<&'static str> {
        let [one, other] = self.ends;
        (router == one).then_some(other).or((router == other).then_some(one))
    }
}

impl Area {
    fn normal() -> Self {
        Self { kind: AreaKind::Normal, ranges: Vec::new() }
    }
}

impl AreaKind {
    /// Whether AS-external LSAs are flooded into it.
    pub fn takes_externals(self) -> bool {
        self == Self::Normal
    }

    /// Whether border routers send summaries of other areas into it.
    pub fn takes_summaries(self) -> bool {
        !matches!(self, Self::TotallyStubby | Self::TotallyNssa)
    }

    pub fn is_nssa(self) -> bool {
        matches!(self, Self::Nssa | Self::TotallyNssa)
    }
}

impl Speaker {
    pub fn name(self) -> &'static str {
        match self {
            Self::Weft => "weft",
            Self::Frr => "frr",
            Self::Bird => "bird",
        }
    }
}

/// Who takes weft's places: weft, unless the environment says otherwise.
fn stand_in() -> Speaker {
    match std::env::var(STAND_IN_VARIABLE).as_deref() {
        Ok("frr") => Speaker::Frr,
        Ok("bird") => Speaker::Bird,
        _ => Speaker::Weft,
    }
}

/// `area` as a dotted quad.
pub fn dotted(area: u8) -> Ipv4Addr {
    Ipv4Addr::new(0, 0, 0, area)
}

fn network(text: &str) -> Ipv4Network {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
