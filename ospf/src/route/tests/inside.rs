//! Paths inside an area (RFC 2328 §16.1).

use super::kit::{Net, host, prefix, router_key, show};
use crate::ids::{LinkStateId, RouterId};
use crate::wire::{NetworkLsa, RouterLink, RouterLinkKind};

#[test]
fn triangle_goes_direct_until_the_direct_link_costs_more_than_the_way_around() {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(1, 3, 10);
    net.link(2, 3, 10);
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(2)), "IntraArea 10 10.255.0.2@1");
    assert_eq!(show(&routes, host(3)), "IntraArea 10 10.255.0.3@2");
    assert_eq!(routes.table.routes().len(), 2, "the own loopback is no route");

    let mut net = Net::new(3);
    net.link(1, 2, 21);
    net.link(1, 3, 10);
    net.link(2, 3, 10);
    assert_eq!(show(&net.routes(1), host(2)), "IntraArea 20 10.255.0.3@2");
}

#[test]
fn square_has_two_equal_ways_to_the_far_corner() {
    let mut net = Net::new(4);
    for (a, b) in [(1, 2), (1, 3), (2, 4), (3, 4)] {
        net.link(a, b, 5);
    }
    assert_eq!(show(&net.routes(1), host(4)), "IntraArea 10 10.255.0.2@1 10.255.0.3@2");
}

#[test]
fn each_direction_of_a_link_has_its_own_cost() {
    let mut net = Net::new(3);
    net.half_link(1, 2, 1);
    net.half_link(2, 1, 100);
    net.link(2, 3, 10);
    net.link(1, 3, 20);
    assert_eq!(show(&net.routes(1), host(2)), "IntraArea 1 10.255.0.2@1");
    assert_eq!(show(&net.routes(2), host(1)), "IntraArea 30 10.255.0.3@2");
}

#[test]
fn a_link_that_only_one_end_describes_is_not_used() {
    let mut net = Net::new(3);
    net.half_link(1, 2, 1);
    net.link(1, 3, 10);
    net.link(2, 3, 10);
    assert_eq!(show(&net.routes(1), host(2)), "IntraArea 20 10.255.0.3@2");
    let mut net = Net::new(2);
    net.half_link(2, 1, 1);
    assert_eq!(show(&net.routes(1), host(2)), "-");
    assert_eq!(show(&net.routes(2), host(1)), "-");
}

#[test]
fn of_parallel_links_only_the_cheapest_count() {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(1, 2, 20);
    net.link(1, 2, 10);
    net.link(2, 3, 1);
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(2)), "IntraArea 10 10.255.0.2@1 10.255.0.2@3");
    assert_eq!(show(&routes, host(3)), "IntraArea 11 10.255.0.2@1 10.255.0.2@3");
    assert_eq!(show(&net.routes(3), host(1)), "IntraArea 11 10.255.0.2@1", "parallel links elsewhere are one way");
}

#[test]
fn an_own_link_whose_adjacency_is_gone_is_not_used_though_the_router_lsa_still_lists_it() {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(1, 2, 30);
    net.link(2, 3, 1);
    net.node(1).adjacencies.remove(0);
    assert_eq!(show(&net.routes(1), host(3)), "IntraArea 31 10.255.0.2@2");
    net.node(1).adjacencies.clear();
    assert_eq!(show(&net.routes(1), host(3)), "-");
}

#[test]
fn a_transit_network_gives_the_next_hop_from_the_link_back() {
    let mut net = Net::new(4);
    net.lan(7, &[(2, 10), (1, 10), (3, 1)]);
    net.link(3, 4, 5);
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("192.168.7.0/24")), "IntraArea 10 @1");
    assert_eq!(show(&routes, host(2)), "IntraArea 10 192.168.7.2@1");
    assert_eq!(show(&routes, host(3)), "IntraArea 10 192.168.7.3@1", "leaving a network costs nothing");
    assert_eq!(show(&routes, host(4)), "IntraArea 15 192.168.7.3@1");
    let routes = net.routes(4);
    assert_eq!(show(&routes, prefix("192.168.7.0/24")), "IntraArea 6 10.255.0.3@1");
    assert_eq!(show(&routes, host(1)), "IntraArea 6 10.255.0.3@1");
}

#[test]
fn a_network_and_a_link_of_equal_cost_both_carry() {
    let mut net = Net::new(3);
    net.lan(7, &[(1, 10), (2, 10)]);
    net.link(1, 2, 10);
    net.link(2, 3, 1);
    assert_eq!(show(&net.routes(1), host(3)), "IntraArea 11 192.168.7.2@1 10.255.0.2@2");
}

