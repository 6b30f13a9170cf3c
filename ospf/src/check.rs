//! Invariants that hold after every input, for tests, fuzzers and the simulator. Nothing in this file changes the state.
//!
//! Each rule is written as a sentence. A violated rule is a bug of the engine; no peer can cause it.

use crate::config::Alternates;
use crate::event::StubRouterState;
use crate::flooding::retransmission::FLOOD_WINDOW;
use crate::ids::{Domain, InterfaceId, LsaPlace, NeighborKey, Prefix};
use crate::machine::dr_election::Designated;
use crate::machine::interface::InterfaceState;
use crate::machine::neighbor::NeighborState;
use crate::state::databases::Databases;
use crate::state::engine::Engine;
use crate::state::findings::{Findings, Violation};
use crate::state::interface::Interface;
use crate::state::lsdb::Entry;
use crate::state::neighbor::{Neighbor, RetransmissionList};
use crate::state::timers::TimerKey;
use crate::state::translator::Translator;
use crate::wire::Options;

/// The number of neighbours that a hello in the largest IP packet can list. The MTU's own bound is not used, because the MTU may have
/// become smaller.
const MOST_NEIGHBORS: usize = (65_535 - 20 - 24 - 20) / 4;

impl Engine {
    /// Checks every invariant. The cost grows with the databases, because it verifies the checksums of all LSAs.
    ///
    /// # Errors
    /// The violated rules, at most [`crate::MAX_VIOLATIONS`].
    pub fn check(&self) -> Result<(), Vec<Violation>> {
        let mut findings = Findings::default();
        if self.is_stopped() {
            let idle = self.next_deadline().is_none();
            let isolated = self.interfaces.values().all(|interface| interface.neighbors.is_empty());
            findings.demand(idle && isolated, "a stopped router has no deadline and no neighbours", || {
                format!("{:?}", self.next_deadline())
            });
            return findings.into_result();
        }
        self.check_databases(&mut findings);
        self.check_interfaces(&mut findings);
        self.check_timers(&mut findings);
        self.check_requests(&mut findings);
        self.check_originations(&mut findings);
        self.check_routes(&mut findings);
        findings.into_result()
    }

    fn check_databases(&self, findings: &mut Findings) {
        let areas = self.areas();
        let synchronizing = self.is_synchronizing();
        for (domain, lsdb) in self.databases.iter() {
            let ours = match domain {
                Domain::Link(id) => self.interfaces.get(&id).is_some_and(|interface| interface.link().is_some()),
                Domain::Area(area) => areas.contains(&area),
                Domain::As => true,
            };
            findings.demand(ours, "a database belongs to an interface that is up, an area of ours, or the AS", || {
                format!("{domain:?}")
            });
            lsdb.check(self.now, findings);
            for entry in lsdb.iter() {
                check_entry(domain, entry, findings);
            }
            // RFC 2328 §14
            for key in lsdb.max_aged() {
                let place = LsaPlace { domain, key };
                let awaited = synchronizing || self.has_removals() || self.is_awaiting_ack(place);
                findings.demand(awaited, "an LSA at MaxAge stays only while somebody waits for it", || {
                    format!("{place:?}")
                });
            }
        }
        for &place in &self.exchanged {
            let stored = self.databases.lookup(place).is_some();
            findings.demand(stored, "an LSA recorded as received in an exchange is in the database", || {
                format!("{place:?}")
            });
        }
    }

    fn check_interfaces(&self, findings: &mut Findings) {
        for (&id, interface) in &self.interfaces {
            findings.demand(
                self.config.interfaces.get(&id) == Some(&interface.config),
                "an interface has its configured values",
                || interface.config.name.clone(),
            );
            let active = interface.active_link().is_some();
            let hello = self.timers.deadline(TimerKey::Hello(id)).is_some();
            findings.demand(active == hello, "hellos are due where packets are sent, and only there", || {
                format!("{}: {:?}", interface.config.name, interface.state)
            });
            findings.demand(active || interface.neighbors.is_empty(), "only active interfaces have neighbours", || {
                interface.config.name.clone()
            });
            self.check_election(id, interface, findings);
            let known = interface.neighbors.len() - interface.config.neighbors.len().min(interface.neighbors.len());
            findings.demand(known <= MOST_NEIGHBORS, "an interface has no more neighbours than a hello lists", || {
                format!("{}: {known}", interface.config.name)
            });
            let acks = self.timers.deadline(TimerKey::DelayedAck(id)).is_some();
            findings.demand(
                acks != interface.delayed_acks.is_empty(),
                "the delayed-ack timer is set while acknowledgements are delayed, and only then",
                || format!("{}: {}", interface.config.name, interface.delayed_acks.len()),
            );
            let octets: usize = interface.delayed_acks.iter().map(|header| usize::from(header.length)).sum();
            findings.demand(
                octets == interface.delayed_ack_octets,
                "the octet count of delayed acknowledgements is correct",
                || format!("{}: {octets}, not {}", interface.config.name, interface.delayed_ack_octets),
            );
            for neighbor in interface.neighbors.values() {
                self.check_neighbor(id, interface, neighbor, findings);
            }
        }
        findings.demand(self.interface_events.is_empty(), "elections are finished before the end of an input", || {
            format!("{:?}", self.interface_events)
        });
        findings.demand(self.unsent_floods.is_empty(), "floods are sent before the end of an input", || {
            format!("{:?}", self.unsent_floods)
        });
    }

