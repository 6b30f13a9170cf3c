//! A table for each noun of `weft show`.

use super::table::{Table, duration, octets};
use crate::control::view::{
    Area, BfdSession, BfdState, BorderRouter, Interface, InterfaceState, KeyStanding, Limit, LimitState, Lsa, Neighbor,
    NeighborRole, NeighborState, NetworkType, Nexthop, Protection, Route, Spf, Tunnel, TunnelState, Unprotected,
    UnprotectedPrefixes, Uplink,
};

const INDENT: &str = "  ";

/// Tunnels, those that are not up first.
pub fn tunnels(tunnels: &[Tunnel]) -> String {
    let mut table = Table::new(&["INTERFACE", "SITE", "STATE", "HANDSHAKE", "RX", "TX", "ENDPOINT", "BACKEND"])
        .sparing(&["BACKEND"]);
    for tunnel in worst_first(tunnels, |tunnel| tunnel.state == TunnelState::Up) {
        table.row([
            tunnel.interface.clone(),
            tunnel.site.clone(),
            tunnel.state.to_string(),
            tunnel.handshake_age_s.map_or_else(|| "never".to_owned(), |age| format!("{} ago", duration(age))),
            octets(tunnel.rx_bytes),
            octets(tunnel.tx_bytes),
            tunnel.endpoint.map_or_else(|| "-".to_owned(), |endpoint| endpoint.to_string()),
            tunnel.backend.to_string(),
        ]);
    }
    table.render(INDENT)
}

/// Neighbours, those without a complete adjacency first.
pub fn neighbors(neighbors: &[Neighbor]) -> String {
    let mut table =
        Table::new(&["INTERFACE", "ROUTER ID", "SITE", "PRI", "STATE", "FOR", "DEAD IN", "ADDRESS", "AREA", "BFD"])
            .sparing(&["BFD", "PRI", "ADDRESS", "AREA"]);
    for neighbor in worst_first(neighbors, is_good) {
        table.row([
            neighbor.interface.clone(),
            neighbor.router_id.to_string(),
            neighbor.site.clone().unwrap_or_else(|| "-".to_owned()),
            neighbor.priority.to_string(),
            state(neighbor),
            duration(neighbor.since_s),
            format!("{:.1}s", neighbor.dead_in_s),
            neighbor.address.to_string(),
            neighbor.area.to_string(),
            neighbor.bfd.to_string(),
        ]);
    }
    table.render(INDENT)
}

/// BFD sessions, those that are not Up first.
pub fn sessions(sessions: &[BfdSession]) -> String {
    let mut table =
        Table::new(&["INTERFACE", "PEER", "SITE", "STATE", "FOR", "INTERVAL", "DETECTION", "RX", "TX", "LAST DOWN"])
            .sparing(&["TX", "RX", "PEER"]);
    let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.0}ms"));
    let mut troubles = String::new();
    for session in worst_first(sessions, |session| session.state == BfdState::Up) {
        table.row([
            session.interface.clone(),
            session.peer.to_string(),
            session.site.clone().unwrap_or_else(|| "-".to_owned()),
            session.state.to_string(),
            duration(session.since_s),
            ms(session.interval_ms),
            ms(session.detection_time_ms),
            session.received.to_string(),
            session.sent.to_string(),
            session.diagnostic.clone(),
        ]);
        if let Some(trouble) = &session.trouble {
            troubles.push_str(&format!("! {}: {trouble}\n", session.interface));
        }
    }
    troubles + &table.render(INDENT)
}

/// Addresses on uplinks, and where packets from them go.
pub fn uplinks(uplinks: &[Uplink]) -> String {
    let mut table = Table::new(&["ADDRESS", "INTERFACE", "GATEWAY", "ANSWERS BY"]);
    for uplink in uplinks {
        table.row([
            uplink.address.to_string(),
            uplink.interface.clone(),
            uplink.gateway.map_or_else(|| "-".to_owned(), |gateway| gateway.to_string()),
            match uplink.table {
                None => uplink.answers.to_string(),
                Some(number) => format!("{}, table {number}", uplink.answers),
            },
        ]);
    }
    table.render(INDENT)
}

