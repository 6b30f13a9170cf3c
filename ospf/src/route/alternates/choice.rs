//! Which neighbours are alternates for a destination (RFC 5286 §3), and which of them is the best (§3.6).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::super::graph::Vertex;
use super::super::policy::Verdict;
use super::area::{Neighbor, Place, Surroundings};
use super::topology::LastGuard;
use crate::io::Nexthop;
use crate::protection::{Alternate, Protection, Unprotected};

/// A destination as seen from inside an area: the places where paths to it may end. Every router sends packets to the place that is nearest
/// to it, counting the cost from there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Destination {
    /// In order.
    pub(super) places: Vec<Place>,
    /// Whether it is outside the AS: a border router may prefer an exit in another area to those that count here (RFC 2328 §16.4.1).
    pub(super) is_external: bool,
    /// Routers that know a path by another area: where they send packets is not known.
    pub(super) elsewhere: BTreeSet<Vertex>,
}

/// The choice of alternates for one destination.
pub(super) struct Choice<'a> {
    pub(super) area: &'a Surroundings,
    pub(super) destination: &'a Destination,
    pub(super) verdict: Verdict<'a>,
    /// Whether the area is the backbone.
    pub(super) is_backbone: bool,
}

/// How far a destination is from a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// So far, and every path ends at an accepted origin.
    Accepted(u32),
    /// So far, but a path ends at an origin that is not accepted.
    Refused(u32),
    /// There is no path, or it is not known which.
    Unknown,
}

impl Reach {
    fn cost(self) -> Option<u32> {
        match self {
            Self::Accepted(cost) | Self::Refused(cost) => Some(cost),
            Self::Unknown => None,
        }
    }
}

