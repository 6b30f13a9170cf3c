//! Who is believed about what: the last guard on a path answers for its end.
//!
//! Sites 1, 2, 3 are a full mesh of guards unless a test says otherwise; routers from 11 on stand behind sites.

use super::kit::{Net, host, prefix, refused, show};
use crate::config::ExternalMetric::{Type1, Type2};
use crate::config::Unlisted;
use crate::ids::Prefix;

const SITES: [u32; 3] = [1, 2, 3];

/// Three guards in full mesh, and `behind` each its own router: 12 behind 2, 13 behind 3.
fn mesh() -> Net {
    let mut net = Net::new(3);
    net.link(1, 2, 10);
    net.link(1, 3, 10);
    net.link(2, 3, 10);
    net
}

fn add_router(net: &mut Net, router: u32) {
    let single = Net::new(router);
    net.nodes.insert(router, single.nodes[&router].clone());
}

#[test]
fn a_liar_with_a_better_metric_displaces_nobody() {
    let mut net = mesh();
    net.believe(&SITES, &[("10.2.0.0/16", &[2])], Unlisted::Accept);
    net.external(2, "10.2.0.0/16", Type1(1000));
    net.external(3, "10.2.0.0/16", Type1(1));
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.2.0.0/16")), "External1 1010 10.255.0.2@1");
    assert_eq!(refused(&routes), ["10.2.0.0/16 3 3"]);
}

#[test]
fn a_liar_inside_the_as_does_not_beat_a_believed_external() {
    let mut net = mesh();
    net.believe(&SITES, &[("10.2.0.0/16", &[2])], Unlisted::Accept);
    net.external(2, "10.2.0.0/16", Type2(20));
    net.stub(3, "10.2.0.0/16", 1);
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.2.0.0/16")), "External2 20 10.255.0.2@1");
    assert_eq!(refused(&routes), ["10.2.0.0/16 3 3"]);
}

#[test]
fn a_liar_is_reported_though_a_better_path_would_have_won_anyway() {
    let mut net = mesh();
    net.believe(&SITES, &[("10.2.0.0/16", &[2])], Unlisted::Accept);
    net.stub(2, "10.2.0.0/16", 1);
    net.external(3, "10.2.0.0/16", Type1(1));
    assert_eq!(refused(&net.routes(1)), ["10.2.0.0/16 3 3"]);
}

#[test]
fn a_part_of_a_listed_prefix_is_the_listed_sites_too() {
    let mut net = mesh();
    net.believe(&SITES, &[("10.2.0.0/16", &[2]), ("10.2.9.0/24", &[3])], Unlisted::Accept);
    net.external(2, "10.2.1.0/24", Type1(1));
    net.external(3, "10.2.2.0/24", Type1(1));
    net.external(2, "10.2.9.0/24", Type1(1));
    net.external(3, "10.2.9.128/25", Type1(1));
    net.external(3, "10.0.0.0/8", Type1(1));
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.2.1.0/24")), "External1 11 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("10.2.2.0/24")), "-");
    assert_eq!(show(&routes, prefix("10.2.9.0/24")), "-");
    assert_eq!(show(&routes, prefix("10.2.9.128/25")), "External1 11 10.255.0.3@2");
    assert_eq!(show(&routes, prefix("10.0.0.0/8")), "External1 11 10.255.0.3@2", "larger than what is listed");
    assert_eq!(refused(&routes), ["10.2.2.0/24 3 3", "10.2.9.0/24 2 2"]);
}

#[test]
fn a_router_behind_a_site_stands_in_that_sites_word() {
    let mut net = mesh();
    add_router(&mut net, 12);
    net.link(2, 12, 10);
    net.believe(&SITES, &[("10.2.0.0/16", &[2]), ("10.3.0.0/16", &[3])], Unlisted::Accept);
    net.stub(12, "10.2.7.0/24", 1);
    net.external(12, "10.2.8.0/24", Type2(1));
    net.stub(12, "10.3.7.0/24", 1);
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.2.7.0/24")), "IntraArea 21 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("10.2.8.0/24")), "External2 1 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("10.3.7.0/24")), "-");
    assert_eq!(refused(&routes), ["10.3.7.0/24 12 2"]);
    let routes = net.routes(2);
    assert_eq!(show(&routes, prefix("10.2.7.0/24")), "IntraArea 11 10.255.0.12@3", "the site itself is the last guard");
    assert_eq!(refused(&routes), ["10.3.7.0/24 12 2"]);
}