/// Routes by prefix, with a line for each further next hop.
pub fn routes(routes: &[Route]) -> String {
    let mut table = Table::new(&["PREFIX", "TYPE", "METRIC", "AREA", "NEXT HOP", "ORIGINATOR", "KERNEL"])
        .sparing(&["AREA", "TYPE"]);
    for route in routes {
        let mut hops = route.nexthops.iter().map(nexthop);
        let named = route.originators.iter().zip(&route.originator_sites);
        let originators: Vec<String> =
            named.map(|(router, site)| site.clone().unwrap_or_else(|| router.to_string())).collect();
        table.row([
            route.prefix.clone(),
            route.kind.to_string(),
            route.metric.to_string(),
            route.area.to_string(),
            hops.next().unwrap_or_else(|| "-".to_owned()),
            originators.join(" "),
            match route.tag {
                0 => route.kernel.to_string(),
                tag => format!("{}, tag {tag}", route.kernel),
            },
        ]);
        let blank = String::new;
        for hop in hops {
            table.row([blank(), blank(), blank(), blank(), hop, blank(), blank()]);
        }
    }
    table.render(INDENT)
}

/// Routes by prefix with what takes the place of their next hops, with a line for each further next hop.
pub fn routes_with_backups(routes: &[Route]) -> String {
    let mut table = Table::new(&["PREFIX", "METRIC", "NEXT HOP", "BACKUP", "METRIC", "PROTECTS FROM THE FAILURE OF"])
        .sparing(&["METRIC"]);
    for route in routes {
        let mut hops = route.nexthops.iter().map(nexthop);
        let (backup, metric, from) = match (&route.backup, route.unprotected) {
            (Some(backup), _) => {
                let via = backup.via.map_or_else(String::new, |via| format!("{via} "));
                let from = match (backup.link_protecting, backup.node_protecting) {
                    (true, true) => "link and router",
                    (true, false) => "link",
                    (false, _) => "router",
                };
                (format!("{via}{}", backup.interface), backup.metric.to_string(), from.to_owned())
            }
            (None, Some(reason)) => ("-".to_owned(), String::new(), format!("nothing: {}", why(reason))),
            (None, None) if route.nexthops.len() > 1 => {
                ("each other".to_owned(), String::new(), "one of them".to_owned())
            }
            (None, None) => ("-".to_owned(), String::new(), "-".to_owned()),
        };
        let first = hops.next().unwrap_or_else(|| "-".to_owned());
        table.row([route.prefix.clone(), route.metric.to_string(), first, backup, metric, from]);
        let blank = String::new;
        for hop in hops {
            table.row([blank(), blank(), hop, blank(), blank(), blank()]);
        }
    }
    table.render(INDENT)
}

/// How many destinations are protected, and which are not and why.
pub fn protection(protection: &Protection) -> String {
    if !protection.fast_reroute {
        return "fast reroute is off: set `fast_reroute = true` in `[ospf]`\n".to_owned();
    }
    let Protection { prefixes, link_protected, node_protected, unprotected, .. } = protection;
    let mut text = format!(
        "{link_protected} of {prefixes} destinations have another way at once when a link fails, {node_protected} when a router fails\n"
    );
    for UnprotectedPrefixes { reason, count, prefixes } in unprotected {
        let more = count.saturating_sub(prefixes.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text.push_str(&format!("  not {}{more}: {}\n", prefixes.join(", "), why(*reason)));
    }
    text
}

/// Why a next hop has no alternate, in words.
fn why(reason: Unprotected) -> &'static str {
    match reason {
        Unprotected::Pending => "alternates have not been calculated yet",
        Unprotected::Off => "fast reroute is off",
        Unprotected::NoOtherNeighbor => "there is no other neighbor in the area",
        Unprotected::MaxLinkMetric => "each other link has cost 65535: there is a stub router at an end of it",
        Unprotected::NoOtherPath => "no other neighbor has a path that is known here",
        Unprotected::NotLoopFree => "each other neighbor may send packets back",
        Unprotected::SameFate => "each other path may use what fails",
        Unprotected::Refused => "other paths end at routers that are not accepted as origin",
        Unprotected::VirtualLinks => "there are virtual links in the area",
        Unprotected::OtherArea => "a next hop is in another area",
        Unprotected::Unknown => "for a reason that this version does not know",
    }
}

