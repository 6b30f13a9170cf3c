//! Reports on tunnels and on OSPF on them: their state, and for each problem what was observed, what the cause may be, and what to do.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ospf::{InterfaceView, NeighborState, NeighborView, Refusal, RouterId, TtlSecurity};

use super::report::{Report, seconds};
use super::traffic::Flow;
use crate::control::view::{self, TunnelState};
use crate::mesh::Tunnel;
use crate::net::Prefix;
use crate::net::wireguard::REJECT_AFTER_TIME;
use crate::reconcile::state::{FWMARK, ObservedDevice};
use crate::routing::View;
use crate::tunnel::endpoints::Unresolved;

/// A Full neighbour has a route within this time: its Router-LSA may wait for MinLSInterval, and LSAs of its previous incarnation may
/// have to be flushed first.
const ROUTE_PATIENCE: Duration = Duration::from_secs(15);

/// The observed state of a tunnel.
struct Seen<'a> {
    tunnel: &'a Tunnel,
    device: Option<&'a ObservedDevice>,
    state: TunnelState,
    flow: Flow,
}

/// Interfaces and neighbours of OSPF by the name of the interface.
struct Ospf<'a> {
    interfaces: BTreeMap<&'a str, &'a InterfaceView>,
    /// Neighbours in state Init or greater: of each interface, the one with the greatest state.
    neighbors: BTreeMap<&'a str, &'a NeighborView>,
}

impl Report<'_> {
    pub(super) fn tunnels(&self) -> Vec<view::Tunnel> {
        self.seen().map(|seen| self.shown(&seen)).collect()
    }

    /// Problems of tunnels that an operator should look at.
    pub(super) fn tunnel_problems(&self) -> Vec<String> {
        let (now, ospf) = (Instant::now(), Ospf::of(self.view));
        let problems = self.seen().flat_map(|seen| {
            let name = self.endpoints.unresolved(&seen.tunnel.interface, now);
            let name = name.map(|unresolved| unresolved_name(seen.tunnel, &unresolved, seen.state));
            let state = match seen.state {
                TunnelState::Up => self.without_adjacency(&seen, &ospf, now),
                _ => Some(fault(&seen)),
            };
            [name, state]
        });
        problems.flatten().collect()
    }

    /// All tunnels with their observed state, ordered by the id of the site at the other end.
    fn seen(&self) -> impl Iterator<Item = Seen<'_>> {
        let mut tunnels: Vec<&Tunnel> = self.local.tunnels.values().collect();
        tunnels.sort_by_key(|tunnel| tunnel.peer_id);
        tunnels.into_iter().map(|tunnel| {
            let interface = &tunnel.interface;
            let device = self.reading.devices.get(interface).map(|found| &found.device);
            let handshake_age = device.and_then(|device| self.handshake_age(device));
            let flow = self.checks.traffic.flow(interface, tunnel.ospf.timers.hello_interval, Instant::now());
            let silent = device.is_none() && self.observed.unreadable.contains(interface);
            let exists = self.observed.state.links.contains_key(interface);
            let state = match (exists, device.is_some(), handshake_age) {
                (true, false, _) if silent => TunnelState::Silent,
                (false, ..) | (_, false, _) => TunnelState::Missing,
                (true, true, None) => TunnelState::Waiting,
                (true, true, Some(age)) if age > REJECT_AFTER_TIME => TunnelState::Stale,
                (true, true, Some(_)) => match flow {
                    Flow::Good => TunnelState::Up,
                    Flow::OneWay(_) => TunnelState::OneWay,
                    Flow::Idle(_) => TunnelState::Idle,
                },
            };
            Seen { tunnel, device, state, flow }
        })
    }

    fn shown(&self, seen: &Seen<'_>) -> view::Tunnel {
        let Seen { tunnel, device, state, .. } = *seen;
        let peer = device.and_then(|device| device.peer.as_ref());
        view::Tunnel {
            interface: tunnel.interface.to_string(),
            site: tunnel.peer.clone(),
            backend: self.backend.into(),
            public_key: tunnel.peer_key.to_string(),
            endpoint: peer.and_then(|peer| peer.endpoint),
            listen_port: tunnel.listen_port,
            handshake_age_s: device.and_then(|device| self.handshake_age(device)).map(seconds),
            rx_bytes: device.map_or(0, |device| device.traffic.received),
            tx_bytes: device.map_or(0, |device| device.traffic.sent),
            read_age_s: seconds(self.reading.at.elapsed()),
            state,
        }
    }

    /// Time since the last handshake, at this moment.
    fn handshake_age(&self, device: &ObservedDevice) -> Option<Duration> {
        Some(device.peer.as_ref()?.handshake_age? + self.reading.at.elapsed())
    }

    /// The problem of OSPF on a tunnel that is up; `None` if its neighbour is Full and there is a route to it.
    fn without_adjacency(&self, seen: &Seen<'_>, ospf: &Ospf<'_>, now: Instant) -> Option<String> {
        let name = seen.tunnel.interface.as_str();
        let neighbor = ospf.neighbors.get(name).copied();
        if let Some(full) = neighbor.filter(|neighbor| neighbor.state == NeighborState::Full) {
            let has_route =
                self.routes.contains_key(&Prefix::host(Ipv4Addr::from(full.router_id))) || self.view.restarting;
            return (!has_route).then(|| without_route(seen.tunnel, full.router_id, full.in_state)).flatten();
        }
        let interface = ospf.interfaces.get(name)?;
        let signs = Signs {
            hello_interval: interface.hello_interval,
            dead_interval: interface.dead_interval,
            refused: interface.last_refusal,
            neighbor: neighbor.map(|neighbor| (neighbor.state, neighbor.in_state)),
            receives_for: self.checks.traffic.receives_for(&seen.tunnel.interface, now),
        };
        Some(adjacency_fault(seen.tunnel, &signs))
    }
}

