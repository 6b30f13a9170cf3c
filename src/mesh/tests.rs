//! Mesh files as users write them, right and wrong. `tests/wrong` holds one file per mistake and, beside it, exactly
//! what is said about it; `WEFT_BLESS=1` writes these answers anew, for a diff to be read before it is committed.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::input_file::Accept;
use crate::net::{IfName, Prefix};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mesh/tests").join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    files.sort();
    files
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares every file of `folder` with what is expected to be said about it, and tells of all that differ.
fn compare<D: Display>(folder: &str, said: impl Fn(&str, &str) -> D) -> usize {
    let bless = std::env::var_os("WEFT_BLESS").is_some();
    let mut differences = String::new();
    let files = files(folder);
    for path in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let said = format!("{}\n", said(name, &fs::read_to_string(path).unwrap()));
        let answer = path.with_extension("stderr");
        if bless {
            fs::write(&answer, &said).unwrap();
        }
        let expected = fs::read_to_string(&answer).unwrap_or_default();
        if said != expected {
            differences.push_str(&format!("== {name}: expected\n{expected}\n== {name}: said\n{said}\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
    files.len()
}

#[test]
fn every_wrong_file_is_refused_with_exactly_the_expected_words() {
    let number = compare("wrong", |name, text| match parse(name, text) {
        Ok(parsed) => panic!("{name} is accepted: {parsed:?}"),
        Err(errors) => errors,
    });
    assert!(number >= 30, "only {number} wrong files were found");
}

#[test]
fn every_doubtful_file_is_accepted_with_exactly_the_expected_warnings() {
    compare("warned", |name, text| match parse(name, text) {
        Ok(parsed) => parsed.warnings,
        Err(errors) => panic!("{name} is refused:\n{errors}"),
    });
}

#[test]
fn every_good_file_and_every_example_is_accepted_and_warned_of_at_most_for_links_without_authentication() {
    let examples = files("../../../configs");
    assert!(examples.len() >= 2, "the examples were not found");
    for path in files("good").into_iter().chain(examples) {
        match load(&path, Accept::Regular) {
            Ok(parsed) => {
                let warnings = parsed.warnings.to_string();
                let mut titles = warnings.lines().filter(|line| line.starts_with("warning: "));
                assert!(titles.all(|title| title.ends_with(" is not authenticated")), "{warnings}");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_minimal_file_has_the_documented_defaults() {
    let mesh = parse("minimal", &example("src/mesh/tests/good/minimal.toml")).unwrap().mesh;
    assert_eq!(mesh.unlisted, Unlisted::Accept);
    assert_eq!(mesh.source_check, SourceCheck::Strict);
    let taipei = mesh.site("taipei").unwrap();
    assert_eq!((taipei.port, taipei.mtu, taipei.backend), (51820, 1420, BackendChoice::Auto));
    assert_eq!(taipei.loopback.to_string(), "10.255.0.1");
    let [tunnel] = mesh.tunnels(taipei).try_into().unwrap();
    assert_eq!(tunnel.interface.as_str(), "wg-osaka");
    assert_eq!((tunnel.listen_port, tunnel.endpoint.unwrap().1), (51822, 51821));
    assert_eq!(tunnel.keepalive.unwrap().as_secs(), 25);
    let OspfSettings { area, cost, timers, .. } = tunnel.ospf;
    assert_eq!((area.to_string().as_str(), cost), ("0.0.0.0", 10));
    assert_eq!((timers.hello_interval.as_secs(), timers.dead_interval.as_secs()), (1, 4));
}

#[test]
fn settings_of_a_section_override_those_it_inherits() {
    let mesh = parse("everything", &example("src/mesh/tests/good/everything.toml")).unwrap().mesh;
    assert_eq!(mesh.unlisted, Unlisted::Refuse);
    assert_eq!(mesh.source_check, SourceCheck::Off);
    assert_eq!(mesh.sites.iter().map(|site| site.id.0).collect::<Vec<_>>(), [2, 3, 4094]);
    let ends: Vec<(u16, u16)> = mesh.links.iter().map(|link| (link.low.0, link.high.0)).collect();
    assert_eq!(ends, [(2, 4094), (3, 4094)]);

    let frankfurt = mesh.site("frankfurt-datacentre").unwrap();
    assert_eq!((frankfurt.port, frankfurt.mtu, frankfurt.backend), (5000, 9000, BackendChoice::Kernel));
    assert_eq!(frankfurt.loopback.to_string(), "172.31.15.254");
    let [lan, servers] = frankfurt.interfaces.as_slice() else { panic!("{:?}", frankfurt.interfaces) };
    assert_eq!((lan.mode, lan.ospf.cost, lan.ospf.timers.dead_interval.as_secs()), (InterfaceMode::Active, 65535, 40));
    assert_eq!(
        (servers.mode, servers.ospf.cost, servers.ospf.timers.dead_interval.as_secs()),
        (InterfaceMode::Passive, 20, 8)
    );

    let [to_b, to_c] = mesh.tunnels(frankfurt).try_into().unwrap();
    assert_eq!((to_b.ospf.cost, to_b.ospf.timers.hello_interval.as_secs()), (20, 2));
    assert_eq!(
        (to_c.ospf.cost, to_c.ospf.timers.hello_interval.as_secs(), to_c.ospf.timers.dead_interval.as_secs()),
        (1, 1, 8)
    );
    assert_eq!(to_b.endpoint, Some((Host::Name("VPN.example.net".to_owned()), 4000 + 4094)));
    assert_eq!(to_c.endpoint, None);
    assert_eq!(to_c.keepalive.unwrap().as_secs(), 60);
    let from_c = mesh.tunnels(mesh.site("c").unwrap());
    assert_eq!(from_c[0].endpoint, Some((Host::Address("2001:db8::1".parse().unwrap()), 500 + 3)));
    assert_eq!((from_c[0].mtu, to_c.mtu), (1380, 1380), "both ends have the smaller MTU");
}

#[test]
fn a_prefix_that_is_static_is_listed_as_any_other() {
    let text = example("src/mesh/tests/good/minimal.toml");
    let prefixes =
        r#"prefixes = ["10.8.0.0/16", { prefix = "10.9.0.0/16", static = true }, { prefix = "10.7.0.0/16" }]"#;
    let mesh = parse("minimal", &text.replacen("prefixes = [\"10.1.0.0/16\"]", prefixes, 1)).unwrap().mesh;
    let taipei = mesh.site("taipei").unwrap();
    let written: Vec<String> = taipei.prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(written, ["10.8.0.0/16", "10.9.0.0/16", "10.7.0.0/16"]);
    assert_eq!(taipei.static_prefixes, ["10.9.0.0/16".parse().unwrap()].into());
}

#[test]
fn a_link_may_have_its_own_endpoints_ports_mtu_keepalive_and_key() {
    let mesh = parse("links", &example("src/mesh/tests/good/links.toml")).unwrap().mesh;
    let site = |name| mesh.site(name).unwrap();
    let tunnel = |from, to: &str| mesh.tunnels(site(from)).into_iter().find(|tunnel| tunnel.peer == to).unwrap();
    let address = |text: &str, port| Some((Host::Address(text.parse().unwrap()), port));
    let (dc, office) = (tunnel("dc", "office"), tunnel("office", "dc"));
    // The port at dc is the link's, which the endpoint does not say again; at office the two differ.
    assert_eq!((dc.listen_port, dc.has_own_port, office.endpoint.clone()), (500, true, address("192.0.2.1", 500)));
    assert_eq!(
        (office.listen_port, office.has_own_port, dc.endpoint.clone()),
        (51821, false, address("2001:db8::2", 443))
    );
    for tunnel in [&dc, &office] {
        assert_eq!((tunnel.mtu, tunnel.keepalive), (1300, None));
        assert_eq!(tunnel.preshared_key_file.as_deref(), Some("dc-office.psk"));
    }
    // The site's endpoint with the link's port, and a ceiling above what the sites have.
    assert_eq!((tunnel("dc", "shop").listen_port, tunnel("shop", "dc").endpoint), (4500, address("203.0.113.1", 4500)));
    assert_eq!((tunnel("dc", "shop").endpoint, tunnel("dc", "shop").mtu), (None, 1420));
    assert_eq!(tunnel("dc", "shop").keepalive.map(|time| time.as_secs()), Some(25));
    // Neither has an endpoint but for this link.
    assert_eq!(
        (tunnel("booth", "shop").endpoint, tunnel("shop", "booth").endpoint),
        (address("192.168.7.1", 51824), None)
    );
    assert_eq!(tunnel("booth", "dc").endpoint, address("203.0.113.1", 7004));
    assert_eq!(mesh.smallest_mtu(), 1300);
    assert_eq!(mesh.endpoint_hosts(site("shop")), [&Host::Address("192.168.7.1".parse().unwrap())]);
    assert_eq!(mesh.endpoint_hosts(site("dc")).len(), 2);
    assert!(mesh.endpoint_hosts(site("booth")).is_empty());
}

#[test]
fn what_a_link_has_an_endpoint_for_is_not_counted_from_the_sites_first_port() {
    let site = |name: &str, id: u16, octet: &str, rest: &str| {
        format!("[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{}=\"\n{rest}\n", octet.repeat(43))
    };
    let sites = site("a", 1, "A", "endpoint = \"192.0.2.1:65000\"").replacen("AAAA", "AQEB", 1)
        + &site("b", 1000, "A", "").replacen("AAAA", "AgIC", 1);
    let file =
        format!("[mesh]\nname = \"m\"\nloopbacks = \"10.255.0.0/16\"\n{sites}[[link]]\nbetween = [\"a\", \"b\"]\n");
    let errors = parse("beyond", &file).unwrap_err().to_string();
    assert!(errors.contains("UDP port 65000 + site id 1000 is beyond 65535"), "{errors}");
    let mesh = parse("own", &format!("{file}endpoint = {{ a = \"192.0.2.1:443\" }}\n")).unwrap().mesh;
    assert_eq!(mesh.tunnels(mesh.site("b").unwrap())[0].endpoint.as_ref().unwrap().1, 443);
}

#[test]
fn authentication_is_inherited_like_cost() {
    use ::ospf::SequenceCheck;
    let mesh = parse("auth", &example("src/mesh/tests/good/auth.toml")).unwrap().mesh;
    let taipei = mesh.site("taipei").unwrap();
    let [to_osaka, to_seoul] = mesh.tunnels(taipei).try_into().unwrap();
    assert_eq!(mesh.ospf.graceful_restart.restarter.map(|period| period.as_secs()), Some(90));
    assert_eq!(to_osaka.ospf.auth, Auth::None);
    let Auth::Keys { keys, sequence: SequenceCheck::Extended } = to_seoul.ospf.auth else { panic!("{to_seoul:?}") };
    assert_eq!(keys.iter().map(|key| (key.id.0, key.key_file.as_str())).collect::<Vec<_>>(), [(1, "mesh.key")]);

    let [chain, password] = taipei.interfaces.as_slice() else { panic!("{:?}", taipei.interfaces) };
    let Auth::Keys { keys, sequence: SequenceCheck::Strict } = &chain.ospf.auth else { panic!("{chain:?}") };
    assert_eq!(keys.iter().map(|key| key.id.0).collect::<Vec<_>>(), [7, 8], "what is sent first comes first");
    assert_eq!(keys[0].send.until, keys[1].send.from);
    assert_eq!(keys[0].accept, Validity::default());
    assert_eq!(password.ospf.auth, Auth::Simple { key_file: "password".to_owned() });
}

#[test]
fn bfd_is_inherited_by_tunnels_and_off_where_nothing_is_said() {
    let mesh = parse("every", &example("src/mesh/tests/good/every_documented_feature.toml")).unwrap().mesh;
    let bfd = |mesh: &Mesh| mesh.tunnels(mesh.site("taipei").unwrap())[0].bfd;
    let session = |ms, multiplier: u8| {
        Some(Bfd { interval: std::time::Duration::from_millis(ms), multiplier: multiplier.try_into().unwrap() })
    };
    assert_eq!(bfd(&mesh), session(50, 3));
    let two = |ospf: &str, link: &str| {
        let sites = [("taipei", 1, "AQEB".repeat(10) + "AQE="), ("osaka", 2, "AgIC".repeat(10) + "AgI=")];
        let sites = sites.map(|(name, id, key)| {
            format!("[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"192.0.2.{id}\"\n")
        });
        let link = format!("[[link]]\nbetween = [\"taipei\", \"osaka\"]\n{link}\n");
        let file =
            format!("[mesh]\nname = \"m\"\nloopbacks = \"10.255.0.0/16\"\n[ospf]\n{ospf}\n{}{link}", sites.concat());
        bfd(&parse("two", &file).unwrap().mesh)
    };
    assert_eq!(two("", ""), None);
    assert_eq!(two("bfd = true", ""), session(100, 3));
    assert_eq!(two("bfd = true", "bfd = false"), None);
    assert_eq!(two("bfd = { multiplier = 5 }", ""), session(100, 5));
    assert_eq!(two("bfd = { multiplier = 5 }", "bfd = { interval = \"10ms\" }"), session(10, 3), "as a whole");
}

#[test]
fn areas_and_the_networks_in_them_are_what_the_file_says() {
    use ::ospf::{Advertise, AreaKind, ExternalMetric, NssaConfig, Rfc1583Compatibility, Summaries};
    let mesh = parse("areas", &example("src/mesh/tests/good/areas.toml")).unwrap().mesh;
    assert_eq!(mesh.ospf.rfc1583, Rfc1583Compatibility::Disabled);
    assert_eq!(mesh.ospf.spf_delay.time_to_learn.as_millis(), 500);
    assert_eq!(mesh.ospf.stub_router, ::ospf::StubRouter::AtStart(std::time::Duration::from_secs(30)));
    assert_eq!(
        mesh.ospf.limits,
        ::ospf::Limits { lsas: 5000, lsas_per_area: 5000, routes: 70_000, ..::ospf::Limits::default() }
    );
    let kind = |id: &str| mesh.areas[&id.parse().unwrap()].kind.clone();
    let prefix = |text: &str| text.parse::<::ospf::Prefix>().unwrap();
    let network = |text: &str| text.parse::<Prefix>().unwrap();
    let ranges = &mesh.areas[&"0.0.0.1".parse().unwrap()].ranges;
    assert_eq!((ranges[&prefix("10.16.0.0/12")].cost, ranges[&prefix("10.40.0.0/16")].cost), (Some(5), None));
    assert_eq!(ranges[&prefix("10.40.0.0/16")].advertise, Advertise::No);
    assert_eq!(kind("0.0.0.2"), AreaKind::Stub { summaries: Summaries::DefaultOnly, default_cost: 7 });
    let AreaKind::Nssa(NssaConfig { default_metric, ranges, .. }) = kind("0.0.0.3") else { panic!("not an NSSA") };
    assert_eq!((default_metric, ranges[&prefix("192.168.0.0/16")].tag), (ExternalMetric::Type1(9), 4));

    let taipei = mesh.site("taipei").unwrap();
    let [lan, frame_relay, radio] = taipei.interfaces.as_slice() else { panic!("{:?}", taipei.interfaces) };
    assert_eq!((lan.network, lan.ospf.priority), (NetworkType::Broadcast, 0));
    assert_eq!((frame_relay.network, frame_relay.ospf.priority), (NetworkType::NonBroadcast, 10));
    let priorities: Vec<u8> = frame_relay.neighbors.values().map(|neighbor| neighbor.priority).collect();
    assert_eq!((priorities, frame_relay.ospf.mtu_check), (vec![1, 0], MtuCheck::Enforced));
    assert_eq!(
        [lan, frame_relay].map(|interface| interface.ospf.prefix_suppression),
        [PrefixSuppression::Shown, PrefixSuppression::Hidden]
    );
    assert_eq!((radio.network, radio.ospf.poll_interval.as_secs()), (NetworkType::PointToMultipoint, 90));
    let [there] = taipei.virtual_links.as_slice() else { panic!("{:?}", taipei.virtual_links) };
    let [back] = mesh.site("osaka").unwrap().virtual_links.as_slice() else { panic!("no way back") };
    assert_eq!((there.far_end.to_string(), back.far_end.to_string()), ("10.255.0.2".into(), "10.255.0.1".into()));
    assert_eq!((there.timers.dead_interval.as_secs(), there.timers.retransmit_interval.as_secs()), (9, 5));

    let [statics, connected] = taipei.redistributions.as_slice() else { panic!("{:?}", taipei.redistributions) };
    assert_eq!((statics.from, statics.external.metric), (Source::Static, ExternalMetric::Type1(100)));
    assert!(
        statics.prefixes[0].0.selects(network("192.168.7.0/24")) && statics.prefixes[1].0.selects(Prefix::DEFAULT_V4)
    );
    assert_eq!((connected.from, connected.external.metric), (Source::Connected, ExternalMetric::Type2(20)));
    assert_eq!(import_action(&taipei.imports, network("10.2.3.0/24"), 0), ImportAction::Refuse);
    assert_eq!(import_action(&taipei.imports, network("10.3.3.0/24"), 0), ImportAction::Accept);
}

#[test]
fn segments_are_what_the_file_says_and_have_the_documented_defaults() {
    use vxlan::Vtep;
    use vxlan::segment::{Flooding, Learning, Mobility, Resolution, UnknownUnicast, Unreachable};
    let rate = |frames| Flooding::Flood(std::num::NonZeroU32::new(frames).unwrap());
    let interfaces = |names: &[&str]| names.iter().map(|name| IfName::new(name).unwrap()).collect();
    let mesh = parse("segments", &example("src/mesh/tests/good/segments.toml")).unwrap().mesh;
    let [long, office, printers, vms] = mesh.segments.as_slice() else { panic!("{:?}", mesh.segments) };
    let [osaka, seoul, taipei] = ["osaka", "seoul", "taipei"].map(|name| mesh.site(name).unwrap());

    assert_eq!((vms.name.as_str(), vms.device().as_str()), ("vms", "vx-vms"));
    let segment = &vms.segment;
    assert_eq!((segment.vni.value(), segment.mtu), (100, 1280));
    assert_eq!((segment.resolution, segment.unknown_unicast), (Resolution::Suppress, UnknownUnicast::Flood));
    assert_eq!((segment.broadcast, segment.multicast), (Flooding::Drop, rate(50)));
    assert_eq!((segment.learning, segment.unreachable), (Learning::On, Unreachable::Keep));
    let gateway = segment.gateway.unwrap();
    assert_eq!((gateway.ip().to_string(), gateway.prefix()), ("10.9.0.1".to_owned(), 24));
    assert_eq!(segment.members, [osaka, taipei].map(|site| Vtep(site.loopback)).into());
    assert_eq!(vms.sites[&taipei.id].bridge.as_str(), "br-vms");
    assert_eq!(vms.sites[&taipei.id].ports, interfaces(&["tap0", "tap1"]));
    assert_eq!((vms.sites[&osaka.id].bridge.as_str(), vms.sites[&osaka.id].ports.len()), ("br0", 0));
    let [(db1, pinned), (_, other)] = segment.hosts.iter().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((vms.host_names.len(), vms.host_names[db1].as_str()), (1, "db1"));
    assert_eq!((pinned.home, pinned.addresses.len(), pinned.mobility), (Vtep(taipei.loopback), 3, Mobility::Pinned));
    assert_eq!((other.home, other.addresses.len(), other.mobility), (Vtep(osaka.loopback), 1, Mobility::Movable));

    let existing = |l2: &L2, site: &Site| {
        let member = &l2.sites[&site.id];
        assert_eq!((member.bridge.as_str(), member.is_on_existing_bridge()), ("vmbr0", true));
        member.vlan().map(VlanId::value)
    };
    assert_eq!(
        [existing(office, taipei), existing(office, osaka), existing(printers, taipei)],
        [Some(20), None, Some(30)]
    );
    assert_eq!(printers.sites[&seoul.id].owner, BridgeOwner::Weft);

    let segment = &long.segment;
    assert_eq!((segment.vni.value(), segment.mtu, segment.gateway), (0x00ff_ffff, 1500, None));
    assert_eq!((segment.resolution, segment.unknown_unicast), (Resolution::Proxy, UnknownUnicast::Drop));
    assert_eq!((segment.broadcast, segment.multicast), (rate(1000), rate(1000)));
    assert_eq!((segment.learning, segment.unreachable), (Learning::Off, Unreachable::Remove));
    let bridges: Vec<&str> = long.sites.values().map(|site| site.bridge.as_str()).collect();
    assert_eq!((bridges, long.device().as_str()), (vec!["br-a-long~ffgme"; 3], "vx-a-long~ffgme"));
    assert_eq!(segment.hosts.values().next().unwrap().home, Vtep(seoul.loopback));
}

#[test]
fn a_mesh_of_one_site_has_no_tunnels() {
    let mesh = parse("single", &example("src/mesh/tests/good/single_site.toml")).unwrap().mesh;
    assert_eq!(mesh.links, []);
    assert_eq!(mesh.sites[0].interfaces[0].network, NetworkType::PointToPoint);
}

#[test]
fn sites_without_endpoint_have_no_link_in_a_full_mesh() {
    let name = "src/mesh/tests/warned/sites_without_endpoint_have_no_tunnel_between_them.toml";
    let mesh = parse("hidden", &example(name)).unwrap().mesh;
    let ends: Vec<(u16, u16)> = mesh.links.iter().map(|link| (link.low.0, link.high.0)).collect();
    assert_eq!(ends, [(1, 2), (1, 3), (1, 4)]);
}

#[test]
fn a_key_that_is_no_sites_is_refused_with_the_list_of_sites() {
    let mesh = parse("minimal", &example("src/mesh/tests/good/minimal.toml")).unwrap().mesh;
    let osaka = mesh.site("osaka").unwrap();
    assert_eq!(mesh.own_site(&osaka.public_key).unwrap(), osaka);
    let error = mesh.own_site(&crate::keys::PublicKey::from_bytes([9; 32])).unwrap_err();
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "the key belongs to no site of mesh acme: its public key is CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=; \
             the sites are",
            "  taipei  id 1      AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
            "  osaka   id 2      AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=",
        ]
    );
}

#[test]
fn a_file_that_is_not_utf8_is_shown_where_it_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mesh.toml");
    fs::write(&path, b"[mesh]\nname = \"M\xfcnchen\"\n").unwrap();
    let error = load(&path, Accept::Regular).unwrap_err().to_string();
    assert!(error.starts_with("error: not UTF-8\n"), "{error}");
    assert!(error.contains("mesh.toml:2:10\n"), "{error}");
}

#[test]
fn of_very_many_errors_the_first_hundred_are_shown() {
    let text: String = (0..250).map(|n| format!("key{n} = 1\n")).collect();
    let errors = parse("many", &text).unwrap_err();
    assert_eq!(errors.len(), 252);
    assert!(errors.to_string().ends_with("\n\n… and 152 more"));
}

#[test]
fn a_full_mesh_of_too_many_sites_is_refused_and_an_explicit_one_is_not() {
    let site = |n: u16| {
        let key = crate::keys::PublicKey::from_bytes(std::array::from_fn(|i| n.to_be_bytes()[i % 2]));
        format!("[[site]]\nname = \"s{n}\"\nid = {n}\npublic_key = \"{key}\"\nendpoint = \"203.0.113.1\"\n")
    };
    let sites: String = (1..=2100).map(site).collect();
    let text = |topology: &str| {
        format!("[mesh]\nname = \"a\"\nloopbacks = \"10.0.0.0/16\"\ntopology = \"{topology}\"\n{sites}")
    };
    let errors = parse("crowd", &text("full-mesh")).unwrap_err().to_string();
    assert!(errors.starts_with("error: 2100 sites are too many for a full mesh\n"), "{errors}");
    assert_eq!(parse("crowd", &text("explicit")).unwrap().mesh.links, []);
}

/// Good and wrong files with pieces replaced, removed and repeated. Whatever comes of it: an answer, no panic, and a
/// refusal always says why.
#[test]
fn no_file_makes_the_parser_panic() {
    const ROUNDS: usize = 1500;
    const SPLICES: [&str; 14] =
        ["\"", "[", "]", "[[", "=", "\n", "0", "-1", "65535", "{", "}", "\u{fffd}", "\"\"", "[[site]]\n"];
    let texts: Vec<String> = ["good", "wrong"]
        .iter()
        .flat_map(|folder| files(folder))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound.max(1) as u64) as usize
    };
    for _ in 0..ROUNDS {
        let mut text = texts[below(texts.len())].clone();
        for _ in 0..=below(4) {
            let boundary = |text: &str, at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let start = boundary(&text, below(text.len() + 1));
            let end = boundary(&text, (start + below(12)).min(text.len())).max(start);
            match below(3) {
                0 => text.replace_range(start..end, ""),
                1 => text.replace_range(start..end, SPLICES[below(SPLICES.len())]),
                _ => {
                    let piece = text[start..end].to_owned();
                    text.insert_str(start, &piece);
                }
            }
        }
        match parse("mutant", &text) {
            Ok(parsed) => drop(parsed.warnings.render(Look::Coloured)),
            Err(errors) => assert!(!errors.is_empty() && errors.to_string().starts_with("error: "), "{text}"),
        }
    }
}

#[test]
fn default_routes_tags_ranges_and_patterns_of_interfaces_are_what_is_written() {
    use ::ospf::{Advertise, ExternalMetric, Rfc1583Compatibility};
    let mesh = parse("policy", &example("src/mesh/tests/good/policy.toml")).unwrap().mesh;
    assert_eq!(mesh.ospf.rfc1583, Rfc1583Compatibility::Disabled, "nobody says");
    let taipei = mesh.site("taipei").unwrap();
    let default = taipei.default_originate.unwrap();
    assert_eq!((default.when, default.external.metric), (When::IfPresent, ExternalMetric::Type1(5)));
    assert_eq!(default.external.tag, 7);
    let osaka = mesh.site("osaka").unwrap().default_originate.unwrap();
    assert_eq!((osaka.when, osaka.external.metric), (When::Always, ExternalMetric::Type2(10)));
    let ranges: Vec<_> = taipei.external_ranges.iter().map(|(prefix, range)| (prefix.to_string(), *range)).collect();
    assert_eq!((ranges[0].0.as_str(), ranges[0].1.tag), ("172.16.0.0/16", 4));
    assert_eq!((ranges[1].0.as_str(), ranges[1].1.advertise), ("172.17.0.0/16", Advertise::No));

    let prefix = |text: &str| text.parse::<Prefix>().unwrap();
    let tag = |text| taipei.redistributions[0].originates(prefix(text)).unwrap().tag;
    assert_eq!((tag("172.30.1.0/24"), tag("172.20.1.0/24")), (30, 3));
    let action = |text, tag| import_action(&taipei.imports, prefix(text), tag);
    assert_eq!((action("10.0.0.0/24", 30), action("0.0.0.0/0", 150)), (ImportAction::Refuse, ImportAction::Refuse));
    assert_eq!((action("10.0.0.0/24", 7), action("0.0.0.0/0", 99)), (ImportAction::Accept, ImportAction::Accept));

    let names = |interfaces: &[SiteInterface]| {
        interfaces.iter().map(|interface| interface.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&taipei.interfaces), ["eth1"]);
    assert_eq!(names(&taipei.interface_patterns), ["eth*", "tap*"]);
    let eth = &taipei.interface_patterns[0];
    assert!(eth.is_pattern_of(&IfName::new("eth17").unwrap()) && !eth.is_pattern_of(&IfName::new("et1").unwrap()));
    assert!(!taipei.interfaces[0].is_pattern_of(&IfName::new("eth1").unwrap()));
}
