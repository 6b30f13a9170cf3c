//! Graceful restart of this router (RFC 3623 §2). The restart is announced to the neighbours, which keep their adjacencies; during it,
//! nothing is originated; it ends when the former adjacencies are established again, or cannot be. The helper side is in
//! [`crate::restart::helper`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::config::{Announcement, NetworkType};
use crate::established::established;
use crate::event::{Event, RestartExit};
use crate::ids::{AreaId, Domain, InterfaceId, LsaPlace, RouterId};
use crate::machine::interface::{InterfaceEvent, InterfaceState};
use crate::machine::neighbor::NeighborState;
use crate::state::engine::Engine;
use crate::state::interface::{Interface, Link};
use crate::state::lsdb::Lsdb;
use crate::state::neighbor::Role;
use crate::state::restart::{Progress, Restart, Review, Within};
use crate::state::timers::TimerKey;
use crate::time::Instant;
use crate::wire::{GraceLsa, LsaBody, Options, RestartReason, RouterFlags, RouterLink, RouterLinkKind};

/// The longest time that a planned restart waits for acknowledgements of its Grace-LSAs: time for two retransmissions where RxmtInterval is
/// short.
const PREPARATION: Duration = Duration::from_secs(3);

/// The number of copies of a Grace-LSA of an unplanned restart sent on each interface, because no neighbour acknowledges them (§2.1: "an
/// adequate number").
const UNACKNOWLEDGED_COPIES: u8 = 3;

/// The longest time for which a Grace-LSA is kept for a slow master: time for one retransmission with the usual RxmtInterval of 5 s.
const SLOW_MASTER: Duration = Duration::from_secs(10);

impl Engine {
    /// Whether this router is in a graceful restart: it originates nothing, and reports no routes.
    pub fn is_restarting(&self) -> bool {
        matches!(self.restart, Restart::Within(_))
    }

    /// Whether a restart is in preparation, or is not over yet.
    pub(crate) fn is_in_restart(&self) -> bool {
        !matches!(self.restart, Restart::None)
    }

