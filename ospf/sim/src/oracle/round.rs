//! Detects where packets may loop although every router follows RFC 2328: in the transit areas of virtual links.

use std::collections::BTreeSet;

use ospf::{AreaId, Prefix};

use super::ways::preferred;
use super::{Attachment, Border, Oracle, Step};
use crate::topology::{RouterIndex, VirtualLink};

/// The destination of packets.
#[derive(Debug, Clone, Copy)]
enum Destination<'a> {
    /// A network, with the routers that it is attached to.
    Network(&'a [Attachment]),
    /// The external destinations of a router.
    Outside(RouterIndex),
}

/// A virtual link, seen from one of its ends.
#[derive(Debug, Clone, Copy)]
struct Through {
    transit: AreaId,
    near: RouterIndex,
    far: RouterIndex,
}

impl Oracle<'_> {
    /// Whether packets to a destination may loop.
    ///
    /// A router with the destination behind a virtual link calculates with the backbone's costs from the link's far end on. But if the far
    /// end reaches the destination within another area of its own, it uses that path, however much longer it is (§11, §16.4.1), and
    /// advertises its cost in the transit area. The routers there, through which the near end sends its packets, use that cost (§16.2).
    /// Another border router may not be farther for them, and its path may lead through the near end. There may also be a third border
    /// router in the area that uses the path through the near end and the virtual link, if it is not longer than the path through the far
    /// end alone (§16.3).
    pub(crate) fn may_go_round(&self, prefix: Prefix) -> bool {
        let topology = &self.situation.topology;
        let networks = self.networks.get(&prefix).map(|attachments| Destination::Network(attachments));
        let brings_in = topology.routers().filter(|(_, router)| router.externals.contains_key(&prefix));
        let outside = brings_in.map(|(router, _)| Destination::Outside(router));
        networks.into_iter().chain(outside).any(|to| self.virtual_ways().any(|way| self.goes_round(way, to)))
    }

    /// Returns the virtual links that are up, seen from both of their ends.
    fn virtual_ways(&self) -> impl Iterator<Item = Through> {
        let links = self.virtual_links.iter().filter_map(|&id| self.situation.topology.virtual_link(id));
        links.flat_map(|VirtualLink { transit, ends: [one, other] }| {
            [(one, other), (other, one)].map(|(near, far)| Through { transit, near, far })
        })
    }

    fn goes_round(&self, way: Through, to: Destination<'_>) -> bool {
        let own = self.own_way(way.far, to).filter(|(_, area)| ![AreaId::BACKBONE, way.transit].contains(area));
        let takes_longer_way = own.zip(self.counted(way.far, to)).is_some_and(|((own, _), counted)| counted < own);
        takes_longer_way && self.counts_way_by(way.near, way.far, to) && self.leads_back(way, to)
    }

    /// Returns the path that a router takes within its areas: its cost, and its area.
    fn own_way(&self, router: RouterIndex, to: Destination<'_>) -> Option<(u32, AreaId)> {
        match to {
            Destination::Network(attachments) => self.within(router, attachments),
            Destination::Outside(boundary) => {
                preferred(self.ways_within(router, boundary)).map(|way| (way.cost, way.area))
            }
        }
    }

    /// Returns the cost of a router's path through the backbone, whether or not the router takes it.
    fn counted(&self, router: RouterIndex, to: Destination<'_>) -> Option<u32> {
        match to {
            Destination::Network(attachments) => self.advertised_cost(router, attachments),
            Destination::Outside(boundary) => {
                let within = self.distance(AreaId::BACKBONE, router, boundary);
                within.or_else(|| self.advertised_ways(router, boundary).into_iter().map(|way| way.cost).min())
            }
        }
    }

    /// Whether a router takes the path through the backbone, and this may lead through another given router.
    fn counts_way_by(&self, router: RouterIndex, by: RouterIndex, to: Destination<'_>) -> bool {
        let takes_it = match (self.own_way(router, to), to) {
            (None, _) => true,
            (Some((_, area)), Destination::Outside(_)) => area == AreaId::BACKBONE,
            (Some(_), Destination::Network(_)) => false,
        };
        let distance = self.distance(AreaId::BACKBONE, router, by);
        let by_it = self.counted(by, to).zip(distance).map(|(cost, distance)| cost + distance);
        takes_it && by_it.is_some() && self.counted(router, to) == by_it
    }

    /// Whether packets that the near end of a virtual link sends through the transit area may return to it.
    fn leads_back(&self, Through { transit, near, far }: Through, to: Destination<'_>) -> bool {
        let mut next: Vec<_> = self.next_routers(transit, near, far).collect();
        let mut seen = BTreeSet::from([far]);
        while let Some(router) = next.pop() {
            if router == near {
                return true;
            }
            if !seen.insert(router) {
                continue;
            }
            if self.borders[router.0] == Border::WithBackbone {
                if self.counts_way_by(router, near, to) {
                    return true;
                }
            } else if self.own_way(router, to).is_none() {
                let ways = self.told_ways(router, |border, area| self.tells_of(border, area, to));
                let ends = ways.into_iter().filter(|way| way.area == transit).flat_map(|way| way.ends);
                next.extend(ends.flat_map(|end| self.next_routers(transit, router, end)));
            }
        }
        false
    }

    /// Returns the cost that a border router advertises to an area for a destination; `None` if it sends packets there through that area
    /// (§12.4.3).
    fn tells_of(&self, border: RouterIndex, area: AreaId, to: Destination<'_>) -> Option<u32> {
        let mut ways = self.virtual_ways().filter(|way| (way.transit, way.near) == (area, border));
        if ways.any(|way| self.counts_way_by(border, way.far, to)) {
            return None;
        }
        match to {
            Destination::Network(attachments) => self.tells(border, area, attachments),
            Destination::Outside(boundary) => self.tells_of_router(border, area, boundary),
        }
    }

    /// Returns the routers that are first on the shortest paths from one router of an area to another.
    fn next_routers(&self, area: AreaId, from: RouterIndex, to: RouterIndex) -> impl Iterator<Item = RouterIndex> {
        let whole = self.distance(area, from, to);
        let steps = self.areas.get(&area).map(|area| &area.steps[from.0]);
        let on_the_way = move |step: &&Step| {
            whole.is_some() && self.distance(area, step.to, to).map(|rest| u32::from(step.cost) + rest) == whole
        };
        steps.into_iter().flatten().filter(on_the_way).map(|step| step.to)
    }
}