    /// RFC 2328 §9.1, §9.4.
    fn check_election(&self, id: InterfaceId, interface: &Interface, findings: &mut Findings) {
        let named = || format!("{}: {:?}, {:?}", interface.config.name, interface.state, interface.designated);
        let waiting = interface.state == InterfaceState::Waiting;
        findings.demand(
            waiting == self.timers.deadline(TimerKey::Wait(id)).is_some(),
            "the wait timer is set in state Waiting and only there",
            named,
        );
        let own = interface.active_link().map(|link| link.address());
        let is_router = own.is_some() && interface.designated.router == own;
        let is_backup = own.is_some() && interface.designated.backup == own;
        findings.demand(
            (is_router, is_backup)
                == (interface.state == InterfaceState::Dr, interface.state == InterfaceState::Backup),
            "the state of an interface agrees with the election",
            named,
        );
        findings.demand(
            interface.elects() || interface.designated == Designated::default(),
            "there is a designated router only where one is elected",
            named,
        );
    }

    fn check_neighbor(&self, id: InterfaceId, interface: &Interface, neighbor: &Neighbor, findings: &mut Findings) {
        let key = NeighborKey { interface: id, id: neighbor.id };
        let state = neighbor.state;
        let named = || format!("{key:?} in {state}");
        let is_set = |timer| self.timers.deadline(timer).is_some();

        let configured = interface.config.neighbors.contains_key(&neighbor.address);
        findings.demand(
            state > NeighborState::Down || configured,
            "a neighbour in state Down is removed unless it is configured",
            named,
        );
        // RFC 2328 §10.3: the timer starts with the first hello and restarts with each.
        if state >= NeighborState::Init {
            let due = self.timers.deadline(TimerKey::Inactivity(key));
            // RFC 3623 §3: a neighbour that is helped may be silent until its grace period ends.
            let dead = neighbor.helping.is_none().then(|| neighbor.last_hello + interface.dead_interval());
            findings.demand(due == dead, "a neighbour is dead RouterDeadInterval after its last hello", || {
                format!("{}: {due:?}", named())
            });
        }

        // RFC 2328 §10.8
        let negotiating = state == NeighborState::ExStart;
        let describing = state == NeighborState::Exchange;
        findings.demand(
            is_set(TimerKey::DatabaseDescription(key)) == (negotiating || describing),
            "the description timer is set in ExStart and Exchange and only there",
            named,
        );
        findings.demand(
            negotiating || neighbor.exchange.deferred.is_none(),
            "a deferred Database Description packet is kept in ExStart only",
            named,
        );
        findings.demand(
            describing || neighbor.exchange.summary.is_empty(),
            "databases are described in Exchange only",
            || format!("{}: {} left", named(), neighbor.exchange.summary.left),
        );

        // RFC 2328 §10.9
        let requesting = !neighbor.requests.is_empty();
        findings.demand(
            !requesting || neighbor.is_synchronizing(),
            "LSAs are requested in Exchange and Loading only",
            || format!("{}: {}", named(), neighbor.requests.len()),
        );
        findings.demand(
            state != NeighborState::Loading || requesting,
            "a neighbour in Loading has LSAs on its request list",
            named,
        );
        findings.demand(
            is_set(TimerKey::Request(key)) == requesting,
            "the request timer is set while the request list is not empty, and only then",
            || format!("{}: {} wanted", named(), neighbor.requests.len()),
        );
        findings.demand(
            neighbor.replies.is_empty() || is_set(TimerKey::Reply(key)),
            "the reply timer is set while a request is not answered",
            || format!("{}: {}", named(), neighbor.replies.len()),
        );

        self.check_retransmission(key, interface, neighbor, findings);
    }

