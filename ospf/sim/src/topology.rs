//! Networks as a description: routers, point-to-point links, LANs, areas, what is attached to them. No state, no OSPF.

mod draw;
mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ospf::{AreaId, AreaKind, External, InterfaceId, NetworkType, Prefix, RouterId, TranslatorRole};

pub use index::{
    LanIndex, LinkIndex, MAX_IDS, MAX_LANS, MAX_LINKS, MAX_ROUTERS, RouterIndex, Side, stub_interface,
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
    /// What areas let in, where that is not everything. Routers that are in stub areas only bring nothing in.
    pub kinds: BTreeMap<AreaId, AreaKind>,
}

/// A network of any number of routers.
#[derive(Debug, Clone, Default)]
pub struct Lan {
    /// The area it is in.
    pub area: AreaId,
    /// What it carries to whom.
    pub network: LanNetwork,
    /// Routers on it, each once, at most 250.
    pub ends: Vec<LanEnd>,
    /// Pairs of routers that do not receive each other's packets, the lower first: on point-to-multipoint networks only.
    pub apart: BTreeSet<(RouterIndex, RouterIndex)>,
    /// HelloInterval and RouterDeadInterval.
    pub pace: Pace,
}

/// A link of the backbone through another area (RFC 2328 §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualLink {
    /// The area.
    pub transit: AreaId,
    /// Its ends, two routers of that area.
    pub ends: [RouterIndex; 2],
}

/// The kind of a network of any number of routers (RFC 2328 §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LanNetwork {
    /// All receive what is sent to all.
    #[default]
    Broadcast,
    /// Packets go to one router each; neighbours are configured, and a designated router is elected.
    NonBroadcast,
    /// As many point-to-point links as there are pairs that are not apart.
    PointToMultipoint(Discovery),
}

/// How neighbours on a point-to-multipoint network find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// By hellos to all.
    Multicast,
    /// They are configured.
    Configured,
}

/// HelloInterval and RouterDeadInterval of a network, by those of the run ([`crate::Timers`]).
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
    /// Whose interface it is.
    pub router: RouterIndex,
    /// Interface output cost.
    pub cost: u16,
    /// Router Priority.
    pub priority: u8,
    /// Whether the router has an interface there.
    pub is_configured: bool,
}

/// What is attached to a router besides links.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// The area of its loopback address and its stub networks.
    pub area: AreaId,
    /// Networks on passive interfaces, with their cost. Several routers may have the same.
    pub stubs: BTreeMap<Prefix, u16>,
    /// Destinations outside OSPF. Several routers may have the same.
    pub externals: BTreeMap<Prefix, External>,
    /// Which of its router ids it has ([`RouterIndex::ids`]).
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
    /// Whose interface it is.
    pub router: RouterIndex,
    /// Interface output cost.
    pub cost: u16,
}

/// Whether a link has a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// It has none: packets come from the routers' loopback addresses.
    Unnumbered,
    /// It has a /30 of its own.
    Numbered,
}

impl Link {
    /// The end at a side.
    pub const fn end(&self, side: Side) -> End {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }

    /// The end at a side, to change.
    pub const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// The side of which `router` has the end.
    pub fn side_of(&self, router: RouterIndex) -> Option<Side> {
        Side::BOTH.into_iter().find(|&side| self.end(side).router == router)
    }
}

impl LanEnd {
    /// A router's interface.
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

    /// Whether what one router sends to another may reach it.
    pub fn joins(&self, one: RouterIndex, other: RouterIndex) -> bool {
        one != other && !self.apart.contains(&(one.min(other), one.max(other)))
    }
}

impl LanNetwork {
    /// As interfaces have it.
    pub fn network_type(self) -> NetworkType {
        match self {
            Self::Broadcast => NetworkType::Broadcast,
            Self::NonBroadcast => NetworkType::NonBroadcast,
            Self::PointToMultipoint(_) => NetworkType::PointToMultipoint,
        }
    }

    /// Whether packets to all reach anybody.
    pub fn carries_multicast(self) -> bool {
        matches!(self, Self::Broadcast | Self::PointToMultipoint(Discovery::Multicast))
    }
}

impl Topology {
    /// Whether shortest paths are not all that decides its routes: an oracle of not-so-stubby areas would be a second implementation of
    /// RFC 3101, and what goes through a virtual link's transit area need not go by the link (RFC 2328 §16.3).
    pub fn is_beyond_the_oracle(&self) -> bool {
        let is_nssa = |area| matches!(self.kind(area), AreaKind::Nssa(_));
        !self.virtual_links.is_empty() || self.area_ids().into_iter().any(is_nssa)
    }

