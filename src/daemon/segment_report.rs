//! Formats Ethernet segments for display.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use vxlan::segment::{Flooding, Learning, Mobility, Resolution, UnknownUnicast};
use vxlan::{Mac, Vtep};

use super::report::Report;
use super::segments::Segment;
use crate::control::view::{self, Fate, PortState, Question, SegmentState, SiteState};
use crate::kernel::Limited;
use crate::mesh::VlanId;
use crate::net::{IfName, Prefix};
use crate::reconcile::overlay;
use crate::reconcile::state::Admin;

impl Report<'_> {
    /// Converts all segments for display. `limited` has the numbers of frames that were dropped by a limit, by VXLAN device.
    pub(super) fn segments(&self, limited: &BTreeMap<IfName, Limited>) -> Vec<view::Segment> {
        self.segments.iter().map(|segment| self.segment(segment, limited)).collect()
    }

    /// Traces a frame to a host, which is given by its name, MAC or IP address: in each segment that knows the host, or in all segments if
    /// none does.
    pub(super) fn trace(&self, host: &str) -> Vec<view::FrameTrace> {
        let known = self.segments.iter().filter_map(|segment| Some(self.trace_known(segment, segment.host(host)?)));
        let known: Vec<view::FrameTrace> = known.collect();
        match known.is_empty() {
            true => self.segments.iter().map(|segment| self.trace_unknown(segment, host)).collect(),
            false => known,
        }
    }

    fn segment(&self, segment: &Segment, limited: &BTreeMap<IfName, Limited>) -> view::Segment {
        let (config, found) = (&segment.l2.segment, &self.observed.state.overlay);
        let (device, bridge) = (segment.l2.device(), &segment.site.bridge);
        let open = found.devices.get(&device).is_some_and(|device| device.admin == Admin::Up);
        let own = found.bridges.get(bridge).map(|bridge| bridge.admin);
        let admin = match segment.site.is_on_existing_bridge() {
            true => overlay::usable(&segment.site, self.observed).ok().map(|bridge| bridge.admin),
            false => own,
        };
        let stands = admin == Some(Admin::Up) && !self.observed.held_back.contains_key(&device);
        let flooded = |flooding| match flooding {
            Flooding::Flood(rate) => Some(rate.get()),
            Flooding::Drop => None,
        };
        view::Segment {
            segment: segment.l2.name.clone(),
            vni: config.vni.value(),
            bridge: bridge.to_string(),
            existing_bridge: segment.site.is_on_existing_bridge(),
            vlan: segment.site.vlan().map(VlanId::value),
            device: device.to_string(),
            state: match (found.devices.contains_key(&device), open && stands) {
                (_, true) => SegmentState::Up,
                (true, false) => SegmentState::Down,
                (false, false) => SegmentState::Missing,
            },
            arp: config.resolution.into(),
            unknown_unicast: config.unknown_unicast.into(),
            broadcast_limit: flooded(config.broadcast),
            multicast_limit: flooded(config.multicast),
            learn: config.learning == Learning::On,
            mtu: config.mtu,
            gateway: config.gateway.map(|gateway| gateway.to_string()),
            ports: {
                let ports = overlay::ports(&segment.site, self.observed);
                ports.iter().map(|(port, _)| self.port(port, bridge)).collect()
            },
            sites: config.members.iter().map(|vtep| self.site(*vtep)).collect(),
            hosts: config.hosts.keys().filter_map(|mac| self.host(segment, *mac)).collect(),
            counters: self.counters(&device, limited),
        }
    }

    fn port(&self, port: &IfName, bridge: &IfName) -> view::Port {
        let state = match self.observed.state.overlay.ports.get(port) {
            Some(joined) if joined == bridge => PortState::Joined,
            Some(_) => PortState::Elsewhere,
            None => PortState::Missing,
        };
        view::Port { port: port.to_string(), state }
    }

    fn site(&self, vtep: Vtep) -> view::Site {
        let state = match vtep {
            here if here == self.segments.here() => SiteState::Here,
            there if self.is_reachable(there) => SiteState::Reachable,
            _ => SiteState::Unreachable,
        };
        view::Site { site: self.segments.site_name(vtep), vtep: vtep.0, state }
    }

    fn is_reachable(&self, vtep: Vtep) -> bool {
        self.routes.contains_key(&Prefix::host(vtep.0)) && self.detour(vtep).is_none()
    }

    /// Returns an interface on the path to a site that is not a tunnel, if there is one: VXLAN does not use such a path.
    fn detour(&self, vtep: Vtep) -> Option<String> {
        let hops = self.routes.get(&Prefix::host(vtep.0)).into_iter().flat_map(|route| &route.nexthops);
        let is_tunnel = |name: &str| self.local.tunnels.keys().any(|tunnel| tunnel.as_str() == name);
        hops.map(|hop| self.name(hop.interface)).find(|name| !is_tunnel(name))
    }

    /// Describes sites of segments that VXLAN does not reach though there is a route to them.
    pub(super) fn detours(&self) -> Vec<String> {
        let peers = self.segments.peers().into_iter().map(Vtep);
        let detours = peers.filter_map(|peer| Some((peer, self.detour(peer)?)));
        detours
            .map(|(peer, interface)| {
                let site = self.segments.site_name(peer);
                format!("segments do not reach {site}: the way there is over {interface}, which is no tunnel")
            })
            .collect()
    }

    fn host(&self, segment: &Segment, mac: Mac) -> Option<view::Host> {
        let host = segment.l2.segment.hosts.get(&mac)?;
        let record = segment.locations.record(mac);
        let now = SystemTime::now();
        Some(view::Host {
            mac: mac.to_string(),
            name: segment.l2.host_names.get(&mac).cloned(),
            addresses: host.addresses.iter().copied().collect(),
            home: self.segments.site_name(host.home),
            site: self.segments.site_name(segment.locations.location_of(mac, host)),
            since_s: record.map(|record| now.duration_since(record.since).unwrap_or_default().as_secs_f64()),
            epoch: record.map_or(0, |record| record.claim.epoch),
            sequence: record.map_or(0, |record| record.claim.sequence),
            port: self.learned_on(segment, mac),
            pinned: host.mobility == Mobility::Pinned,
            damped: segment.locations.damped(now).any(|damped| damped == mac),
        })
    }

    /// Returns the port of the segment on which a host was last seen.
    fn learned_on(&self, segment: &Segment, mac: Mac) -> Option<String> {
        let ports = &self.observed.state.overlay.ports;
        let learned = self.observed.learned.iter().find(|learned| {
            (learned.mac, learned.vlan) == (mac, segment.site.vlan())
                && ports.get(&learned.port).is_some_and(|bridge| *bridge == segment.site.bridge)
        });
        learned.map(|learned| learned.port.to_string())
    }

    fn counters(&self, device: &IfName, limited: &BTreeMap<IfName, Limited>) -> view::Counters {
        let found = self.observed.statistics.get(device).copied().unwrap_or_default();
        let limited = limited.get(device).copied().unwrap_or_default();
        view::Counters {
            rx_packets: found.rx_packets,
            rx_bytes: found.rx_bytes,
            rx_dropped: found.rx_dropped,
            tx_packets: found.tx_packets,
            tx_bytes: found.tx_bytes,
            tx_dropped: found.tx_dropped,
            broadcast_limited: limited.broadcast,
            multicast_limited: limited.multicast,
        }
    }

    fn trace_known(&self, segment: &Segment, mac: Mac) -> view::FrameTrace {
        let location = segment.locations.location(&segment.l2.segment, mac);
        let port = self.learned_on(segment, mac);
        let here = location == Some(self.segments.here());
        let reached = location.filter(|vtep| !here && self.is_reachable(*vtep));
        let route = reached.and_then(|vtep| self.routes.get(&Prefix::host(vtep.0)));
        let fate = match (here, &port, route) {
            (true, Some(_), _) => Fate::Port,
            (true, None, _) => Fate::Ports,
            (false, _, Some(_)) => Fate::Site,
            (false, _, None) => Fate::Unreachable,
        };
        view::FrameTrace {
            segment: segment.l2.name.clone(),
            mac: Some(mac.to_string()),
            host: segment.l2.host_names.get(&mac).cloned(),
            fate,
            question: None,
            port: port.filter(|_| here),
            site: location.map(|vtep| self.segments.site_name(vtep)),
            vtep: location.filter(|_| !here).map(|vtep| vtep.0),
            nexthops: route.map(|route| self.nexthops(&route.nexthops)).unwrap_or_default(),
        }
    }

    /// Traces a frame to a host that is not in the table.
    fn trace_unknown(&self, segment: &Segment, host: &str) -> view::FrameTrace {
        let mac: Option<Mac> = host.parse().ok();
        let port = mac.and_then(|mac| self.learned_on(segment, mac));
        let config = &segment.l2.segment;
        // A frame to an IP address is sent only after an answer to an ARP request or neighbour solicitation. Then its fate is that of any
        // frame to a MAC address that is not in the table.
        let question = match host.parse::<IpAddr>().ok() {
            None => None,
            Some(_) if config.resolution == Resolution::Proxy => Some(Question::Stays),
            Some(IpAddr::V4(_)) if config.broadcast == Flooding::Drop => Some(Question::Stays),
            Some(IpAddr::V6(_)) if config.multicast == Flooding::Drop => Some(Question::Stays),
            Some(_) => Some(Question::Flooded),
        };
        let fate = match (&port, config.unknown_unicast) {
            (Some(_), _) => Fate::Port,
            (None, UnknownUnicast::Flood) if question != Some(Question::Stays) => Fate::Flooded,
            (None, _) => Fate::Dropped,
        };
        view::FrameTrace {
            segment: segment.l2.name.clone(),
            mac: mac.map(|mac| mac.to_string()),
            host: None,
            fate,
            question,
            port,
            site: None,
            vtep: None,
            nexthops: Vec::new(),
        }
    }
}
