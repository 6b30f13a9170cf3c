//! An Ethernet segment across three sites: what hosts see of it, and what they do not.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::capture::Capture;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::{Netns, in_netns, inside};
use crate::harness::ping::Stream;
use crate::harness::process::Background;
use crate::harness::wait::{allowed, eventually};

const SETTLED: Duration = Duration::from_secs(30);

/// RouterDeadInterval, and time to calculate and install.
const REROUTED: Duration = Duration::from_secs(8);

const DB2: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 11);
const LICENCES: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 12);

/// Octets that a TCP connection carries across a segment.
const TRANSFER: u64 = 4_000_000;

/// The two routers' and the hosts' view once everybody reaches everybody.
fn settled(mesh: &str) -> Result<Lab> {
    settled_as(mesh, &mesh::segments(mesh))
}

fn settled_as(mesh: &str, text: &str) -> Result<Lab> {
    let lab = Lab::up(mesh, text)?;
    lab.await_ping("db1", DB2, SETTLED)?;
    lab.await_ping("db1", LICENCES, SETTLED)?;
    lab.await_ping("db2", LICENCES, SETTLED)?;
    Ok(lab)
}

#[test]
fn hosts_of_one_subnet_at_two_sites_have_a_wire_between_them() -> Result<()> {
    let lab = settled("t-wire")?;
    let capture = Capture::start(&lab.netns("taipei"), "wg-osaka", "udp port 4789")?;
    // Fresh caches: whoever is asked for is asked for while the capture runs.
    for host in ["db1", "db2"] {
        lab.ip(host, "neigh flush dev eth0")?;
    }
    // What fits, what the tunnel has to fragment, and what must not be fragmented: the answer says how much fits.
    let ping = |arguments: &str| lab.run_at("db1", &format!("ping -n -c 2 -i 0.2 -W 2 {arguments} {DB2}"));
    ping("-M do -s 1342")?;
    ping("-M dont -s 1472")?;
    let told = ping("-M do -s 1472").err().context("a frame of 1500 octets with DF crosses a tunnel of 1420")?;
    ensure!(format!("{told:#}").contains("mtu = 1370"), "the host is not told what fits: {told:#}");
    // A question that nobody's table answers stays at home.
    lab.run_at("db1", "ping -n -c 1 -W 1 10.9.0.99").err().context("somebody answers for nobody")?;
    for reverse in ["", "-R"] {
        iperf3(&lab, ("db1", "db2"), DB2, reverse)?;
    }
    let frames = capture.count("vxlan.vni == 100")?;
    ensure!(frames > 100, "only {frames} frames crossed the tunnel");
    // The outer header's is no TCP, so whatever has an MSS is a host's.
    let [synchronizing, too_large] =
        ["tcp.flags.syn == 1", "tcp.options.mss_val > 1330"].map(|filter| capture.count(filter));
    ensure!(synchronizing? >= 4 && too_large? == 0, "connections begin with an MSS that does not cross in one piece");
    let asked = capture.finish_count("arp || icmpv6.type == 135")?;
    ensure!(asked == 0, "{asked} questions for MAC addresses crossed the tunnel");
    lab.down()
}

#[test]
fn a_segment_goes_around_a_dead_tunnel_and_a_dead_site_is_not_answered_for() -> Result<()> {
    let lab = settled("t-around")?;
    lab.cut("taipei", "osaka")?;
    eventually("the way over seoul", allowed(REROUTED), || {
        let traced: Value = lab.ask_json("taipei", "trace db2")?;
        Ok((traced[0]["nexthops"][0]["interface"] == "wg-seoul").then_some(()))
    })?;
    lab.await_ping("db1", DB2, allowed(REROUTED))?;
    lab.cut("osaka", "seoul")?;
    eventually("osaka's hosts to be nobody's", allowed(REROUTED), || {
        let entries = forwarding(&lab, "taipei")?;
        Ok((!entries.iter().any(|entry| entry.contains("10.255.0.2"))).then_some(()))
    })?;
    lab.run_at("db1", &format!("ping -n -c 1 -W 1 {DB2}")).err().context("a host that is cut off answers")?;
    lab.await_ping("db1", LICENCES, SETTLED)?;
    lab.heal("osaka", "seoul")?;
    lab.heal("taipei", "osaka")?;
    lab.await_ping("db1", DB2, SETTLED)?;
    lab.down()
}

