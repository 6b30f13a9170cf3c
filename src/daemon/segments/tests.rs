//! Sites that talk to each other by the LSAs they would flood.

use std::time::Duration;

use ospf::{AreaId, Domain, RouterId};

use vxlan::segment::Mobility;

use super::*;
use crate::mesh::{self, VlanId};
use crate::reconcile::overlay::{ForeignBridge, HeldBack, Tagging, VlanRange};
use crate::reconcile::state::{Admin, ForeignInterface};

fn mesh() -> Mesh {
    let mut text = String::from("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n");
    for (id, (name, key)) in [("taipei", 'A'), ("osaka", 'B'), ("seoul", 'C'), ("lisbon", 'D')].iter().enumerate() {
        let keys = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=".replacen('A', &key.to_string(), 1);
        text += &format!(
            "[[site]]\nname = \"{name}\"\nid = {}\npublic_key = \"{keys}\"\nendpoint = \"203.0.113.{}\"\n",
            id + 1,
            id + 1
        );
    }
    text += "[[l2]]\nname = \"vms\"\nvni = 100\nlearn = true\n";
    for site in ["taipei", "osaka", "seoul"] {
        text += &format!("[[l2.site]]\nname = \"{site}\"\nports = [\"tap0\"]\n");
    }
    text += "[[l2.host]]\nname = \"db1\"\nsite = \"taipei\"\nmac = \"02:00:00:00:00:01\"\nip = \"10.9.0.1\"\n";
    text += "[[l2.host]]\nsite = \"osaka\"\nmac = \"02:00:00:00:00:02\"\nip = \"10.9.0.2\"\npin = true\n";
    mesh::parse("mesh", &text).unwrap().mesh
}

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// A site, whose state directory outlives it.
fn site(mesh: &Mesh, own: &str, state_dir: &tempfile::TempDir) -> Segments {
    let memory = HostMemory::open(state_dir.path());
    Segments::new(mesh, mesh.site(own).unwrap(), memory, at(0))
}

const BACKBONE: Domain = Domain::Area(AreaId::BACKBONE);

/// An LSA of the segment with claims that are flooded in the backbone.
const VMS: OpaqueLsa = OpaqueLsa { domain: BACKBONE, share: 0, id: 100 };

/// A site receives an LSA of the router 10.255.0.ROUTER, or (`None`) that it is withdrawn.
fn receive(segments: &mut Segments, lsa: OpaqueLsa, router: u8, body: Option<&[u8]>) {
    let router = RouterId::from(Ipv4Addr::new(10, 255, 0, router));
    segments.receive(&UserChanges::from([((lsa, router), body.map(Bytes::copy_from_slice))]), at(1));
}

/// Every site has heard what every other one says.
fn flood(sites: &mut [&mut Segments]) {
    for author in 0..sites.len() {
        let router = RouterId::from(sites[author].here().0);
        let announced = sites[author].take_pending().into_iter();
        let announced = announced.map(|(lsa, body)| ((OpaqueLsa { domain: BACKBONE, ..lsa }, router), body)).collect();
        for (other, site) in sites.iter_mut().enumerate() {
            if other != author {
                site.receive(&announced, at(1));
            }
        }
    }
}

/// Where a site sends frames to each host that is elsewhere.
fn remotes(segments: &Segments) -> Vec<String> {
    let overlay = segments.desired(&segments.peers(), &Observed::default(), SystemTime::now());
    overlay.remotes.iter().map(|((_, mac), vtep)| format!("{mac} {vtep}")).collect()
}

/// A host behind `tap0`.
fn heard(mac: Mac) -> LearnedHost {
    LearnedHost { port: name("tap0"), mac, vlan: None }
}