/// Interfaces, those that are down first. Lines about refused packets and LSAs, and about keys that are not valid, precede them.
pub fn interfaces(interfaces: &[Interface]) -> String {
    let mut table =
        Table::new(&["INTERFACE", "NETWORK", "STATE", "ADDRESS", "AREA", "COST", "HELLO/DEAD", "MTU", "AUTH", "FULL"])
            .sparing(&["MTU", "NETWORK", "AUTH"]);
    let mut refusals = String::new();
    for interface in worst_first(interfaces, |interface| interface.state != InterfaceState::Down) {
        table.row([
            interface.interface.clone(),
            match interface.network {
                NetworkType::PointToMultipoint => "p2mp".to_owned(),
                NetworkType::PointToPoint => "p2p".to_owned(),
                NetworkType::VirtualLink => "virtual".to_owned(),
                other => other.to_string(),
            },
            interface.state.to_string(),
            interface.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            interface.area.to_string(),
            interface.cost.to_string(),
            format!("{}s/{}s", interface.hello_interval_s, interface.dead_interval_s),
            interface.mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string()),
            interface.auth.to_string(),
            format!("{}/{}", interface.full, interface.neighbors),
        ]);
        for (reason, count) in &interface.refused {
            refusals.push_str(&format!("! {}: {count} packets refused: {reason}\n", interface.interface));
        }
        for (reason, count) in &interface.lsa_refused {
            refusals.push_str(&format!("! {}: {count} LSAs refused: {reason}\n", interface.interface));
        }
        if let Some(standing) = interface.auth_key.filter(|standing| *standing != KeyStanding::Valid) {
            refusals.push_str(&format!("! {}: the key in use is {standing}\n", interface.interface));
        }
    }
    format!("{refusals}{}", table.render(INDENT))
}

/// The link state database, one line for each LSA.
pub fn lsdb_in_brief(lsas: &[Lsa]) -> String {
    let mut table = Table::new(&["AREA", "TYPE", "ID", "ROUTER", "AGE", "SEQUENCE", "SUM", "OCTETS"]);
    for lsa in lsas {
        table.row([
            lsa.area.map(|area| area.to_string()).or_else(|| lsa.link.clone()).unwrap_or_else(|| "-".to_owned()),
            lsa.kind.clone(),
            lsa.id.to_string(),
            lsa.advertising_router.to_string(),
            lsa.age_s.to_string(),
            lsa.sequence.clone(),
            lsa.checksum.clone(),
            lsa.length.to_string(),
        ]);
    }
    table.render(INDENT)
}

/// Areas.
pub fn areas(areas: &[Area]) -> String {
    let mut table = Table::new(&["AREA", "KIND", "UP", "FULL", "ABR", "ASBR", "LSAS", "CHECKSUM SUM"]);
    for area in areas {
        let lsas: Vec<String> = area.lsas.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        table.row([
            area.area.to_string(),
            if area.summaries { area.kind.to_string() } else { format!("{}, no summaries", area.kind) },
            format!("{}/{}", area.interfaces_up, area.interfaces),
            area.full.to_string(),
            area.border_routers.to_string(),
            area.boundary_routers.to_string(),
            if lsas.is_empty() { "none".to_owned() } else { lsas.join(", ") },
            area.checksum_sum.clone(),
        ]);
    }
    table.render(INDENT)
}

/// Area border and AS boundary routers, with a line for each further next hop.
pub fn border_routers(routers: &[BorderRouter]) -> String {
    let mut table = Table::new(&["ROUTER ID", "SITE", "ROLE", "TYPE", "AREA", "COST", "NEXT HOP"]);
    for router in routers {
        let mut hops = router.nexthops.iter().map(nexthop);
        let role = match (router.abr, router.asbr) {
            (true, true) => "ABR, ASBR",
            (true, false) => "ABR",
            (false, _) => "ASBR",
        };
        table.row([
            router.router_id.to_string(),
            router.site.clone().unwrap_or_else(|| "-".to_owned()),
            role.to_owned(),
            router.kind.to_string(),
            router.area.to_string(),
            router.cost.to_string(),
            hops.next().unwrap_or_else(|| "-".to_owned()),
        ]);
        let blank = String::new;
        for hop in hops {
            table.row([blank(), blank(), blank(), blank(), blank(), blank(), hop]);
        }
    }
    table.render(INDENT)
}

/// Limits that protect the memory, those that refuse something first.
pub fn limits(limits: &[Limit]) -> String {
    let mut table = Table::new(&["LIMIT", "AREA", "PRESENT", "MOST", "STATE"]);
    for limit in worst_first(limits, |limit| limit.state == LimitState::Free) {
        table.row([
            limit.limit.to_string(),
            limit.area.map_or_else(|| "-".to_owned(), |area| area.to_string()),
            limit.present.to_string(),
            limit.most.to_string(),
            limit.state.to_string(),
        ]);
    }
    table.render(INDENT)
}

