use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::*;
use crate::Vni;
use crate::segment::{Flooding, Resolution, UnknownUnicast, Unreachable};

fn vtep(site: u8) -> Vtep {
    Vtep(Ipv4Addr::new(10, 255, 0, site))
}

fn mac(last: u8) -> Mac {
    Mac::try_from([2, 0, 0, 0, 0, last]).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

/// Sites 1 to 3; host 1 at site 1, host 2 at site 2 and pinned there.
fn segment() -> Segment {
    let host = |home, mobility| Host { home: vtep(home), addresses: BTreeSet::new(), mobility };
    Segment {
        vni: Vni::try_from(100).unwrap(),
        resolution: Resolution::Proxy,
        unknown_unicast: UnknownUnicast::Drop,
        broadcast: Flooding::Drop,
        multicast: Flooding::Drop,
        learning: Learning::On,
        unreachable: Unreachable::Remove,
        mtu: 1500,
        gateway: None,
        members: [1, 2, 3].map(vtep).into(),
        hosts: [(mac(1), host(1, Mobility::Movable)), (mac(2), host(2, Mobility::Pinned))].into(),
    }
}

fn claim(sequence: u32, location: u8) -> Claim {
    Claim { mac: mac(1), sequence, home: vtep(1), location: vtep(location) }
}

fn moved(from: u8, to: u8) -> Finding {
    Finding::Moved { mac: mac(1), from: vtep(from), to: vtep(to) }
}

#[test]
fn a_host_is_where_the_table_has_it_until_somebody_claims_otherwise() {
    let (segment, mut site) = (segment(), Whereabouts::new(vtep(3)));
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(1)));
    assert_eq!(site.location(&segment, mac(9)), None);
    assert_eq!(site.hear(&segment, vtep(2), &[claim(1, 2)], at(0)), [moved(1, 2)]);
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(2)));
    assert_eq!(site.hear(&segment, vtep(2), &[claim(1, 2)], at(1)), []);
    assert_eq!(site.record(mac(1)).unwrap().since, at(0));
}

#[test]
fn the_greater_sequence_counts_and_of_equals_the_lower_vtep_in_whatever_order_they_arrive() {
    let segment = segment();
    let claims = [(2, claim(1, 2)), (3, claim(1, 3)), (1, claim(2, 3)), (2, claim(2, 2)), (3, claim(1, 1))];
    let mut orders = vec![vec![]];
    for _ in 0..claims.len() {
        let longer = |order: &Vec<usize>| {
            (0..claims.len())
                .filter(|i| !order.contains(i))
                .map(|i| [order.as_slice(), &[i]].concat())
                .collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    assert_eq!(orders.len(), 120);
    for order in orders {
        let mut site = Whereabouts::new(vtep(1));
        for i in &order {
            let (author, claim) = claims[*i];
            site.hear(&segment, vtep(author), &[claim], at(0));
        }
        assert_eq!(site.record(mac(1)).map(|record| record.claim), Some(claim(2, 2)), "{order:?}");
    }
}

#[test]
fn two_sites_that_claim_a_host_with_one_sequence_are_reported() {
    let (segment, mut site) = (segment(), Whereabouts::new(vtep(1)));
    site.hear(&segment, vtep(3), &[claim(1, 3)], at(0));
    let findings = site.hear(&segment, vtep(2), &[claim(1, 2)], at(1));
    assert_eq!(findings, [Finding::Contested { mac: mac(1), winner: vtep(2), loser: vtep(3) }]);
}

#[test]
fn a_claim_outlives_the_site_that_made_it() {
    let (segment, mut site) = (segment(), Whereabouts::new(vtep(3)));
    site.hear(&segment, vtep(2), &[claim(1, 2)], at(0));
    site.fell_silent(vtep(2));
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(2)));
}

#[test]
fn the_site_where_a_host_is_announces_it_and_relieves_the_one_that_said_so_first() {
    let segment = segment();
    let [mut one, mut two] = [1, 2].map(|site| Whereabouts::new(vtep(site)));
    assert_eq!(one.place(&segment, mac(1), vtep(2), at(0)), Ok(Some(moved(1, 2))));
    let announced = one.to_announce();
    assert_eq!(announced, [claim(1, 2)]);
    assert_eq!(two.hear(&segment, vtep(1), &announced, at(0)), [moved(1, 2)]);
    let taken_over = two.to_announce();
    assert_eq!(taken_over, [claim(1, 2)]);
    one.hear(&segment, vtep(2), &taken_over, at(0));
    assert_eq!(one.to_announce(), []);
    // And takes it up again while the other one is not there.
    one.fell_silent(vtep(2));
    assert_eq!(one.to_announce(), [claim(1, 2)]);
}

#[test]
fn a_host_that_is_seen_here_has_moved_here_where_hosts_are_learned() {
    let (mut segment, mut site) = (segment(), Whereabouts::new(vtep(3)));
    assert_eq!(site.seen_here(&segment, mac(1), at(0)), Some(moved(1, 3)));
    assert_eq!(site.seen_here(&segment, mac(1), at(0)), None);
    assert_eq!(site.seen_here(&segment, mac(9), at(0)), None);
    assert_eq!(site.to_announce(), [claim(1, 3)]);
    site.hear(&segment, vtep(1), &[claim(2, 1)], at(1));
    segment.learning = Learning::Off;
    assert_eq!(site.seen_here(&segment, mac(1), at(2)), None);
}