#[test]
fn a_host_that_is_heard_at_another_site_is_sent_to_there_by_all() {
    let (mesh, dirs) = (mesh(), [(); 3].map(|()| tempfile::tempdir().unwrap()));
    let [mut taipei, mut osaka, mut seoul] =
        [("taipei", 0), ("osaka", 1), ("seoul", 2)].map(|(name, dir)| site(&mesh, name, &dirs[dir]));
    let db1: Mac = "02:00:00:00:00:01".parse().unwrap();
    assert_eq!(remotes(&seoul), ["02:00:00:00:00:01 10.255.0.1", "02:00:00:00:00:02 10.255.0.2"]);
    assert!(osaka.learned_on(&heard(db1), &name("br-vms"), at(1)));
    assert!(!osaka.learned_on(&heard(db1), &name("br-vms"), at(1)), "it is here already");
    flood(&mut [&mut taipei, &mut osaka, &mut seoul]);
    assert_eq!(remotes(&seoul), ["02:00:00:00:00:01 10.255.0.2", "02:00:00:00:00:02 10.255.0.2"]);
    assert_eq!(remotes(&taipei), ["02:00:00:00:00:01 10.255.0.2", "02:00:00:00:00:02 10.255.0.2"]);
    assert_eq!(remotes(&osaka), [""; 0]);
    // Told once, and remembered by all.
    assert_eq!(osaka.take_pending(), []);
    seoul.remember();
    drop(seoul);
    let seoul = site(&mesh, "seoul", &dirs[2]);
    assert_eq!(remotes(&seoul), ["02:00:00:00:00:01 10.255.0.2", "02:00:00:00:00:02 10.255.0.2"]);
}

#[test]
fn a_host_is_moved_by_name_mac_or_address_at_any_site_of_the_segment() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut taipei = site(&mesh, "taipei", &dir);
    for (host, to) in [("db1", "osaka"), ("02:00:00:00:00:01", "seoul"), ("10.9.0.1", "taipei")] {
        taipei.place(host, to, false, at(1)).unwrap();
        assert_eq!(taipei.take_pending().len(), 1, "{host}");
    }
    let refused = |taipei: &mut Segments, host, to| format!("{:#}", taipei.place(host, to, false, at(1)).unwrap_err());
    assert_eq!(refused(&mut taipei, "db1", "osako"), "there is no site `osako`");
    assert_eq!(refused(&mut taipei, "db1", "lisbon"), "moving db1 to lisbon: the segment does not span that site");
    assert_eq!(refused(&mut taipei, "10.9.0.2", "seoul"), "moving 10.9.0.2 to seoul: the host is pinned to its site");
    assert_eq!(
        refused(&mut taipei, "db9", "seoul"),
        "no segment of this site has a host `db9`: say its name, MAC or IP address as in the mesh file"
    );
}