impl Choice<'_> {
    /// The protection of a route with these next hops.
    pub(super) fn protection(&self, nexthops: &BTreeSet<Nexthop>) -> Protection {
        let of_each: BTreeMap<_, _> =
            nexthops.iter().map(|&primary| (primary, self.alternates(primary, nexthops))).collect();
        let backup = match of_each.first_key_value() {
            Some((_, only)) if of_each.len() == 1 => only.as_ref().ok().and_then(|found| found.first()).copied(),
            // What protects each of them, and is none of them.
            Some((_, first)) => first.iter().flatten().find_map(|candidate| {
                let mut same = of_each.values().map(|found| {
                    let mut found = found.iter().flatten();
                    found.find(|other| other.nexthop == candidate.nexthop && other.link_protecting)
                });
                let joint = same.try_fold(*candidate, |joint, one| {
                    one.map(|one| Alternate { node_protecting: joint.node_protecting && one.node_protecting, ..joint })
                });
                joint.filter(|joint| !joint.equal_cost)
            }),
            None => None,
        };
        let nexthops = of_each.into_iter().map(|(primary, found)| (primary, found.map(|found| found[0]))).collect();
        Protection { nexthops, backup }
    }

    /// The alternates for one next hop of a route, the best first, at least one.
    pub(super) fn alternates(
        &self,
        primary: Nexthop,
        nexthops: &BTreeSet<Nexthop>,
    ) -> Result<Vec<Alternate>, Unprotected> {
        let area = self.area;
        if area.topology.has_virtual_links {
            return Err(Unprotected::VirtualLinks);
        }
        let neighbor = area.neighbors.iter().find(|neighbor| neighbor.nexthop == primary).map(|found| found.router);
        let lan = area.lans.get(&primary.interface).copied();
        if neighbor.is_none() && lan.is_none() {
            return Err(Unprotected::OtherArea);
        }
        let protected = Protected { nexthop: primary, neighbor, lan };
        let is_destination = match neighbor {
            Some(neighbor) => self.is_nearest_place(neighbor),
            // The destination's address is on the link itself.
            None => true,
        };
        let own = self.reach(area.root).cost();
        let mut found = Vec::new();
        let mut nearest = Unprotected::NoOtherNeighbor;
        for candidate in area.neighbors.iter().filter(|candidate| candidate.nexthop != primary) {
            match self.examine(candidate, &protected, own) {
                Ok(alternate) => {
                    let equal_cost = nexthops.contains(&candidate.nexthop);
                    found.push(Alternate { equal_cost, ..alternate });
                }
                Err(reason) => nearest = nearest.max(reason),
            }
        }
        found.sort_by(|one, other| preference(one, other, is_destination));
        if found.is_empty() { Err(nearest) } else { Ok(found) }
    }

    /// Whether a neighbour is an alternate; `own` is this router's distance to the destination.
    fn examine(&self, candidate: &Neighbor, protected: &Protected, own: Option<u32>) -> Result<Alternate, Unprotected> {
        let router = self.area.topology.router(candidate.router);
        if candidate.avoided {
            return Err(Unprotected::MaxLinkMetric);
        }
        let reach = self.reach(candidate.router);
        let (Some(router), Some(own), Some(cost)) = (router, own, reach.cost()) else {
            return Err(Unprotected::NoOtherPath);
        };
        // Inequality 1: the neighbour does not send it back.
        if !self.is_shorter(cost, candidate.router, self.area.root) {
            return Err(Unprotected::NotLoopFree);
        }
        let avoids_lan = protected.lan.is_none_or(|lan| {
            // Inequality 4: nor over the network on which the protected link ends.
            let is_off = self.area.lans.get(&candidate.nexthop.interface) != Some(&lan);
            is_off && self.is_shorter(cost, candidate.router, lan)
        });
        let link_protecting = candidate.nexthop.interface != protected.nexthop.interface && avoids_lan;
        let node_protecting = protected.neighbor.is_some_and(|neighbor| {
            // Inequality 3: nor by the router behind the protected link.
            self.is_shorter(cost, candidate.router, neighbor)
                && self.stays_inside(neighbor)
                && !self.may_be_at(neighbor)
        });
        if !link_protecting && !node_protecting {
            return Err(Unprotected::SameFate);
        }
        if matches!(reach, Reach::Refused(_)) {
            return Err(Unprotected::Refused);
        }
        Ok(Alternate {
            nexthop: candidate.nexthop,
            router_id: router.id,
            metric: cost.saturating_add(u32::from(candidate.cost)),
            equal_cost: false,
            link_protecting,
            node_protecting,
            downstream: cost < own,
        })
    }

    /// Whether a path of this cost from a router is shorter than every path by another vertex.
    fn is_shorter(&self, cost: u32, from: Vertex, by: Vertex) -> bool {
        let Some(distances) = self.area.from(from) else { return false };
        // The path leads to the place that `from` uses, whatever the router in between would use.
        let nearest = self.area.from(by).and_then(|rest| {
            let of_place = |place: &Place| Some(rest.to(place.vertex)?.saturating_add(place.cost));
            self.destination.places.iter().filter_map(of_place).min()
        });
        let rest = nearest.into_iter().chain(self.reach(by).cost()).min();
        match (distances.to(by), rest) {
            (Some(distance), Some(rest)) => cost < distance.saturating_add(rest),
            // There is no such path.
            (None, _) | (_, None) => true,
        }
    }

    /// Whether a path that leaves the area cannot meet a router outside it: where it goes there is not known here. A router of the backbone
    /// that is in another area, too, is a border router; others do not show it (RFC 3509 §2.2).
    fn stays_inside(&self, router: Vertex) -> bool {
        let may_leave = self.destination.is_external || self.destination.places.iter().any(|place| place.beyond);
        let is_border = self.area.topology.router(router).is_some_and(|router| router.is_border);
        !may_leave || (self.is_backbone && !is_border)
    }

    /// Whether a router may have the forwarding address by which the destination is reached: it is on the network of the address.
    fn may_be_at(&self, router: Vertex) -> bool {
        let mut forwarding = self.destination.places.iter().filter(|place| place.forwarding);
        let topology = &self.area.topology;
        let is_on = |network: Vertex| topology.router(network).is_none() && topology.cost(router, network).is_some();
        forwarding.any(|place| place.vertex == router || is_on(place.vertex))
    }

    /// How far the destination is from a vertex, by the places that the router there uses.
    fn reach(&self, from: Vertex) -> Reach {
        let area = self.area;
        let Some(distances) = area.from(from) else { return Reach::Unknown };
        let router = area.topology.router(from);
        if self.destination.elsewhere.contains(&from) {
            return Reach::Unknown;
        }
        // RFC 2328 §16.2: a border router with the backbone examines only the backbone's Summary-LSAs, and advertises into this area what
        // it has found there.
        let is_border = router.is_some_and(|router| router.is_border) && from != area.root;
        let advertises = self.destination.places.iter().any(|place| place.beyond && place.vertex == from);
        if is_border && !advertises && !self.is_backbone && self.destination.places.iter().any(|place| place.beyond) {
            return Reach::Unknown;
        }
        let mut nearest: Option<(u32, bool)> = None;
        let used = |place: &&Place| !(is_border && advertises && place.beyond) || place.vertex == from;
        for place in self.destination.places.iter().filter(used) {
            let Some(distance) = distances.to(place.vertex) else { continue };
            let accepted = match (place.guard, distances.last_guard(place.vertex)) {
                (Some(guard), _) | (None, LastGuard::One(Some(guard))) => self.verdict.allows(Some(guard)),
                (None, LastGuard::One(None)) => {
                    let root = area.topology.router(area.root).filter(|root| root.is_guard);
                    self.verdict.allows(root.map(|root| root.id))
                }
                (None, LastGuard::Several) if self.verdict == Verdict::Anyone => true,
                // Not all of the paths end alike, and the router may use any of them.
                (None, LastGuard::Several) => return Reach::Unknown,
            };
            // A guard has the same policy as this router, and does not use what it refuses. Of other routers nothing is known.
            if !accepted && router.is_none_or(|router| router.is_guard) {
                continue;
            }
            let cost = distance.saturating_add(place.cost);
            nearest = match nearest {
                Some((known, _)) if known < cost => nearest,
                Some((known, all)) if known == cost => Some((cost, all && accepted)),
                _ => Some((cost, accepted)),
            };
        }
        match nearest {
            Some((cost, true)) => Reach::Accepted(cost),
            Some((cost, false)) => Reach::Refused(cost),
            None => Reach::Unknown,
        }
    }

    /// Whether the shortest path from a router ends at that router itself.
    fn is_nearest_place(&self, router: Vertex) -> bool {
        let here = self.destination.places.iter().filter(|place| place.vertex == router).map(|place| place.cost).min();
        here.is_some() && here == self.reach(router).cost()
    }
}

/// A next hop that may fail.
struct Protected {
    nexthop: Nexthop,
    /// The router behind the link; `None` if the destination's address is on the link itself.
    neighbor: Option<Vertex>,
    /// The network on which the link ends.
    lan: Option<Vertex>,
}

/// The order of alternates, best first: what protects from the failure of link and router, then from that of the link, then from that of
/// the router; equal-cost next hops of the route before others; the shortest path; the lowest Router ID. Where the router behind the
/// protected link is the destination, its failure does not count.
fn preference(one: &Alternate, other: &Alternate, is_destination: bool) -> Ordering {
    let key = |alternate: &Alternate| {
        let node = alternate.node_protecting || is_destination;
        (!(alternate.link_protecting && node), !alternate.link_protecting, !alternate.equal_cost)
    };
    let last = |alternate: &Alternate| (alternate.metric, alternate.router_id, alternate.nexthop);
    key(one).cmp(&key(other)).then_with(|| last(one).cmp(&last(other)))
}
