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
    claim_in(0, sequence, location)
}

fn claim_in(epoch: u16, sequence: u32, location: u8) -> Claim {
    Claim { mac: mac(1), epoch, sequence, home: vtep(1), location: vtep(location) }
}

/// Every order of `items`.
fn orders<T: Copy>(items: &[T]) -> Vec<Vec<T>> {
    let [first, rest @ ..] = items else { return vec![vec![]] };
    let shorter = orders(rest);
    let inserted = |order: &Vec<T>, at: usize| [&order[..at], &[*first], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..=order.len()).map(move |at| inserted(order, at))).collect()
}

fn moved(from: u8, to: u8) -> Finding {
    Finding::Moved { mac: mac(1), from: vtep(from), to: vtep(to) }
}

#[test]
fn a_host_is_where_the_table_has_it_until_somebody_claims_otherwise() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(1)));
    assert_eq!(site.location(&segment, mac(9)), None);
    assert_eq!(site.receive(&segment, vtep(2), &[claim(1, 2)], at(0)), [moved(1, 2)]);
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(2)));
    assert_eq!(site.receive(&segment, vtep(2), &[claim(1, 2)], at(1)), []);
    assert_eq!(site.record(mac(1)).unwrap().since, at(0));
}

#[test]
fn the_greater_sequence_counts_and_of_equals_the_lower_vtep_in_whatever_order_they_arrive() {
    let segment = segment();
    let claims = [(2, claim(1, 2)), (3, claim(1, 3)), (1, claim(2, 3)), (2, claim(2, 2)), (3, claim(1, 1))];
    let orders = orders(&claims);
    assert_eq!(orders.len(), 120);
    for order in orders {
        let mut site = HostLocations::new(vtep(1));
        for (author, claim) in &order {
            site.receive(&segment, vtep(*author), &[*claim], at(0));
        }
        assert_eq!(site.record(mac(1)).map(|record| record.claim), Some(claim(2, 2)), "{order:?}");
    }
}

#[test]
fn two_sites_that_claim_a_host_with_one_sequence_are_reported() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(1)));
    site.receive(&segment, vtep(3), &[claim(1, 3)], at(0));
    let findings = site.receive(&segment, vtep(2), &[claim(1, 2)], at(1));
    assert_eq!(findings, [Finding::Contested { mac: mac(1), winner: vtep(2), loser: vtep(3) }]);
}

#[test]
fn a_claim_outlives_the_site_that_made_it() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    site.receive(&segment, vtep(2), &[claim(1, 2)], at(0));
    site.withdraw(vtep(2));
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(2)));
}

#[test]
fn the_site_where_a_host_is_announces_it_and_relieves_the_one_that_said_so_first() {
    let segment = segment();
    let [mut one, mut two] = [1, 2].map(|site| HostLocations::new(vtep(site)));
    assert_eq!(one.place(&segment, mac(1), vtep(2), at(0)), Ok(Some(moved(1, 2))));
    let announced = one.to_announce();
    assert_eq!(announced, [claim(1, 2)]);
    assert_eq!(two.receive(&segment, vtep(1), &announced, at(0)), [moved(1, 2)]);
    let taken_over = two.to_announce();
    assert_eq!(taken_over, [claim(1, 2)]);
    one.receive(&segment, vtep(2), &taken_over, at(0));
    assert_eq!(one.to_announce(), []);
    // And takes it up again while the other one is not there.
    one.withdraw(vtep(2));
    assert_eq!(one.to_announce(), [claim(1, 2)]);
}