#[test]
fn what_a_site_brings_in_itself_leads_only_to_routers_behind_it() {
    let mut net = mesh();
    add_router(&mut net, 12);
    net.link(2, 12, 10);
    net.believe(&SITES, &[("10.2.0.0/16", &[2, 3])], Unlisted::Accept);
    net.external(2, "10.2.0.0/16", Type1(0));
    net.external(3, "10.2.0.0/16", Type1(0));
    assert_eq!(show(&net.routes(2), prefix("10.2.0.0/16")), "-", "site 3 has its own, which is not ours");
    net.external(12, "10.2.0.0/16", Type2(20));
    assert_eq!(show(&net.routes(2), prefix("10.2.0.0/16")), "External2 20 10.255.0.12@3");
    assert_eq!(refused(&net.routes(2)), [] as [String; 0]);
}

#[test]
fn what_is_listed_for_a_site_and_not_brought_in_is_behind_it_before_it_is_behind_another() {
    let mut net = mesh();
    add_router(&mut net, 12);
    net.link(2, 12, 10);
    net.believe(&SITES, &[("10.2.0.0/16", &[2, 3]), ("10.3.0.0/16", &[3])], Unlisted::Accept);
    net.external(3, "10.2.0.0/16", Type1(0));
    net.external(3, "10.2.7.0/24", Type1(0));
    let by_other = show(&net.routes(2), prefix("10.2.0.0/16"));
    assert!(by_other.starts_with("External1 "), "{by_other}");
    net.external(12, "10.2.0.0/16", Type2(20));
    net.external(12, "10.2.7.0/24", Type2(20));
    let routes = net.routes(2);
    assert_eq!(show(&routes, prefix("10.2.0.0/16")), "External2 20 10.255.0.12@3");
    assert_ne!(show(&routes, prefix("10.2.7.0/24")), "External2 20 10.255.0.12@3", "not the prefix that is listed");
    assert_eq!(show(&net.routes(3), prefix("10.2.0.0/16")), "-", "it brings in its own");
    let elsewhere = show(&net.routes(1), prefix("10.2.0.0/16"));
    assert!(elsewhere.starts_with("External1 "), "for others the metric decides: {elsewhere}");
}

#[test]
fn seen_from_behind_a_site_the_last_guard_still_decides() {
    let mut net = mesh();
    add_router(&mut net, 12);
    net.link(2, 12, 10);
    net.believe(&SITES, &[("10.2.0.0/16", &[2]), ("10.3.0.0/16", &[3])], Unlisted::Accept);
    net.external(3, "10.3.0.0/16", Type1(1));
    net.external(2, "10.2.0.0/16", Type1(1));
    let routes = net.routes(12);
    assert_eq!(show(&routes, prefix("10.3.0.0/16")), "External1 21 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("10.2.0.0/16")), "External1 11 10.255.0.2@1");
    assert_eq!(refused(&routes), [] as [String; 0]);
}

#[test]
fn a_path_without_any_guard_stands_for_no_listed_prefix() {
    let mut net = mesh();
    add_router(&mut net, 12);
    add_router(&mut net, 13);
    net.link(12, 13, 1);
    net.link(2, 12, 10);
    net.believe(&SITES, &[("10.2.0.0/16", &[2])], Unlisted::Accept);
    net.stub(13, "10.2.7.0/24", 1);
    net.stub(13, "172.16.0.0/16", 1);
    let routes = net.routes(12);
    assert_eq!(show(&routes, prefix("10.2.7.0/24")), "-");
    assert_eq!(show(&routes, prefix("172.16.0.0/16")), "IntraArea 2 10.255.0.13@1");
    assert_eq!(refused(&routes), ["10.2.7.0/24 13 -"]);
    assert_eq!(show(&net.routes(1), prefix("10.2.7.0/24")), "IntraArea 22 10.255.0.2@1");
}

#[test]
fn a_router_behind_two_sites_is_reached_only_through_the_one_that_lists() {
    let mut net = mesh();
    add_router(&mut net, 12);
    net.link(2, 12, 10);
    net.link(3, 12, 10);
    net.believe(&SITES, &[("10.2.0.0/16", &[2]), ("10.4.0.0/16", &[2, 3])], Unlisted::Accept);
    net.stub(12, "10.2.7.0/24", 1);
    net.stub(12, "10.4.7.0/24", 1);
    net.external(12, "10.2.8.0/24", Type1(1));
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(12)), "IntraArea 20 10.255.0.2@1 10.255.0.3@2");
    assert_eq!(show(&routes, prefix("10.4.7.0/24")), "IntraArea 21 10.255.0.2@1 10.255.0.3@2");
    assert_eq!(show(&routes, prefix("10.2.7.0/24")), "IntraArea 21 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("10.2.8.0/24")), "External1 21 10.255.0.2@1");
    assert_eq!(refused(&routes), [] as [String; 0], "one leg is left");
    let routes = net.routes(3);
    assert_eq!(show(&routes, prefix("10.2.7.0/24")), "-", "3's own way there is not 2's word");
    assert_eq!(refused(&routes), ["10.2.7.0/24 12 3", "10.2.8.0/24 12 3"]);
}