    /// RFC 2328 §13.3, §13.6.
    fn check_retransmission(
        &self,
        key: NeighborKey,
        interface: &Interface,
        neighbor: &Neighbor,
        findings: &mut Findings,
    ) {
        let list = &neighbor.retransmission;
        list.check(findings);
        findings.demand(
            list.is_empty() || neighbor.state >= NeighborState::Exchange,
            "LSAs are flooded to neighbours in Exchange and above",
            || format!("{key:?} in {}", neighbor.state),
        );
        for (lsa, octets) in list.iter() {
            let place = Databases::place(lsa, key.interface, interface.config.area);
            let stored = place.and_then(|place| self.databases.lookup(place)).map(|entry| entry.header(self.now));
            findings.demand(
                stored.is_some_and(|stored| usize::from(stored.length) == octets),
                "what is to be acknowledged is the instance in the database",
                || format!("{key:?}: {lsa}, {octets} octets, stored {stored:?}"),
            );
            // RFC 5250 §3.1
            findings.demand(
                !lsa.kind.is_opaque() || neighbor.options.contains(Options::O),
                "opaque LSAs go to opaque-capable neighbours only",
                || format!("{key:?}: {lsa}"),
            );
        }
        findings.demand(
            list.next_retry().or(list.proof()).is_none()
                || self.timers.deadline(TimerKey::Retransmission(key)).is_some(),
            "what is not acknowledged is sent again",
            || format!("{key:?}: {:?}, {:?}", list.next_retry(), list.proof()),
        );
        let is_full = |list: &RetransmissionList| list.in_flight() >= FLOOD_WINDOW;
        let full_elsewhere = || interface.neighbors.values().any(|other| is_full(&other.retransmission));
        findings.demand(
            list.next_unsent().is_none() || is_full(list) || interface.reaches_all_at_once() && full_elsewhere(),
            "LSAs wait for nothing but room in the window",
            || format!("{key:?}: {} octets in flight", list.in_flight()),
        );
    }

    fn check_timers(&self, findings: &mut Findings) {
        self.early.check(findings);
        self.departed.check(findings);
        self.site_lsas.check(findings);
        self.kept_own.check(findings);
        for place in self.early.places() {
            let due = self.timers.deadline(TimerKey::EarlyArrival(place)).is_some();
            findings.demand(due, "the timer of an early LSA is set", || format!("{place:?}"));
        }
        self.timers.check(findings);
        for timer in self.timers.keys() {
            let known = match timer {
                TimerKey::Hello(id) | TimerKey::Wait(id) | TimerKey::DelayedAck(id) => {
                    self.interfaces.contains_key(&id)
                }
                TimerKey::Inactivity(key)
                | TimerKey::Poll(key)
                | TimerKey::DatabaseDescription(key)
                | TimerKey::Progress(key)
                | TimerKey::Request(key)
                | TimerKey::Reply(key)
                | TimerKey::Retransmission(key) => self.neighbor(key).is_some(),
                TimerKey::Helper(key) => self.neighbor(key).is_some_and(|neighbor| neighbor.helping.is_some()),
                TimerKey::Origination(place) | TimerKey::Refresh(place) => self.is_self_originated(place),
                TimerKey::EarlyArrival(place) => self.early.contains(place),
                TimerKey::ReturnToOriginators => self.site_lsas.is_returning(),
                TimerKey::Removal => self.config.stall_bound.is_some(),
                TimerKey::StubRouter => self.stub_router() == StubRouterState::Stub,
                TimerKey::Restart => self.is_in_restart(),
                TimerKey::Grace(id) => self.grace_kept.contains_key(&id),
                TimerKey::Withdrawal => self.is_withdrawing(),
                TimerKey::Admission => !self.deferred.is_empty(),
                TimerKey::TranslatorStability(area) => self.translators.get(&area) == Some(&Translator::Deposed),
                TimerKey::Alternates => self.config.alternates == Alternates::On,
                TimerKey::Calculation | TimerKey::Work | TimerKey::DoNotAge => true,
                TimerKey::Expiry => false,
            };
            findings.demand(known, "a timer belongs to something that is there", || format!("{timer:?}"));
        }
        let due = self.calculation.backoff.due();
        findings.demand(
            due.is_none_or(|due| due <= self.now && self.has_backlog())
                || self.timers.deadline(TimerKey::Calculation) == due && due.is_none_or(|due| due > self.now),
            "a calculation is due in the future and its timer is set, unless a backlog comes first",
            || format!("{due:?} at {:?}", self.now),
        );
        findings.demand(
            self.has_backlog() || !self.has_work_left(),
            "work that an input has left is continued",
            || format!("{:?}", self.calculation.pass),
        );
    }