#[test]
fn a_host_that_is_seen_here_has_moved_here_where_hosts_are_learned() {
    let (mut segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    assert_eq!(site.seen_here(&segment, mac(1), at(0)), Some(moved(1, 3)));
    assert_eq!(site.seen_here(&segment, mac(1), at(0)), None);
    assert_eq!(site.seen_here(&segment, mac(9), at(0)), None);
    assert_eq!(site.to_announce(), [claim(1, 3)]);
    site.receive(&segment, vtep(1), &[claim(2, 1)], at(1));
    segment.learning = Learning::Off;
    assert_eq!(site.seen_here(&segment, mac(1), at(2)), None);
}

#[test]
fn a_pinned_host_moves_for_nobody() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    let pinned = Claim { mac: mac(2), epoch: 0, sequence: 1, home: vtep(2), location: vtep(3) };
    let refused = |author, reason| Finding::Refused { mac: mac(2), author: vtep(author), reason };
    assert_eq!(site.receive(&segment, vtep(1), &[pinned], at(0)), [refused(1, Refusal::Pinned)]);
    assert_eq!(site.place(&segment, mac(2), vtep(3), at(0)), Err(Refusal::Pinned));
    assert_eq!(site.seen_here(&segment, mac(2), at(0)), Some(refused(3, Refusal::Pinned)));
    assert_eq!(site.location(&segment, mac(2)), Some(vtep(2)));
}

#[test]
fn whoever_has_no_part_in_the_segment_is_not_believed_nor_is_a_host_moved_there() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    let refused = |author, reason| [Finding::Refused { mac: mac(1), author: vtep(author), reason }];
    assert_eq!(site.receive(&segment, vtep(4), &[claim(1, 2)], at(0)), refused(4, Refusal::ForeignAuthor));
    assert_eq!(site.receive(&segment, vtep(2), &[claim(1, 4)], at(0)), refused(2, Refusal::NotAMember));
    assert_eq!(site.place(&segment, mac(1), vtep(4), at(0)), Err(Refusal::NotAMember));
    assert_eq!(site.place(&segment, mac(9), vtep(2), at(0)), Err(Refusal::UnknownHost));
}

#[test]
fn a_table_that_has_the_host_elsewhere_by_now_knows_better_than_a_claim() {
    let (mut segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    site.receive(&segment, vtep(2), &[claim(4, 2)], at(0));
    segment.hosts.get_mut(&mac(1)).unwrap().home = vtep(3);
    let refused = Finding::Refused { mac: mac(1), author: vtep(2), reason: Refusal::OtherTable };
    assert_eq!(site.table_changed(&segment, at(1)), [refused]);
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(3)));
    assert_eq!(site.to_announce(), []);
    // Where the others have had the new file first, what they say counts once it has come here as well.
    let mut early = HostLocations::new(vtep(1));
    let new = Claim { home: vtep(3), ..claim(1, 2) };
    segment.hosts.get_mut(&mac(1)).unwrap().home = vtep(1);
    early.receive(&segment, vtep(2), &[new], at(0));
    segment.hosts.get_mut(&mac(1)).unwrap().home = vtep(3);
    assert_eq!(early.table_changed(&segment, at(1)), [moved(3, 2)]);
}

#[test]
fn what_was_known_before_a_restart_is_known_after_it() {
    let (segment, mut before) = (segment(), HostLocations::new(vtep(3)));
    before.receive(&segment, vtep(2), &[claim(4, 2)], at(0));
    let mut after = HostLocations::new(vtep(3));
    let impossible = Record { claim: claim(9, 7), author: vtep(2), since: at(0) };
    after.restore(&segment, before.records().copied().chain([impossible]));
    assert_eq!(after.record(mac(1)), before.record(mac(1)));
}

#[test]
fn a_host_that_is_at_two_sites_at_once_is_claimed_five_times_and_then_left_alone_until_it_is_quiet() {
    let segment = segment();
    let [mut two, mut three] = [2, 3].map(|site| HostLocations::new(vtep(site)));
    let mut seconds = 0;
    let mut claims = 0;
    for _ in 0..20 {
        seconds += 1;
        let (site, other, from) = if seconds % 2 == 0 { (&mut two, &mut three, 2) } else { (&mut three, &mut two, 3) };
        if let Some(Finding::Moved { .. }) = site.seen_here(&segment, mac(1), at(seconds)) {
            claims += 1;
        }
        let announced = site.to_announce();
        other.receive(&segment, vtep(from), &announced, at(seconds));
    }
    assert_eq!(claims, MAX_MOVES);
    assert_eq!(two.location(&segment, mac(1)), three.location(&segment, mac(1)));
    assert_eq!(two.seen_here(&segment, mac(1), at(30)), Some(Finding::Damped { mac: mac(1) }));
    assert_eq!(two.damped(at(30)).collect::<Vec<_>>(), [mac(1)]);
    let quiet = at(seconds) + DAMPING_WINDOW;
    assert_eq!(two.damped(quiet).count(), 0);
    assert_eq!(two.seen_here(&segment, mac(1), quiet), Some(moved(3, 2)));
}

