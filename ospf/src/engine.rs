//! The engine's entry points: it dispatches inputs, queues outputs, and gives the next deadline with its reason.
//!
//! This file contains no protocol rules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::authentication::Sequences;
use crate::calculation::pass::Calculated;
use crate::config::Config;
use crate::event::Event;
use crate::interface::receive::Arrival;
use crate::io::{Input, Output};
use crate::random::Random;
use crate::state::alternates::AlternatesState;
use crate::state::calculation::CalculationState;
use crate::state::databases::Databases;
use crate::state::debris::Debris;
use crate::state::departed::Departed;
use crate::state::early::EarlyArrivals;
use crate::state::engine::{Engine, Lifecycle};
use crate::state::former_ids::FormerIds;
use crate::state::in_flight::InFlight;
use crate::state::kept_own::KeptOwn;
use crate::state::limits::LimitStates;
use crate::state::opaques::Opaques;
use crate::state::originations::Originations;
use crate::state::reachability::Reachability;
use crate::state::removals::Removals;
use crate::state::restart::{Restart, Withdrawal};
use crate::state::site_lsas::SiteLsas;
use crate::state::stub_router::StubRouterTimes;
use crate::state::timers::{TimerKey, Timers};
use crate::state::wishes::Wishes;
use crate::state::work::{Unit, Work};
use crate::time::Instant;

impl Engine {
    /// Creates a router that starts at `now` with all interfaces down. `seed` determines jitter and the first sequence numbers.
    pub fn new(config: Config, seed: u64, now: Instant) -> Self {
        let mut engine = Self {
            config,
            now,
            lifecycle: Lifecycle::Running,
            links: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            databases: Databases::default(),
            originations: Originations::default(),
            wishes: Wishes::default(),
            opaques: Opaques::default(),
            reachability: Reachability::default(),
            stub_router: StubRouterTimes::default(),
            calculation: CalculationState::default(),
            alternates: AlternatesState::default(),
            aggregates: BTreeMap::new(),
            translators: BTreeMap::new(),
            limit_states: LimitStates::default(),
            timers: Timers::default(),
            random: Random::new(seed),
            sequences: Sequences::default(),
            restart: Restart::None,
            grace_kept: BTreeMap::new(),
            withdrawal: Withdrawal::None,
            interface_events: BTreeSet::new(),
            unsent_floods: BTreeSet::new(),
            deferred: BTreeSet::new(),
            in_flight: InFlight::default(),
            exchanged: BTreeSet::new(),
            early: EarlyArrivals::default(),
            departed: Departed::default(),
            site_lsas: SiteLsas::default(),
            kept_own: KeptOwn::default(),
            former_ids: FormerIds::default(),
            removals: Removals::default(),
            work: Work::default(),
            debris: Debris::default(),
            outputs: VecDeque::new(),
        };
        engine.begin_restart();
        engine.begin();
        engine.finish_input();
        engine
    }