/// RFC 2328 §12.4: MinLSInterval holds back the second instance of an LSA, not the first of another.
#[test]
fn hosts_that_move_one_after_another_are_told_of_in_lsas_of_their_own() {
    let (mut mesh, dirs) = (mesh(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    mesh.segments[0].segment.hosts.values_mut().for_each(|host| host.mobility = Mobility::Movable);
    let [mut osaka, mut seoul] = [("osaka", 0), ("seoul", 1)].map(|(name, dir)| site(&mesh, name, &dirs[dir]));
    let mut told = BTreeSet::new();
    for mac in ["02:00:00:00:00:01", "02:00:00:00:00:02"] {
        assert!(seoul.learned_on(&heard(mac.parse().unwrap()), &name("br-vms"), at(1)));
        for (lsa, body) in seoul.take_pending() {
            assert!(told.insert(lsa.share), "each once");
            receive(&mut osaka, OpaqueLsa { domain: BACKBONE, ..lsa }, 3, body.as_deref());
        }
    }
    assert_eq!(told.len(), 2);
    assert_eq!(remotes(&osaka), ["02:00:00:00:00:01 10.255.0.3", "02:00:00:00:00:02 10.255.0.3"]);
}

#[test]
fn what_makes_no_sense_or_is_about_other_segments_changes_nothing() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut taipei = site(&mesh, "taipei", &dir);
    let db1: Mac = "02:00:00:00:00:01".parse().unwrap();
    let [one, two] = [1, 2].map(|site| Vtep(Ipv4Addr::new(10, 255, 0, site)));
    let claim = Claim { mac: db1, epoch: 0, sequence: 1, home: one, location: two };
    let good = encode([claim]);
    let mut hear = |vni: u32, router: u8, body: &[u8]| {
        receive(&mut taipei, OpaqueLsa { id: vni, ..VMS }, router, Some(body));
        remotes(&taipei)
    };
    let before = ["02:00:00:00:00:02 10.255.0.2"];
    assert_eq!(hear(100, 2, &good[..23]), before, "cut");
    assert_eq!(hear(101, 2, &good), before, "another segment");
    assert_eq!(hear(0, 2, &good), before, "no segment");
    assert_eq!(hear(100, 4, &good), before, "a site that the segment does not span");
    assert_eq!(hear(100, 77, &good), before, "no site at all");
    assert_eq!(hear(100, 3, &good), ["02:00:00:00:00:01 10.255.0.2", "02:00:00:00:00:02 10.255.0.2"]);
}

/// Osaka's claim that db1 is there, as an LSA in this database.
fn osaka_claims(segments: &mut Segments, domain: Domain) {
    let mac: Mac = "02:00:00:00:00:01".parse().unwrap();
    let [one, two] = [1, 2].map(|site| Vtep(Ipv4Addr::new(10, 255, 0, site)));
    let body = encode([Claim { mac, epoch: 0, sequence: 1, home: one, location: two }]);
    receive(segments, OpaqueLsa { domain, ..VMS }, 2, Some(&body));
}

/// An LSA of a router with these claims, as it would be flooded by the tunnels.
fn announce(segments: &mut Segments, router: u8, claims: &[Claim]) {
    receive(segments, VMS, router, Some(&encode(claims.iter().copied())));
}

/// That db1 is at osaka, as no number of moves can have led to.
fn forged() -> Claim {
    let [one, two] = [1, 2].map(|site| Vtep(Ipv4Addr::new(10, 255, 0, site)));
    Claim { mac: "02:00:00:00:00:01".parse().unwrap(), epoch: 0, sequence: u32::MAX, home: one, location: two }
}

/// Problems but for those of ports.
fn problems(segments: &Segments) -> Vec<String> {
    let mut problems = segments.problems(&Observed::default(), at(2));
    problems.retain(|problem| !problem.contains("no such interface"));
    problems
}

#[test]
fn a_forged_claim_is_refused_named_and_forgotten_and_the_host_can_still_be_moved() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut seoul = site(&mesh, "seoul", &dir);
    let home = ["02:00:00:00:00:01 10.255.0.1", "02:00:00:00:00:02 10.255.0.2"];
    announce(&mut seoul, 2, &[forged()]);
    assert_eq!(remotes(&seoul), home);
    assert_eq!(
        problems(&seoul),
        [
            "vms: a claim of osaka (10.255.0.2) about db1 is refused: its sequence is greater than 16777216: no host has moved so \
          often: `weft forget db1` at osaka withdraws it, `weft move db1 SITE --force` says at all sites where the host is"
        ]
    );
    seoul.remember();
    drop(seoul);
    assert!(!dir.path().join("hosts.json").exists(), "there is nothing to remember");
    // A restart has nothing of it, and a move works while it is still announced.
    let mut again = site(&mesh, "seoul", &dir);
    announce(&mut again, 2, &[forged()]);
    assert_eq!(remotes(&again), home);
    again.place("db1", "seoul", false, at(3)).unwrap();
    assert_eq!(remotes(&again), home[1..]);
    announce(&mut again, 2, &[]);
    assert_eq!(problems(&again), [""; 0]);
}

