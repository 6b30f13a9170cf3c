//! The graph of a situation: the links within each area, the area border routers, and the routers with each network.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ospf::{AreaId, InterfaceId, Nexthop, Prefix};

use super::{Area, Attachment, Border, Step};
use crate::situation::Situation;
use crate::topology::{LanEnd, Numbering, RouterIndex, Side, Topology, VirtualLink, stub_interface, virtual_interface};

/// Returns the links of each area, by the router that they lead out of. A LAN counts as one link for each pair of routers on it.
pub(super) fn steps(situation: &Situation) -> BTreeMap<AreaId, Vec<Vec<Step>>> {
    let topology = &situation.topology;
    let areas = topology.links.iter().map(|link| link.area).chain(topology.lans.iter().map(|lan| lan.area));
    let areas = areas.chain(topology.routers.iter().map(|router| router.area));
    let mut steps: BTreeMap<_, _> = areas.map(|area| (area, vec![Vec::new(); topology.routers.len()])).collect();
    let mut add = |area: AreaId, from: RouterIndex, step: Step| {
        steps.get_mut(&area).expect("all areas are there")[from.0].push(step);
    };
    for (index, link) in situation.joined() {
        for side in Side::BOTH {
            let (near, far) = (link.end(side), link.end(side.other()));
            let via = Some(topology.address(index, side.other()));
            let nexthop = Nexthop { interface: index.interface(), via };
            add(link.area, near.router, Step { to: far.router, cost: near.cost, nexthop });
        }
    }
    for (index, lan) in topology.lans() {
        for (near, far) in situation.pairs_on(index) {
            let via = topology.lan_address(index, far.router);
            let nexthop = Nexthop { interface: index.interface(), via };
            add(lan.area, near.router, Step { to: far.router, cost: near.cost, nexthop });
        }
    }
    steps
}

/// Adds the virtual links that are up, except those that are left out, to the links of the backbone; returns the added ones.
pub(super) fn join_virtually(
    steps: &mut BTreeMap<AreaId, Vec<Vec<Step>>>,
    situation: &Situation,
    left_out: &BTreeSet<InterfaceId>,
) -> BTreeSet<InterfaceId> {
    let topology = &situation.topology;
    let mut joined = BTreeSet::new();
    for (place, &VirtualLink { transit, ends }) in topology.virtual_links.iter().enumerate() {
        let id = virtual_interface(place);
        let may = topology.has_externals(transit) && !left_out.contains(&id);
        let Some(through) = steps.get(&transit).filter(|_| may) else { continue };
        let cost = |from: RouterIndex, to: RouterIndex| distances(through, from)[to.0];
        let costs = [cost(ends[0], ends[1]), cost(ends[1], ends[0])];
        let [Some(there), Some(back)] = costs.map(|cost| cost.and_then(|cost| u16::try_from(cost).ok())) else {
            continue;
        };
        joined.insert(id);
        let backbone = steps.entry(AreaId::BACKBONE).or_insert_with(|| vec![Vec::new(); topology.routers.len()]);
        for (from, to, cost) in [(ends[0], ends[1], there), (ends[1], ends[0], back)] {
            // The oracle does not calculate routes through a virtual link, only whom it connects.
            let nexthop = Nexthop { interface: InterfaceId(u32::MAX), via: None };
            backbone[from.0].push(Step { to, cost, nexthop });
        }
    }
    joined
}

/// Returns the routers of each area.
pub(super) fn members(situation: &Situation) -> BTreeMap<AreaId, BTreeSet<RouterIndex>> {
    let mut members: BTreeMap<AreaId, BTreeSet<RouterIndex>> = BTreeMap::new();
    let mut add = |area, router| {
        if situation.runs(router) {
            members.entry(area).or_default().insert(router);
        }
    };
    for (router, description) in situation.topology.routers() {
        add(description.area, router);
    }
    for (index, link) in situation.topology.links() {
        if link.is_configured && situation.has_carrier(index) {
            Side::BOTH.into_iter().for_each(|side| add(link.area, link.end(side).router));
        }
    }
    for link in &situation.topology.virtual_links {
        link.ends.into_iter().for_each(|end| add(AreaId::BACKBONE, end));
    }
    for (_, lan) in situation.topology.lans() {
        lan.ends.iter().filter(|end| end.is_configured).for_each(|end| add(lan.area, end.router));
    }
    members
}

