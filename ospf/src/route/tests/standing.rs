//! Whether a tree stands after a change, against a calculation of everything after every change.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::kit::{NOW, Net, prefix, router_key};
use crate::ids::{AreaId, RouterId};
use crate::random::Random;
use crate::route::{Destination, Parts, RouterChange};
use crate::wire::{RouterLink, RouterLinkKind, RouterLsa};

/// Networks, and changes of each.
const NETWORKS: u64 = 400;
const CHANGES: usize = 40;

/// Below `bound`.
fn pick(random: &mut Random, bound: u32) -> u32 {
    random.next_u32() % bound
}

/// Some routers, joined by more links than a tree has, some of them in parallel, some of no cost; here and there a LAN, and guards.
fn network(random: &mut Random) -> Net {
    let routers = 3 + pick(random, 9);
    let mut net = Net::new(routers);
    for router in 2..=routers {
        let other = 1 + pick(random, router - 1);
        net.link(router, other, 1 + pick(random, 2) as u16);
    }
    for _ in 0..pick(random, 2 * routers) {
        let (a, b) = (1 + pick(random, routers), 1 + pick(random, routers));
        if a != b {
            let costs = [pick(random, 4) as u16, pick(random, 4) as u16];
            net.half_link(a, b, costs[0]);
            net.half_link(b, a, costs[1]);
        }
    }
    if pick(random, 4) == 0 {
        net.lan(1, &[(2, 1), (3, 1 + pick(random, 2) as u16)]);
    }
    net.policy.guards = (0..pick(random, 4)).map(|_| RouterId(1 + pick(random, routers))).collect();
    net
}

/// What a router may say instead: a link gone, come back, dearer or cheaper, and now and then something else.
fn changed(random: &mut Random, first: &RouterLsa, present: &RouterLsa) -> RouterLsa {
    let mut lsa = present.clone();
    let which = pick(random, first.links.len() as u32) as usize;
    let link = first.links[which];
    match (pick(random, 12), lsa.links.iter().position(|known| known.id == link.id && known.data == link.data)) {
        (0, _) => lsa.links.reverse(),
        (1, _) => lsa.flags.0 ^= 2,
        (2, Some(at)) => lsa.links[at].data = [9, 9, 9, 9].into(),
        (3, _) => {
            let (id, data) = ([10, 9, 0, pick(random, 3) as u8].into(), Ipv4Addr::BROADCAST);
            lsa.links.push(RouterLink { kind: RouterLinkKind::Stub, id, data, metric: pick(random, 3) as u16 });
        }
        (4..=6, Some(at)) => lsa.links[at].metric = pick(random, 5) as u16,
        (_, Some(at)) => _ = lsa.links.remove(at),
        (_, None) => lsa.links.insert(which.min(lsa.links.len()), RouterLink { ..link }),
    }
    lsa
}

#[test]
fn a_tree_that_is_said_to_stand_is_the_one_that_a_full_calculation_gives() {
    let mut random = Random::new(16);
    let (mut stood, mut fell, mut needlessly, mut replaced, mut moved) = (0, 0, 0, 0, 0);
    for _ in 0..NETWORKS {
        let mut net = network(&mut random);
        let first = net.clone();
        let mut kept = net.routes(1);
        for _ in 0..CHANGES {
            let router = 1 + pick(&mut random, net.nodes.len() as u32);
            let before = net.nodes[&router].lsa.clone();
            let after = changed(&mut random, &first.nodes[&router].lsa, &before);
            let lsdb = net.area_lsdb();
            assert!(lsdb.lookup(router_key(router)).is_some());
            let change = RouterChange {
                router: RouterId(router),
                before: &before,
                after: &after,
                lsdb: &lsdb,
                now: NOW,
                policy: &net.policy,
            };
            let survives = kept.survives(AreaId::BACKBONE, &change);
            net.node(router).lsa = after.clone();
            let full = net.routes(1);
            if let Some(stubs) = survives {
                stood += 1;
                replaced += stubs.len();
                let parts: Parts = stubs.into_iter().map(Destination::Stub).collect();
                net.with_inputs(1, |inputs| kept.replace(inputs, &parts)).unwrap();
                assert_eq!(kept, full, "router {router}: {before:?} to {after:?} in {net:?}");
            } else {
                fell += 1;
                needlessly += u32::from(kept.table == full.table);
                // What a new tree has moved is found out, and nothing else is calculated.
                let parts = Parts::of_tree(AreaId::BACKBONE, [&before, &after]);
                let is_other = router != 1 && before.flags == after.flags;
                if is_other && net.with_inputs(1, |inputs| kept.replace(inputs, &parts)).is_some() {
                    moved += 1;
                    assert_eq!(kept, full, "router {router}: {before:?} to {after:?} in {net:?}");
                }
                kept = full;
            }
        }
    }
    assert!(stood > 2000 && fell > 2000, "{stood} stood, {fell} fell, {needlessly} of them to no effect");
    assert!(replaced > 1000 && moved > 1000, "{replaced} stub networks, {moved} trees");
}

#[test]
fn what_is_far_from_every_shortest_path_leaves_the_tree_standing() {
    let mut net = Net::new(4);
    for other in 2..=4 {
        net.link(1, other, 10);
    }
    net.link(2, 3, 10);
    net.link(3, 4, 5);
    let kept = net.routes(1);
    let survives = |net: &Net, router: u32, after: &RouterLsa| {
        let (before, lsdb) = (&net.nodes[&router].lsa, &net.area_lsdb());
        let router = RouterId(router);
        kept.survives(AreaId::BACKBONE, &RouterChange { router, before, after, lsdb, now: NOW, policy: &net.policy })
    };
    let without = |net: &Net, router: u32, far: u32| {
        let mut lsa = net.nodes[&router].lsa.clone();
        lsa.links.retain(|link| link.kind != RouterLinkKind::PointToPoint || u32::from(link.id) != far);
        lsa
    };
    let stands = |stubs: &[&str]| Some(stubs.iter().map(|text| prefix(text)).collect::<BTreeSet<_>>());
    assert_eq!(survives(&net, 2, &without(&net, 2, 3)), stands(&[]));
    assert_eq!(survives(&net, 2, &without(&net, 2, 1)), None, "our own link");
    let mut cheaper = net.nodes[&2].lsa.clone();
    cheaper.links.iter_mut().filter(|link| u32::from(link.id) == 3).for_each(|link| link.metric = 1);
    assert_eq!(survives(&net, 2, &cheaper), stands(&[]), "11 is more than 10");
    let mut stub = net.nodes[&2].lsa.clone();
    stub.links[0].metric = 7;
    assert_eq!(survives(&net, 2, &stub), stands(&["10.255.0.2/32"]), "a stub network is no part of the tree");
    assert_eq!(survives(&net, 1, &without(&net, 1, 3)), None, "our own LSA");
}
