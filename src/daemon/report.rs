//! Makes the views that the control socket returns from the daemon's state: [`Report`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ospf::wire::{Lsa, LsaBody, Options, RouterFlags};
use ospf::{
    Addressing, AreaId, AreaKind, AuthenticationView, InterfaceId, InterfaceState, InterfaceView, Limit, LsaPlace,
    LsaType, NeighborState, NeighborView, NetworkType, Nexthop, RouteKind, RouterId, SiteLsasView, SpfView, Summaries,
    VirtualLinkObstacle,
};

use super::carriers::Listed;
use super::checks::Checks;
use super::filters::Filters;
use super::forwarding::Forwarding;
use super::inquiry::Reading;
use super::local::Local;
use super::paths::{Path, Paths};
use super::rows::Rows;
use super::segments::Segments;
use super::{lan, lsdb, unreachable, unused_routes, uplinks};
use crate::bfd::protocol::SessionInfo;
use crate::control::view::{Authentication, KernelState, KeyStanding, LimitKind, LimitState, NeighborRole, PacketType};
use crate::control::{Cursor, LsaCursor, LsaSelection, Part, view};
use crate::net::{IfName, Prefix};
use crate::reconcile::state::{Backend, Observed};
use crate::reconcile::uplinks::Uplinks;
use crate::rib::Rib;
use crate::routing::{InterfaceIds, LsdbPart, MAX_REDISTRIBUTED, Redistributed, View};
use crate::tunnel::Endpoints;

/// Everything that can be shown, at one moment.
pub(super) struct Report<'a> {
    pub local: &'a Local,
    pub backend: Backend,
    pub endpoints: &'a Endpoints,
    pub checks: &'a Checks,
    pub ids: &'a InterfaceIds,
    pub paths: &'a Paths,
    pub routes: &'a BTreeMap<Prefix, ospf::Route>,
    pub protections: &'a BTreeMap<Prefix, Arc<ospf::Protection>>,
    pub rib: &'a Rib,
    pub forwarding: Forwarding<'a>,
    pub observed: &'a Observed,
    pub segments: &'a Segments,
    pub reading: &'a Reading,
    pub view: &'a View,
    pub failures: Vec<String>,
    pub filters: &'a Filters,
    pub refused_reload: Option<&'a str>,
    pub redistributed: &'a Redistributed,
    pub listed: &'a Listed,
    /// Problems of the daemon's own files, log and limits.
    pub upkeep: Vec<String>,
    pub uptime: Duration,
}

/// A summary of the link state database of an area.
#[derive(Debug, Default)]
pub(super) struct AreaSummary {
    lsas: BTreeMap<LsaType, u64>,
    checksum_sum: u32,
    border_routers: usize,
    boundary_routers: usize,
}

impl AreaSummary {
    /// Adds an LSA to the summary.
    pub(super) fn count(&mut self, lsa: &Lsa) {
        *self.lsas.entry(lsa.header.key.kind).or_default() += 1;
        self.checksum_sum = self.checksum_sum.wrapping_add(u32::from(lsa.header.checksum));
        if lsa.header.key.kind == LsaType::ROUTER
            && let Ok(LsaBody::Router(router)) = lsa.parse()
        {
            self.border_routers += usize::from(router.flags.contains(RouterFlags::B));
            self.boundary_routers += usize::from(router.flags.contains(RouterFlags::E));
        }
    }
}

