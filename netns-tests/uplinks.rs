//! Connections from the Internet to a router's own public address, while another site leads to the Internet.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use socket2::{Domain, Socket, Type};

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::netns::in_netns;
use crate::harness::ping::Stream;
use crate::harness::process::has_ended;
use crate::harness::wait::{allowed, eventually};

const SETTLED: Duration = Duration::from_secs(20);

/// For one connection.
const CONNECTION: Duration = Duration::from_secs(2);

/// From a change of the router's address to answers from the new one: what does not concern weft is gathered for up to a second.
const FOLLOWED: Duration = Duration::from_secs(5);

/// Taipei's public address, and one that its provider gives it later.
const TAIPEI: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const CHANGED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 99);

/// The triangle, where osaka leads to the Internet; and the address that stands for it.
fn with_exit(name: &str) -> Result<(Lab, Ipv4Addr)> {
    let text = mesh::triangle(name).replace("[\"10.2.0.0/16\"]", "[\"10.2.0.0/16\", \"0.0.0.0/0\"]");
    let lab = Lab::up(name, &text)?;
    let internet = lab.internet()?;
    eventually("the way to the Internet through osaka", SETTLED, || {
        Ok(lab.ip("taipei", &format!("route get {internet}"))?.contains("dev wg-osaka ").then_some(()))
    })?;
    Ok((lab, internet))
}

/// Accepts connections to all addresses of the site's router, and says a word to each.
fn serve(lab: &Lab, site: &str) -> Result<u16> {
    let listener = in_netns(&lab.netns(site), || TcpListener::bind("0.0.0.0:0").context("listening"))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever has gone meanwhile hears nothing.
            let _ = stream.and_then(|mut stream| stream.write_all(b"here"));
        }
    });
    Ok(port)
}

/// Connects from the Internet to a router, and hears its word.
fn connect(lab: &Lab, internet: Ipv4Addr, to: SocketAddr) -> Result<()> {
    in_netns(&lab.netns("net"), || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((internet, 0)).into())?;
        socket.connect_timeout(&to.into(), CONNECTION).with_context(|| format!("connecting to {to}"))?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(CONNECTION))?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).with_context(|| format!("hearing {to}"))?;
        ensure!(&word == b"here", "{word:?}");
        Ok(())
    })
}

#[test]
fn connections_to_a_routers_public_address_are_answered_by_its_uplink_though_another_site_leads_to_the_internet()
-> Result<()> {
    let (lab, internet) = with_exit("t-uplink")?;
    let port = serve(&lab, "taipei")?;
    connect(&lab, internet, (TAIPEI, port).into())?;
    let status = lab.status("taipei")?;
    let uplink = &status["uplinks"][0];
    ensure!(uplink["address"] == "203.0.113.1" && uplink["interface"] == "eth0", "{status}");
    ensure!(uplink["answers"] == "uplink" && uplink["table"].is_null(), "{status}");
    let shown = lab.ask("taipei", "status")?;
    ensure!(shown.contains("all is well") && shown.contains("ANSWERS BY"), "{shown}");

    // What the LAN's hosts and the router itself begin goes by osaka, and the tunnels by the uplink.
    for from in ["taipei-lan", "taipei"] {
        lab.await_ping(from, internet, SETTLED)?;
        let way = lab.ip("taipei", &format!("route get {internet}"))?;
        ensure!(way.contains("dev wg-osaka "), "{way}");
    }
    let seoul = lab.lan_host("seoul")?;
    lab.await_ping("taipei-lan", seoul, SETTLED)?;
    let tunnels = Stream::start(&lab.netns("taipei-lan"), seoul)?;

    // The provider gives the router another address. (In this order: the gateway needs one on the interface.)
    lab.ip("net", &format!("route add {CHANGED} dev to-taipei"))?;
    lab.ip("taipei", &format!("address add {CHANGED}/32 dev eth0"))?;
    eventually("answers from the new address", allowed(FOLLOWED), || {
        connect(&lab, internet, (CHANGED, port).into()).map(Some)
    })?;
    let count = tunnels.finish()?;
    ensure!(count.lost() == 0, "the tunnels lose packets: {count:?}");

    lab.ask("taipei", "down")?;
    let rules = lab.ip("taipei", "rule show")?;
    ensure!(!rules.contains("52"), "rules are left:\n{rules}");
    connect(&lab, internet, (TAIPEI, port).into())?;
    lab.down()
}

#[test]
fn neither_answers_of_an_uplink_nor_the_way_by_another_site_suffer_from_a_restart() -> Result<()> {
    let (lab, internet) = with_exit("t-upagain")?;
    lab.await_ping("taipei-lan", internet, SETTLED)?;
    lab.ip("net", &format!("route change {TAIPEI} dev to-taipei src {internet}"))?;
    let inward = Stream::start(&lab.netns("net"), TAIPEI)?;
    let outward = Stream::start(&lab.netns("taipei-lan"), internet)?;
    let rules = lab.ip("taipei", "rule show")?;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let pid = lab.daemon("taipei")?;
        kill(pid, signal)?;
        eventually("the daemon to end", SETTLED, || Ok(has_ended(pid).then_some(())))?;
        lab.start_what_is_missing()?;
        lab.await_full()?;
        let (from_inward, from_outward) = (inward.sent(), outward.sent());
        eventually("answers after the restart", SETTLED, || {
            let both = inward.answered_since(from_inward) >= 200 && outward.answered_since(from_outward) >= 200;
            Ok(both.then_some(()))
        })?;
    }
    ensure!(lab.ip("taipei", "rule show")? == rules, "other rules than before:\n{rules}");
    for (name, count) in [("inward", inward.finish()?), ("outward", outward.finish()?)] {
        ensure!(count.lost() == 0, "{name}: {count:?}");
    }
    lab.down()
}
