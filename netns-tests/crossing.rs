//! What crosses an Ethernet segment whatever its ARP mode, for hosts that no table has: announcements of addresses, and DHCP. And what
//! never does: frames between bridges. And what becomes of frames with a VLAN tag.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pnet::datalink::{self, Channel, Config, DataLinkSender};
use pnet::packet::icmpv6::{Icmpv6Packet, checksum};

use crate::harness::capture::Capture;
use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::{Netns, in_netns, inside};
use crate::harness::process::{Background, output_of};
use crate::harness::wait::eventually;
use crate::segments::{guest, with_segment};

const SETTLED: Duration = Duration::from_secs(30);

/// Names, VNIs and settings of the segments. Frames to MAC addresses that are not in the table stay at their site.
const SEGMENTS: [(&str, u8, &str); 3] =
    [("px", 100, ""), ("su", 101, "arp = \"suppress\""), ("fl", 102, "arp = \"flood\"")];

/// Whose frames a test writes itself.
const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 0x77];

/// The guest's MAC address.
fn mac_of(guest: &Netns) -> Result<String> {
    let shown: serde_json::Value = serde_json::from_str(&guest.ip("-j link show eth0")?)?;
    Ok(shown[0]["address"].as_str().context("an address")?.to_owned())
}

/// Has a host say that it has this address, by gratuitous ARP.
fn announce(guest: &Netns, address: Ipv4Addr) -> Result<()> {
    guest.ip(&format!("address replace {address}/24 dev eth0"))?;
    output_of(&mut inside(guest.name(), &format!("busybox arping -U -c 1 -I eth0 {address}"))).map(drop)
}

/// A guest at seoul takes over an address that a host at osaka knows under another MAC address, and one that is somebody else's.
fn announcements_cross(lab: &Lab, (name, vni, _): (&str, u8, &str), guest: &Netns) -> Result<()> {
    let (own, theirs) = (Ipv4Addr::new(10, vni, 0, 200), Ipv4Addr::new(10, vni, 0, 1));
    let (host, taken) = (format!("{name}2"), "02:00:00:00:00:99");
    lab.ip(&host, &format!("neigh replace {own} lladdr {taken} dev eth0 nud stale"))?;
    let known = |address: Ipv4Addr| lab.ip(&host, &format!("neigh show {address}"));
    ensure!(known(own)?.contains(taken), "{}", known(own)?);
    let mac = mac_of(guest)?;
    announce(guest, own)?;
    eventually("the announcement of a new address", SETTLED, || Ok(known(own)?.contains(&mac).then_some(())))?;
    if name == "fl" {
        return Ok(());
    }
    // It is not sent on, and what comes after it is.
    announce(guest, theirs)?;
    lab.ip(&host, &format!("neigh replace {own} lladdr {taken} dev eth0 nud stale"))?;
    announce(guest, own)?;
    eventually("the second announcement", SETTLED, || Ok(known(own)?.contains(&mac).then_some(())))?;
    ensure!(!known(theirs)?.contains(&mac), "an address of the table was taken over: {}", known(theirs)?);
    let status = lab.status("seoul")?;
    let says = |problem: &serde_json::Value| {
        problem.as_str().is_some_and(|text| text.contains(&mac) && text.contains(&format!("announces {theirs}")))
    };
    ensure!(status["problems"].as_array().context("problems")?.iter().any(says), "{:#}", status["problems"]);
    guest.ip(&format!("address del {theirs}/24 dev eth0")).map(drop)
}

/// A guest at seoul says by IPv6 that it has an address that a host at osaka knows under another MAC address, and one that is somebody
/// else's.
fn announcements_of_ipv6_cross(lab: &Lab, (name, vni, _): (&str, u8, &str), guest: &Netns) -> Result<()> {
    let address = |last: u8| -> Result<Ipv6Addr> { Ok(format!("fd00:{vni}::{last:x}").parse()?) };
    let (own, theirs) = (address(0x77)?, address(1)?);
    let (host, taken, sender_mac) = (format!("{name}2"), "02:00:00:00:00:99", "02:00:00:00:00:77");
    let known = |address: Ipv6Addr| lab.ip(&host, &format!("neigh show {address}"));
    let mut sender = in_netns(guest.name(), || sender("eth0"))?;
    let mut say =
        |address: Ipv6Addr| send_frame(&mut *sender, [0x33, 0x33, 0, 0, 0, 1], &[0x86, 0xdd], &advertisement(&address));
    lab.ip(&host, &format!("neigh replace {theirs} lladdr {taken} dev eth0 nud stale"))?;
    // What is refused comes before what crosses.
    say(theirs)?;
    lab.ip(&host, &format!("neigh replace {own} lladdr {taken} dev eth0 nud stale"))?;
    say(own)?;
    eventually("the announcement of a new address", SETTLED, || Ok(known(own)?.contains(sender_mac).then_some(())))?;
    let crossed = known(theirs)?.contains(sender_mac);
    ensure!(crossed == (name == "fl"), "an address of the table: {}", known(theirs)?);
    lab.ip(&host, &format!("neigh del {theirs} dev eth0")).map(drop)
}