#[test]
fn what_an_older_version_remembered_of_a_forged_claim_is_dropped_at_the_start_and_from_the_file() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let line = r#"[{"vni": 100, "mac": "02:00:00:00:00:01", "sequence": 4294967295, "home": "10.255.0.1",
        "location": "10.255.0.2", "author": "10.255.0.2", "since_unix_s": 1800000000}]"#;
    let path = dir.path().join("hosts.json");
    std::fs::write(&path, line).unwrap();
    let mut seoul = site(&mesh, "seoul", &dir);
    assert_eq!(remotes(&seoul), ["02:00:00:00:00:01 10.255.0.1", "02:00:00:00:00:02 10.255.0.2"]);
    seoul.remember();
    drop(seoul);
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), "[]");
}

#[test]
fn other_claims_that_are_refused_are_named_with_what_to_compare() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut seoul = site(&mesh, "seoul", &dir);
    let [two, unknown] = ["02:00:00:00:00:02", "02:00:00:00:00:77"].map(|mac| mac.parse::<Mac>().unwrap());
    let osaka = Vtep(Ipv4Addr::new(10, 255, 0, 2));
    let claim = |mac| Claim { mac, epoch: 0, sequence: 1, home: osaka, location: osaka };
    announce(&mut seoul, 1, &[claim(unknown), claim("02:00:00:00:00:78".parse().unwrap()), claim(two)]);
    announce(&mut seoul, 77, &[claim(unknown)]);
    receive(&mut seoul, VMS, 2, Some(&[0, 1, 0, 9]));
    assert_eq!(
        problems(&seoul),
        [
            "vms: the claims of osaka (10.255.0.2) are refused: the TLV at octet 0 ends beyond the body: does it run another version?",
            "vms: a claim of taipei (10.255.0.1) about 02:00:00:00:00:77 and 1 more is refused: no host of the segment has this MAC \
             address: compare the mesh file of taipei with this one",
            "vms: a claim of taipei (10.255.0.1) about 02:00:00:00:00:02 is refused: the host is pinned to its site: compare the mesh \
             file of taipei with this one",
            "vms: a claim of 10.255.0.77 about 02:00:00:00:00:77 is refused: whoever claims it is no site of the segment: `weft show \
             lsdb --router 10.255.0.77` shows its LSAs",
        ]
    );
    receive(&mut seoul, VMS, 2, None);
    assert!(!problems(&seoul).iter().any(|problem| problem.contains("octet")), "it is gone");
}

#[test]
fn a_move_by_force_is_announced_and_outlives_restarts_of_sites_that_knew_better() {
    let (mesh, dirs) = (mesh(), [(); 3].map(|()| tempfile::tempdir().unwrap()));
    let [mut taipei, mut osaka, mut seoul] =
        [("taipei", 0), ("osaka", 1), ("seoul", 2)].map(|(name, dir)| site(&mesh, name, &dirs[dir]));
    // Seoul was cut off while the host moved there and back many times.
    for (second, to) in ["seoul", "taipei", "seoul", "osaka", "seoul"].into_iter().enumerate() {
        seoul.place("db1", to, false, at(second as u64)).unwrap();
    }
    seoul.remember();
    // At the others it is at home for all they know, and there is nothing that an ordinary move would say.
    taipei.place("db1", "taipei", false, at(9)).unwrap();
    assert_eq!(taipei.take_pending(), []);
    taipei.place("db1", "taipei", true, at(9)).unwrap();
    flood(&mut [&mut taipei, &mut osaka, &mut seoul]);
    let at_taipei = "02:00:00:00:00:01 10.255.0.1";
    assert!([&osaka, &seoul].iter().all(|site| remotes(site).contains(&at_taipei.to_owned())));
    seoul.remember();
    drop(seoul);
    let seoul = site(&mesh, "seoul", &dirs[2]);
    assert!(remotes(&seoul).contains(&at_taipei.to_owned()));
}