impl Report<'_> {
    pub(super) fn status(&self) -> view::Status {
        view::Status {
            mesh: self.local.mesh.name.clone(),
            site: self.local.site.name.clone(),
            router_id: self.local.site.loopback,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: seconds(self.uptime),
            problems: self.problems(),
            notes: self.notes(),
            prefixes: self.listed.shown(self.local),
            tunnels: self.tunnels(),
            neighbors: self.neighbors(),
            stub_router: self.view.stub_router.0.into(),
            stub_router_left_s: self.view.stub_router.1.map(seconds),
            filter: self.filter(),
            uplinks: uplinks::shown(self.observed, &self.uplinks()),
            // The routes are written after the rest, part by part.
            routes: Vec::new(),
        }
    }

    /// The uplinks according to the routes in the kernel.
    fn uplinks(&self) -> Uplinks {
        self.forwarding.uplinks(&self.observed.state.routes)
    }

    pub(super) fn neighbors(&self) -> Vec<view::Neighbor> {
        let neighbors = self.view.neighbors.iter().map(|neighbor| view::Neighbor {
            interface: self.name(neighbor.interface),
            router_id: neighbor.router_id.into(),
            site: self.site_of(neighbor.router_id),
            address: neighbor.address,
            area: neighbor.area.into(),
            state: neighbor.state.into(),
            bfd: self.bfd(neighbor),
            since_s: seconds(neighbor.in_state),
            dead_in_s: seconds(neighbor.dead_in),
            role: self.role(neighbor),
            priority: neighbor.priority,
            designated_router: neighbor.designated_router,
            backup_designated_router: neighbor.backup_designated_router,
            options: options(neighbor.options),
            retransmissions: neighbor.retransmissions,
            requests: neighbor.requests,
            summaries: neighbor.summaries,
            helped_for_s: neighbor.helped_for.map(seconds),
        });
        neighbors.collect()
    }

    fn bfd(&self, neighbor: &NeighborView) -> view::BfdState {
        let name = self.ids.name(neighbor.interface);
        name.and_then(|name| self.paths.state(name, neighbor.address)).map_or(view::BfdState::Off, Into::into)
    }

    /// BFD sessions, as the process lists them.
    pub(super) fn sessions(&self, listed: &[SessionInfo]) -> Vec<view::BfdSession> {
        let sessions = listed.iter().map(|info| {
            let name = IfName::new(&info.interface);
            let tunnel = name.and_then(|name| self.local.tunnels.get(&name));
            view::BfdSession {
                interface: info.interface.clone(),
                peer: info.peer,
                site: tunnel.map(|tunnel| tunnel.peer.clone()),
                state: info.state.into(),
                since_s: info.in_state_s,
                diagnostic: info.diagnostic.clone(),
                peer_state: info.remote_state.map(Into::into),
                peer_diagnostic: info.remote_diagnostic.clone(),
                interval_ms: info.transmit_interval_ms,
                detection_time_ms: info.detection_time_ms,
                received_ago_s: info.received_ago_s,
                sent: info.sent,
                received: info.received,
                trouble: info.trouble.clone(),
            }
        });
        sessions.collect()
    }

    /// Whether OSPF has an adjacency over a path.
    fn is_full(&self, (interface, address): &Path) -> bool {
        self.view.neighbors.iter().any(|neighbor| {
            neighbor.state == NeighborState::Full
                && neighbor.address == *address
                && self.ids.name(neighbor.interface) == Some(interface)
        })
    }

    /// Writes the part of the answer with the routes that follow `from`. `close` closes the JSON around the array of routes.
    pub(super) fn routes_part(&self, from: Option<Cursor>, close: &str) -> anyhow::Result<Part> {
        let first = match from {
            Some(Cursor::Route(prefix)) => Bound::Excluded(prefix),
            _ => Bound::Unbounded,
        };
        let mut rows = Rows::new(from, from.is_some());
        for (prefix, route) in self.routes.range((first, Bound::Unbounded)) {
            if rows.is_full() {
                return Ok(rows.and_more());
            }
            rows.push(&self.route(*prefix, route), Cursor::Route(*prefix))?;
        }
        Ok(rows.end(close))
    }

    pub(super) fn interfaces(&self) -> Vec<view::Interface> {
        self.view.interfaces.iter().map(|interface| self.interface(interface)).collect()
    }

    /// Writes the part of the answer with the selected LSAs of `part`, which follow `from` in the database.
    pub(super) fn lsdb_part(
        &self,
        part: &LsdbPart,
        selection: &LsaSelection,
        from: Option<LsaCursor>,
    ) -> anyhow::Result<Part> {
        let own = RouterId::from(self.local.site.loopback);
        let begun = from.is_some_and(|from| from.rows_before);
        let mut rows = Rows::new(from.map(Cursor::Lsa), begun);
        let mut cursor = LsaCursor { place: None, rows_before: begun };
        for shown in &part.lsas {
            if rows.is_full() {
                return Ok(rows.and_more());
            }
            let key = shown.lsa.header.key;
            cursor.place = Some(LsaPlace { domain: shown.domain, key });
            if selection.has(lsdb::traits(shown, own)) {
                cursor.rows_before = true;
                rows.push(&lsdb::lsa(shown, own, |id| self.name(id)), Cursor::Lsa(cursor))?;
            }
        }
        Ok(match part.rest {
            Some(place) => rows.and_more_behind(Cursor::Lsa(LsaCursor { place: Some(place), ..cursor })),
            None => rows.end(""),
        })
    }

    pub(super) fn areas(&self, summaries: &BTreeMap<AreaId, AreaSummary>) -> Vec<view::Area> {
        let areas: BTreeSet<AreaId> = self.view.interfaces.iter().map(|interface| interface.area).collect();
        let empty = AreaSummary::default();
        areas.into_iter().map(|area| self.area(area, summaries.get(&area).unwrap_or(&empty))).collect()
    }

    pub(super) fn spf(&self) -> view::Spf {
        let SpfView { state, due_in, delays } = &self.view.spf;
        view::Spf {
            state: (*state).into(),
            runs: self.view.calculations,
            due_in_s: due_in.map(seconds),
            initial_s: seconds(delays.initial),
            short_s: seconds(delays.short),
            long_s: seconds(delays.long),
            time_to_learn_s: seconds(delays.time_to_learn),
            holddown_s: seconds(delays.holddown),
        }
    }

    pub(super) fn border_routers(&self) -> Vec<view::BorderRouter> {
        let routers = self.view.routers.iter().map(|router| view::BorderRouter {
            router_id: router.router_id.into(),
            site: self.site_of(router.router_id),
            area: router.area.into(),
            kind: router.kind.into(),
            abr: router.flags.contains(RouterFlags::B),
            asbr: router.flags.contains(RouterFlags::E),
            cost: router.cost,
            nexthops: self.nexthops(&router.nexthops),
        });
        routers.collect()
    }

    pub(super) fn limits(&self) -> Vec<view::Limit> {
        let limits = self.view.limits.iter().map(|shown| {
            let (limit, area) = match shown.limit {
                Limit::Lsas => (LimitKind::Lsas, None),
                Limit::LsdbOctets => (LimitKind::LsdbOctets, None),
                Limit::LsasOfArea(area) => (LimitKind::LsasPerArea, Some(area.into())),
                Limit::Routes => (LimitKind::Routes, None),
                Limit::RouterLinks(area) => (LimitKind::RouterLinks, Some(area.into())),
            };
            view::Limit { limit, area, present: shown.present, most: shown.most, state: shown.state.into() }
        });
        limits.collect()
    }

    /// Describes the problems that an operator should look at, the worst first.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(reason) = self.refused_reload {
            let first = reason.lines().next().unwrap_or_default();
            problems.push(format!("the mesh file was changed but not taken: {first} (see `weft check`)"));
        }
        problems.extend(self.failures.iter().cloned());
        problems.extend(self.upkeep.iter().cloned());
        problems.extend(self.filter_problems());
        for limit in self.limits() {
            let area = limit.area.map_or_else(String::new, |area| format!(" of area {area}"));
            let links = limit.limit == LimitKind::RouterLinks;
            problems.push(match limit.state {
                LimitState::Reached if links => format!(
                    "{} of {} links{area} are in this router's Router-LSA, which has no room for more: divide the site, or the area",
                    limit.most, limit.present
                ),
                LimitState::Reached => format!("{}{area}: {} are all that are let in, more are refused", limit.limit, limit.most),
                LimitState::ReachedForOthers => format!(
                    "{}{area}: {} of {}, what is left is kept for the mesh's sites: LSAs of other routers are refused",
                    limit.limit, limit.present, limit.most
                ),
                LimitState::Free | LimitState::Unknown => continue,
            });
        }
        problems.extend(self.tunnel_problems());
        problems.extend(self.paths.problems(self.local, |path| self.is_full(path), Instant::now()));
        problems.extend(self.checks.overrides.problems());
        problems.extend(self.checks.forward.problems());
        problems.extend(self.checks.undone.problems(Instant::now()));
        problems.extend(lan::problems(&self.local.site.interfaces, &self.observed.foreign));
        problems.extend(self.listed.problems(self.observed));
        problems.extend(uplinks::problem(&self.uplinks()));
        problems.extend(self.segments.problems(self.observed, SystemTime::now()));
        let name = |router| self.site_of(router).unwrap_or_else(|| router.to_string());
        let rests_on = |router| unreachable::rests_on(self.segments, router);
        problems.extend(unreachable::problems(&self.view.unreachable, &self.view.limits, name, rests_on));
        problems.extend(self.detours());
        problems.extend(self.view.interfaces.iter().flat_map(speakers));
        for InterfaceView { name, network, obstacle, .. } in &self.view.interfaces {
            let NetworkType::VirtualLink { transit_area, .. } = network else { continue };
            problems.extend(obstacle.map(|obstacle| match obstacle {
                VirtualLinkObstacle::NoPath => format!("{name}: no way through area {transit_area} to its other end"),
                VirtualLinkObstacle::NoAddress => format!(
                    "{name}: its other end has no address in area {transit_area} to send packets to: a numbered interface \
                     there, or a loopback, would be one"
                ),
            }));
        }
        if self.redistributed.left_out > 0 {
            problems.push(format!(
                "{} routes of the kernel are not redistributed: more than {MAX_REDISTRIBUTED} are selected",
                self.redistributed.left_out
            ));
        }
        problems.extend(unused_routes::problems(&self.view.unused, name));
        problems
    }

    /// Describes what an operator should know although it is as the mesh file requires.
    fn notes(&self) -> Vec<String> {
        let name = |router| self.site_of(router).unwrap_or_else(|| router.to_string());
        let mut notes = self.listed.notes();
        notes.extend(unused_routes::notes(&self.view.unused, name));
        notes.extend(self.filter_notes());
        notes.extend(self.checks.forward.notes());
        notes
    }

    fn route(&self, prefix: Prefix, route: &ospf::Route) -> view::Route {
        let (backup, unprotected) = self.backup(prefix, route);
        view::Route {
            prefix: prefix.to_string(),
            kind: route.kind.into(),
            area: route.area.into(),
            metric: route.metric,
            nexthops: self.nexthops(&route.nexthops),
            originators: route.originators.iter().map(|router| Ipv4Addr::from(*router)).collect(),
            originator_sites: route.originators.iter().map(|router| self.site_of(*router)).collect(),
            tag: route.tag,
            type2_metric: (route.kind == RouteKind::External2).then_some(route.metric),
            backup,
            unprotected,
            kernel: match self.forwarding.presence(prefix, self.rib.used(prefix)) {
                KernelState::Installed if self.checks.overrides.covers(prefix) => KernelState::Overridden,
                presence => presence,
            },
        }
    }

    pub(super) fn nexthops(&self, nexthops: &BTreeSet<Nexthop>) -> Vec<view::Nexthop> {
        nexthops.iter().map(|hop| view::Nexthop { interface: self.name(hop.interface), via: hop.via }).collect()
    }

    /// The role of a neighbour on a network that elects a Designated Router; `None` on other networks.
    fn role(&self, neighbor: &NeighborView) -> Option<NeighborRole> {
        let interface = self.view.interfaces.iter().find(|interface| interface.interface == neighbor.interface)?;
        let elects = matches!(interface.network, NetworkType::Broadcast | NetworkType::NonBroadcast);
        let address = Some(neighbor.address);
        match elects {
            false => None,
            true if interface.designated_router == address => Some(NeighborRole::Designated),
            true if interface.backup_designated_router == address => Some(NeighborRole::Backup),
            true => Some(NeighborRole::Other),
        }
    }

    fn area(&self, area: AreaId, summary: &AreaSummary) -> view::Area {
        let config = self.local.mesh.areas.get(&area);
        let (kind, summaries) = match config.map(|config| &config.kind) {
            None | Some(AreaKind::Normal) => (view::AreaKind::Normal, Summaries::Imported),
            Some(AreaKind::Stub { summaries, .. }) => (view::AreaKind::Stub, *summaries),
            Some(AreaKind::Nssa(nssa)) => (view::AreaKind::Nssa, nssa.summaries),
        };
        let interfaces = || self.view.interfaces.iter().filter(|interface| interface.area == area);
        view::Area {
            area: area.into(),
            kind,
            summaries: summaries == Summaries::Imported,
            interfaces: interfaces().count(),
            interfaces_up: interfaces().filter(|interface| interface.state != InterfaceState::Down).count(),
            full: interfaces().map(|interface| interface.adjacencies).sum(),
            lsas: summary.lsas.iter().map(|(kind, count)| (kind.to_string(), *count)).collect(),
            checksum_sum: format!("{:#010x}", summary.checksum_sum),
            border_routers: summary.border_routers,
            boundary_routers: summary.boundary_routers,
        }
    }

    fn interface(&self, interface: &InterfaceView) -> view::Interface {
        let counters = &interface.counters;
        let refused = counters.refused.iter().map(|(reason, count)| (reason.name().to_owned(), *count));
        let lsa_refused = counters.lsa_refused.iter().map(|(reason, count)| (reason.name().to_owned(), *count));
        let polls = matches!(interface.network, NetworkType::NonBroadcast | NetworkType::PointToMultipoint);
        let (auth, auth_key_id, auth_key) = authentication(&interface.authentication);
        view::Interface {
            interface: interface.name.clone(),
            area: interface.area.into(),
            network: interface.network.into(),
            state: interface.state.into(),
            address: interface.addressing.map(Addressing::address),
            mtu: interface.mtu,
            cost: interface.cost,
            hello_interval_s: interface.hello_interval.as_secs(),
            dead_interval_s: interface.dead_interval.as_secs(),
            neighbors: interface.neighbors,
            full: interface.adjacencies,
            sent: by_packet_type(&counters.sent),
            received: by_packet_type(&counters.received),
            retransmitted: counters.retransmitted,
            stalled: counters.stalled,
            refused: refused.collect(),
            lsa_refused: lsa_refused.collect(),
            prefix: interface.addressing.map(|addressing| match addressing {
                Addressing::Unnumbered(address) => Prefix::host(address).to_string(),
                Addressing::Numbered { subnet, .. } => subnet.to_string(),
            }),
            priority: interface.priority,
            designated_router: interface.designated_router,
            backup_designated_router: interface.backup_designated_router,
            retransmit_interval_s: seconds(interface.retransmit_interval),
            transmit_delay_s: interface.transmit_delay.as_secs(),
            poll_interval_s: polls.then_some(interface.poll_interval.as_secs()),
            next_hello_s: interface.next_hello.map(seconds),
            auth,
            auth_key_id,
            auth_key,
            virtual_link: match interface.network {
                NetworkType::VirtualLink { transit_area, far_end } => Some(view::VirtualLink {
                    transit_area: transit_area.into(),
                    far_end: far_end.into(),
                    obstacle: interface.obstacle.map(Into::into),
                }),
                _ => None,
            },
        }
    }

    pub(super) fn site_of(&self, router_id: RouterId) -> Option<String> {
        // The sites are ordered by id, and so are their loopback addresses.
        let sites = &self.local.mesh.sites;
        let found = sites.binary_search_by_key(&Ipv4Addr::from(router_id), |site| site.loopback);
        found.ok().map(|place| sites[place].name.clone())
    }

    pub(super) fn name(&self, id: InterfaceId) -> String {
        let virtual_link = || self.view.interfaces.iter().find(|interface| interface.interface == id);
        match self.ids.name(id) {
            Some(name) => name.to_string(),
            None => virtual_link().map_or_else(|| format!("#{}", id.0), |interface| interface.name.clone()),
        }
    }
}