/// A guest at seoul gets an address of the server at taipei.
fn a_lease_crosses(lab: &Lab, (name, vni, _): (&str, u8, &str), guest: &Netns) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(file("leases"), "")?;
    let conf = format!(
        "start 10.{vni}.0.150\nend 10.{vni}.0.160\ninterface eth0\nlease_file {}\npidfile {}\noption subnet 255.255.255.0\n",
        file("leases"),
        file("pid")
    );
    std::fs::write(file("conf"), conf)?;
    let line = format!("busybox udhcpd -f {}", file("conf"));
    let mut server = Background::start("udhcpd", inside(&lab.netns(&format!("{name}1")), &line), dir.path())?;
    // The client asks again each second until the server is there.
    let client = "busybox udhcpc -i eth0 -n -q -t 20 -T 1 -s /bin/true";
    let outcome = output_of(&mut inside(guest.name(), client));
    server.alive()?;
    outcome.with_context(|| format!("segment {name}: {}", server.log_tail())).map(drop)
}

/// A frame of the spanning tree stays at seoul; one that follows it and is for a group crosses.
fn no_frame_between_bridges_crosses(lab: &Lab, (name, ..): (&str, u8, &str), guest: &Netns) -> Result<()> {
    let capture = Capture::start(&lab.netns(&format!("{name}2")), "eth0", "ether proto 0x88b5")?;
    let mut sender = in_netns(guest.name(), || sender("eth0"))?;
    for last in 0..16 {
        send(&mut *sender, [0x01, 0x80, 0xc2, 0, 0, last])?;
    }
    send(&mut *sender, [0x01, 0, 0x5e, 0, 0, 0xfb])?;
    eventually("the frame to a group", SETTLED, || {
        Ok((capture.count("eth.dst == 01:00:5e:00:00:fb")? > 0).then_some(()))
    })?;
    let crossed = capture.finish_count("eth.dst != 01:00:5e:00:00:fb")?;
    ensure!(crossed == 0, "segment {name}: {crossed} frames between bridges crossed");
    Ok(())
}

fn sender(interface: &str) -> Result<Box<dyn DataLinkSender>> {
    let found = datalink::interfaces().into_iter().find(|found| found.name == interface).context("an interface")?;
    match datalink::channel(&found, Config::default())? {
        Channel::Ethernet(sender, _) => Ok(sender),
        _ => anyhow::bail!("{interface} takes no Ethernet frames"),
    }
}

fn send(sender: &mut dyn DataLinkSender, destination: [u8; 6]) -> Result<()> {
    send_frame(sender, destination, &[0x88, 0xb5], &[])
}

/// A frame of a host that no table has, `kind` being its EtherType with the tags before it.
fn send_frame(sender: &mut dyn DataLinkSender, destination: [u8; 6], kind: &[u8], payload: &[u8]) -> Result<()> {
    let padding = vec![0; 46_usize.saturating_sub(payload.len())];
    let frame = [&destination[..], &SENDER, kind, payload, &padding].concat();
    Ok(sender.send_to(&frame, None).context("no room")??)
}

/// An ARP request of 10.VNI.0.99 for this address.
fn arp_request(vni: u8, target: Ipv4Addr) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4, 0, 1];
    [&fixed[..], &SENDER, &[10, vni, 0, 99], &[0; 6], &target.octets()].concat()
}

/// A neighbour solicitation for `target`, in IPv6.
fn solicitation(source: &Ipv6Addr, target: &Ipv6Addr) -> Vec<u8> {
    let option = [&[1, 1][..], &SENDER].concat();
    let message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target.octets(), &option].concat();
    let group: Ipv6Addr = [&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff][..], &target.octets()[13..]]
        .concat()
        .try_into()
        .map(|octets: [u8; 16]| octets.into())
        .expect("an address has 16 octets");
    ipv6(source, &group, &message)
}