    /// The virtual links of a router, and who is at their other end.
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

    /// The virtual link that an interface belongs to.
    pub fn virtual_link(&self, interface: InterfaceId) -> Option<VirtualLink> {
        let mut numbered = self.virtual_links.iter().enumerate();
        numbered.find(|&(place, _)| virtual_interface(place) == interface).map(|(_, &link)| link)
    }

    /// All areas of routers, links and LANs.
    pub fn area_ids(&self) -> BTreeSet<AreaId> {
        let links = self.links.iter().map(|link| link.area);
        let lans = self.lans.iter().map(|lan| lan.area);
        self.routers.iter().map(|router| router.area).chain(links).chain(lans).collect()
    }

    /// The longest of the intervals of its links and LANs.
    pub fn slowest(&self) -> Pace {
        let links = self.links.iter().map(|link| link.pace);
        links.chain(self.lans.iter().map(|lan| lan.pace)).max().unwrap_or_default()
    }

    /// A router's id.
    pub fn id(&self, router: RouterIndex) -> RouterId {
        router.ids(self.routers[router.0].id)
    }

    /// The router that has or had this id.
    pub fn router_of(&self, id: RouterId) -> Option<RouterIndex> {
        RouterIndex::of(id).filter(|router| router.0 < self.routers.len())
    }

    /// What an area lets in.
    pub fn kind(&self, area: AreaId) -> &AreaKind {
        self.kinds.get(&area).unwrap_or(&AreaKind::Normal)
    }

    /// Whether AS-external-LSAs are flooded in an area.
    pub fn has_externals(&self, area: AreaId) -> bool {
        matches!(self.kind(area), AreaKind::Normal)
    }

    /// Makes an area one of another kind. Its routers bring in nothing any more if they may not.
    pub fn set_kind(&mut self, area: AreaId, kind: AreaKind) {
        let lets_in_nothing = matches!(kind, AreaKind::Stub { .. });
        self.kinds.insert(area, kind);
        if lets_in_nothing {
            let inside = self.routers.iter_mut().filter(|router| router.area == area);
            inside.for_each(|router| router.externals.clear());
        }
    }

    /// All links by index.
    pub fn links(&self) -> impl Iterator<Item = (LinkIndex, &Link)> {
        self.links.iter().enumerate().map(|(index, link)| (LinkIndex(index), link))
    }

    /// All routers by index.
    pub fn routers(&self) -> impl Iterator<Item = (RouterIndex, &Router)> {
        self.routers.iter().enumerate().map(|(index, router)| (RouterIndex(index), router))
    }

    /// The links of a router, and the side at which it is.
    pub fn links_of(&self, router: RouterIndex) -> impl Iterator<Item = (LinkIndex, &Link, Side)> {
        self.links().filter_map(move |(index, link)| Some((index, link, link.side_of(router)?)))
    }

    /// All LANs by index.
    pub fn lans(&self) -> impl Iterator<Item = (LanIndex, &Lan)> {
        self.lans.iter().enumerate().map(|(index, lan)| (LanIndex(index), lan))
    }

    /// The LANs of a router, and what it has there.
    pub fn lans_of(&self, router: RouterIndex) -> impl Iterator<Item = (LanIndex, &Lan, LanEnd)> {
        self.lans()
            .filter_map(move |(index, lan)| Some((index, lan, *lan.ends.iter().find(|end| end.router == router)?)))
    }

    /// A router's address on a LAN, by its place there.
    pub fn lan_address(&self, lan: LanIndex, router: RouterIndex) -> Option<Ipv4Addr> {
        let place = self.lans.get(lan.0)?.ends.iter().position(|end| end.router == router)?;
        Some(Ipv4Addr::from(u32::from(lan.subnet().network()) + 1 + place as u32))
    }

    /// All addresses of a router's, whether the links that have them carry anything or not.
    pub fn addresses(&self, router: RouterIndex) -> impl Iterator<Item = Ipv4Addr> {
        let on_links = self.links_of(router).map(|(index, _, side)| self.address(index, side));
        let on_lans = self.lans_of(router).filter_map(move |(index, _, _)| self.lan_address(index, router));
        on_links.chain(on_lans).chain([router.loopback()])
    }

    /// The address that packets have which leave `link` at `side`.
    pub fn address(&self, link: LinkIndex, side: Side) -> Ipv4Addr {
        let description = &self.links[link.0];
        match description.numbering {
            Numbering::Unnumbered => description.end(side).router.loopback(),
            Numbering::Numbered => link.address(side),
        }
    }
}
