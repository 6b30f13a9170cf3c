//! Writes the events of the OSPF engine to the log.

use std::collections::BTreeSet;

use ospf::{Event, InterfaceId, KeyStanding, LsaRefusal, NeighborState, Refusal, Stall};
use tracing::{debug, error, info, warn};

/// Maximum number of refusals that are remembered, so that a neighbour with a wrong setting causes one warning and not one for each hello.
const MAX_REMEMBERED: usize = 1024;

/// Writes events to the log, the first of each kind of refusal as a warning.
#[derive(Debug, Default)]
pub(super) struct EventLog {
    warned: BTreeSet<(InterfaceId, Refusal)>,
    /// Open links on which LSAs of sites were refused since the last adjacency.
    open_links: BTreeSet<InterfaceId>,
}

impl EventLog {
    /// Logs one event. `name` returns the name of an interface.
    pub(super) fn record(&mut self, event: &Event, name: impl Fn(InterfaceId) -> String) {
        match event {
            Event::Neighbor { interface, router_id, address, from, to, cause } => {
                let iface = name(*interface);
                if *to == NeighborState::Full || *from == NeighborState::Full {
                    self.warned.retain(|(warned, _)| warned != interface);
                    self.open_links.remove(interface);
                    info!(iface, neighbor = %router_id, %address, %from, %to, cause, "adjacency");
                } else {
                    debug!(iface, neighbor = %router_id, %address, %from, %to, cause, "neighbor");
                }
            }
            Event::NeighborHeld { interface, router_id, address, is_overruled } => {
                let (iface, neighbor) = (name(*interface), router_id);
                match is_overruled {
                    false => {
                        info!(iface, %neighbor, %address, "hellos arrive, but BFD is down: no adjacency")
                    }
                    true => {
                        warn!(iface, %neighbor, %address, "hellos have arrived for long: an adjacency forms without BFD")
                    }
                }
            }
            Event::Interface { interface, from, to, cause } => {
                info!(iface = name(*interface), %from, %to, cause, "interface");
            }
            Event::PacketRefused { interface, source, reason } => {
                let iface = name(*interface);
                if self.warned.len() < MAX_REMEMBERED && self.warned.insert((*interface, *reason)) {
                    warn!(iface, %source, reason = reason.name(), "packet refused; further ones like it are only counted");
                } else {
                    debug!(iface, %source, reason = reason.name(), "packet refused");
                }
            }
            Event::LsaRefused { interface, router_id, key, reason } => {
                let (iface, lsa) = (name(*interface), key.map(|key| key.to_string()));
                if *reason == LsaRefusal::SiteOnOpenLink && self.open_links.insert(*interface) {
                    let neighbor = router_id;
                    warn!(iface, %neighbor, lsa, "an LSA of a site came over a link without `auth`; further ones are only counted");
                    return;
                }
                debug!(iface, neighbor = %router_id, lsa, reason = reason.name(), "LSA refused");
            }
            Event::RouteRefused { prefix, originator, guard: Some(guard) } => {
                warn!(%prefix, %originator, %guard, "route refused: the mesh file lists it elsewhere");
            }
            Event::RouteRefused { prefix, originator, guard: None } => {
                info!(%prefix, %originator, "route not used: no site lists it, and `unlisted` is `refuse`");
            }
            Event::DuplicateRouterId { interface, source } => {
                warn!(iface = name(*interface), %source, "another router uses our router id");
            }
            Event::SecondSpeaker { interface, router_id, address } => {
                let iface = name(*interface);
                warn!(iface, neighbor = %router_id, %address, "a second router on a link that has room for one");
            }
            Event::NeighborLimitReached { interface, most } => {
                warn!(iface = name(*interface), most, "as many neighbors as a hello lists; more are refused");
            }
            Event::BacklogGivenUp { interface, router_id, lsas } => {
                let iface = name(*interface);
                warn!(iface, neighbor = %router_id, lsas, "too much is not acknowledged; the adjacency begins anew");
            }
            Event::Stalled { interface, router_id, stall } => {
                let iface = name(*interface);
                let neighbor = router_id;
                match stall {
                    Stall::Forming { state, requests } => {
                        warn!(iface, %neighbor, %state, requests, "an adjacency does not come forward; it begins anew");
                    }
                    Stall::Unacknowledged { lsas } => {
                        warn!(iface, %neighbor, lsas, "a neighbor acknowledges nothing of what it is sent again and again");
                    }
                }
            }
            Event::RemovalStalled { key } => warn!(lsa = %key, "an LSA at MaxAge was not removed in time"),
            Event::LsaNotOriginated { key, reason } => error!(lsa = %key, %reason, "an LSA of ours is not originated"),
            Event::SelfOriginatedReceived { key, area } => {
                info!(lsa = %key, %area, "an LSA of ours came back newer than ours");
            }
            Event::FormerRouterIdInUse { router_id } => {
                warn!(%router_id, "another router has a router id that this one had before; what is left of ours there stays");
            }
            Event::LimitReached { limit, most } => {
                warn!(?limit, most, "there is as much as is let in; more is refused");
            }
            Event::LimitLeft { limit } => info!(?limit, "there is room again"),
            Event::StubRouter { state } => info!(?state, "stub router"),
            Event::SigningKey { interface, key, standing } => {
                let iface = name(*interface);
                match standing {
                    KeyStanding::Valid => info!(iface, %key, "packets are signed with this key"),
                    KeyStanding::Expired => warn!(iface, %key, "the last key has expired and stays in use"),
                    KeyStanding::Premature => warn!(iface, %key, "no key is valid yet; the first is in use"),
                }
            }
            Event::HelperStarted { interface, router_id, grace_period, reason } => {
                info!(iface = name(*interface), neighbor = %router_id, ?grace_period, %reason, "neighbor restarts");
            }
            Event::HelperRefused { interface, router_id, reason } => {
                warn!(iface = name(*interface), neighbor = %router_id, ?reason, "neighbor restarts without our help");
            }
            Event::HelperEnded { interface, router_id, cause } => {
                info!(iface = name(*interface), neighbor = %router_id, ?cause, "neighbor's restart is over");
            }
            Event::RestartReady { unacknowledged } => info!(unacknowledged, "neighbors know of our restart"),
            Event::RestartEnded { cause } => info!(?cause, "our restart is over"),
            other => debug!(event = ?other, "ospf"),
        }
    }
}
