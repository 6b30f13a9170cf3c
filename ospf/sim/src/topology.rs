//! Descriptions of networks: routers, point-to-point links, LANs, areas, and what is attached to them. They have no state, and nothing of
//! OSPF's procedures.

mod draw;
mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ospf::{AreaId, AreaKind, External, InterfaceId, NetworkType, Prefix, RouterId, TranslatorRole};

pub use index::{
    LanIndex, LinkIndex, MAX_IDS, MAX_LANS, MAX_LINKS, MAX_ROUTERS, RouterIndex, Side, is_virtual, stub_interface,
    virtual_interface,
};

/// A network.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Its routers, at most [`MAX_ROUTERS`].
    pub routers: Vec<Router>,
    /// Its links, at most [`MAX_LINKS`]; two routers may have several.
    pub links: Vec<Link>,
    /// Its LANs, at most [`MAX_LANS`].
    pub lans: Vec<Lan>,
    /// Its virtual links.
    pub virtual_links: Vec<VirtualLink>,
    /// The kinds of areas that are not normal. Routers that are only in stub areas redistribute nothing.
    pub kinds: BTreeMap<AreaId, AreaKind>,
}

/// A network to which any number of routers is attached.
#[derive(Debug, Clone, Default)]
pub struct Lan {
    /// The area it is in.
    pub area: AreaId,
    /// The kind of network.
    pub network: LanNetwork,
    /// Routers on it, each once, at most 250.
    pub ends: Vec<LanEnd>,
    /// Pairs of routers that do not receive each other's packets, the lower one first; only on point-to-multipoint networks.
    pub apart: BTreeSet<(RouterIndex, RouterIndex)>,
    /// HelloInterval and RouterDeadInterval.
    pub pace: Pace,
}

/// A link of the backbone through another area (RFC 2328 §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualLink {
    /// The transit area.
    pub transit: AreaId,
    /// The two routers at its ends.
    pub ends: [RouterIndex; 2],
}

/// The kind of a network to which any number of routers is attached (RFC 2328 §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LanNetwork {
    /// All routers receive multicast packets.
    #[default]
    Broadcast,
    /// Packets reach only one router each; neighbours are configured, and a designated router is elected.
    NonBroadcast,
    /// A point-to-point link for each pair that is not apart.
    PointToMultipoint(Discovery),
}

/// How neighbours on a point-to-multipoint network find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// By multicast hellos.
    Multicast,
    /// They are configured.
    Configured,
}

/// HelloInterval and RouterDeadInterval of a network, relative to those of the run ([`crate::Timers`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pace {
    /// Those of the run.
    #[default]
    Normal,
    /// RouterDeadInterval is twice as long.
    Patient,
    /// Both are twice as long.
    Slow,
}

/// A router on a LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LanEnd {
    /// The router.
    pub router: RouterIndex,
    /// Interface output cost.
    pub cost: u16,
    /// Router Priority.
    pub priority: u8,
    /// Whether the router has an interface there.
    pub is_configured: bool,
}

/// A router, with what is attached to it besides links.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// The area of its loopback address and its stub networks.
    pub area: AreaId,
    /// Networks on passive interfaces, with their cost. Several routers may have the same one.
    pub stubs: BTreeMap<Prefix, u16>,
    /// External destinations that it redistributes. Several routers may have the same one.
    pub externals: BTreeMap<Prefix, External>,
    /// The number of the Router ID that it has ([`RouterIndex::ids`]).
    pub id: u8,
    /// NSSATranslatorRole (RFC 3101 §3.1).
    pub translator: TranslatorRole,
}

/// A point-to-point link.
#[derive(Debug, Clone)]
pub struct Link {
    /// Router and cost at side A.
    pub a: End,
    /// Router and cost at side B, another router.
    pub b: End,
    /// Whether it has a subnet.
    pub numbering: Numbering,
    /// The area it is in.
    pub area: AreaId,
    /// HelloInterval and RouterDeadInterval.
    pub pace: Pace,
    /// Whether its routers have interfaces to it.
    pub is_configured: bool,
}

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The router.
    pub router: RouterIndex,
    /// Interface output cost.
    pub cost: u16,
}

