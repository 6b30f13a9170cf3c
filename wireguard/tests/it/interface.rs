//! What one would expect of wireguard-go, expected of the engine.

use super::site::{ControlSocket, End, await_ping, connect, two_sites, wait_until};

const V4: &str = "192.0.2.2:51822";

fn ends<'a>(a: &'a super::site::Site, b: &'a super::site::Site) -> (End<'a>, End<'a>) {
    (
        End { site: a, interface: "wg-b", port: 51821, address: "10.0.0.1" },
        End { site: b, interface: "wg-a", port: 51822, address: "10.0.0.2" },
    )
}

#[test]
fn two_engines_talk_and_wg_shows_a_fresh_handshake() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");

    let now: u64 = a.run("date +%s").trim().parse().unwrap();
    let handshake: u64 = a.peer_field("wg-b", 4).parse().unwrap();
    assert!(now.abs_diff(handshake) <= 15, "{now} {handshake}");
    assert_eq!(a.peer_field("wg-b", 2), V4);
    assert_eq!(b.peer_field("wg-a", 2), "192.0.2.1:51821", "learned from the packets");
    assert_eq!(a.peer_field("wg-b", 3), "0.0.0.0/0,::/0");
    assert_eq!(a.peer_field("wg-b", 7), "25");
    for field in [5, 6] {
        assert!(a.peer_field("wg-b", field).parse::<u64>().unwrap() > 100);
    }
    let shown = a.run("wg show");
    assert!(shown.contains("latest handshake: ") && shown.contains("listening port: 51821"), "{shown}");
}

#[test]
fn the_outer_packets_may_be_ipv6() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, "[2001:db8::2]:51822");
    await_ping(&a, "10.0.0.2");
    assert_eq!(b.peer_field("wg-a", 2), "[2001:db8::1]:51821");
}

#[test]
fn wireguard_go_is_understood_in_both_roles() {
    let (a, b) = two_sites();
    let _engine = a.engine(&["wg-b"], ControlSocket::No);
    let _go = b.spawn("exec wireguard-go -f wg-a 2> /dev/null");
    b.await_interface("wg-a");
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");

    connect(&end_b, &end_a, "192.0.2.1:51821");
    await_ping(&b, "10.0.0.1");
}

#[test]
fn a_peer_is_followed_to_its_new_address() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");
    b.run("ip addr del 192.0.2.2/24 dev up0 && ip addr add 192.0.2.77/24 dev up0");
    wait_until("the endpoint has moved", || {
        let _ = b.try_run("ping -c 1 -W 1 10.0.0.1");
        a.peer_field("wg-b", 2) == "192.0.2.77:51822"
    });
    await_ping(&a, "10.0.0.2");
}

#[test]
fn the_mark_is_on_the_socket_whether_set_before_or_after_the_port() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    let marked = |port: u16, mark: &str| {
        let sockets = a.run("ss -lunHe");
        let line =
            sockets.lines().find(|line| line.contains(&format!(":{port} "))).unwrap_or_else(|| panic!("{sockets}"));
        line.contains(&format!("fwmark:{mark}"))
    };
    a.run("wg set wg-b fwmark 201");
    connect(&end_a, &end_b, V4);
    assert!(marked(51821, "0xc9"), "set before the port");
    a.run("wg set wg-b listen-port 51831");
    assert!(marked(51831, "0xc9"), "kept over a change of the port");
    a.run("wg set wg-b fwmark 0x77");
    assert!(marked(51831, "0x77"), "set on the open socket");
    await_ping(&a, "10.0.0.2");
}

#[test]
fn a_port_that_is_taken_is_refused_and_the_device_goes_on() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a", "wg-x"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");
    // A second device of the same engine holds 51900.
    let key = b.run("wg genkey | tee /run/x.key | wg pubkey");
    let peer = b.run("wg genkey | wg pubkey");
    b.run(&format!("wg set wg-x private-key /run/x.key listen-port 51900 peer {}", peer.trim()));
    assert_ne!(key, peer);

    let refusal = b.run("wg set wg-a listen-port 51900 2>&1 || true");
    assert!(refusal.contains("Address already in use"), "{refusal}");
    assert_eq!(b.run("wg show wg-a listen-port").trim(), "51822");
    await_ping(&a, "10.0.0.2");
}

