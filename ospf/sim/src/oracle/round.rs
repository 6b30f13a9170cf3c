//! Where packets may go round though every router does what RFC 2328 says: in the transit areas of virtual links.

use std::collections::BTreeSet;

use ospf::{AreaId, Prefix};

use super::ways::preferred;
use super::{Attachment, Border, Oracle, Step};
use crate::topology::{RouterIndex, VirtualLink};

/// Where packets go.
#[derive(Debug, Clone, Copy)]
enum Destination<'a> {
    /// A network, by who has it.
    Network(&'a [Attachment]),
    /// What a router brings in from outside.
    Outside(RouterIndex),
}

/// A virtual link from one of its ends.
#[derive(Debug, Clone, Copy)]
struct Through {
    transit: AreaId,
    near: RouterIndex,
    far: RouterIndex,
}

impl Oracle<'_> {
    /// Whether packets to a destination may go round.
    ///
    /// A router that has the destination behind a virtual link counts the backbone's costs from the link's far end on. But a far end that
    /// reaches it within another area of its own takes that way, however much longer it is (§11, §16.4.1), and that is the cost which it
    /// advertises in the transit area. The routers there, through which the near end sends its packets, count that cost (§16.2): another
    /// border router may be no farther for them, and the way to it be by the near end. So may a third border router there, that counts the
    /// way over the near end and the virtual link, find it no longer than the way by the far end alone (§16.3).
    pub(crate) fn may_go_round(&self, prefix: Prefix) -> bool {
        let topology = &self.situation.topology;
        let networks = self.networks.get(&prefix).map(|attachments| Destination::Network(attachments));
        let brings_in = topology.routers().filter(|(_, router)| router.externals.contains_key(&prefix));
        let outside = brings_in.map(|(router, _)| Destination::Outside(router));
        networks.into_iter().chain(outside).any(|to| self.virtual_ways().any(|way| self.goes_round(way, to)))
    }

    /// The virtual links that are up, from both of their ends.
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

    /// The way that a router takes within its areas: how long it is, and in which.
    fn own_way(&self, router: RouterIndex, to: Destination<'_>) -> Option<(u32, AreaId)> {
        match to {
            Destination::Network(attachments) => self.within(router, attachments),
            Destination::Outside(boundary) => {
                preferred(self.ways_within(router, boundary)).map(|way| (way.cost, way.area))
            }
        }
    }

    /// How long a router's way through the backbone is, whether it takes that or not.
    fn counted(&self, router: RouterIndex, to: Destination<'_>) -> Option<u32> {
        match to {
            Destination::Network(attachments) => self.advertised_cost(router, attachments),
            Destination::Outside(boundary) => {
                let within = self.distance(AreaId::BACKBONE, router, boundary);
                within.or_else(|| self.advertised_ways(router, boundary).into_iter().map(|way| way.cost).min())
            }
        }
    }

    /// Whether a router takes the way through the backbone, and that may be by another one.
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

    /// Whether packets that the near end of a virtual link sends through the transit area may come back to it.
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

    /// What a border router says to an area of a destination: nothing if it sends packets there through that area (§12.4.3).
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

    /// The routers that are first on the ways from one router of an area to another.
    fn next_routers(&self, area: AreaId, from: RouterIndex, to: RouterIndex) -> impl Iterator<Item = RouterIndex> {
        let whole = self.distance(area, from, to);
        let steps = self.areas.get(&area).map(|area| &area.steps[from.0]);
        let on_the_way = move |step: &&Step| {
            whole.is_some() && self.distance(area, step.to, to).map(|rest| u32::from(step.cost) + rest) == whole
        };
        steps.into_iter().flatten().filter(on_the_way).map(|step| step.to)
    }
}
