//! Networks as a description: routers, point-to-point links, LANs, areas, what is attached to them. No state, no OSPF.

mod draw;
mod index;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ospf::{AreaId, AreaKind, External, Prefix};

pub use index::{LanIndex, LinkIndex, MAX_LANS, MAX_LINKS, MAX_ROUTERS, RouterIndex, Side, stub_interface};

/// A network.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Its routers, at most [`MAX_ROUTERS`].
    pub routers: Vec<Router>,
    /// Its links, at most [`MAX_LINKS`]; two routers may have several.
    pub links: Vec<Link>,
    /// Its LANs, at most [`MAX_LANS`].
    pub lans: Vec<Lan>,
    /// What areas let in, where that is not everything. Routers that are in stub areas only bring nothing in.
    pub kinds: BTreeMap<AreaId, AreaKind>,
}

/// A broadcast network.
#[derive(Debug, Clone)]
pub struct Lan {
    /// The area it is in.
    pub area: AreaId,
    /// Routers on it, each once, at most 250.
    pub ends: Vec<LanEnd>,
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

impl Topology {
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
        self.kinds.insert(area, kind);
        if !self.has_externals(area) {
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

    /// The address that packets have which leave `link` at `side`.
    pub fn address(&self, link: LinkIndex, side: Side) -> Ipv4Addr {
        let description = &self.links[link.0];
        match description.numbering {
            Numbering::Unnumbered => description.end(side).router.loopback(),
            Numbering::Numbered => link.address(side),
        }
    }
}