#[test]
fn a_device_whose_port_is_taken_at_the_start_says_so_and_starts_when_told_again() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    let squatter = b.spawn("exec python3 -c 'import socket,time; s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.bind((\"::\",51822)); open(\"/run/bound\",\"w\"); time.sleep(60)'");
    wait_until("the port is taken", || b.try_run("test -e /run/bound").is_some());
    let peer = a.run("wg genkey | wg pubkey");
    let refusal = b.run(&format!(
        "wg genkey > /run/k; wg set wg-a private-key /run/k listen-port 51822 peer {} 2>&1 || true",
        peer.trim()
    ));
    assert!(refusal.contains("Address already in use"), "{refusal}");
    assert_eq!(b.run("wg show wg-a listen-port").trim(), "0");
    drop(squatter);
    connect(&end_a, &end_b, V4);
    assert_eq!(b.run("wg show wg-a listen-port").trim(), "51822");
}

#[test]
fn syncconf_changes_only_what_differs() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");
    let handshake = a.peer_field("wg-b", 4);
    a.run("wg showconf wg-b > /run/conf && sed -i 's/PersistentKeepalive = 25/PersistentKeepalive = 7/' /run/conf");
    a.run("wg syncconf wg-b /run/conf");
    assert_eq!(a.peer_field("wg-b", 7), "7");
    assert_eq!(a.peer_field("wg-b", 4), handshake, "the session lives on");

    a.run("wg set wg-b peer $(wg show wg-b peers) remove");
    assert_eq!(a.run("wg show wg-b peers"), "");
    a.run("wg syncconf wg-b /run/conf");
    await_ping(&a, "10.0.0.2");
}

#[test]
fn a_larger_mtu_is_used_at_once() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");
    for end in [&end_a, &end_b] {
        end.site.run(&format!("ip link set up0 mtu 3000 && ip link set {} mtu 2920", end.interface));
    }
    assert!(a.run("ping -c 2 -i 0.2 -W 2 -M do -s 2892 10.0.0.2").contains(" 2 received"));
}

#[test]
fn garbage_from_the_network_disturbs_nobody() {
    let (a, b) = two_sites();
    let _engines = (a.engine(&["wg-b"], ControlSocket::No), b.engine(&["wg-a"], ControlSocket::No));
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");
    // Random bytes, every message type with too little or too much behind it, and nothing at all.
    b.run(
        "for n in 0 1 3 4 31 32 63 64 91 92 147 148 149 1400; do for t in 00 01 02 03 04 ff; do \
           { printf \"\\\\x$t\\\\0\\\\0\\\\0\"; head -c $n /dev/urandom; } > /run/garbage; \
           cat /run/garbage > /dev/udp/192.0.2.1/51821; head -c $n /dev/urandom > /dev/udp/192.0.2.1/51821; \
         done; done",
    );
    assert!(a.run("ping -c 3 -i 0.2 -W 2 10.0.0.2").contains(" 3 received"));
}

#[test]
fn the_process_ends_well_when_its_last_link_is_deleted() {
    let (a, _b) = two_sites();
    let engine = a.engine(&["wg-1", "wg-2"], ControlSocket::No);
    a.run("ip link del wg-1");
    wait_until("its socket is gone", || a.try_run("test -e /run/wireguard/wg-1.sock").is_none());
    a.run("wg show wg-2");
    a.run("ip link del wg-2");
    assert!(engine.end().0, "exit code 0");
    assert_eq!(a.run("ls /run/wireguard"), "");
}

#[test]
fn removing_the_socket_ends_the_interface() {
    let (a, _b) = two_sites();
    let engine = a.engine(&["wg-1"], ControlSocket::No);
    a.run("rm /run/wireguard/wg-1.sock");
    assert!(engine.end().0, "exit code 0");
    assert!(a.try_run("ip link show wg-1").is_none());
}

#[test]
fn sigterm_leaves_neither_sockets_nor_links() {
    let (a, _b) = two_sites();
    let engine = a.engine(&["wg-1", "wg-2"], ControlSocket::Yes);
    assert_eq!(a.run("stat -c %a /run/wireguard /run/wireguard/wg-1.sock /run/engine.sock"), "700\n600\n600\n");
    engine.terminate();
    assert!(engine.end().0, "exit code 0");
    assert_eq!(a.run("ls /run/wireguard; ls /run/*.sock 2>/dev/null || true"), "");
    assert!(a.try_run("ip link show wg-1").is_none());
}

#[test]
fn after_kill_9_the_next_engine_takes_over_its_names() {
    let (a, b) = two_sites();
    let engine = a.engine(&["wg-b"], ControlSocket::Yes);
    let _other = b.engine(&["wg-a"], ControlSocket::No);
    engine.kill_9();
    a.run("test -S /run/wireguard/wg-b.sock && test -S /run/engine.sock");
    wait_until("the kernel has removed the link", || a.try_run("ip link show wg-b").is_none());

    let _again = a.engine(&["wg-b"], ControlSocket::Yes);
    let (end_a, end_b) = ends(&a, &b);
    connect(&end_a, &end_b, V4);
    await_ping(&a, "10.0.0.2");
}