/// Once by command and once because it is heard; each time a connection goes on.
#[test]
fn a_host_that_moves_keeps_its_connections() -> Result<()> {
    let lab = settled("t-move")?;
    let dir = tempfile::tempdir()?;
    let mut server =
        Background::start("server", inside(&lab.netns("licences"), "iperf3 --server --one-off"), dir.path())?;
    server.await_answer(SETTLED, || listens(&lab, "licences", 5201))?;
    let line = format!("iperf3 --client {LICENCES} --time 12 --json");
    let client = inside(&lab.netns("db2"), &line).stdout(std::process::Stdio::piped()).spawn()?;
    eventually("the connection", SETTLED, || {
        let open = lab.run_at("db2", "ss -Htn state established dport = :5201")?;
        Ok((open.lines().count() >= 2).then_some(()))
    })?;
    for (arguments, site) in [("", "taipei"), ("--silent", "osaka"), ("", "seoul")] {
        lab.weft_lab_move("db2", site, arguments)?;
        for other in ["taipei", "osaka", "seoul"] {
            eventually(&format!("{other} to know that the host is at {site}"), SETTLED, || {
                Ok((locations(&lab, other, "db2")? == site).then_some(()))
            })?;
        }
        lab.await_ping("db1", DB2, SETTLED)?;
    }
    let outcome = client.wait_with_output()?;
    ensure!(outcome.status.success(), "the connection did not survive: {outcome:?}");
    let report: Value = serde_json::from_slice(&outcome.stdout)?;
    let intervals = report["intervals"].as_array().context("intervals")?;
    let last = intervals.last().context("an interval")?["sum"]["bytes"].as_f64().unwrap_or_default();
    ensure!(last > 0.0, "nothing went through at the end: {report}");
    // The tables outlive a daemon that is killed.
    lab.kill_daemon("osaka")?;
    lab.start_what_is_missing()?;
    eventually("osaka to remember", SETTLED, || Ok((locations(&lab, "osaka", "db2")? == "seoul").then_some(())))?;
    // Who may not move does not, whoever says so.
    let refused = lab.ask("taipei", "move licences osaka").err().context("a pinned host was moved")?;
    ensure!(format!("{refused:#}").contains("pinned"), "{refused:#}");
    lab.down()
}

#[test]
fn a_killed_daemon_leaves_a_segment_alone_and_claims_can_be_outbid_and_forgotten() -> Result<()> {
    // Neighbours bear with a daemon that is gone for a moment (RFC 3623), or nobody would send the site anything.
    let text = mesh::segments("t-l2kill");
    let lab = settled_as(
        "t-l2kill",
        &text.replacen("[[site]]", "[ospf]\ngraceful_restart = { restarter = true }\n\n[[site]]", 1),
    )?;
    let before = forwarding(&lab, "taipei")?;
    let stream = Stream::start(&lab.netns("db1"), DB2)?;
    lab.kill_daemon("taipei")?;
    lab.start_what_is_missing()?;
    lab.await_full()?;
    let count = stream.finish()?;
    ensure!(count.lost() == 0, "a ping across the segment: {count:?}");
    ensure!(forwarding(&lab, "taipei")? == before, "entries were {before:#?}");
    // What has been claimed of a host can be outbid at any site, and forgotten at each.
    lab.ask("osaka", "move db1 taipei --force")?;
    for site in ["taipei", "osaka", "seoul"] {
        eventually(&format!("{site} to take in the new epoch"), SETTLED, || {
            let host = shown_host(&lab, site, "db1")?;
            Ok((host["epoch"] == 1 && host["site"] == "taipei").then_some(()))
        })?;
    }
    eventually("osaka to hear from taipei what it has forgotten itself", SETTLED, || {
        let forgotten: Value = lab.ask_json("osaka", "forget db1")?;
        Ok((forgotten["claimed_by"] == "taipei" && forgotten["site"] == "taipei").then_some(()))
    })?;
    eventually("osaka's claim to be gone, so that taipei can forget the host", SETTLED, || {
        let forgotten = lab.ask("taipei", "forget db1")?;
        Ok(forgotten.contains("it is at taipei, where the mesh file has it").then_some(()))
    })?;
    ensure!(shown_host(&lab, "taipei", "db1")?["epoch"] == 0, "taipei has not forgotten");
    lab.await_ping("db1", DB2, SETTLED)?;
    lab.down()
}