    /// Prepares a planned restart (§2.1): see [`crate::Input::PrepareRestart`].
    pub(crate) fn prepare_restart(&mut self, grace_period: Duration, reason: RestartReason) {
        if self.is_restarting() {
            // The neighbours wait for the end of the previous restart, and need not know of this one.
            self.leave_for_restart();
            return;
        }
        // No neighbour helps a router that may not know of a change.
        for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
            self.send_delayed_acks(id);
        }
        self.end_all_grace();
        let until = self.now + PREPARATION;
        let grace_period = u32::try_from(grace_period.as_secs()).unwrap_or(u32::MAX);
        let lsa = GraceLsa { grace_period, reason, address: None };
        for (id, interface) in &self.interfaces {
            if interface.neighbors.values().any(|neighbor| neighbor.state == NeighborState::Full) {
                let (place, lsa) = grace_lsa(self.config.router_id, *id, interface, lsa);
                self.originations.want(place, Options::E, lsa.body());
            }
        }
        self.restart = Restart::Preparing { until };
        self.timers.set(TimerKey::Restart, until);
    }

    /// Whether a planned restart can begin because all neighbours know of it. Checked once for each input.
    pub(crate) fn is_prepared(&self) -> bool {
        let Restart::Preparing { until } = self.restart else { return false };
        // The Grace-LSAs are in the databases of links, which come first.
        let on_links = self.originations.wanted().take_while(|place| matches!(place.domain, Domain::Link(_)));
        let mut grace_lsas = on_links.filter(|place| GraceLsa::is_key(place.key));
        until <= self.now || grace_lsas.all(|place| self.is_originated(place)) && self.unacknowledged_grace() == 0
    }

    /// The number of neighbours that have not acknowledged our Grace-LSA.
    pub(crate) fn unacknowledged_grace(&self) -> usize {
        let key = GraceLsa::key(self.config.router_id);
        let neighbors = self.interfaces.values().flat_map(|interface| interface.neighbors.values());
        neighbors.filter(|neighbor| neighbor.retransmission.contains(key)).count()
    }

    /// Starts the engine in a graceful restart, if the configuration says so.
    pub(crate) fn begin_restart(&mut self) {
        let Some(restarting) = self.config.restarting else { return };
        let until = self.now + restarting.grace_period;
        self.restart = Restart::Within(Within {
            started: self.now,
            until,
            announcement: restarting.announcement,
            copies: BTreeMap::new(),
            review: Review::Done,
        });
        self.timers.set(TimerKey::Restart, until);
    }

    /// Announces an unplanned restart. §2.1: "the Grace-LSAs must be sent ... prior to sending any Hello packets".
    pub(crate) fn announce_restart(&mut self, id: InterfaceId) {
        let Restart::Within(Within { until, announcement: Announcement::Due(reason), copies, .. }) = &mut self.restart
        else {
            return;
        };
        let Some(interface) = established(self.interfaces.get(&id)) else { return };
        let sent = copies.entry(id).or_default();
        if *sent >= UNACKNOWLEDGED_COPIES || interface.active_link().is_none() {
            return;
        }
        *sent += 1;
        let left = until.saturating_since(self.now).as_secs();
        let grace_period = u32::try_from(left).unwrap_or(u32::MAX);
        let lsa = GraceLsa { grace_period, reason: *reason, address: None };
        let (place, lsa) = grace_lsa(self.config.router_id, id, interface, lsa);
        if *sent == 1 {
            self.originations.want(place, Options::E, lsa.body());
            self.originate_now(place);
        }
        self.send_unasked(id, &[place]);
    }

    /// Forgets the announcement on an interface that goes down. When it comes up, the restart is announced again.
    pub(crate) fn forget_announcement(&mut self, id: InterfaceId) {
        self.originations.withdraw(grace_place(self.config.router_id, id));
        self.grace_kept.remove(&id);
        self.timers.cancel(TimerKey::Grace(id));
        if let Restart::Within(Within { copies, .. }) = &mut self.restart {
            copies.remove(&id);
        }
    }

    /// Whether an LSA of ours may be originated or flushed now. §2: during a restart "the restarting router does not originate LSAs with LS
    /// types 1-5,7" and "does not modify or flush received self-originated LSAs". We also originate no LSAs of other types, except
    /// Grace-LSAs.
    pub(crate) fn may_advertise(&self, place: LsaPlace) -> bool {
        if grace_link(place).is_some_and(|id| self.grace_kept.contains_key(&id)) {
            return self.originations.is_wanted(place);
        }
        match &self.restart {
            Restart::None | Restart::Preparing { .. } => true,
            Restart::Within(_) => self.originations.is_wanted(place) && GraceLsa::is_key(place.key),
            // §2.3: routes are calculated, and LSAs derived from them are originated (3), before invalid LSAs are flushed (5). An LSA that
            // is not wanted yet may be wanted after the calculation.
            Restart::Concluding { .. } => self.originations.is_wanted(place) || !place.key.kind.follows_from_routes(),
        }
    }

    /// Ends a restart for good, once the consequences of the first calculation after it are known. Then the LSAs that are left from before
    /// the restart are compared with the wanted ones. Returns whether the restart ended. Checked once for each input.
    pub(crate) fn conclude_restart(&mut self) -> bool {
        let Restart::Concluding { runs } = self.restart else { return false };
        let is_known = self.calculation.runs > runs && self.calculation.pass.is_none() && self.wishes.is_idle();
        if is_known {
            self.restart = Restart::None;
            self.originations.release();
        }
        is_known
    }

    /// Resumes the former role in the election. §2.1: "The restarting router knows that it was DR if, while the associated interface is in
    /// Waiting state, a Hello packet is received from a neighbor listing the router as the DR".
    pub(crate) fn resume_designation(&mut self, id: InterfaceId, named: crate::machine::dr_election::Designated) {
        if !self.is_restarting() {
            return;
        }
        let Some(interface) = established(self.interfaces.get_mut(&id)) else { return };
        let own = interface.active_link().map(Link::address);
        let is_own = |address: Option<Ipv4Addr>| address.is_some() && address == own;
        if interface.state == InterfaceState::Waiting && (is_own(named.router) || is_own(named.backup)) {
            interface.designated = named;
            self.schedule_interface_event(id, InterfaceEvent::BackupSeen);
        }
    }

    /// Notes that something has happened that may end a restart.
    pub(crate) fn restart_may_end(&mut self) {
        if let Restart::Within(within) = &mut self.restart {
            within.review = Review::Due;
        }
    }

    /// Handles the end of the grace period, or of the wait for silent neighbours.
    pub(crate) fn restart_timer(&mut self) {
        match &self.restart {
            Restart::Within(within) if within.until <= self.now => self.end_restart(RestartExit::Expired),
            Restart::Within(_) => self.restart_may_end(),
            // These are checked once for each input.
            Restart::None | Restart::Preparing { .. } | Restart::Concluding { .. } => {}
        }
    }

    /// Ends a restart, once for each input, if all adjacencies are established again, or cannot be any more (§2.2).
    pub(crate) fn review_restart(&mut self) {
        let Restart::Within(within) = &mut self.restart else { return };
        if std::mem::replace(&mut within.review, Review::Done) == Review::Done {
            return;
        }
        let (started, until) = (within.started, within.until);
        let areas = self.areas();
        // A neighbour from which no hello was received for RouterDeadInterval is down.
        let active = self.interfaces.values().filter(|i| i.active_link().is_some() || i.is_virtual());
        let awaited = active.map(|interface| started + interface.dead_interval()).filter(|&at| at > self.now).min();
        let progress = areas.iter().map(|&area| self.area_progress(area, started)).max().unwrap_or(Progress::Complete);
        match progress {
            Progress::Complete => self.end_restart(RestartExit::Completed),
            Progress::Inconsistent => self.end_restart(RestartExit::Inconsistent),
            Progress::Pending => self.timers.set(TimerKey::Restart, awaited.map_or(until, |at| at.min(until))),
        }
    }

    /// The progress of an area (§2.2 (1) and (2)): its adjacencies are compared with those in our Router-LSA from before the restart.
    fn area_progress(&self, area: AreaId, started: Instant) -> Progress {
        let interfaces = || self.interfaces.values().filter(|i| i.config.area == area && !i.config.passive);
        let before = self.databases.lookup(self.router_lsa_place(area)).filter(|entry| !entry.is_max_age(self.now));
        let kept = || self.kept_own.body(self.router_lsa_place(area));
        let Some(LsaBody::Router(before)) = before.map(|entry| entry.body()).or_else(kept) else {
            let any_full = interfaces().flat_map(Interface::adjacent).next().is_some();
            let quiet = |i: &Interface| i.neighbors.is_empty() && started + i.dead_interval() <= self.now;
            // This LSA may have to be received over a virtual link, which comes up when routes through its transit area are known.
            let lost = |i: &Interface| i.active_link().is_none() && (quiet(i) || !self.was_virtual_endpoint(i));
            return if any_full {
                // "A special case of this is when X establishes an adjacency with router Y and doesn't receive an instance of its own
                // pre-restart router-LSA."
                Progress::Inconsistent
            } else if interfaces().all(|i| lost(i) || quiet(i)) {
                Progress::Complete
            } else {
                Progress::Pending
            };
        };
        let links = before.links.iter().map(|link| self.link_progress(area, link));
        links.max().unwrap_or(Progress::Complete)
    }

    /// Whether an interface is a virtual link, and our Router-LSA of its transit area from before the restart has the V-bit.
    fn was_virtual_endpoint(&self, interface: &Interface) -> bool {
        let Some(end) = interface.virtual_end() else { return false };
        let before = self.databases.router_lsa(end.transit_area, self.config.router_id, self.now);
        before.is_some_and(|lsa| lsa.flags.contains(RouterFlags::V))
    }

    fn link_progress(&self, area: AreaId, link: &RouterLink) -> Progress {
        let own_id = self.config.router_id;
        let in_area = || self.interfaces.values().filter(|interface| interface.config.area == area);
        match link.kind {
            RouterLinkKind::PointToPoint | RouterLinkKind::Virtual => {
                let far = RouterId::from(link.id);
                let full = in_area().any(|i| is_full(i, |neighbor| neighbor.router_id == far));
                let is_listed =
                    self.databases.router_lsa(area, far, self.now).is_none_or(|lsa| lsa.has_link_to(own_id));
                match (is_listed, full) {
                    (false, _) => Progress::Inconsistent,
                    (true, true) => Progress::Complete,
                    (true, false) => Progress::Pending,
                }
            }
            RouterLinkKind::Transit => {
                let attached = self.network_lsa_of(area, link.id);
                if attached.is_some_and(|attached| !attached.contains(&own_id)) {
                    return Progress::Inconsistent;
                }
                let designated = in_area().find(|i| i.active_link().is_some_and(|own| own.address() == link.id));
                let full = match designated {
                    // "If X was DR on the segment, X must be fully adjacent to all routers of its pre-restart network-LSA."
                    Some(interface) => attached.is_some_and(|attached| {
                        let others = attached.iter().filter(|&&router| router != own_id);
                        others.clone().all(|&router| is_full(interface, |neighbor| neighbor.router_id == router))
                    }),
                    None => in_area().any(|i| is_full(i, |neighbor| neighbor.address == link.id)),
                };
                if full { Progress::Complete } else { Progress::Pending }
            }
            RouterLinkKind::Stub | RouterLinkKind::Unknown(_) => Progress::Complete,
        }
    }

    fn network_lsa_of(&self, area: AreaId, designated_router: Ipv4Addr) -> Option<&[RouterId]> {
        let networks = self.databases.domain(Domain::Area(area)).into_iter().flat_map(Lsdb::networks);
        let mut of_router =
            networks.filter(|(id, entry, _)| Ipv4Addr::from(*id) == designated_router && !entry.is_max_age(self.now));
        let kept = self.kept_own.networks().find_map(|(place, body)| match body {
            LsaBody::Network(lsa)
                if place.domain == Domain::Area(area) && Ipv4Addr::from(place.key.id) == designated_router =>
            {
                Some(lsa)
            }
            _ => None,
        });
        of_router.next().map(|(_, _, lsa)| lsa).or(kept).map(|lsa| lsa.attached_routers.as_slice())
    }

    /// Ends a restart (§2.3): Router-LSAs and Network-LSAs are reoriginated, routes are calculated and reported, LSAs derived from them are
    /// originated, and LSAs that are left from before are flushed, including Grace-LSAs.
    fn end_restart(&mut self, cause: RestartExit) {
        let Restart::Within(Within { until, .. }) = self.restart else { return };
        self.restart = Restart::Concluding { runs: self.calculation.runs };
        self.timers.cancel(TimerKey::Restart);
        self.event(Event::RestartEnded { cause });
        for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
            match self
                .slow_master(id)
                .map(|at| at.min(until))
                .filter(|&at| cause == RestartExit::Completed && at > self.now)
            {
                Some(at) => {
                    self.grace_kept.insert(id, at);
                    self.timers.set(TimerKey::Grace(id), at);
                }
                None => self.originations.withdraw(grace_place(self.config.router_id, id)),
            }
        }
        for area in self.areas() {
            self.router_lsa_changed(area);
        }
        self.touch_own_networks();
        self.originations.release();
        self.originations.end_first_holds();
        self.calculate_from_nothing();
    }

    /// Until when a neighbour on this interface may need our last Database Description packet again. Until then, only our Grace-LSA keeps
    /// the adjacency advertised.
    ///
    /// Deviates: §2.3 (5) flushes Grace-LSAs at once. But a slave completes the exchange when it sends its last packet (RFC 2328 §10.8),
    /// and the master when it receives it. A master that learns in between that the restart is over has no adjacency, and BIRD does not
    /// calculate its routes again when the adjacency is established.
    fn slow_master(&self, id: InterfaceId) -> Option<Instant> {
        let interface = self.interfaces.get(&id)?;
        let masters = interface
            .neighbors
            .values()
            .filter(|neighbor| neighbor.state == NeighborState::Full && neighbor.exchange.role == Role::Slave);
        masters.map(|neighbor| neighbor.exchange.negotiated + interface.dead_interval().min(SLOW_MASTER)).max()
    }

    /// Withdraws all Grace-LSAs that were kept: another restart announces its own, and a router that withdraws flushes them.
    fn end_all_grace(&mut self) {
        while let Some((&id, _)) = self.grace_kept.first_key_value() {
            self.end_grace(id);
        }
    }

    /// Withdraws the Grace-LSA that was kept on a link.
    pub(crate) fn end_grace(&mut self, id: InterfaceId) {
        self.grace_kept.remove(&id);
        self.timers.cancel(TimerKey::Grace(id));
        self.originations.withdraw(grace_place(self.config.router_id, id));
        self.originations.release();
    }

    /// Notes the Network-LSAs of ours for comparison. All other LSAs of ours were noted when they were received, but it may not have been
    /// known then that these networks are ours.
    fn touch_own_networks(&mut self) {
        let networks = self
            .databases
            .iter()
            .flat_map(|(domain, lsdb)| lsdb.networks().map(move |(_, entry, _)| LsaPlace { domain, key: entry.key() }));
        for place in networks.filter(|&place| self.is_self_originated(place)).collect::<Vec<_>>() {
            self.originations.touch(place);
        }
    }

    /// Abandons the preparation of a planned restart, and flushes the Grace-LSAs.
    pub(crate) fn abandon_preparation(&mut self) {
        if let Restart::Preparing { .. } = self.restart {
            self.restart = Restart::None;
            self.timers.cancel(TimerKey::Restart);
            for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
                self.originations.withdraw(grace_place(self.config.router_id, id));
            }
        }
    }

    /// Abandons a restart at any stage: this router may then flush its LSAs.
    pub(crate) fn abandon_restart(&mut self) {
        self.restart = Restart::None;
        self.timers.cancel(TimerKey::Restart);
        self.end_all_grace();
        self.touch_own_networks();
    }
}