impl<'a> Ospf<'a> {
    fn of(view: &'a View) -> Self {
        let interfaces = view.interfaces.iter().map(|interface| (interface.name.as_str(), interface));
        let mut neighbors: BTreeMap<&str, &NeighborView> = BTreeMap::new();
        for neighbor in view.neighbors.iter().filter(|neighbor| neighbor.state >= NeighborState::Init) {
            let known = neighbors.entry(&neighbor.interface_name).or_insert(neighbor);
            if neighbor.state > known.state {
                *known = neighbor;
            }
        }
        Self { interfaces: interfaces.collect(), neighbors }
    }
}

/// The problem of a tunnel that is not up.
fn fault(seen: &Seen<'_>) -> String {
    let Seen { tunnel, device, state, flow } = seen;
    let (interface, site) = (&tunnel.interface, &tunnel.peer);
    let begin = format!("{interface}: tunnel to {site} is {state}");
    let Some(device) = device else { return begin };
    let endpoint = device.peer.as_ref().and_then(|peer| peer.endpoint);
    let preshared = device.peer.as_ref().is_some_and(|peer| peer.preshared.is_some());
    let (received, sent) = (device.traffic.received, device.traffic.sent);
    let keys = match preshared {
        true => "its public key or the preshared key differs from this mesh file's",
        false => "its public key differs from this mesh file's",
    };
    let why = match (*state, *flow, endpoint) {
        (TunnelState::Idle, Flow::Idle(time), _) => format!(
            "nothing was sent for {}, though OSPF sends hellos: a firewall in the OUTPUT chain here may drop protocol 89 on \
             {interface}, or there is no way to {}",
            span(time),
            way(endpoint)
        ),
        (TunnelState::Waiting | TunnelState::Stale, _, None) => format!(
            "it has no address to send to, so {site} has to send first, to UDP port {} here: {site} is down, or a firewall \
             here drops that",
            tunnel.listen_port
        ),
        (TunnelState::Waiting | TunnelState::Stale, Flow::Idle(time), Some(_)) => format!(
            "nothing was sent for {}: a firewall in the OUTPUT chain here may drop UDP, or there is no way to {}",
            span(time),
            way(endpoint)
        ),
        (TunnelState::Waiting, _, Some(endpoint)) if received > 0 => format!(
            "packets come from {endpoint}, but no handshake is completed: {keys} (`weft pubkey` there), or a clock is wrong"
        ),
        (TunnelState::Waiting, _, Some(endpoint)) if sent > 0 => format!(
            "{sent} octets were sent to {endpoint} and nothing came back: {site} is down, a firewall drops UDP port {} there or \
             {} here, or {keys} (`weft pubkey` there)",
            endpoint.port(),
            tunnel.listen_port
        ),
        (TunnelState::OneWay | TunnelState::Stale, Flow::OneWay(time), Some(endpoint)) => format!(
            "it sends to {endpoint}, and has received nothing for {}: {site} is down, or a firewall or the network drops UDP \
             port {} there or {} here",
            span(time),
            endpoint.port(),
            tunnel.listen_port
        ),
        _ => return begin,
    };
    format!("{begin}: {why}")
}

