use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use super::*;
use crate::{DAMPING_WINDOW, MAX_MOVES};

fn vtep(site: u8) -> Vtep {
    Vtep(Ipv4Addr::new(10, 255, 0, site))
}

fn rate(frames: u32) -> Flooding {
    Flooding::Flood(FrameRate::new(frames).unwrap())
}

/// Sites 1 to 3 with a host each, which has an address of either version; the one of site 3 is pinned.
fn segment() -> Segment {
    let host = |site: u8, mobility| {
        let mac = Mac::try_from([2, 0, 0, 0, 0, site]).unwrap();
        let addresses = [format!("10.9.0.{site}0"), format!("fd00::{site}")].map(|text| text.parse().unwrap());
        (mac, Host { home: vtep(site), addresses: addresses.into(), mobility })
    };
    Segment {
        vni: Vni::try_from(100).unwrap(),
        resolution: Resolution::Proxy,
        unknown_unicast: UnknownUnicast::Drop,
        broadcast: rate(1000),
        multicast: rate(500),
        learning: Learning::Off,
        unreachable: Unreachable::Remove,
        mtu: 1500,
        gateway: None,
        members: [1, 2, 3].map(vtep).into(),
        hosts: [host(1, Mobility::Movable), host(2, Mobility::Movable), host(3, Mobility::Pinned)].into(),
    }
}

/// At site 1, with hosts where the table has them.
fn entries(segment: &Segment, reachable: &[u8]) -> String {
    let reachable = reachable.iter().map(|site| vtep(*site)).collect();
    let (locations, now) = (&HostLocations::new(vtep(1)), SystemTime::UNIX_EPOCH);
    let situation = Situation { locations, reachable: &reachable, underlay_mtu: 1420, now };
    Entries::of(segment, &situation).to_string()
}

#[test]
fn a_segment_in_proxy_mode() {
    assert_eq!(
        entries(&segment(), &[2, 3]),
        "\
vxlan id 100 local 10.255.0.1 dstport 4789 nolearning proxy mtu 1500
port learning off neigh_suppress on flood off mcast_flood on bcast_flood on
bridge address 06:64:0a:ff:00:01 mtu 1500 mcast_snooping 0
fdb 02:00:00:00:00:02 dst 10.255.0.2 self extern_learn
fdb 02:00:00:00:00:03 dst 10.255.0.3 self extern_learn
fdb 00:00:00:00:00:00 dst 10.255.0.2 self permanent
fdb 00:00:00:00:00:00 dst 10.255.0.3 self permanent
fdb 02:00:00:00:00:02 master sticky static
fdb 02:00:00:00:00:03 master sticky static
neigh 10.9.0.10 lladdr 02:00:00:00:00:01 permanent
neigh 10.9.0.20 lladdr 02:00:00:00:00:02 permanent
neigh 10.9.0.30 lladdr 02:00:00:00:00:03 permanent
neigh fd00::1 lladdr 02:00:00:00:00:01 permanent
neigh fd00::2 lladdr 02:00:00:00:00:02 permanent
neigh fd00::3 lladdr 02:00:00:00:00:03 permanent
filter broadcast 1000/s
filter multicast 500/s
filter mss 1330 1310
filter dhcp broadcast
"
    );
}

#[test]
fn a_segment_that_behaves_like_a_wire() {
    let segment = Segment {
        resolution: Resolution::Flood,
        unknown_unicast: UnknownUnicast::Flood,
        learning: Learning::On,
        mtu: 1370,
        gateway: Some("10.9.0.1/24".parse().unwrap()),
        ..segment()
    };
    assert_eq!(
        entries(&segment, &[2, 3]),
        "\
vxlan id 100 local 10.255.0.1 dstport 4789 nolearning mtu 1370
port learning off neigh_suppress off flood on mcast_flood on bcast_flood on
bridge address 02:77:65:00:00:64 mtu 1370 mcast_snooping 0
fdb 02:00:00:00:00:02 dst 10.255.0.2 self extern_learn
fdb 02:00:00:00:00:03 dst 10.255.0.3 self extern_learn
fdb 00:00:00:00:00:00 dst 10.255.0.2 self permanent
fdb 00:00:00:00:00:00 dst 10.255.0.3 self permanent
fdb 02:00:00:00:00:02 master extern_learn
fdb 02:00:00:00:00:03 master sticky static
filter broadcast 1000/s
filter multicast 500/s
"
    );
}