/// Whether a link has a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// It has no subnet: packets are sent from the routers' loopback addresses.
    Unnumbered,
    /// It has a /30 of its own.
    Numbered,
}

impl Link {
    /// Returns the end at a side.
    pub const fn end(&self, side: Side) -> End {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }

    /// Returns the end at a side, mutable.
    pub const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// Returns the side of the link at which `router` is.
    pub fn side_of(&self, router: RouterIndex) -> Option<Side> {
        Side::BOTH.into_iter().find(|&side| self.end(side).router == router)
    }
}

impl LanEnd {
    /// Creates a router's interface to a LAN.
    pub const fn new(router: RouterIndex, cost: u16, priority: u8) -> Self {
        Self { router, cost, priority, is_configured: true }
    }
}

impl Lan {
    /// Whether a designated router is elected (RFC 2328 §9.4).
    pub fn elects(&self) -> bool {
        match self.network {
            LanNetwork::Broadcast | LanNetwork::NonBroadcast => true,
            LanNetwork::PointToMultipoint(_) => false,
        }
    }

    /// Whether packets from one router may reach another.
    pub fn joins(&self, one: RouterIndex, other: RouterIndex) -> bool {
        one != other && !self.apart.contains(&(one.min(other), one.max(other)))
    }
}

impl LanNetwork {
    /// Returns the network type of interfaces to it.
    pub fn network_type(self) -> NetworkType {
        match self {
            Self::Broadcast => NetworkType::Broadcast,
            Self::NonBroadcast => NetworkType::NonBroadcast,
            Self::PointToMultipoint(_) => NetworkType::PointToMultipoint,
        }
    }

    /// Whether multicast packets reach other routers.
    pub fn carries_multicast(self) -> bool {
        matches!(self, Self::Broadcast | Self::PointToMultipoint(Discovery::Multicast))
    }
}

impl Topology {
    /// Whether the routes depend on more than shortest paths. An oracle for not-so-stubby areas would be a second implementation of RFC
    /// 3101, and packets through a virtual link's transit area need not follow the link (RFC 2328 §16.3).
    pub fn is_beyond_the_oracle(&self) -> bool {
        let is_nssa = |area| matches!(self.kind(area), AreaKind::Nssa(_));
        !self.virtual_links.is_empty() || self.area_ids().into_iter().any(is_nssa)
    }

    /// Returns the virtual links of a router, with the routers at their other ends.
    pub fn virtual_links_of(
        &self,
        router: RouterIndex,
    ) -> impl Iterator<Item = (InterfaceId, VirtualLink, RouterIndex)> {
        let numbered = self.virtual_links.iter().enumerate();
        numbered.filter_map(move |(place, &link)| {
            let side = link.ends.iter().position(|&end| end == router)?;
            Some((virtual_interface(place), link, link.ends[1 - side]))
        })
    }

    /// Returns the virtual link that an interface belongs to.
    pub fn virtual_link(&self, interface: InterfaceId) -> Option<VirtualLink> {
        let mut numbered = self.virtual_links.iter().enumerate();
        numbered.find(|&(place, _)| virtual_interface(place) == interface).map(|(_, &link)| link)
    }

    /// Returns all areas of routers, links and LANs.
    pub fn area_ids(&self) -> BTreeSet<AreaId> {
        let links = self.links.iter().map(|link| link.area);
        let lans = self.lans.iter().map(|lan| lan.area);
        self.routers.iter().map(|router| router.area).chain(links).chain(lans).collect()
    }