#[test]
fn a_pinned_host_moves_for_nobody() {
    let (segment, mut site) = (segment(), Whereabouts::new(vtep(3)));
    let pinned = Claim { mac: mac(2), sequence: 1, home: vtep(2), location: vtep(3) };
    let refused = |author, reason| Finding::Refused { mac: mac(2), author: vtep(author), reason };
    assert_eq!(site.hear(&segment, vtep(1), &[pinned], at(0)), [refused(1, Refusal::Pinned)]);
    assert_eq!(site.place(&segment, mac(2), vtep(3), at(0)), Err(Refusal::Pinned));
    assert_eq!(site.seen_here(&segment, mac(2), at(0)), Some(refused(3, Refusal::Pinned)));
    assert_eq!(site.location(&segment, mac(2)), Some(vtep(2)));
}

#[test]
fn whoever_has_no_part_in_the_segment_is_not_believed_nor_is_a_host_moved_there() {
    let (segment, mut site) = (segment(), Whereabouts::new(vtep(3)));
    let refused = |author, reason| [Finding::Refused { mac: mac(1), author: vtep(author), reason }];
    assert_eq!(site.hear(&segment, vtep(4), &[claim(1, 2)], at(0)), refused(4, Refusal::Stranger));
    assert_eq!(site.hear(&segment, vtep(2), &[claim(1, 4)], at(0)), refused(2, Refusal::NotAMember));
    assert_eq!(site.place(&segment, mac(1), vtep(4), at(0)), Err(Refusal::NotAMember));
    assert_eq!(site.place(&segment, mac(9), vtep(2), at(0)), Err(Refusal::UnknownHost));
}

#[test]
fn a_table_that_has_the_host_elsewhere_by_now_knows_better_than_a_claim() {
    let (mut segment, mut site) = (segment(), Whereabouts::new(vtep(3)));
    site.hear(&segment, vtep(2), &[claim(4, 2)], at(0));
    segment.hosts.get_mut(&mac(1)).unwrap().home = vtep(3);
    let refused = Finding::Refused { mac: mac(1), author: vtep(2), reason: Refusal::OtherTable };
    assert_eq!(site.table_changed(&segment, at(1)), [refused]);
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(3)));
    assert_eq!(site.to_announce(), []);
    // Where the others have had the new file first, what they say counts once it has come here as well.
    let mut early = Whereabouts::new(vtep(1));
    let new = Claim { home: vtep(3), ..claim(1, 2) };
    segment.hosts.get_mut(&mac(1)).unwrap().home = vtep(1);
    early.hear(&segment, vtep(2), &[new], at(0));
    segment.hosts.get_mut(&mac(1)).unwrap().home = vtep(3);
    assert_eq!(early.table_changed(&segment, at(1)), [moved(3, 2)]);
}

#[test]
fn what_was_known_before_a_restart_is_known_after_it() {
    let (segment, mut before) = (segment(), Whereabouts::new(vtep(3)));
    before.hear(&segment, vtep(2), &[claim(4, 2)], at(0));
    let mut after = Whereabouts::new(vtep(3));
    let impossible = Record { claim: claim(9, 7), author: vtep(2), since: at(0) };
    after.restore(&segment, before.records().copied().chain([impossible]));
    assert_eq!(after.record(mac(1)), before.record(mac(1)));
}

#[test]
fn a_host_that_is_at_two_sites_at_once_is_claimed_five_times_and_then_left_alone_until_it_is_quiet() {
    let segment = segment();
    let [mut two, mut three] = [2, 3].map(|site| Whereabouts::new(vtep(site)));
    let mut seconds = 0;
    let mut claims = 0;
    for _ in 0..20 {
        seconds += 1;
        let (site, other, from) = if seconds % 2 == 0 { (&mut two, &mut three, 2) } else { (&mut three, &mut two, 3) };
        if let Some(Finding::Moved { .. }) = site.seen_here(&segment, mac(1), at(seconds)) {
            claims += 1;
        }
        let announced = site.to_announce();
        other.hear(&segment, vtep(from), &announced, at(seconds));
    }
    assert_eq!(claims, MAX_MOVES);
    assert_eq!(two.location(&segment, mac(1)), three.location(&segment, mac(1)));
    assert_eq!(two.seen_here(&segment, mac(1), at(30)), Some(Finding::Damped { mac: mac(1) }));
    assert_eq!(two.damped(at(30)).collect::<Vec<_>>(), [mac(1)]);
    let quiet = at(seconds) + DAMPING_WINDOW;
    assert_eq!(two.damped(quiet).count(), 0);
    assert_eq!(two.seen_here(&segment, mac(1), quiet), Some(moved(3, 2)));
}

#[test]
fn a_sequence_does_not_start_over() {
    let (segment, mut site) = (segment(), Whereabouts::new(vtep(3)));
    site.hear(&segment, vtep(2), &[claim(u32::MAX, 2)], at(0));
    assert_eq!(site.place(&segment, mac(1), vtep(3), at(1)), Err(Refusal::Exhausted));
}