    fn check_requests(&self, findings: &mut Findings) {
        for &key in &self.deferred {
            let awaited = self.neighbor(key).is_some_and(|neighbor| {
                neighbor.state == NeighborState::ExStart || neighbor.exchange.deferred.is_none()
            });
            // On an open link that has no room for another exchange, the end of an exchange makes room.
            let due = self.timers.deadline(TimerKey::Admission).is_some() || !self.has_room_for_exchange(key.interface);
            findings.demand(
                awaited && due,
                "a neighbour that waits for an exchange is in ExStart, and will be admitted",
                || format!("{key:?}"),
            );
        }
        findings.demand(self.in_flight.is_idle(), "requests are sent before the end of an input", String::new);
        for (place, key) in self.in_flight.asked() {
            let wanted = self.neighbor(key).is_some_and(|neighbor| neighbor.requests.header(place.key).is_some());
            findings.demand(wanted, "a requested LSA is on the request list of that neighbour", || {
                format!("{place:?} {key:?}")
            });
        }
    }

    /// RFC 2328 §12.4, §13.4.
    fn check_originations(&self, findings: &mut Findings) {
        if self.is_restarting() {
            // RFC 3623 §2: nothing is originated during a graceful restart.
            return;
        }
        for place in self.originations.wanted() {
            let held = self.timers.deadline(TimerKey::Origination(place)).is_some();
            let flushing = self.databases.lookup(place).is_some_and(|entry| entry.is_max_age(self.now));
            let originated = self.is_originated(place);
            let touched = self.originations.is_touched(place);
            findings.demand(
                originated || held || flushing || touched,
                "an LSA of ours is originated, or will be",
                || format!("{place:?}"),
            );
            findings.demand(
                !originated || touched || self.timers.deadline(TimerKey::Refresh(place)).is_some(),
                "an LSA of ours is refreshed in time",
                || format!("{place:?}"),
            );
        }
        for (domain, lsdb) in self.databases.iter() {
            for entry in lsdb.iter() {
                let place = LsaPlace { domain, key: entry.key() };
                let unwanted = self.is_self_originated(place) && !self.originations.is_wanted(place);
                if unwanted && !entry.is_max_age(self.now) {
                    let held = self.timers.deadline(TimerKey::Origination(place)).is_some();
                    let held = held || self.originations.is_touched(place);
                    findings.demand(held, "an LSA of ours that is not to be originated is flushed", || {
                        format!("{place:?}")
                    });
                }
            }
        }
    }

    /// Whether `prefix` is a range for which a discard entry is installed: a configured area address range (RFC 2328 §11.1) or an aggregate
    /// of external destinations.
    fn is_range(&self, prefix: Prefix) -> bool {
        let of_area = self.config.areas.values().any(|area| area.ranges.contains_key(&prefix));
        of_area || self.aggregates.contains_key(&prefix)
    }

    /// RFC 2328 §11.
    fn check_routes(&self, findings: &mut Findings) {
        let calculated = self.calculation.backoff.due().is_none() && self.calculation.pass.is_none();
        for (prefix, route) in self.routes() {
            findings.demand(
                (!route.nexthops.is_empty() || !calculated || self.is_range(prefix)) && !route.originators.is_empty(),
                "a route has an originator, and has a next hop unless it is a range of ours",
                || format!("{prefix}: {route:?}"),
            );
            let is_up = |id: &InterfaceId| self.interfaces.get(id).is_some_and(|found| found.link().is_some());
            findings.demand(
                !calculated || route.nexthops.iter().all(|nexthop| is_up(&nexthop.interface)),
                "next hops are on interfaces that are up",
                || format!("{prefix}: {route:?}"),
            );
        }
    }
}

fn check_entry(domain: Domain, entry: &Entry, findings: &mut Findings) {
    let lsa = entry.as_installed();
    let key = entry.key();
    // RFC 2328 §12.1.7
    let verdict = lsa.check();
    findings.demand(verdict.is_ok(), "an LSA in the database passes every check", || format!("{key}: {verdict:?}"));
    let read = lsa.parse();
    findings.demand(
        read.as_ref() == Ok(entry.body()),
        "the decoded body of an LSA in the database agrees with its octets",
        || format!("{key}: {read:?}"),
    );
    // RFC 5250 §3
    findings
        .demand(domain.floods(key.kind), "an LSA is in the database of its scope", || format!("{key} in {domain:?}"));
}
