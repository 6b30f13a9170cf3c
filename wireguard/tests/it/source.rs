//! From which of its addresses an engine answers: from the one that its peer writes to, as the kernel does. The peer says which that is:
//! it follows whoever answers from another.

use super::site::{ControlSocket, End, Running, Site, await_ping, connect, two_sites, wait_until};

/// The site whose engine has two addresses, by family: the one that the routing table chooses, and the second one.
const V4: [&str; 2] = ["192.0.2.2:51822", "192.0.2.22:51822"];
const V6: [&str; 2] = ["[2001:db8::2]:51822", "[2001:db8::22]:51822"];

/// A peer at one site, an engine with two addresses of each family at the other.
struct World {
    peer: Site,
    site: Site,
    _running: [Running; 2],
}

impl World {
    /// A tunnel that wireguard-go has begun at `endpoint`, and that has brought an answer.
    fn connected(endpoint: &str) -> Self {
        Self::with_peer(endpoint, |peer| {
            let go = peer.spawn("exec wireguard-go -f wg-b 2> /dev/null");
            peer.await_interface("wg-b");
            go
        })
    }

    /// The same with what `start` starts in place of wireguard-go.
    fn with_peer(endpoint: &str, start: impl FnOnce(&Site) -> Running) -> Self {
        let (peer, site) = two_sites();
        for address in ["192.0.2.22/24", "2001:db8::22/64 nodad preferred_lft 0", "fe80::22/64 nodad preferred_lft 0"] {
            site.run(&format!("ip addr add {address} dev up0"));
        }
        peer.run("ip addr add fe80::21/64 dev up0 nodad");
        let program = start(&peer);
        let engine = site.engine(&["wg-a"], ControlSocket::No);
        // Nothing but what the tests send: the kernel would look for IPv6 routers.
        peer.run("sysctl -qw net.ipv6.conf.wg-b.disable_ipv6=1");
        site.run("sysctl -qw net.ipv6.conf.wg-a.disable_ipv6=1");
        let [end_of_peer, end_of_site] = [
            End { site: &peer, interface: "wg-b", port: 51821, address: "10.0.0.1" },
            End { site: &site, interface: "wg-a", port: 51822, address: "10.0.0.2" },
        ];
        connect(&end_of_peer, &end_of_site, endpoint);
        await_ping(&peer, "10.0.0.2");
        Self { peer, site, _running: [program, engine] }
    }

    /// Has the peer send to `endpoint`, in the session that there is.
    fn write_to(&self, endpoint: &str) {
        self.peer.run(&format!("wg set wg-b peer $(wg show wg-b peers) endpoint {endpoint}"));
        assert_eq!(self.endpoint(), endpoint);
        await_ping(&self.peer, "10.0.0.2");
    }

    /// Where the peer sends to: to the address that the last packet came from.
    fn endpoint(&self) -> String {
        self.peer.peer_field("wg-b", 2)
    }

    /// Three packets that the engine's site begins, each answered.
    fn engine_begins(&self) {
        let shown = self.site.run("ping -c 3 -i 0.2 -W 2 10.0.0.1 || true");
        assert!(shown.contains(" 3 received"), "{shown}");
    }
}

#[test]
fn a_peer_is_answered_from_the_address_that_it_writes_to() {
    for [first, second] in [V4, V6] {
        let world = World::connected(second);
        assert_eq!(world.endpoint(), second, "the handshake and the first packet");
        world.engine_begins();
        assert_eq!(world.endpoint(), second);
        // Within a session, either way.
        let handshake = world.peer.peer_field("wg-b", 4);
        for endpoint in [first, second] {
            world.write_to(endpoint);
            assert_eq!(world.endpoint(), endpoint);
            world.engine_begins();
            assert_eq!(world.endpoint(), endpoint);
        }
        assert_eq!(world.peer.peer_field("wg-b", 4), handshake);
        // From IPv4 to IPv6 or the other way round.
        let [_, other] = if second == V4[1] { V6 } else { V4 };
        world.write_to(other);
        assert_eq!(world.endpoint(), other);
    }
}

#[test]
fn an_address_that_is_removed_while_in_use_is_replaced_without_loss() {
    for ([first, second], removal) in [(V4, "192.0.2.22/24"), (V6, "2001:db8::22/64")] {
        let world = World::connected(second);
        world.engine_begins();
        assert_eq!(world.endpoint(), second);
        world.site.run(&format!("ip addr del {removal} dev up0"));
        world.engine_begins();
        assert_eq!(world.endpoint(), first, "as the routing table says");
    }
}