#[test]
fn a_host_that_is_forgotten_is_withdrawn_and_is_where_the_mesh_file_has_it() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut osaka = site(&mesh, "osaka", &dir);
    osaka.place("db1", "osaka", false, at(1)).unwrap();
    assert_eq!(osaka.take_pending().len(), 1);
    osaka.remember();
    let forgotten = osaka.forget("10.9.0.1", at(2)).unwrap();
    assert_eq!((forgotten.remembered_at.as_deref(), forgotten.site.as_str()), (Some("osaka"), "taipei"));
    assert_eq!(forgotten.claimed_by, None);
    let withdrawn = osaka.take_pending();
    assert!(matches!(withdrawn[..], [(OpaqueLsa { id: 100, .. }, None)]), "{withdrawn:?}");
    osaka.remember();
    drop(osaka);
    let mut osaka = site(&mesh, "osaka", &dir);
    assert_eq!(remotes(&osaka), ["02:00:00:00:00:01 10.255.0.1"]);
    // Where another site claims it, that counts, and is said.
    announce(&mut osaka, 3, &[Claim { sequence: 4, location: Vtep(Ipv4Addr::new(10, 255, 0, 3)), ..forged() }]);
    let forgotten = osaka.forget("db1", at(3)).unwrap();
    assert_eq!((forgotten.site.as_str(), forgotten.claimed_by.as_deref()), ("seoul", Some("seoul")));
    assert!(osaka.forget("db9", at(3)).is_err());
}

#[test]
fn a_router_of_a_lan_that_calls_itself_a_site_is_not_believed() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut seoul = site(&mesh, "seoul", &dir);
    let home = ["02:00:00:00:00:01 10.255.0.1", "02:00:00:00:00:02 10.255.0.2"];
    osaka_claims(&mut seoul, Domain::Area(AreaId(1)));
    assert_eq!(remotes(&seoul), home, "of an area that no tunnel is in");
    osaka_claims(&mut seoul, Domain::As);
    assert_eq!(remotes(&seoul), home, "with another scope than the sites' own");
    osaka_claims(&mut seoul, Domain::Area(AreaId::BACKBONE));
    assert_eq!(remotes(&seoul), ["02:00:00:00:00:01 10.255.0.2", "02:00:00:00:00:02 10.255.0.2"]);
}

#[test]
fn what_was_said_of_a_segment_before_it_came_here_counts_once_it_has() {
    let (with, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut without = with.clone();
    without.segments.clear();
    let mut seoul = site(&without, "seoul", &dir);
    osaka_claims(&mut seoul, Domain::Area(AreaId::BACKBONE));
    seoul.reload(&with, with.site("seoul").unwrap(), at(2));
    assert_eq!(remotes(&seoul), ["02:00:00:00:00:01 10.255.0.2", "02:00:00:00:00:02 10.255.0.2"]);
}

#[test]
fn claims_follow_the_tunnels_into_another_area() {
    let (before, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut taipei = site(&before, "taipei", &dir);
    taipei.place("db1", "seoul", false, at(1)).unwrap();
    assert_eq!(taipei.take_pending().len(), 1);
    let mut after = before.clone();
    after.links.iter_mut().for_each(|link| link.ospf.area = AreaId(1));
    taipei.reload(&after, after.site("taipei").unwrap(), at(2));
    let told = taipei.take_pending();
    let told: Vec<_> = told.iter().map(|(lsa, body)| (lsa.domain, lsa.id, body.is_some())).collect();
    assert_eq!(told, [(Domain::Area(AreaId(1)), 100, true), (Domain::Area(AreaId::BACKBONE), 100, false)]);
}

#[test]
fn what_was_said_in_an_area_that_the_tunnels_came_to_later_counts_from_then_on() {
    let (before, dir) = (mesh(), tempfile::tempdir().unwrap());
    let mut seoul = site(&before, "seoul", &dir);
    osaka_claims(&mut seoul, Domain::Area(AreaId(1)));
    let mut after = before.clone();
    after.links.iter_mut().for_each(|link| link.ospf.area = AreaId(1));
    seoul.reload(&after, after.site("seoul").unwrap(), at(2));
    assert_eq!(remotes(&seoul), ["02:00:00:00:00:01 10.255.0.2", "02:00:00:00:00:02 10.255.0.2"]);
}

#[test]
fn a_site_without_the_segment_has_nothing_of_it() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let lisbon = site(&mesh, "lisbon", &dir);
    assert!(lisbon.is_empty());
    assert_eq!(lisbon.desired(&BTreeSet::new(), &Observed::default(), SystemTime::now()), Overlay::default());
}

#[test]
fn a_port_that_is_not_there_is_a_problem_and_is_not_joined() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let taipei = site(&mesh, "taipei", &dir);
    let mut observed = Observed::default();
    assert_eq!(taipei.problems(&observed, at(1)), ["vms: port tap0: there is no such interface"]);
    let joined = |found: &Observed| taipei.desired(&BTreeSet::new(), found, SystemTime::now()).ports.len();
    assert_eq!(joined(&observed), 0);
    let found = ForeignInterface { index: 9, mtu: 1500, running: true, addresses: Vec::new() };
    observed.foreign.interfaces.insert(name("tap0"), found);
    assert_eq!(taipei.problems(&observed, at(1)), [""; 0]);
    assert_eq!(joined(&observed), 1);
}