#[test]
fn other_sites_see_no_more_of_a_storm_than_the_limit() -> Result<()> {
    const LIMIT: u64 = 200;
    let lab = settled("t-storm")?;
    let heard = in_netns(&lab.netns("db2"), || {
        let socket = UdpSocket::bind(("0.0.0.0", 9))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(socket)
    })?;
    let storm = in_netns(&lab.netns("db1"), || {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.set_broadcast(true)?;
        Ok(socket)
    })?;
    let began = Instant::now();
    let sender = thread::spawn(move || -> std::io::Result<u64> {
        let mut sent = 0;
        // In the virtual machine it takes longer until that many frames are sent.
        while began.elapsed() < Duration::from_secs(3) || (sent <= 20 * LIMIT && began.elapsed() < SETTLED) {
            storm.send_to(&[0; 64], ("10.9.0.255", 9))?;
            sent += 1;
        }
        Ok(sent)
    });
    let mut received = 0;
    while heard.recv(&mut [0; 64]).is_ok() {
        received += 1;
    }
    let lasted = began.elapsed();
    let sent = sender.join().expect("the sender does not panic")?;
    // As many at once as in a second, and then so many a second.
    let most = LIMIT + LIMIT * (lasted.as_secs() + 1);
    ensure!(sent > 20 * LIMIT && 2 * sent > 3 * most, "that was no storm: {sent} frames in {lasted:?}");
    ensure!((1..=most).contains(&received), "{received} of {sent} frames crossed in {lasted:?}");
    let shown = lab.ask_json("taipei", "show l2")?;
    let limited = shown[0]["counters"]["broadcast_limited"].as_u64().unwrap_or_default();
    ensure!(limited > 0 && limited + received >= sent / 2, "{limited} frames were counted as over the limit of {sent}");
    lab.down()
}

/// A `[[l2]]` with these settings across the three sites, with a host of the table at the first two.
pub(crate) fn with_segment(text: &mut String, name: &str, vni: u8, settings: &str) {
    text.push_str(&format!("\n[[l2]]\nname = \"{name}\"\nvni = {vni}\n{settings}\n"));
    for site in ["taipei", "osaka", "seoul"] {
        text.push_str(&format!("[[l2.site]]\nname = \"{site}\"\nports = [\"{name}-p\"]\n"));
    }
    for (site, last) in [("taipei", 1), ("osaka", 2)] {
        text.push_str(&format!(
            "[[l2.host]]\nname = \"{name}{last}\"\nsite = \"{site}\"\nmac = \"02:00:00:00:{vni:02x}:0{last}\"\n\
             ip = [\"10.{vni}.0.{last}\", \"fd00:{vni}::{last}\"]\n"
        ));
    }
}

/// A guest at seoul that no table has, in a namespace of its own.
pub(crate) fn guest(lab: &Lab, segment: &str, vni: u8) -> Result<Netns> {
    let guest = Netns::new(&lab.netns(&format!("guest-{segment}")))?;
    let switch = format!("seoul-{segment}");
    lab.ip(&switch, &format!("link add guest type veth peer name eth0 netns {}", guest.name()))?;
    let shown: Value = serde_json::from_str(&lab.ip(&switch, "-j link show type bridge")?)?;
    let bridge = shown[0]["ifname"].as_str().context("the switch is a bridge")?;
    lab.ip(&switch, &format!("link set guest master {bridge} up"))?;
    for arguments in [
        format!("address add 10.{vni}.0.99/24 dev eth0"),
        format!("address add fd00:{vni}::99/64 dev eth0 nodad"),
        "link set eth0 up".to_owned(),
    ] {
        guest.ip(&arguments)?;
    }
    Ok(guest)
}