    /// Returns the slowest pace of its links and LANs.
    pub fn slowest(&self) -> Pace {
        let links = self.links.iter().map(|link| link.pace);
        links.chain(self.lans.iter().map(|lan| lan.pace)).max().unwrap_or_default()
    }

    /// Returns a router's present Router ID.
    pub fn id(&self, router: RouterIndex) -> RouterId {
        router.ids(self.routers[router.0].id)
    }

    /// Returns the router that has or had this Router ID.
    pub fn router_of(&self, id: RouterId) -> Option<RouterIndex> {
        RouterIndex::of(id).filter(|router| router.0 < self.routers.len())
    }

    /// Returns the kind of an area.
    pub fn kind(&self, area: AreaId) -> &AreaKind {
        self.kinds.get(&area).unwrap_or(&AreaKind::Normal)
    }

    /// Whether AS-external-LSAs are flooded in an area.
    pub fn has_externals(&self, area: AreaId) -> bool {
        matches!(self.kind(area), AreaKind::Normal)
    }

    /// Changes the kind of an area. The routers inside it stop redistributing if the new kind does not allow that.
    pub fn set_kind(&mut self, area: AreaId, kind: AreaKind) {
        let lets_in_nothing = matches!(kind, AreaKind::Stub { .. });
        self.kinds.insert(area, kind);
        if lets_in_nothing {
            let inside = self.routers.iter_mut().filter(|router| router.area == area);
            inside.for_each(|router| router.externals.clear());
        }
    }

    /// Returns all links with their indexes.
    pub fn links(&self) -> impl Iterator<Item = (LinkIndex, &Link)> {
        self.links.iter().enumerate().map(|(index, link)| (LinkIndex(index), link))
    }

    /// Returns all routers with their indexes.
    pub fn routers(&self) -> impl Iterator<Item = (RouterIndex, &Router)> {
        self.routers.iter().enumerate().map(|(index, router)| (RouterIndex(index), router))
    }

    /// Returns the links of a router, with the side at which it is.
    pub fn links_of(&self, router: RouterIndex) -> impl Iterator<Item = (LinkIndex, &Link, Side)> {
        self.links().filter_map(move |(index, link)| Some((index, link, link.side_of(router)?)))
    }

    /// Returns all LANs with their indexes.
    pub fn lans(&self) -> impl Iterator<Item = (LanIndex, &Lan)> {
        self.lans.iter().enumerate().map(|(index, lan)| (LanIndex(index), lan))
    }

    /// Returns the LANs of a router, with its end of each.
    pub fn lans_of(&self, router: RouterIndex) -> impl Iterator<Item = (LanIndex, &Lan, LanEnd)> {
        self.lans()
            .filter_map(move |(index, lan)| Some((index, lan, *lan.ends.iter().find(|end| end.router == router)?)))
    }

    /// Returns a router's address on a LAN, which depends on its position there.
    pub fn lan_address(&self, lan: LanIndex, router: RouterIndex) -> Option<Ipv4Addr> {
        let place = self.lans.get(lan.0)?.ends.iter().position(|end| end.router == router)?;
        Some(Ipv4Addr::from(u32::from(lan.subnet().network()) + 1 + place as u32))
    }

    /// Returns all addresses of a router, whether or not the links with these addresses carry packets.
    pub fn addresses(&self, router: RouterIndex) -> impl Iterator<Item = Ipv4Addr> {
        let on_links = self.links_of(router).map(|(index, _, side)| self.address(index, side));
        let on_lans = self.lans_of(router).filter_map(move |(index, _, _)| self.lan_address(index, router));
        on_links.chain(on_lans).chain([router.loopback()])
    }

    /// Returns the source address of packets that are sent on `link` from `side`.
    pub fn address(&self, link: LinkIndex, side: Side) -> Ipv4Addr {
        let description = &self.links[link.0];
        match description.numbering {
            Numbering::Unnumbered => description.end(side).router.loopback(),
            Numbering::Numbered => link.address(side),
        }
    }
}