#[test]
fn a_bridge_that_learns_no_more_hosts_is_a_problem() {
    let (mesh, dir) = (mesh(), tempfile::tempdir().unwrap());
    let taipei = site(&mesh, "taipei", &dir);
    let found = ForeignInterface { index: 9, mtu: 1500, running: true, addresses: Vec::new() };
    let mut observed = Observed::default();
    observed.foreign.interfaces.insert(name("tap0"), found);
    observed.state.overlay.ports.insert(name("tap0"), name("br-vms"));
    let host = |number: u32| {
        let [_, high, middle, low] = number.to_be_bytes();
        LearnedHost { port: name("tap0"), mac: Mac::try_from([6, 0, 0, high, middle, low]).unwrap(), vlan: None }
    };
    observed.learned = (1..MAX_LEARNED).map(host).collect();
    assert_eq!(taipei.problems(&observed, at(1)), [""; 0]);
    observed.learned.insert(host(MAX_LEARNED));
    assert_eq!(taipei.problems(&observed, at(1)), ["vms: 16384 hosts were learned here, and no more are learned"]);
}

#[test]
fn claims_stay_in_the_area_of_the_tunnels_where_there_is_one_only() {
    let mut mesh = mesh();
    assert_eq!(domain(&mesh), Domain::Area(AreaId::BACKBONE));
    mesh.links[0].ospf.area = AreaId(1);
    assert_eq!(domain(&mesh), Domain::As);
    mesh.links.clear();
    assert_eq!(domain(&mesh), Domain::As);
}

/// The same sites with two segments, which at taipei are two VLANs of a bridge that somebody else makes.
fn on_vmbr0() -> Mesh {
    let mut text = String::from("[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n");
    for (id, (name, key)) in [("taipei", 'A'), ("osaka", 'B')].iter().enumerate() {
        let keys = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=".replacen('A', &key.to_string(), 1);
        let id = id + 1;
        text += &format!(
            "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{keys}\"\nendpoint = \"203.0.113.{id}\"\n"
        );
    }
    for (name, vlan) in [("vms", 20), ("office", 30)] {
        text += &format!(
            "[[l2]]\nname = \"{name}\"\nvni = {vlan}\nlearn = true\n\
             [[l2.site]]\nname = \"taipei\"\nexisting_bridge = \"vmbr0\"\nvlan = {vlan}\n[[l2.site]]\nname = \"osaka\"\n\
             [[l2.host]]\nname = \"of-{name}\"\nsite = \"osaka\"\nmac = \"02:00:00:00:00:01\"\nip = \"10.{vlan}.0.1\"\n"
        );
    }
    mesh::parse("mesh", &text).unwrap_or_else(|wrong| panic!("{wrong}")).mesh
}