/// The place of our Grace-LSA on an interface.
fn grace_place(own: RouterId, id: InterfaceId) -> LsaPlace {
    LsaPlace { domain: Domain::Link(id), key: GraceLsa::key(own) }
}

/// The interface of a Grace-LSA's link; `None` for other LSAs.
fn grace_link(place: LsaPlace) -> Option<InterfaceId> {
    match place.domain {
        Domain::Link(id) if GraceLsa::is_key(place.key) => Some(id),
        _ => None,
    }
}

/// The Grace-LSA of an interface: it contains our address on networks where that identifies us (§A).
fn grace_lsa(own: RouterId, id: InterfaceId, interface: &Interface, lsa: GraceLsa) -> (LsaPlace, GraceLsa) {
    let address = match interface.config.network {
        NetworkType::PointToPoint | NetworkType::VirtualLink { .. } => None,
        NetworkType::Broadcast | NetworkType::NonBroadcast | NetworkType::PointToMultipoint => {
            interface.active_link().map(Link::address)
        }
    };
    (grace_place(own, id), GraceLsa { address, ..lsa })
}

fn is_full(interface: &Interface, who: impl Fn(&crate::state::neighbor::Neighbor) -> bool) -> bool {
    interface.neighbors.values().any(|neighbor| neighbor.state == NeighborState::Full && who(neighbor))
}
