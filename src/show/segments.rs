//! Ethernet segments and traced frames as text.

use super::nouns::nexthop;
use super::table::{Table, duration, octets};
use crate::control::view::{Fate, FrameTrace, Host, Question, Segment};

const INDENT: &str = "  ";

/// Each segment with its ports, sites and hosts.
pub fn segments(segments: &[Segment]) -> String {
    if segments.is_empty() {
        return "none\n".to_owned();
    }
    segments.iter().map(segment).collect::<Vec<_>>().join("\n")
}

fn segment(segment: &Segment) -> String {
    let Segment { segment: name, vni, state, bridge, device, arp, unknown_unicast, mtu, .. } = segment;
    let limit = |limit: Option<u32>| limit.map_or_else(|| "drop".to_owned(), |limit| format!("flood {limit}/s"));
    let whose = match (segment.existing_bridge, segment.vlan) {
        (false, _) => String::new(),
        (true, None) => " (existing)".to_owned(),
        (true, Some(vlan)) => format!(" (existing), VLAN {vlan}"),
    };
    let mut text = format!("{name}, VNI {vni}: {state}, bridge {bridge}{whose}, VXLAN device {device}, MTU {mtu}\n");
    text.push_str(&format!(
        "{INDENT}arp {arp}, unknown unicast {unknown_unicast}, broadcast {}, multicast {}, learn {}\n",
        limit(segment.broadcast_limit),
        limit(segment.multicast_limit),
        segment.learn
    ));
    if let Some(gateway) = &segment.gateway {
        text.push_str(&format!("{INDENT}gateway {gateway}\n"));
    }
    let counters = &segment.counters;
    text.push_str(&format!(
        "{INDENT}from other sites {} frames, {}; to them {} frames, {}; over the limit {} broadcast, {} multicast\n",
        counters.rx_packets,
        octets(counters.rx_bytes),
        counters.tx_packets,
        octets(counters.tx_bytes),
        counters.broadcast_limited,
        counters.multicast_limited
    ));
    let ports: Vec<String> = segment.ports.iter().map(|port| format!("{} {}", port.port, port.state)).collect();
    text.push_str(&format!("{INDENT}ports: {}\n", if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }));
    let sites: Vec<String> = segment.sites.iter().map(|site| format!("{} {}", site.site, site.state)).collect();
    text.push_str(&format!("{INDENT}sites: {}\n", sites.join(", ")));
    text.push_str(&hosts(&segment.hosts));
    text
}

fn hosts(hosts: &[Host]) -> String {
    let mut table = Table::new(&["HOST", "MAC", "SITE", "FOR", "MOVES", "PORT", "HOME", "", "ADDRESSES"])
        .sparing(&["MOVES", "HOME", "FOR"]);
    for host in hosts {
        let addresses: Vec<String> = host.addresses.iter().map(ToString::to_string).collect();
        let mark = match (host.damped, host.pinned) {
            (true, _) => "damped",
            (false, true) => "pinned",
            (false, false) => "",
        };
        table.row([
            host.name.clone().unwrap_or_else(|| "-".to_owned()),
            host.mac.clone(),
            host.site.clone(),
            host.since_s.map_or_else(|| "-".to_owned(), duration),
            host.sequence.to_string(),
            host.port.clone().unwrap_or_else(|| "-".to_owned()),
            host.home.clone(),
            mark.to_owned(),
            addresses.join(" "),
        ]);
    }
    table.render(INDENT)
}

/// A line for each segment in which the frame was traced.
pub fn traces(traces: &[FrameTrace]) -> String {
    if traces.is_empty() {
        return "this site has no segment\n".to_owned();
    }
    traces.iter().map(|trace| trace_line(trace) + "\n").collect()
}

fn trace_line(trace: &FrameTrace) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let whom = match (&trace.host, &trace.mac) {
        (Some(host), Some(mac)) => format!("{host} {mac}"),
        (_, Some(mac)) => mac.clone(),
        (_, None) => "nobody known".to_owned(),
    };
    let fate = match trace.fate {
        Fate::Port => format!("out of port {}", text(&trace.port)),
        Fate::Ports => "at this site, not learned yet: out of all ports".to_owned(),
        Fate::Site => {
            let hops: Vec<String> = trace.nexthops.iter().map(nexthop).collect();
            let vtep = trace.vtep.map(|vtep| vtep.to_string()).unwrap_or_default();
            format!("to {} ({vtep}) through {}", text(&trace.site), hops.join(" or "))
        }
        Fate::Unreachable => format!("to {}, to which there is no way now", text(&trace.site)),
        Fate::Flooded => "not in the table: out of all ports and to all sites".to_owned(),
        Fate::Dropped => match trace.question {
            None | Some(Question::Unknown) => "not in the table: stays at this site",
            Some(Question::Flooded) => {
                "not in the table: all sites are asked whose it is, but a frame to who answers elsewhere stays at this site \
                 (unknown_unicast is \"drop\")"
            }
            Some(Question::Stays) => "not in the table: nobody at another site is asked whose it is",
        }
        .to_owned(),
        Fate::Unknown => Fate::Unknown.to_string(),
    };
    format!("{}: {whom}: {fate}", trace.segment)
}