#[test]
fn a_router_that_the_network_lsa_does_not_name_is_not_on_the_network() {
    let mut net = Net::new(3);
    net.lan(7, &[(2, 10), (1, 10), (3, 10)]);
    net.networks[0].2.attached_routers.retain(|&router| router != RouterId(3));
    assert_eq!(show(&net.routes(1), host(3)), "-");
    assert_eq!(show(&net.routes(1), host(2)), "IntraArea 10 192.168.7.2@1");
    assert_eq!(show(&net.routes(3), host(1)), "-");
}

#[test]
fn corner_case_20_of_two_network_lsas_for_one_network_the_larger_id_counts_only_at_equal_cost() {
    for (cost, expected) in [(10, "IntraArea 20 10.255.0.3@2"), (9, "IntraArea 19 10.255.0.2@1")] {
        let mut net = Net::new(5);
        net.link(1, 2, 10);
        net.link(1, 3, 10);
        net.lan(7, &[(2, cost), (4, 10)]);
        net.lan(7, &[(3, 10), (5, 10)]);
        assert_eq!(show(&net.routes(1), prefix("192.168.7.0/24")), expected);
    }
}

#[test]
fn an_address_claimed_by_two_designated_routers_belongs_to_those_who_agree() {
    let mut net = Net::new(3);
    net.lan(7, &[(2, 10), (1, 10)]);
    // Router 3 held the address before and has not come back to flush its Network-LSA.
    let (id, _, lsa) = net.networks[0].clone();
    net.networks.push((id, RouterId(3), NetworkLsa { attached_routers: vec![RouterId(3)], ..lsa }));
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(2)), "IntraArea 10 192.168.7.2@1");
    assert_eq!(show(&routes, host(3)), "-");
}

#[test]
fn corner_case_18_a_network_mask_with_holes_makes_no_route_but_the_network_still_carries() {
    let mut net = Net::new(2);
    net.lan(7, &[(2, 10), (1, 10)]);
    net.networks[0].2.network_mask = [255, 0, 255, 0].into();
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(2)), "IntraArea 10 192.168.7.2@1");
    assert_eq!(routes.table.routes().len(), 1);
}

#[test]
fn a_network_that_its_designated_router_hides_makes_no_route_but_carries() {
    let mut net = Net::new(3);
    net.link(1, 3, 10);
    net.lan(7, &[(2, 10), (1, 10)]);
    net.networks[0].2.network_mask = [255; 4].into();
    for (router, nexthop) in [(1, "IntraArea 10 192.168.7.2@2"), (3, "IntraArea 20 10.255.0.1@1")] {
        let routes = net.routes(router);
        assert_eq!(show(&routes, host(2)), nexthop);
        assert!(
            routes.table.routes().all(|(prefix, _)| prefix.len() == 32 && !prefix.contains([192, 168, 7, 2].into()))
        );
    }
}

#[test]
fn corner_case_19_costs_add_up_past_sixteen_bits_and_max_link_metric_is_a_last_resort() {
    let mut net = Net::new(4);
    net.link(1, 2, 65535);
    net.link(2, 3, 65535);
    net.stub(3, "10.3.0.0/16", 65535);
    assert_eq!(show(&net.routes(1), prefix("10.3.0.0/16")), "IntraArea 196605 10.255.0.2@1");
    assert_eq!(show(&net.routes(1), host(2)), "IntraArea 65535 10.255.0.2@1", "RFC 6987: its own networks stay");
    net.link(1, 4, 40000);
    net.link(4, 3, 40000);
    assert_eq!(show(&net.routes(1), host(3)), "IntraArea 80000 10.255.0.4@2", "RFC 6987: transit goes around");
}

#[test]
fn corner_case_19_a_stub_costs_the_way_to_its_router_and_its_own_cost() {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(1, 3, 12);
    net.stub(2, "10.9.0.0/16", 5);
    net.stub(3, "10.9.0.0/16", 3);
    assert_eq!(show(&net.routes(1), prefix("10.9.0.0/16")), "IntraArea 15 10.255.0.2@1 10.255.0.3@2");
    let routes = net.routes(2);
    assert_eq!(show(&routes, prefix("10.9.0.0/16")), "IntraArea 5 @2");
    let originators = &net.routes(1).table.networks.get(&prefix("10.9.0.0/16")).unwrap().originators.clone();
    assert_eq!(*originators, [RouterId(2), RouterId(3)].into());
}

