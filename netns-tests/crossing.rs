//! What crosses an Ethernet segment whatever its ARP mode, for hosts that no table has: announcements of addresses, and DHCP. And what
//! never does: frames between bridges.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pnet::datalink::{self, Channel, Config, DataLinkSender};

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
    let frame = [&destination[..], &[2, 0, 0, 0, 0, 0x77], &[0x88, 0xb5], &[0; 46]].concat();
    Ok(sender.send_to(&frame, None).context("no room")??)
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
        a_lease_crosses(&lab, segment, &guest)?;
        no_frame_between_bridges_crosses(&lab, segment, &guest)?;
    }
    lab.down()
}