    /// Handles one input. This never fails. The work is bounded by the size of the input, whatever the size of the databases: longer work
    /// continues at the next ticks.
    ///
    /// Time never goes back: if `now` is earlier than the last instant, the last one is used.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match self.lifecycle {
            Lifecycle::Running => {}
            Lifecycle::Stopped => return,
        }
        self.begin_work();
        match input {
            Input::Packet { interface, source, destination, ttl, payload } => {
                self.receive(interface, Arrival { source, destination, ttl }, &payload);
            }
            Input::Link { interface, state } => {
                self.link_changed(interface, state);
                self.want_opaques();
            }
            Input::Path { interface, neighbor, state } => self.path_changed(interface, neighbor, state),
            Input::Opaque { scope, opaque_type, opaque_id, body } => {
                self.set_opaque(scope, opaque_type, opaque_id, body);
            }
            // A router that withdraws keeps its configuration until it stops.
            Input::Configure(_) | Input::PrepareRestart { .. } if self.is_withdrawing() => {}
            Input::Configure(config) => self.configure(config),
            Input::Clear { interface, router_id } => self.clear(interface, router_id),
            Input::Tick => self.tick(),
            Input::PrepareRestart { grace_period, reason } => self.prepare_restart(grace_period, reason),
            Input::Withdraw => self.withdraw(),
            Input::Shutdown => self.shutdown(),
        }
        self.finish_input();
    }

    /// Takes the next output, in the order in which the outputs arose.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`Input::Tick`] is due next, and the timer that it is for; `None` if no timer is set. After a tick at `now`, the
    /// deadline is later than `now`.
    pub fn next_deadline(&self) -> Option<(Instant, TimerKey)> {
        let expiry = match self.lifecycle {
            Lifecycle::Running => self.databases.next_expiry().map(|when| (when, TimerKey::Expiry)),
            Lifecycle::Stopped => None,
        };
        let next = [self.timers.next(), expiry].into_iter().flatten().min();
        match self.timers.deadline(TimerKey::Work) {
            // Timers that are due before the backlog continues fire together with it.
            Some(work) => next.map(|next| next.max((work, TimerKey::Work))),
            None => next,
        }
    }

    /// Whether the engine has stopped, after [`Input::Shutdown`], [`Input::Withdraw`] or [`Input::PrepareRestart`]. A stopped engine
    /// ignores inputs and has no deadline.
    pub fn is_stopped(&self) -> bool {
        self.lifecycle == Lifecycle::Stopped
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn tick(&mut self) {
        self.resume_work();
        while self.work.take(Unit::Timer)
            && let Some(timer) = self.timers.take_due(self.now)
        {
            self.fire(timer);
        }
        self.expire();
        self.work.overdue = self.next_deadline().is_some_and(|(next, _)| next <= self.now);
    }

    fn fire(&mut self, timer: TimerKey) {
        match timer {
            TimerKey::Hello(interface) => self.hello_timer(interface),
            TimerKey::Wait(interface) => self.wait_timer(interface),
            TimerKey::Poll(neighbor) => self.poll_timer(neighbor),
            TimerKey::DelayedAck(interface) => self.send_delayed_acks(interface),
            TimerKey::Inactivity(neighbor) => self.inactivity_timer(neighbor),
            TimerKey::DatabaseDescription(neighbor) => self.description_timer(neighbor),
            TimerKey::Progress(neighbor) => self.progress_timer(neighbor),
            TimerKey::Removal => self.removal_timer(),
            TimerKey::Request(neighbor) => self.request_timer(neighbor),
            TimerKey::Reply(neighbor) => self.reply(neighbor),
            TimerKey::Retransmission(neighbor) => self.retransmission_timer(neighbor),
            TimerKey::Helper(neighbor) => self.helper_timer(neighbor),
            TimerKey::Restart => self.restart_timer(),
            TimerKey::Grace(interface) => self.end_grace(interface),
            // `advance_withdrawal` checks this after each input.
            TimerKey::Withdrawal => {}
            TimerKey::Origination(place) => self.originations.touch(place),
            TimerKey::Refresh(place) => self.originations.refresh(place),
            TimerKey::EarlyArrival(place) => self.take_early(place),
            TimerKey::ReturnToOriginators => self.return_to_originators(),
            TimerKey::TranslatorStability(area) => self.translator_stability_timer(area),
            TimerKey::DoNotAge => self.do_not_age_timer(),
            TimerKey::StubRouter => self.review_stub_router(),
            // These are done after each input, if they are due.
            TimerKey::Admission => {}
            TimerKey::Calculation => {}
            TimerKey::Alternates => self.alternates.due = true,
            TimerKey::Work => {}
            TimerKey::Expiry => unreachable!("the databases keep this deadline"),
        }
    }

    /// Does once, after each input, what the input has made necessary.
    fn finish_input(&mut self) {
        if self.lifecycle == Lifecycle::Stopped {
            return;
        }
        self.execute_interface_events();
        self.request_more();
        self.admit();
        self.review_restart();
        self.advance_withdrawal();
        self.originate_pending();
        self.follow_up();
        if !self.kept_own.is_empty() && !self.is_restarting() {
            self.take_kept_own();
            self.originate_pending();
            self.follow_up();
        }
        if self.conclude_restart() {
            self.originate_pending();
            self.follow_up();
        }
        self.announce_opaques();
        self.calculate_alternates();
        self.free_debris();
        if self.is_prepared() {
            self.leave_for_restart();
        } else if self.is_withdrawn() {
            self.shutdown();
        } else {
            self.end_work();
        }
    }

    /// Calculates the routes that are due, and then handles the consequences: routes bring virtual links up or down, and interface events
    /// start elections, for example when the restart of a designated router is no longer helped.
    fn follow_up(&mut self) {
        loop {
            match self.calculate_if_due() {
                Calculated::Nothing | Calculated::Routes if !self.interface_events.is_empty() => {}
                Calculated::Nothing => return,
                Calculated::Routes => continue,
                Calculated::Consequences => self.after_calculation(),
            }
            self.execute_interface_events();
            self.originate_pending();
        }
    }

    /// Originates or flushes the LSAs of ours whose contents have changed, and floods them.
    fn originate_pending(&mut self) {
        self.compare_wishes();
        self.originate();
        self.remove_max_aged();
        self.guard_removals();
        self.review_limits();
        // A flushed LSA that is now removed may have blocked its successor (§12.1.6).
        self.originate();
        // An LSA that we have just originated may have been the last one requested from a neighbour.
        while !self.in_flight.is_idle() {
            self.request_more();
            self.originate();
        }
        self.send_floods();
    }

    /// Stops the engine for a planned restart: all neighbours know of it, and nothing more is sent to them.
    pub(crate) fn leave_for_restart(&mut self) {
        self.event(Event::RestartReady { unacknowledged: self.unacknowledged_grace() });
        self.stop();
    }

    fn stop(&mut self) {
        for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
            self.interface_down(id);
        }
        self.timers = Timers::default();
        self.lifecycle = Lifecycle::Stopped;
    }

    /// Performs a planned stop: see [`Input::Shutdown`].
    fn shutdown(&mut self) {
        for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
            self.send_goodbye(id);
        }
        self.stop();
    }
}
