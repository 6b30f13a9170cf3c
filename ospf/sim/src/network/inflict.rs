//! Applies faults to routers: as inputs to engines, or by removing or starting engines.

use ospf::wire::RestartReason;
use ospf::{Announcement, Config, Engine, Input, Restarting, RouterId};

use super::{Happening, Network, check_every};
use crate::change::Change;
use crate::excuse::FarEnds;
use crate::fault::{Fault, GracefulRestart};
use crate::router::{self, Running};
use crate::topology::{LinkIndex, Pace, RouterIndex, Side};

impl Network {
    /// Applies a fault, or ends one.
    pub fn inflict(&mut self, fault: Fault) {
        match fault {
            Fault::Trouble(link, _) => {
                let before = self.situation.has_carrier(link);
                self.situation.apply(&fault);
                if self.situation.has_carrier(link) != before {
                    self.tell_link_state(link);
                }
            }
            Fault::Plug(..) => self.situation.apply(&fault),
            Fault::Stop(router) => self.stop(router),
            Fault::Shutdown(router) => {
                self.handle(router, Input::Shutdown);
                self.stop(router);
            }
            Fault::Start(router) => self.start(router, None),
            Fault::Restart(router, restart) => self.restart(router, restart),
            Fault::Cost(link, side, _) => {
                self.situation.apply(&fault);
                let router = self.situation.topology.links[link.0].end(side).router;
                self.configure(router);
            }
            Fault::Externals(router, _) => {
                self.situation.apply(&fault);
                self.configure(router);
            }
            Fault::Change(ref change, _) => {
                let concerned = change.concerned(&self.situation.topology);
                self.situation.apply(&fault);
                self.note_change(matches!(change, Change::RouterId(..)));
                concerned.into_iter().for_each(|router| self.configure(router));
            }
            Fault::Follow(router) => {
                let renamed = self.id_of(router);
                self.situation.apply(&fault);
                self.note_change(renamed != self.id_of(router));
                self.configure(router);
            }
        }
    }

    /// Records that the configuration of some routers has changed, possibly with their Router IDs.
    fn note_change(&mut self, is_renamed: bool) {
        let all_follow = self.situation.late().next().is_none();
        let slowest = self.settings.timers.at(Pace::Slow);
        let longest = self.quality.longest();
        self.excuses.change(self.now(), all_follow, longest);
        if is_renamed {
            self.excuses.rename(self.now(), slowest.dead + slowest.hello + longest);
        }
        let excuses = self.excuses;
        self.routers.iter_mut().flatten().for_each(|running| running.excuses = excuses);
    }

    /// Returns the Router ID that a router is configured with at present.
    fn id_of(&self, router: RouterIndex) -> RouterId {
        self.situation.configured_at(router).id(router)
    }

    pub(super) fn start(&mut self, router: RouterIndex, restarting: Option<Restarting>) {
        // A seed is always drawn, also for a router that a fault stopped before it started.
        let seed = self.seeds.next_u64();
        if self.routers[router.0].is_some() || self.situation.is_absent(router) {
            return;
        }
        self.situation.set_running(router, true);
        self.boots[router.0] += 1;
        let config = Config { restarting, ..self.config(router) };
        let every = self.check_every.unwrap_or_else(|| check_every(self.routers.len()));
        let phase = every.checked_mul(router.0 as u64).map_or(0, |phase| phase / self.routers.len() as u64);
        let far_ends = FarEnds::of(&self.situation.topology, router);
        let mut running = Running::new(config, seed, self.now(), far_ends, (phase, every));
        running.excuses = self.excuses;
        self.routers[router.0] = Some(running);
        let states: Vec<_> = router::link_states(&self.situation, router).collect();
        for (interface, state) in states {
            self.handle(router, Input::Link { interface, state });
        }
    }

    /// Begins a graceful restart. A planned one continues in [`Self::go_on_restarting`].
    fn restart(&mut self, router: RouterIndex, restart: GracefulRestart) {
        if self.routers[router.0].is_none() {
            return;
        }
        let GracefulRestart { planned, grace_period, absence } = restart;
        let until = self.now() + grace_period;
        if planned {
            self.restarts.insert(router, (until, absence));
            self.handle(router, Input::PrepareRestart { grace_period, reason: RestartReason::SoftwareUpgrade });
            return;
        }
        self.routers[router.0] = None;
        let announcement = Announcement::Due(RestartReason::Unknown);
        self.queue.schedule(self.now() + absence, Happening::Restart { router, until, announcement });
    }

    /// Stops a router whose neighbours have acknowledged its planned restart, and schedules its start.
    pub(super) fn go_on_restarting(&mut self, router: RouterIndex) {
        if !self.routers[router.0].as_ref().is_some_and(|running| running.is_ready_to_restart) {
            return;
        }
        self.routers[router.0] = None;
        let Some((until, absence)) = self.restarts.remove(&router) else { return };
        let announcement = Announcement::Made;
        self.queue.schedule(self.now() + absence, Happening::Restart { router, until, announcement });
    }

    /// Whether the present state may change by itself: a router has yet to calculate routes, to accept an LSA that arrived too soon, or to
    /// originate something new, such as a network to which the route stays the same.
    pub(crate) fn is_work_due(&self) -> bool {
        let mut engines = self.situation.running().filter_map(|router| self.engine(router));
        engines.any(|engine| engine.spf().due_in.is_some() || engine.has_news())
    }

    /// Whether a router is to be started within a graceful restart, or has not ended one.
    pub(crate) fn is_anybody_restarting(&self) -> bool {
        self.situation.running().any(|router| self.engine(router).is_none_or(Engine::is_restarting))
    }

    fn stop(&mut self, router: RouterIndex) {
        self.situation.set_running(router, false);
        self.routers[router.0] = None;
        self.restarts.remove(&router);
        self.changed.remove(&router);
    }

    fn tell_link_state(&mut self, link: LinkIndex) {
        for side in Side::BOTH {
            let router = self.situation.topology.links[link.0].end(side).router;
            let state = router::link_state(&self.situation, link, side);
            self.handle(router, Input::Link { interface: link.interface(), state });
        }
    }
}