#[test]
fn packets_that_are_not_authenticated_change_nothing() {
    let [_, second] = V4;
    let world = World::connected(second);
    // From the peer's own socket address to the first address: data, handshakes and cookies that nobody can have made.
    world.peer.run(
        "python3 -c '
import os, socket, struct
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
for kind, length in ((1, 148), (2, 92), (3, 64), (4, 32), (4, 1000)):
    payload = bytes([kind, 0, 0, 0]) + os.urandom(length - 4)
    raw.sendto(struct.pack(\"!HHHH\", 51821, 51822, 8 + length, 0) + payload, (\"192.0.2.2\", 0))
'",
    );
    world.engine_begins();
    assert_eq!(world.endpoint(), second);
}

#[test]
fn a_mark_or_an_endpoint_that_is_set_anew_leaves_the_address_to_the_routing_table() {
    for [first, second] in [V4, V6] {
        let world = World::connected(second);
        for change in
            ["fwmark 0x77", "fwmark 0x77", "peer $(wg show wg-a peers) endpoint $(wg show wg-a endpoints | cut -f 2)"]
        {
            world.site.run(&format!("wg set wg-a {change}"));
            world.engine_begins();
            assert_eq!(world.endpoint(), first, "{change}");
            world.write_to(second);
            world.engine_begins();
            assert_eq!(world.endpoint(), second);
        }
    }
}

#[test]
fn a_link_local_address_is_answered_from_whatever_address_the_peer_has() {
    // This wireguard-go does not show the zone.
    let second = "[fe80::22]:51822";
    let world = World::connected("[fe80::22%up0]:51822");
    let shown = world.site.run("wg show wg-a endpoints");
    assert!(shown.contains("\t[fe80::") && shown.contains("%up0]:51821"), "{shown}");
    world.engine_begins();
    assert_eq!(world.endpoint(), second);

    let world = World::connected(V6[0]);
    world.peer.run("ip addr flush dev up0 scope link");
    world.peer.run("ip route add fe80::22 dev up0 src 2001:db8::1");
    world.peer.run("wg set wg-b peer $(wg show wg-b peers) endpoint '[fe80::22%up0]:51822'");
    await_ping(&world.peer, "10.0.0.2");
    assert_eq!(world.site.peer_field("wg-a", 2), "[2001:db8::1]:51821");
    world.engine_begins();
    assert_eq!(world.endpoint(), second);
}

/// Addresses at a site with two lines.
struct Lines {
    /// `ip` option.
    family: &'static str,
    /// The peer's address, the same by either line.
    peer: &'static str,
    /// The peer's end and this one of each line.
    lines: [[&'static str; 2]; 2],
    /// The address by which packets leave by the second line where nothing is said of it.
    other: &'static str,
    bits: u8,
}

#[test]
fn with_two_lines_the_address_is_kept_only_where_a_rule_leads_it_to_its_own_line() {
    let ipv4 = Lines {
        family: "-4",
        peer: "203.0.113.1",
        lines: [["192.0.2.1", "192.0.2.2"], ["198.51.100.1", "198.51.100.2"]],
        other: "198.51.100.3",
        bits: 24,
    };
    let ipv6 = Lines {
        family: "-6",
        peer: "2001:db8:ff::1",
        lines: [["2001:db8::1", "2001:db8::2"], ["2001:db8:1::1", "2001:db8:1::2"]],
        other: "2001:db8:1::3",
        bits: 64,
    };
    for Lines { family, peer, lines, other, bits } in [ipv4, ipv6] {
        // wireguard-go would go on by the line that a packet has come in by, whatever its routes say.
        let world = World::with_peer(V4[0], |peer| peer.engine(&["wg-b"], ControlSocket::No));
        let World { peer: far, site: near, .. } = &world;
        far.run(&format!("ip link add up1 type veth peer name up1 netns {}", near.pid()));
        for (site, end) in [(far, 0), (near, 1)] {
            site.run(
                "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.up0.rp_filter=0 net.ipv4.conf.up1.rp_filter=0",
            );
            site.run("ip link set up1 up");
            let addresses = if end == 0 { vec![lines[1][0]] } else { vec![other, lines[1][1]] };
            for address in addresses {
                let flags = match (family, address == lines[1][1]) {
                    ("-6", true) => "nodad preferred_lft 0",
                    ("-6", false) => "nodad",
                    _ => "",
                };
                site.run(&format!("ip addr add {address}/{bits} dev up1 {flags}"));
            }
        }
        // Without duplicate address detection, which a busy machine has not ended when the address is to be a source.
        let nodad = if family == "-6" { "nodad" } else { "" };
        far.run(&format!("ip addr add {peer} dev lo {nodad}"));
        for (number, [theirs, ours]) in lines.iter().enumerate() {
            far.run(&format!("ip {family} route add {ours} dev up{number} src {peer}"));
            near.run(&format!("ip {family} route add default via {theirs} dev up{number} metric {}", 100 + number));
        }
        let [first, second] =
            lines.map(|[_, ours]| std::net::SocketAddr::new(ours.parse().unwrap(), 51822).to_string());

        world.write_to(&second);
        assert_eq!(world.endpoint(), first, "the answer leaves by the better route, with its address");

        near.run(&format!("ip {family} route add default via {} dev up1 table 100", lines[1][0]));
        near.run(&format!("ip {family} rule add from {} lookup 100", lines[1][1]));
        wait_until("the rule has taken effect", || {
            world.write_to(&second);
            world.endpoint() == second
        });
        world.engine_begins();
        assert_eq!(world.endpoint(), second);

        // The rules may go by mark, protocol and port.
        near.run(&format!("ip {family} rule del from {} lookup 100", lines[1][1]));
        near.run(&format!("ip {family} rule add fwmark 0x77 ipproto udp sport 51822 lookup 100"));
        wait_until("the address is given up", || {
            world.engine_begins();
            world.endpoint() == first
        });
        near.run("wg set wg-a fwmark 0x77");
        wait_until("the address is taken again", || {
            world.write_to(&second);
            world.endpoint() == second
        });

        // The line is lost, and its address stays.
        near.run(&format!("ip {family} route del default table 100"));
        wait_until("the answer comes by the other line", || {
            let _ = near.try_run("ping -c 1 -W 1 10.0.0.1");
            world.endpoint() == first
        });
    }
}