/// An unsolicited neighbour advertisement of SENDER for `address`, in IPv6 (RFC 4861 §7.2.6).
fn advertisement(address: &Ipv6Addr) -> Vec<u8> {
    let option = [&[2, 1][..], &SENDER].concat();
    let message = [&[136, 0, 0, 0, 0x20, 0, 0, 0][..], &address.octets(), &option].concat();
    ipv6(address, &Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), &message)
}

/// An IPv6 packet with this ICMPv6 message, whose checksum is filled in.
fn ipv6(source: &Ipv6Addr, destination: &Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let sum = checksum(&Icmpv6Packet::new(&message).expect("it is one"), source, destination);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let length = (message.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0][..], &length, &[58, 255], &source.octets(), &destination.octets(), &message].concat()
}

const BROADCAST: [u8; 6] = [0xff; 6];

/// The tag of VLAN 20, and one of priority alone (IEEE 802.1Q §9.6: VLAN identifier 0).
const TAGS: [u8; 2] = [20, 0];

/// Frames with a tag cross as those without one do, with the tag. So do questions for addresses, and announcements: the table, which
/// questions are answered by at home, is of frames without a tag. With a tag of priority alone they are answered and carried as without one;
/// but VXLAN's proxy does not recognise questions for others, which cross in every mode.
fn tagged_frames_cross_with_their_tag(
    lab: &Lab,
    (name, vni, _): (&str, u8, &str),
    guest: &Netns,
    tag: u8,
) -> Result<()> {
    let capture = Capture::start(&lab.netns(&format!("{name}2")), "eth0", "ether src 02:00:00:00:00:77")?;
    let at_home = Capture::start(guest.name(), "eth0", "ether dst 02:00:00:00:00:77")?;
    let mut sender = in_netns(guest.name(), || sender("eth0"))?;
    let address = |last| Ipv4Addr::new(10, vni, 0, last);
    let tagged = |kind: [u8; 2]| [&[0x81, 0, 0, tag][..], &kind].concat();
    let listed = [2, 0, 0, 0, vni, 2];
    for (destination, kind) in [
        (listed, [0x88, 0xb5]),
        ([2, 0, 0, 0, 0, 0x55], [0x88, 0xb6]),
        (BROADCAST, [0x88, 0xb7]),
        ([1, 0x80, 0xc2, 0, 0, 0], [0x88, 0xb8]),
    ] {
        send_frame(&mut *sender, destination, &tagged(kind), &[])?;
    }
    for target in [2, 201, 99] {
        send_frame(&mut *sender, BROADCAST, &tagged([8, 6]), &arp_request(vni, address(target)))?;
    }
    let solicitation = solicitation(&format!("fd00:{vni}::99").parse()?, &format!("fd00:{vni}::2").parse()?);
    send_frame(&mut *sender, [0x33, 0x33, 0xff, 0, 0, 2], &tagged([0x86, 0xdd]), &solicitation)?;
    send(&mut *sender, [0x01, 0, 0x5e, 0, 0, 0xfb])?;
    eventually("the frame to a group", SETTLED, || {
        Ok((capture.count("eth.dst == 01:00:5e:00:00:fb")? > 0).then_some(()))
    })?;
    let asked = |last| format!("arp.dst.proto_ipv4 == {}", address(last));
    let answers = tag == 0 && name != "fl";
    for (what, filter, crosses) in [
        ("a frame to a host of the table", "vlan.etype == 0x88b5".to_owned(), true),
        ("a frame to another host", "vlan.etype == 0x88b6".to_owned(), false),
        ("a broadcast", "vlan.etype == 0x88b7".to_owned(), true),
        ("a frame between bridges", "vlan.etype == 0x88b8".to_owned(), false),
        ("a question for a listed address", asked(2), !answers),
        ("a question for another address", asked(201), true),
        ("an announcement", asked(99), !answers),
        ("a question for a listed address of IPv6", "icmpv6.type == 135".to_owned(), !answers),
    ] {
        let count = capture.count(&format!("vlan.id == {tag} && {filter}"))?;
        ensure!(count == usize::from(crosses), "segment {name}, VLAN {tag}: {what} crossed {count} times");
    }
    if answers {
        eventually("the announcement, carried without a tag", SETTLED, || {
            Ok((capture.count(&format!("!vlan && {}", asked(99)))? == 1).then_some(()))
        })?;
    }
    let untagged = capture.finish_count("!vlan && eth.dst != 01:00:5e:00:00:fb")?;
    ensure!(untagged == usize::from(answers), "segment {name}, VLAN {tag}: {untagged} frames have lost their tags");
    let answers_of = ["arp.opcode == 2", "icmpv6.type == 136"];
    for kind in answers_of {
        let expected = |vlan: &str| at_home.count(&format!("{vlan} && {kind}"));
        if answers {
            eventually("the answer at home, without a tag", SETTLED, || Ok((expected("!vlan")? == 1).then_some(())))?;
        } else {
            ensure!(
                expected("!vlan")? == 0,
                "segment {name}, VLAN {tag}: {kind} without a tag, where nobody asked without"
            );
        }
    }
    Ok(())
}