#[test]
fn nothing_is_flooded_to_a_site_that_cannot_be_reached_nor_answered_for_its_hosts_unless_they_are_kept() {
    let away = entries(&segment(), &[2]);
    assert!(!away.contains("10.255.0.3") && !away.contains("02:00:00:00:00:03"), "{away}");
    let kept = entries(&Segment { unreachable: Unreachable::Keep, ..segment() }, &[2]);
    let whole = entries(&segment(), &[2, 3]);
    let flood = "fdb 00:00:00:00:00:00 dst 10.255.0.3 self permanent\n";
    assert_eq!(kept, whole.replace(flood, ""));
}

#[test]
fn a_segment_that_floods_nothing_has_no_flood_list() {
    let quiet = Segment { broadcast: Flooding::Drop, multicast: Flooding::Drop, ..segment() };
    let entries = entries(&quiet, &[2, 3]);
    let absent = ["00:00:00:00:00:00", "filter broadcast", "filter dhcp"];
    assert!(!absent.iter().any(|text| entries.contains(text)), "{entries}");
    assert!(entries.contains("flood off mcast_flood off bcast_flood off"), "{entries}");
}

#[test]
fn a_host_that_has_moved_here_has_no_entry_but_as_a_neighbour() {
    let segment = segment();
    let reachable = [2, 3].map(vtep).into();
    let mut locations = HostLocations::new(vtep(1));
    let moved = Mac::try_from([2, 0, 0, 0, 0, 2]).unwrap();
    locations.place(&segment, moved, vtep(1), SystemTime::UNIX_EPOCH).unwrap();
    let (locations, now) = (&locations, SystemTime::UNIX_EPOCH);
    let situation = Situation { locations, reachable: &reachable, underlay_mtu: 1420, now };
    let entries = Entries::of(&segment, &situation);
    assert!(!entries.remotes.contains_key(&moved) && !entries.fdb_entries.contains_key(&moved));
    assert_eq!(entries.neighbors.len(), 6);
}

#[test]
fn the_bridge_does_not_follow_a_host_that_is_damped() {
    let segment = Segment { learning: Learning::On, ..segment() };
    let (host, reachable) = (Mac::try_from([2, 0, 0, 0, 0, 2]).unwrap(), [2, 3].map(vtep).into());
    let mut locations = HostLocations::new(vtep(1));
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    for (seconds, site) in (1..).zip([1, 2, 1, 2, 1, 2].into_iter().take(MAX_MOVES + 1)) {
        locations.place(&segment, host, vtep(site), at(seconds)).unwrap();
    }
    let roaming = |now| {
        let situation = Situation { locations: &locations, reachable: &reachable, underlay_mtu: 1420, now };
        Entries::of(&segment, &situation).fdb_entries[&host]
    };
    assert_eq!(roaming(at(10)), Roaming::Sticky);
    assert_eq!(roaming(at(10) + DAMPING_WINDOW), Roaming::Follows);
}

#[test]
fn an_underlay_with_room_for_whole_frames_needs_no_smaller_segments() {
    let segment = segment();
    let (reachable, locations) = (BTreeSet::new(), HostLocations::new(vtep(1)));
    let mss = |underlay_mtu| {
        let (locations, now) = (&locations, SystemTime::UNIX_EPOCH);
        let situation = Situation { locations, reachable: &reachable, underlay_mtu, now };
        Entries::of(&segment, &situation).filter.mss
    };
    assert_eq!(mss(1550), None);
    assert_eq!(mss(1549), Some(Mss { ipv4: 1459, ipv6: 1439 }));
    assert_eq!(mss(0), Some(Mss { ipv4: 0, ipv6: 0 }));
}