/// Describes the problems with the OSPF routers on the link of an interface.
fn speakers(interface: &InterfaceView) -> Vec<String> {
    let InterfaceView { name, network, second_speaker, crowded, site_lsas, .. } = interface;
    let second = second_speaker.map(|(router_id, address)| {
        let place = match network {
            NetworkType::PointToPoint => "a point-to-point link has one router at its other end",
            _ => "another router is known by that address",
        };
        format!(
            "{name}: router {router_id} at {address} sends hellos beside the neighbour ({place}): correct `network`, or \
             take that router off the link; if nobody knows it, set `auth`"
        )
    });
    let crowded = crowded.map(|most| {
        format!(
            "{name}: routers beyond {most}, as many as a hello lists, are refused: make the network smaller, or set \
             `auth` if their hellos are forged"
        )
    });
    let site_lsas = site_lsas.as_ref().map(|refused| {
        let SiteLsasView { count, example, from } = refused;
        let s = if *count == 1 { " of a site was" } else { "s of sites were" };
        format!(
            "{name}: {count} LSA{s} not taken from router {from} ({example}), because everybody on this link could \
             have made them: set `auth` here and on the routers there"
        )
    });
    [second, crowded, site_lsas].into_iter().flatten().collect()
}

/// The authentication of an interface: its kind, the Key ID, and whether the key is valid now.
fn authentication(shown: &AuthenticationView) -> (Authentication, Option<u8>, Option<KeyStanding>) {
    match shown {
        AuthenticationView::Null => (Authentication::None, None, None),
        AuthenticationView::Simple => (Authentication::Simple, None, None),
        AuthenticationView::Cryptographic { key, algorithm, standing } => {
            ((*algorithm).into(), Some(key.0), Some((*standing).into()))
        }
    }
}

/// The names of the options that are set (RFC 2328 §A.2, RFC 3101, RFC 5250, RFC 5613).
pub(super) fn options(options: Options) -> Vec<String> {
    let letters = [(Options::E, "E"), (Options::NP, "NP"), (Options::L, "L"), (Options::DC, "DC"), (Options::O, "O")];
    letters.into_iter().filter(|(bit, _)| options.contains(*bit)).map(|(_, letter)| letter.to_owned()).collect()
}

/// Counters by packet type (RFC 2328 §A.3.1). `counts` has those of types 1 to 5, in this order.
fn by_packet_type(counts: &[u64; 5]) -> BTreeMap<PacketType, u64> {
    let types = [
        PacketType::Hello,
        PacketType::DatabaseDescription,
        PacketType::LinkStateRequest,
        PacketType::LinkStateUpdate,
        PacketType::LinkStateAck,
    ];
    types.into_iter().zip(counts.iter().copied()).collect()
}

/// A duration in seconds, rounded down to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}