#[test]
fn a_host_that_an_existing_bridge_hears_counts_in_the_segment_of_its_vlan_alone() {
    let (mesh, dir) = (on_vmbr0(), tempfile::tempdir().unwrap());
    let mut taipei = site(&mesh, "taipei", &dir);
    let heard = |vlan| LearnedHost { vlan: VlanId::new(vlan), ..heard("02:00:00:00:00:01".parse().unwrap()) };
    assert!(!taipei.learned_on(&heard(40), &name("vmbr0"), at(1)), "another VLAN of the bridge");
    assert!(taipei.learned_on(&heard(30), &name("vmbr0"), at(1)));
    let moved: Vec<u32> = taipei.take_pending().iter().map(|(lsa, _)| lsa.id).collect();
    assert_eq!(moved, [30]);
}

#[test]
fn on_an_existing_bridge_hosts_are_behind_every_port_that_is_in_the_vlan() {
    let mesh = on_vmbr0();
    let range = |first, last, access| VlanRange { first, last, pvid: access, untagged: access };
    let mut observed = Observed::default();
    for (port, vlans) in [
        ("eth1", vec![range(1, 1, true), range(2, 4094, false)]),
        ("tap0", vec![range(30, 30, true)]),
        ("tap1", vec![range(1, 1, true)]),
        ("tap2", vec![range(20, 20, true)]),
    ] {
        observed.state.overlay.ports.insert(name(port), name(if port == "tap2" { "vmbr1" } else { "vmbr0" }));
        observed.vlans.insert(name(port), vlans);
    }
    let office = mesh.segments.iter().find(|l2| l2.name == "office").unwrap();
    let site = &office.sites[&mesh.site("taipei").unwrap().id];
    let tag = site.vlan();
    assert_eq!(tag.map(VlanId::value), Some(30));
    let expected = [
        (name("eth1"), Tagging { tag, untagged_in: false, untagged_out: false }),
        (name("tap0"), Tagging { tag, untagged_in: true, untagged_out: true }),
    ];
    assert_eq!(overlay::ports(site, &observed), expected);
}

#[test]
fn what_a_segment_waits_for_and_what_an_existing_bridge_holds_back_is_a_problem_with_its_remedy() {
    let (mesh, dir) = (on_vmbr0(), tempfile::tempdir().unwrap());
    let taipei = site(&mesh, "taipei", &dir);
    let mut observed = Observed::default();
    let missing = "waits: there is no bridge vmbr0, and weft makes none where `existing_bridge` names it: make it, or leave \
                   `existing_bridge` out";
    let expected = ["vms", "office"].map(|name| format!("{name} {missing}"));
    assert_eq!(taipei.problems(&observed, at(1)), expected);

    let mut bridge = ForeignBridge { mtu: 1500, vlan_filtering: false, admin: Admin::Up };
    observed.foreign.bridges.insert(name("vmbr0"), bridge);
    observed.state.overlay.ports.insert(name("eth1"), name("vmbr0"));
    let problems = taipei.problems(&observed, at(1));
    assert!(
        problems[0].starts_with("vms waits: bridge vmbr0 does not filter VLANs") && problems.len() == 2,
        "{problems:?}"
    );

    bridge.vlan_filtering = true;
    observed.foreign.bridges.insert(name("vmbr0"), bridge);
    assert_eq!(taipei.problems(&observed, at(1)), [""; 0]);
    observed.held_back.insert(name("vx-vms"), HeldBack::Listening);
    observed.foreign.bridges.insert(name("vmbr0"), ForeignBridge { admin: Admin::Down, ..bridge });
    let down = "bridge vmbr0 is down: set it up with `ip link set vmbr0 up`";
    let held_back = "vms: the spanning tree of bridge vmbr0 has port vx-vms in state listening: frames cross when it is forwarding, after \
                     twice the bridge's forward delay; where no loop is possible, `ip link set vmbr0 type bridge stp_state 0` does \
                     without";
    let expected = [format!("vms: {down}"), held_back.to_owned(), format!("office: {down}")];
    assert_eq!(taipei.problems(&observed, at(1)), expected);
}