#[test]
fn a_listed_default_route_covers_only_itself() {
    let mut net = mesh();
    net.believe(&SITES, &[("0.0.0.0/0", &[2])], Unlisted::Accept);
    net.external(2, "0.0.0.0/0", Type2(1));
    net.external(3, "0.0.0.0/0", Type1(1));
    net.external(3, "172.16.0.0/16", Type1(1));
    let routes = net.routes(1);
    assert_eq!(show(&routes, Prefix::DEFAULT), "External2 1 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("172.16.0.0/16")), "External1 11 10.255.0.3@2");
    assert_eq!(refused(&routes), ["0.0.0.0/0 3 3"]);
}

#[test]
fn what_nobody_lists_is_refused_where_the_mesh_says_so_and_blames_nobody() {
    let mut net = mesh();
    net.believe(&SITES, &[("10.255.0.0/16", &[2, 3])], Unlisted::Refuse);
    net.external(2, "172.16.0.0/16", Type1(1));
    net.stub(2, "172.17.0.0/16", 1);
    net.stub(1, "172.18.0.0/16", 1);
    let routes = net.routes(1);
    assert_eq!(show(&routes, host(2)), "IntraArea 10 10.255.0.2@1");
    assert_eq!(show(&routes, prefix("172.16.0.0/16")), "-");
    assert_eq!(show(&routes, prefix("172.18.0.0/16")), "IntraArea 1 @3", "an own subnet needs nobody's word");
    assert_eq!(refused(&routes), ["172.16.0.0/16 2 -", "172.17.0.0/16 2 -"]);
}

#[test]
fn a_network_lsa_is_the_designated_routers_word() {
    // Site 2 and router 12 share a network; 12, no guard, is designated there, in site 2's word.
    let mut net = mesh();
    add_router(&mut net, 12);
    net.lan(7, &[(12, 10), (2, 10)]);
    net.believe(&SITES, &[("192.168.7.0/24", &[2]), ("10.3.0.0/16", &[3])], Unlisted::Accept);
    assert_eq!(show(&net.routes(1), prefix("192.168.7.0/24")), "IntraArea 20 10.255.0.2@1");
    assert_eq!(show(&net.routes(2), prefix("192.168.7.0/24")), "IntraArea 10 @3");
    // The mask grows over what is not theirs.
    net.networks[0].2.network_mask = [255, 255, 0, 0].into();
    net.believe(&SITES, &[("192.168.0.0/16", &[3])], Unlisted::Accept);
    for root in [1, 2] {
        let routes = net.routes(root);
        assert_eq!(show(&routes, prefix("192.168.0.0/16")), "-", "router {root}");
        assert_eq!(refused(&routes), ["192.168.0.0/16 12 2"]);
    }
    // A guard that is designated answers itself, whoever else is on the path.
    let mut net = mesh();
    net.lan(7, &[(3, 10), (2, 1)]);
    net.believe(&SITES, &[("192.168.7.0/24", &[2])], Unlisted::Accept);
    assert_eq!(refused(&net.routes(1)), ["192.168.7.0/24 3 3"]);
}

#[test]
fn a_site_may_hand_its_own_destination_to_a_forwarding_address_but_not_anothers() {
    let mut net = mesh();
    net.believe(&SITES, &[("10.2.0.0/16", &[2])], Unlisted::Accept);
    net.stub(3, "172.16.0.0/16", 1);
    net.external(2, "10.2.0.0/16", Type1(1)).forwarding_address = [172, 16, 0, 9].into();
    assert_eq!(show(&net.routes(1), prefix("10.2.0.0/16")), "External1 12 10.255.0.3@2");
    net.external(3, "10.2.1.0/24", Type1(1)).forwarding_address = [10, 255, 0, 2].into();
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.2.1.0/24")), "-", "though the address is 2's");
    assert_eq!(refused(&routes), ["10.2.1.0/24 3 3"]);
}

#[test]
fn a_router_behind_a_site_cannot_forward_past_its_site() {
    let mut net = mesh();
    add_router(&mut net, 12);
    net.link(2, 12, 10);
    net.believe(&SITES, &[("10.2.0.0/16", &[2])], Unlisted::Accept);
    net.stub(3, "172.16.0.0/16", 1);
    net.stub(12, "172.17.0.0/16", 1);
    net.external(12, "10.2.0.0/16", Type1(1)).forwarding_address = [172, 16, 0, 9].into();
    net.external(12, "10.2.1.0/24", Type1(1)).forwarding_address = [172, 17, 0, 9].into();
    let routes = net.routes(1);
    assert_eq!(show(&routes, prefix("10.2.0.0/16")), "-");
    assert_eq!(show(&routes, prefix("10.2.1.0/24")), "External1 22 10.255.0.2@1");
    assert_eq!(refused(&routes), ["10.2.0.0/16 12 3"]);
}