#[test]
fn a_stub_with_host_bits_is_its_network_and_one_with_holes_in_its_mask_is_skipped() {
    let mut net = Net::new(2);
    net.link(1, 2, 10);
    let stub = |id: [u8; 4], data: [u8; 4]| RouterLink {
        kind: RouterLinkKind::Stub,
        id: id.into(),
        data: data.into(),
        metric: 1,
    };
    net.node(2).lsa.links.push(stub([10, 1, 2, 3], [255, 255, 0, 0]));
    net.node(2).lsa.links.push(stub([10, 2, 0, 0], [255, 0, 255, 0]));
    net.node(2).lsa.links.push(stub([10, 3, 0, 0], [255, 255, 0, 1]));
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.1.0.0/16")), "IntraArea 11 10.255.0.2@1");
    assert_eq!(routes.table.routes().len(), 2);
}

#[test]
fn lsas_at_max_age_are_as_if_they_were_not_there() {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(2, 3, 10);
    net.lan(7, &[(1, 50), (3, 50)]);
    net.dead.push(router_key(2));
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(2)), "-");
    assert_eq!(show(&routes, host(3)), "IntraArea 50 192.168.7.3@2");
    let network = crate::ids::LsaKey {
        kind: crate::ids::LsaType::NETWORK,
        id: LinkStateId(0xc0a8_0701),
        advertising_router: RouterId(1),
    };
    net.dead.push(network);
    assert_eq!(net.routes(1).table.routes().len(), 0);
}

#[test]
fn without_its_own_router_lsa_a_router_has_no_routes() {
    let mut net = Net::new(2);
    net.link(1, 2, 10);
    net.dead.push(router_key(1));
    assert_eq!(net.routes(1).table.routes().len(), 0);
    assert_eq!(net.routes(99).table.routes().len(), 0);
}

#[test]
fn an_own_subnet_is_reached_directly_unless_the_way_around_is_cheaper() {
    let mut net = Net::new(2);
    net.link(1, 2, 10);
    net.stub(1, "10.9.0.0/16", 15);
    assert_eq!(show(&net.routes(1), prefix("10.9.0.0/16")), "IntraArea 15 @2");
    net.stub(2, "10.9.0.0/16", 5);
    assert_eq!(show(&net.routes(1), prefix("10.9.0.0/16")), "IntraArea 15 10.255.0.2@1 @2");
}

#[test]
fn an_own_stub_whose_interface_is_gone_is_a_leftover() {
    let mut net = Net::new(2);
    net.link(1, 2, 10);
    net.stub(1, "10.9.0.0/16", 1);
    net.stub(2, "10.9.0.0/16", 5);
    net.node(1).connected.retain(|own| own.interface.is_none());
    assert_eq!(show(&net.routes(1), prefix("10.9.0.0/16")), "IntraArea 15 10.255.0.2@1");
}

#[test]
fn an_address_of_the_router_itself_is_never_elsewhere() {
    let mut net = Net::new(2);
    net.link(1, 2, 10);
    net.stub(2, "10.255.0.1/32", 0);
    net.node(1).lsa.links.retain(|link| link.kind != RouterLinkKind::Stub);
    assert_eq!(show(&net.routes(1), host(1)), "-");
}

#[test]
fn metrics_of_zero_and_links_to_oneself_end_in_a_tree() {
    let mut net = Net::new(3);
    net.link(1, 2, 0);
    net.link(2, 3, 0);
    net.link(3, 1, 0);
    net.half_link(2, 2, 0);
    net.half_link(2, 77, 0);
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(2)), "IntraArea 0 10.255.0.2@1");
    assert_eq!(show(&routes, host(3)), "IntraArea 0 10.255.0.2@1 10.255.0.3@2");
}

#[test]
fn a_change_is_listed_once_for_each_prefix_and_nothing_else_is() {
    let mut net = Net::new(4);
    for (a, b) in [(1, 2), (1, 3), (2, 4), (3, 4)] {
        net.link(a, b, 5);
    }
    let before = net.routes(1).table;
    assert_eq!(before.changes_since(&before), []);
    net.stub(4, "10.4.0.0/16", 1);
    net.node(2).lsa.links.clear();
    let after = net.routes(1).table;
    let changes = after.changes_since(&before);
    let changed: Vec<_> = changes.iter().map(|(prefix, route)| (prefix.to_string(), route.is_some())).collect();
    let expected = [("10.4.0.0/16", true), ("10.255.0.2/32", false), ("10.255.0.4/32", true)];
    assert_eq!(changed, expected.map(|(prefix, is_some)| (prefix.to_string(), is_some)));
    for (prefix, route) in changes {
        assert_eq!(after.networks.get(&prefix), route.as_ref());
    }
}