/// State and parameters of the route calculation.
pub fn spf(spf: &Spf) -> String {
    let due = spf.due_in_s.map_or_else(|| "nothing to do".to_owned(), |due| format!("next in {due:.3}s"));
    format!(
        "{}, {} calculations, {due}\ndelays: {}s at first, {}s for {}s, {}s until {}s without a change\n",
        spf.state, spf.runs, spf.initial_s, spf.short_s, spf.time_to_learn_s, spf.long_s, spf.holddown_s
    )
}

/// The link state database: a line for each LSA, with its contents below.
pub fn lsdb(lsas: &[Lsa]) -> String {
    let mut text = String::new();
    for lsa in lsas {
        let area = match (&lsa.area, &lsa.link) {
            (Some(area), _) => format!("area {area}"),
            (None, Some(link)) => format!("link {link}"),
            (None, None) => "AS".to_owned(),
        };
        let own = if lsa.own { ", own" } else { "" };
        text.push_str(&format!(
            "{} {} by {} ({area}{own})  age {}  seq {}  sum {}  {} octets\n",
            lsa.kind, lsa.id, lsa.advertising_router, lsa.age_s, lsa.sequence, lsa.checksum, lsa.length
        ));
        for line in &lsa.body {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

/// Whether an adjacency is complete: Full, or 2-Way where neither router is the designated router or its backup (RFC 2328 §10.4).
fn is_good(neighbor: &Neighbor) -> bool {
    match neighbor.state {
        NeighborState::Full => true,
        NeighborState::TwoWay => neighbor.role == Some(NeighborRole::Other),
        _ => false,
    }
}

fn state(neighbor: &Neighbor) -> String {
    if neighbor.helped_for_s.is_some() {
        return format!("{}, restarts", neighbor.state);
    }
    match neighbor.role {
        Some(NeighborRole::Designated) => format!("{}/DR", neighbor.state),
        Some(NeighborRole::Backup) => format!("{}/Backup", neighbor.state),
        Some(NeighborRole::Other) => format!("{}/DROther", neighbor.state),
        Some(NeighborRole::Unknown) => format!("{}/{}", neighbor.state, NeighborRole::Unknown),
        None => neighbor.state.to_string(),
    }
}

/// A next hop as text.
pub(super) fn nexthop(hop: &Nexthop) -> String {
    match hop.via {
        Some(via) => format!("{via} {}", hop.interface),
        None => format!("directly, {}", hop.interface),
    }
}

fn worst_first<T>(rows: &[T], good: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
    let (good, bad): (Vec<&T>, Vec<&T>) = rows.iter().partition(|row| good(row));
    bad.into_iter().chain(good)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn neighbor(id: u8, state: NeighborState, role: Option<NeighborRole>) -> Neighbor {
        Neighbor {
            interface: "eth1".to_owned(),
            router_id: Ipv4Addr::new(192, 168, 100, id),
            site: None,
            address: Ipv4Addr::new(192, 168, 200, id),
            area: Ipv4Addr::new(0, 0, 0, 1),
            state,
            bfd: BfdState::Off,
            since_s: 90_000.0,
            dead_in_s: 38.25,
            role,
            priority: 100,
            designated_router: None,
            backup_designated_router: None,
            options: vec!["E".to_owned(), "O".to_owned()],
            retransmissions: 0,
            requests: 0,
            summaries: 0,
            helped_for_s: None,
        }
    }

    #[test]
    fn routers_that_need_no_adjacency_are_as_good_as_full_ones_and_the_others_come_first() {
        let shown = [
            neighbor(1, NeighborState::Full, Some(NeighborRole::Designated)),
            neighbor(2, NeighborState::TwoWay, Some(NeighborRole::Other)),
            neighbor(3, NeighborState::TwoWay, Some(NeighborRole::Backup)),
            neighbor(4, NeighborState::ExStart, None),
        ];
        let text = neighbors(&shown);
        let column = |line: &str| line.split_whitespace().nth(4).unwrap_or_default().to_owned();
        let states: Vec<String> = text.lines().skip(1).map(column).collect();
        assert_eq!(states, ["2-Way/Backup", "ExStart", "Full/DR", "2-Way/DROther"]);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("38.2s    192.168.200.1  0.0.0.1"), "{text}");
    }
}