fn way(endpoint: Option<SocketAddr>) -> String {
    endpoint.map_or_else(
        || "its address".to_owned(),
        |endpoint| format!("{} (`ip route get {} mark {FWMARK}`)", endpoint.ip(), endpoint.ip()),
    )
}

/// The problem of a tunnel whose endpoint has a name that does not resolve.
fn unresolved_name(tunnel: &Tunnel, unresolved: &Unresolved, state: TunnelState) -> String {
    let Unresolved { name, error, since, former } = unresolved;
    let site = &tunnel.peer;
    let meanwhile = match (former, state) {
        (Some(address), _) => format!("{address}, which it was before, is used on"),
        (None, TunnelState::Up) => {
            format!("the tunnel is up because {site} sends, and this router alone cannot bring it up again")
        }
        (None, _) => format!("the tunnel has no address to send to until {site} sends"),
    };
    format!(
        "{}: the endpoint of {site}, {name}, has not resolved for {} ({error}): correct it in the mesh file, in DNS, or the \
         resolver of this machine; {meanwhile}",
        tunnel.interface,
        span(*since)
    )
}

/// Observations from which the cause is derived if a tunnel is up without an adjacency.
#[derive(Debug, Clone, Copy)]
struct Signs {
    hello_interval: Duration,
    dead_interval: Duration,
    /// Reason of the last refusal of a packet, and the time since then.
    refused: Option<(Refusal, Duration)>,
    /// State of the neighbour whose hellos are received, and how long it has been in this state.
    neighbor: Option<(NeighborState, Duration)>,
    /// How long the tunnel has been receiving packets.
    receives_for: Duration,
}

/// The problem that there is no route to a neighbour that has been Full for `full_for`; `None` while a route may still appear.
fn without_route(tunnel: &Tunnel, router_id: RouterId, full_for: Duration) -> Option<String> {
    let (name, site) = (&tunnel.interface, &tunnel.peer);
    let text = format!(
        "{name}: {site} has been a Full neighbour for {}, and there is no route to it: `weft show lsdb --router {router_id}` shows \
         what is known of it. If that is no Router-LSA, restart weft at {site}",
        span(full_for)
    );
    (full_for >= ROUTE_PATIENCE).then_some(text)
}

/// The problem of a tunnel that is up without an adjacency, and its possible cause.
fn adjacency_fault(tunnel: &Tunnel, signs: &Signs) -> String {
    let (name, site) = (&tunnel.interface, &tunnel.peer);
    let begin = format!("{name}: tunnel up, no OSPF adjacency with {site}");
    let long = signs.dead_interval;
    let refused = signs.refused.filter(|(_, ago)| *ago < long);
    match signs.neighbor {
        Some((NeighborState::Init, time)) if time >= long => format!(
            "{begin}: its hellos have come for {} and do not name this router, so ours do not reach it: a firewall in the \
             OUTPUT chain here or in the INPUT chain of {site} drops IP protocol 89 (OSPF), or {site} refuses them (`weft status` \
             there): accept it on {name} here and on the tunnel there",
            span(time)
        ),
        Some((state, time)) if time >= long => {
            let refused = refused.map_or_else(String::new, |(reason, _)| format!(", packets are refused: {reason}"));
            format!(
                "{begin}: it has been in state {state} for {}{refused}; see `weft show neighbors --detail`",
                span(time)
            )
        }
        Some((state, _)) => format!("{begin} yet: state {state}"),
        None => match refused {
            Some((reason, _)) => format!(
                "{begin}: packets from there are refused: {reason}. Both ends have to agree on area, intervals, authentication \
                 and router id: have the same mesh file at both"
            ),
            None if signs.receives_for >= long.saturating_add(signs.hello_interval) => format!(
                "{begin}: the tunnel has received packets for {}, and no OSPF hello among them: a firewall in the INPUT chain \
                 here or in the OUTPUT chain of {site} drops IP protocol 89 (`iifname \"{name}\" ip protocol ospf accept` in \
                 nftables lets it in), or weft does not run there{}",
                span(signs.receives_for),
                // The socket's filter drops such packets, so that they do not appear as refusals.
                match tunnel.ttl_security {
                    TtlSecurity::Required => {
                        ": another router, if it sends with a TTL below 255, needs `ttl_security = false` in this \
                         `[[link]]`"
                    }
                    TtlSecurity::Off => "",
                }
            ),
            None => begin,
        },
    }
}