pub(super) fn border(areas: &BTreeMap<AreaId, Area>, router: RouterIndex) -> Border {
    let count = areas.values().filter(|area| area.members.contains(&router)).count();
    let backbone = areas.get(&AreaId::BACKBONE).filter(|area| area.members.contains(&router));
    match backbone {
        Some(backbone) if count > 1 && backbone.steps[router.0].is_empty() => Border::WithoutBackbone,
        Some(_) if count > 1 => Border::WithBackbone,
        Some(_) | None => Border::Inside,
    }
}

/// Returns a number for each router, which is the same for routers with a path between them through areas in which AS-external-LSAs are
/// flooded. A virtual link adds no path to that through its transit area.
pub(super) fn parts(steps: &BTreeMap<AreaId, Vec<Vec<Step>>>, topology: &Topology) -> Vec<usize> {
    let steps: Vec<_> =
        steps.iter().filter(|(area, _)| topology.has_externals(**area)).map(|(_, steps)| steps).collect();
    let mut parts = vec![usize::MAX; topology.routers.len()];
    for first in 0..parts.len() {
        let mut next = vec![first];
        while let Some(router) = next.pop() {
            if parts[router] == usize::MAX {
                parts[router] = first;
                next.extend(steps.iter().flat_map(|steps| &steps[router]).map(|step| step.to.0));
            }
        }
    }
    parts
}

/// Calculates the distances from one router to all others.
pub(super) fn distances(steps: &[Vec<Step>], from: RouterIndex) -> Vec<Option<u32>> {
    let mut distances = vec![None; steps.len()];
    let mut candidates = BinaryHeap::from([Reverse((0_u32, from))]);
    while let Some(Reverse((distance, router))) = candidates.pop() {
        if distances[router.0].is_some() {
            continue;
        }
        distances[router.0] = Some(distance);
        for step in &steps[router.0] {
            if distances[step.to.0].is_none() {
                candidates.push(Reverse((distance + u32::from(step.cost), step.to)));
            }
        }
    }
    distances
}

/// Returns the networks inside OSPF, with the routers they are attached to.
pub(super) fn networks(situation: &Situation) -> BTreeMap<Prefix, Vec<Attachment>> {
    let topology = &situation.topology;
    let mut networks: BTreeMap<Prefix, Vec<Attachment>> = BTreeMap::new();
    let mut attach = |prefix, attachment| networks.entry(prefix).or_default().push(attachment);
    for router in situation.running() {
        let description = &situation.topology.routers[router.0];
        let area = description.area;
        attach(Prefix::host(router.loopback()), Attachment { router, area, cost: 0, interface: None });
        for (place, (&prefix, &cost)) in description.stubs.iter().enumerate() {
            attach(prefix, Attachment { router, area, cost, interface: Some(stub_interface(place)) });
        }
    }
    for (index, link) in situation.topology.links() {
        // The subnet is present as soon as the interface is up, with or without a neighbour (RFC 2328 §12.4.1.1).
        if link.numbering == Numbering::Unnumbered || !link.is_configured || !situation.has_carrier(index) {
            continue;
        }
        for end in [link.a, link.b].into_iter().filter(|end| situation.runs(end.router)) {
            let interface = Some(index.interface());
            attach(index.subnet(), Attachment { router: end.router, area: link.area, cost: end.cost, interface });
        }
    }
    for (index, lan) in situation.topology.lans() {
        for &LanEnd { router, cost, .. } in
            lan.ends.iter().filter(|end| end.is_configured && situation.runs(end.router))
        {
            if lan.elects() {
                let interface = Some(index.interface());
                attach(index.subnet(), Attachment { router, area: lan.area, cost, interface });
            } else if let Some(address) = topology.lan_address(index, router) {
                // RFC 2328 §12.4.1.4: the router's own address, with cost 0.
                attach(Prefix::host(address), Attachment { router, area: lan.area, cost: 0, interface: None });
            }
        }
    }
    networks
}