/// Claims that no number of moves can have led to, and why they are refused by who knows `epoch`.
const ABSURD: [(u16, u16, u32, Refusal); 6] = [
    (0, 0, MAX_SEQUENCE + 1, Refusal::Sequence),
    (0, 0, u32::MAX, Refusal::Sequence),
    (3, 3, u32::MAX, Refusal::Sequence),
    (0, MAX_EPOCH_JUMP + 1, 1, Refusal::Epoch),
    (3, MAX_EPOCH_JUMP + 4, 1, Refusal::Epoch),
    (0, u16::MAX, MAX_SEQUENCE, Refusal::Epoch),
];

#[test]
fn an_absurd_claim_is_refused_and_leaves_nothing_behind() {
    let segment = segment();
    for (known, epoch, sequence, reason) in ABSURD {
        let mut site = HostLocations::new(vtep(3));
        if known > 0 {
            site.receive(&segment, vtep(1), &[claim_in(known, 5, 1)], at(0));
        }
        let before: Vec<Record> = site.records().copied().collect();
        let absurd = claim_in(epoch, sequence, 2);
        let refused = Finding::Refused { mac: mac(1), author: vtep(2), reason };
        assert_eq!(site.receive(&segment, vtep(2), &[absurd], at(1)), [refused], "epoch {epoch}, sequence {sequence}");
        assert_eq!(site.location(&segment, mac(1)), Some(vtep(1)));
        assert_eq!(site.records().copied().collect::<Vec<_>>(), before, "what is written down has nothing of it");
        assert_eq!(site.refused(&segment).collect::<Vec<_>>(), [(vtep(2), absurd, reason)]);
        // It does not keep the host from moving, and is still refused after that.
        assert_eq!(site.seen_here(&segment, mac(1), at(2)), Some(moved(1, 3)));
        assert_eq!(site.table_changed(&segment, at(3)), [refused]);
        assert_eq!(site.location(&segment, mac(1)), Some(vtep(3)));
        // Once nobody announces it, nobody is warned of it.
        site.receive(&segment, vtep(2), &[], at(4));
        assert_eq!(site.refused(&segment).count(), 0);
    }
}

#[test]
fn absurd_claims_do_not_damp_a_host() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    for sequence in 0..20 {
        site.receive(&segment, vtep(2), &[claim(u32::MAX - sequence, 2)], at(sequence.into()));
    }
    assert_eq!(site.damped(at(20)).count(), 0);
    assert_eq!(site.seen_here(&segment, mac(1), at(20)), Some(moved(1, 3)));
}

#[test]
fn what_an_older_version_remembered_of_an_absurd_claim_is_reported_and_forgotten() {
    let segment = segment();
    let remembered = |claim| Record { claim, author: vtep(2), since: at(0) };
    let mut site = HostLocations::new(vtep(3));
    let refused = Finding::Refused { mac: mac(1), author: vtep(2), reason: Refusal::Sequence };
    let findings = site.restore(&segment, [remembered(claim(7, 3)), remembered(claim(u32::MAX, 2))]);
    assert_eq!(findings, [refused]);
    assert_eq!(site.records().map(|record| record.claim).collect::<Vec<_>>(), [claim(7, 3)]);
    // Its own epochs are remembered, however many there were.
    let mut old = HostLocations::new(vtep(3));
    assert_eq!(old.restore(&segment, [remembered(claim_in(40_000, 1, 2))]), []);
    assert_eq!(old.location(&segment, mac(1)), Some(vtep(2)));
}