/// The ports of a bridge that it has heard a host on.
fn heard_on(lab: &Lab, site: &str, mac: &str) -> Result<Vec<String>> {
    let shown = lab.run_at(site, "bridge fdb show")?;
    let entries = shown.lines().filter(|line| line.starts_with(mac) && line.contains(" master "));
    Ok(entries.filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect())
}

/// A virtual MAC address of VRRP leaves a site whose port stays up: nobody there may send to that port any more.
#[test]
fn a_bridge_forgets_where_it_has_heard_a_host_that_announces_itself_at_another_site() -> Result<()> {
    let text = mesh::segments("t-arrival");
    let (sites, _) = text.split_once("# Virtual machines").context("configs/l2.toml has its sites first")?;
    let mut text = sites.to_owned();
    let (name, vni) = ("vr", 104);
    with_segment(&mut text, name, vni, "unknown_unicast = \"flood\"");
    let lab = Lab::up("t-arrival", &text)?;
    lab.await_ping(&format!("{name}1"), Ipv4Addr::new(10, vni, 0, 2), SETTLED)?;
    let guest = guest(&lab, name, vni)?;
    let (port, mac, listed) = (format!("{name}-p"), "02:00:00:00:00:77", format!("02:00:00:00:{vni:02x}:02"));
    let announcement = arp_request(vni, Ipv4Addr::new(10, vni, 0, 99));
    let say = |place: &str| -> Result<()> {
        let mut sender = in_netns(place, || sender("eth0"))?;
        send_frame(&mut *sender, BROADCAST, &[8, 6], &announcement)
    };
    for _ in 0..2 {
        say(guest.name())?;
        eventually("seoul to hear the host", SETTLED, || {
            Ok(heard_on(&lab, "seoul", mac)?.contains(&port).then_some(()))
        })?;
        // Well before an entry ages.
        say(&lab.netns(&format!("{name}2")))?;
        eventually("seoul to forget its port", SETTLED, || Ok(heard_on(&lab, "seoul", mac)?.is_empty().then_some(())))?;
        eventually("osaka to hear it", SETTLED, || Ok(heard_on(&lab, "osaka", mac)?.contains(&port).then_some(())))?;
    }
    ensure!(!heard_on(&lab, "seoul", &listed)?.is_empty(), "a host of the table is where it was");
    drop(guest);
    lab.down()
}

#[test]
fn announcements_and_leases_cross_in_every_arp_mode_and_frames_between_bridges_in_none() -> Result<()> {
    let text = mesh::segments("t-crossing");
    let (sites, _) = text.split_once("# Virtual machines").context("configs/l2.toml has its sites first")?;
    let mut text = sites.to_owned();
    for (name, vni, settings) in SEGMENTS {
        with_segment(&mut text, name, vni, settings);
    }
    let lab = Lab::up("t-crossing", &text)?;
    for segment @ (name, vni, _) in SEGMENTS {
        lab.await_ping(&format!("{name}1"), Ipv4Addr::new(10, vni, 0, 2), SETTLED)?;
        let guest = guest(&lab, name, vni)?;
        announcements_cross(&lab, segment, &guest).with_context(|| format!("segment {name}"))?;
        announcements_of_ipv6_cross(&lab, segment, &guest).with_context(|| format!("segment {name}"))?;
        a_lease_crosses(&lab, segment, &guest)?;
        no_frame_between_bridges_crosses(&lab, segment, &guest)?;
        for tag in TAGS {
            tagged_frames_cross_with_their_tag(&lab, segment, &guest, tag)?;
        }
    }
    lab.down()
}