/// A duration as text, in seconds, minutes or hours.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keys::KeyDigest;
    use crate::keys::PrivateKey;
    use crate::reconcile::state::{AllowedIps, ObservedPeer, Traffic};

    fn tunnel() -> Tunnel {
        let text = "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n\
            [[site]]\nname = \"taipei\"\nid = 1\npublic_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\nendpoint = \"192.0.2.1\"\n\
            [[site]]\nname = \"osaka\"\nid = 2\npublic_key = \"AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\"\n";
        let mesh = crate::mesh::parse("mesh", text).unwrap().mesh;
        mesh.tunnels(&mesh.sites[0]).remove(0)
    }

    fn device(endpoint: Option<&str>, traffic: Traffic, preshared: Option<KeyDigest>) -> ObservedDevice {
        let peer = ObservedPeer {
            public_key: PrivateKey::generate().public(),
            endpoint: endpoint.map(|text| text.parse().unwrap()),
            keepalive_s: 25,
            allowed_ips: AllowedIps::Everything,
            preshared,
            handshake_age: None,
        };
        ObservedDevice {
            public_key: PrivateKey::generate().public(),
            listen_port: 51822,
            fwmark: FWMARK,
            peer: Some(peer),
            unmanaged: BTreeSet::new(),
            traffic,
        }
    }

    #[test]
    fn a_full_neighbour_without_a_route_is_named_once_there_has_been_time_for_one() {
        let reported = |secs| without_route(&tunnel(), RouterId(0x0aff_0002), Duration::from_secs(secs));
        assert_eq!(reported(14), None);
        let text = reported(15).unwrap();
        let begin = "wg-osaka: osaka has been a Full neighbour for 15 s, and there is no route to it: `weft show lsdb --router 10.255.0.2`";
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn what_is_known_of_a_tunnel_decides_what_an_operator_is_told_to_do() {
        let (tunnel, minute) = (tunnel(), Duration::from_secs(60));
        let there = Some("203.0.113.2:51821");
        let (nothing, sent) = (Traffic::default(), Traffic { received: 0, sent: 444 });
        let key = || Some(crate::keys::PresharedKey::from_bytes(&[7; 32]).digest());
        for (state, flow, device, expected) in [
            (TunnelState::Missing, Flow::Good, None, "wg-osaka: tunnel to osaka is missing"),
            (
                TunnelState::Waiting,
                Flow::Idle(minute),
                Some(device(None, nothing, None)),
                "no address to send to, so osaka has to send first, to UDP port 51822 here",
            ),
            (
                TunnelState::Waiting,
                Flow::Idle(minute),
                Some(device(there, nothing, None)),
                "is waiting: nothing was sent for 60 s: a firewall in the OUTPUT chain here",
            ),
            (
                TunnelState::Waiting,
                Flow::Good,
                Some(device(there, sent, None)),
                "444 octets were sent to 203.0.113.2:51821 and nothing came back: osaka is down, a firewall drops UDP port 51821 there or 51822 here, or its public key differs",
            ),
            (
                TunnelState::Waiting,
                Flow::Good,
                Some(device(there, Traffic { received: 148, ..sent }, key())),
                "no handshake is completed: its public key or the preshared key differs",
            ),
            (
                TunnelState::OneWay,
                Flow::OneWay(2 * minute),
                Some(device(there, sent, None)),
                "is one-way: it sends to 203.0.113.2:51821, and has received nothing for 2 min",
            ),
            (
                TunnelState::Stale,
                Flow::OneWay(200 * minute),
                Some(device(there, sent, None)),
                "is stale: it sends to 203.0.113.2:51821, and has received nothing for 3 h",
            ),
            (
                TunnelState::Idle,
                Flow::Idle(minute),
                Some(device(there, sent, None)),
                "is idle: nothing was sent for 60 s, though OSPF sends hellos: a firewall in the OUTPUT chain here may drop protocol 89 on wg-osaka, or there is no way to 203.0.113.2 (`ip route get 203.0.113.2 mark 201`)",
            ),
            (TunnelState::Stale, Flow::Good, Some(device(there, sent, None)), "wg-osaka: tunnel to osaka is stale"),
        ] {
            let reported = fault(&Seen { tunnel: &tunnel, device: device.as_ref(), state, flow });
            assert!(
                reported.starts_with(&format!("wg-osaka: tunnel to osaka is {}", state.word()))
                    && reported.contains(expected),
                "{reported}"
            );
        }
    }

    #[test]
    fn why_there_is_no_adjacency_follows_from_what_is_heard_and_refused() {
        let second = Duration::from_secs(1);
        let quiet = Signs {
            hello_interval: 10 * second,
            dead_interval: 40 * second,
            refused: None,
            neighbor: None,
            receives_for: 50 * second,
        };
        let wrong = Refusal::HelloIntervalMismatch;
        let in_state = |state, seconds| Signs { neighbor: Some((state, seconds * second)), ..quiet };
        for (signs, expected) in [
            (
                quiet,
                ": the tunnel has received packets for 50 s, and no OSPF hello among them: a firewall in the INPUT chain here",
            ),
            (Signs { receives_for: 49 * second, ..quiet }, ""),
            (
                Signs { refused: Some((wrong, 39 * second)), ..quiet },
                ": packets from there are refused: another HelloInterval. Both",
            ),
            (Signs { refused: Some((wrong, 40 * second)), receives_for: second, ..quiet }, ""),
            (in_state(NeighborState::Init, 39), " yet: state Init"),
            (in_state(NeighborState::Init, 40), ": its hellos have come for 40 s and do not name this router"),
            (in_state(NeighborState::ExStart, 5), " yet: state ExStart"),
            (
                Signs { refused: Some((Refusal::MtuMismatch, second)), ..in_state(NeighborState::ExStart, 180) },
                ": it has been in state ExStart for 3 min, packets are refused: larger MTU than ours; see",
            ),
        ] {
            let reported = adjacency_fault(&tunnel(), &signs);
            let rest = reported.strip_prefix("wg-osaka: tunnel up, no OSPF adjacency with osaka").unwrap();
            assert!(rest.starts_with(expected) && rest.is_empty() == expected.is_empty(), "{signs:?}: {reported}");
        }
    }

    #[test]
    fn a_tunnel_on_which_only_other_packets_come_may_lead_to_a_router_with_another_ttl() {
        let second = Duration::from_secs(1);
        let signs = Signs {
            hello_interval: second,
            dead_interval: 4 * second,
            refused: None,
            neighbor: None,
            receives_for: 5 * second,
        };
        let end = |ttl_security| adjacency_fault(&Tunnel { ttl_security, ..tunnel() }, &signs);
        assert!(end(TtlSecurity::Required).ends_with("needs `ttl_security = false` in this `[[link]]`"));
        assert!(end(TtlSecurity::Off).ends_with(", or weft does not run there"));
    }

    #[test]
    fn a_name_that_does_not_resolve_has_an_effect_that_depends_on_the_tunnel() {
        let reported = |former: Option<&str>, state| {
            let unresolved = Unresolved {
                name: "vpn.example".to_owned(),
                error: "no such name".to_owned(),
                since: Duration::from_secs(180),
                former: former.map(|text| text.parse().unwrap()),
            };
            unresolved_name(&tunnel(), &unresolved, state)
        };
        let begin =
            "wg-osaka: the endpoint of osaka, vpn.example, has not resolved for 3 min (no such name): correct it";
        for (former, state, end) in [
            (Some("192.0.2.2"), TunnelState::Stale, "192.0.2.2, which it was before, is used on"),
            (
                None,
                TunnelState::Up,
                "the tunnel is up because osaka sends, and this router alone cannot bring it up again",
            ),
            (None, TunnelState::Waiting, "the tunnel has no address to send to until osaka sends"),
        ] {
            let reported = reported(former, state);
            assert!(reported.starts_with(begin) && reported.ends_with(end), "{reported}");
        }
    }
}