/// Who is found, in IPv4 and IPv6, and what leaves a router outside the tunnels: nothing.
#[test]
fn each_segment_lets_across_what_its_settings_say() -> Result<()> {
    let text = mesh::segments("t-modes");
    let (sites, _) = text.split_once("# Virtual machines").context("configs/l2.toml has its sites first")?;
    let mut text = sites.to_owned();
    let segments = [
        ("px", 100, "", false),
        ("su", 101, "arp = \"suppress\"\nunknown_unicast = \"flood\"", true),
        ("fl", 102, "arp = \"flood\"\nunknown_unicast = \"flood\"", true),
        ("nc", 103, "multicast = \"drop\"\nmtu = 1370\nunreachable = \"keep\"", false),
    ];
    for (name, vni, settings, _) in segments {
        with_segment(&mut text, name, vni, settings);
    }
    let lab = Lab::up("t-modes", &text)?;
    let mut guests = Vec::new();
    for (name, vni, _, unknown_is_found) in segments {
        let host = format!("{name}1");
        lab.await_ping(&host, Ipv4Addr::new(10, vni, 0, 2), SETTLED)?;
        lab.run_at(&host, &format!("ping -n -c 1 -W 2 fd00:{vni}::2")).context("a host of the table, in IPv6")?;
        guests.push(guest(&lab, name, vni)?);
        for address in [format!("10.{vni}.0.99"), format!("fd00:{vni}::99")] {
            let answered = lab.run_at(&host, &format!("ping -n -c 2 -i 0.3 -W 2 {address}")).is_ok();
            ensure!(answered == unknown_is_found, "segment {name}: a guest that no table has answers: {answered}");
        }
    }
    // An address that is somebody else's is not taken for it: detection of duplicates asks for nobody (RFC 4862 §5.4).
    lab.ip("px1", "address add fd00:100::77/64 dev eth0")?;
    eventually("the end of duplicate address detection", SETTLED, || {
        let shown = lab.ip("px1", "-6 address show dev eth0")?;
        ensure!(!shown.contains("dadfailed"), "somebody answers for a new address: {shown}");
        Ok((!shown.contains("tentative")).then_some(()))
    })?;
    // What comes from outside is not let in, and what would go out there, where a site is cut off and its hosts are still answered
    // for, does not.
    let inside = Capture::start(&lab.netns("nc1"), "eth0", "ether proto 0x88b5")?;
    let outside = Capture::start(&lab.netns("taipei"), "eth0", "udp port 4789")?;
    let header = [8, 0, 0, 0, 0, 0, 103, 0];
    let frame = [&[2, 0, 0, 0, 103, 1][..], &[2, 0, 0, 0, 0, 9], &[0x88, 0xb5], &[0; 46]].concat();
    let forger = in_netns(&lab.netns("net"), || Ok(UdpSocket::bind(("0.0.0.0", 0))?))?;
    forger.send_to(&[&header[..], &frame].concat(), ("203.0.113.1", 4789))?;
    lab.cut("taipei", "osaka")?;
    lab.cut("osaka", "seoul")?;
    eventually("no way to osaka", allowed(REROUTED), || {
        let traced = lab.ask_json("taipei", "trace nc2")?;
        Ok((traced[0]["fate"] == "unreachable").then_some(()))
    })?;
    lab.run_at("nc1", "ping -n -c 3 -i 0.2 -W 1 10.103.0.2").err().context("a host that is cut off answers")?;
    let asked = lab.ip("nc1", "neigh show 10.103.0.2")?;
    ensure!(asked.contains("02:00:00:00:67:02"), "with `keep`, the host is still answered for: {asked}");
    ensure!(inside.finish_count("eth")? == 0, "a frame from outside reached a host");
    // The forger's own packet is seen on the way in.
    ensure!(outside.finish_count("ip.src == 203.0.113.1 || ip.src == 10.255.0.1")? == 0, "frames left unencrypted");
    drop(guests);
    lab.down()
}

/// `bridge fdb` of the site's VXLAN device.
fn forwarding(lab: &Lab, site: &str) -> Result<Vec<String>> {
    let shown = lab.run_at(site, "bridge fdb show dev vx-vms")?;
    let mut entries: Vec<String> = shown.lines().map(str::trim).map(str::to_owned).collect();
    entries.sort();
    Ok(entries)
}

/// The site that `site` has the host at.
fn locations(lab: &Lab, site: &str, host: &str) -> Result<String> {
    Ok(shown_host(lab, site, host)?["site"].as_str().context("a site")?.to_owned())
}

/// A host, as `weft show l2` has it at `site`.
fn shown_host(lab: &Lab, site: &str, host: &str) -> Result<Value> {
    let shown = lab.ask_json(site, "show l2")?;
    let hosts = shown[0]["hosts"].as_array().context("hosts")?;
    Ok(hosts.iter().find(|found| found["name"] == host).context("the host")?.clone())
}

/// A second of TCP from one host to the other, or back.
fn iperf3(lab: &Lab, (client, server): (&str, &str), address: Ipv4Addr, reverse: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let line = "iperf3 --server --one-off";
    let mut listener = Background::start("iperf3", inside(&lab.netns(server), line), dir.path())?;
    listener.await_answer(SETTLED, || listens(lab, server, 5201))?;
    // So many octets, not so much time: what is recorded of it is as long on a machine of any speed.
    let shown = lab.run_at(client, &format!("iperf3 --client {address} --bytes {TRANSFER} --json {reverse}"))?;
    let report: Value = serde_json::from_str(&shown)?;
    // The receiver does not wait for what is on its way when the sender has sent all.
    let received = report["end"]["sum_received"]["bytes"].as_u64().unwrap_or_default();
    ensure!(received > TRANSFER / 10, "TCP {reverse} carried {received} of {TRANSFER} octets");
    Ok(())
}

/// An error if nobody listens on the TCP port.
fn listens(lab: &Lab, host: &str, port: u16) -> Result<()> {
    let sockets = lab.run_at(host, &format!("ss -Htln sport = :{port}"))?;
    ensure!(!sockets.trim().is_empty(), "nobody listens");
    Ok(())
}