#[test]
fn a_site_that_was_away_accepts_all_that_moves_can_have_led_to() {
    let segment = segment();
    for (epoch, sequence) in [(0, 1), (0, 1_000_000), (0, MAX_SEQUENCE), (1, 1), (MAX_EPOCH_JUMP, MAX_SEQUENCE)] {
        let mut newcomer = HostLocations::new(vtep(3));
        assert_eq!(newcomer.receive(&segment, vtep(2), &[claim_in(epoch, sequence, 2)], at(0)), [moved(1, 2)]);
        // Nor is the host kept from moving on.
        let mut other = HostLocations::new(vtep(1));
        other.receive(&segment, vtep(2), &[claim_in(epoch, sequence, 2)], at(0));
        assert_eq!(newcomer.place(&segment, mac(1), vtep(1), at(1)), Ok(Some(moved(2, 1))));
        assert_eq!(other.receive(&segment, vtep(3), &newcomer.to_announce(), at(1)), [moved(2, 1)]);
    }
}

/// At the rate that damping allows, an epoch takes nineteen years, and a site may be away for 256 of them.
#[test]
fn moves_do_not_come_to_an_end() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    site.receive(&segment, vtep(2), &[claim(MAX_SEQUENCE - 1, 2)], at(0));
    for (to, last) in [(3, claim(MAX_SEQUENCE, 3)), (2, claim_in(1, 1, 2)), (3, claim_in(1, 2, 3))] {
        site.place(&segment, mac(1), vtep(to), at(1)).unwrap();
        assert_eq!(site.record(mac(1)).unwrap().claim, last);
    }
    let mut end = HostLocations::new(vtep(3));
    let last = Record { claim: claim_in(u16::MAX, MAX_SEQUENCE, 2), author: vtep(2), since: at(0) };
    end.restore(&segment, [last]);
    assert_eq!(end.place(&segment, mac(1), vtep(3), at(1)), Err(Refusal::Exhausted));
    assert_eq!(end.place_by_force(&segment, mac(1), vtep(3), at(1)), Err(Refusal::Exhausted));
}

#[test]
fn claims_that_come_within_bounds_by_others_are_accepted_in_whatever_order_they_arrive() {
    let segment = segment();
    let claims = [(1, claim_in(200, 1, 1)), (2, claim_in(400, 1, 2)), (3, claim_in(600, 1, 3)), (2, claim_in(1, 9, 2))];
    for order in orders(&claims) {
        let mut site = HostLocations::new(vtep(1));
        let mut announced: BTreeMap<u8, Vec<Claim>> = BTreeMap::new();
        for (author, claim) in &order {
            announced.entry(*author).or_default().push(*claim);
            site.receive(&segment, vtep(*author), &announced[author], at(0));
        }
        assert_eq!(site.record(mac(1)).map(|record| record.claim), Some(claim_in(600, 1, 3)), "{order:?}");
        assert_eq!(site.refused(&segment).count(), 0);
    }
}

/// Which claims a site may remember or hear of while the operator's command is on its way to it.
#[test]
fn all_sites_agree_after_a_move_by_force_whatever_they_knew() {
    let segment = segment();
    let mut operator = HostLocations::new(vtep(1));
    operator.receive(&segment, vtep(2), &[claim(5, 2)], at(0));
    assert_eq!(operator.place_by_force(&segment, mac(1), vtep(1), at(1)), Ok(Some(moved(2, 1))));
    let [forced] = operator.to_announce()[..] else { panic!("{operator:?}") };
    assert_eq!(forced, claim_in(1, 6, 1), "a version that reads no epoch follows it, too");
    let record = |claim| Record { claim, author: vtep(2), since: at(0) };
    // Nothing, the same, more moves while it was cut off, an absurd claim that an older version took.
    let memories =
        [None, Some(claim(5, 2)), Some(claim(4_000, 3)), Some(claim(MAX_SEQUENCE, 2)), Some(claim(u32::MAX, 2))];
    for memory in memories {
        let heard = [(1, forced), (2, claim(5, 2)), (3, claim(4_000, 3)), (2, claim(u32::MAX, 2))];
        for order in orders(&heard) {
            let mut site = HostLocations::new(vtep(3));
            site.restore(&segment, memory.map(record));
            for (author, claim) in &order {
                site.receive(&segment, vtep(*author), &[*claim], at(2));
            }
            let known = site.record(mac(1)).map(|record| record.claim);
            assert_eq!(known, Some(forced), "remembered {memory:?}, heard {order:?}");
            // And after a restart of its own.
            let mut again = HostLocations::new(vtep(3));
            again.restore(&segment, site.records().copied());
            assert_eq!(again.location(&segment, mac(1)), Some(vtep(1)));
        }
    }
}

#[test]
fn a_move_by_force_outbids_others_where_the_host_is_there_already_for_all_that_is_known() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(1)));
    assert_eq!(site.place(&segment, mac(1), vtep(1), at(0)), Ok(None));
    assert_eq!(site.to_announce(), []);
    assert_eq!(site.place_by_force(&segment, mac(1), vtep(1), at(0)), Ok(None));
    assert_eq!(site.to_announce(), [claim_in(1, 1, 1)]);
    assert_eq!(site.place_by_force(&segment, mac(1), vtep(9), at(0)), Err(Refusal::NotAMember));
    assert_eq!(site.place_by_force(&segment, mac(2), vtep(1), at(0)), Err(Refusal::Pinned));
    // Of two at once, all take the same one.
    let mut other = HostLocations::new(vtep(2));
    other.place_by_force(&segment, mac(1), vtep(2), at(0)).unwrap();
    let [one, two] = [site.to_announce(), other.to_announce()];
    site.receive(&segment, vtep(2), &two, at(1));
    other.receive(&segment, vtep(1), &one, at(1));
    assert_eq!([&site, &other].map(|site| site.location(&segment, mac(1))), [Some(vtep(1)); 2]);
}

/// The epoch begins anew just below what was refused until then: the command says so, and does it when it is repeated.
#[test]
fn a_move_by_force_that_brings_a_refused_claim_within_bounds_says_so() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(1)));
    site.receive(&segment, vtep(2), &[claim_in(MAX_EPOCH_JUMP + 1, 1, 2)], at(0));
    assert_eq!(site.place_by_force(&segment, mac(1), vtep(1), at(1)), Err(Refusal::Outbid));
    assert_eq!(site.place_by_force(&segment, mac(1), vtep(1), at(2)), Ok(Some(moved(2, 1))));
    assert_eq!(site.refused(&segment).count(), 0);
}

#[test]
fn a_host_that_is_forgotten_is_where_the_table_or_another_site_has_it() {
    let (segment, mut site) = (segment(), HostLocations::new(vtep(3)));
    assert_eq!(site.forget(&segment, mac(9), at(0)), Err(Refusal::UnknownHost));
    assert_eq!(site.forget(&segment, mac(1), at(0)), Ok(Forgotten { before: None, after: None }));
    site.place(&segment, mac(1), vtep(3), at(0)).unwrap();
    let before = site.record(mac(1)).copied();
    assert_eq!(site.forget(&segment, mac(1), at(1)), Ok(Forgotten { before, after: None }));
    assert_eq!(
        (site.location(&segment, mac(1)), site.to_announce(), site.records().count()),
        (Some(vtep(1)), vec![], 0)
    );
    // What another site announces counts, though it is less than what was known.
    site.receive(&segment, vtep(2), &[claim(1, 2)], at(2));
    site.place(&segment, mac(1), vtep(3), at(3)).unwrap();
    let after = Record { claim: claim(1, 2), author: vtep(2), since: at(4) };
    assert_eq!(site.forget(&segment, mac(1), at(4)).unwrap().after, Some(after));
    assert_eq!(site.location(&segment, mac(1)), Some(vtep(2)));
}
