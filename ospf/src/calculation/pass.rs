//! A calculation of routes under way (RFC 2328 §16), cut into slices: paths inside the AS are made at its beginning, the destinations whose
//! routes may be others for it are searched, their routes are calculated and compared, and what differs is put out.
//!
//! What always holds:
//! - The routing table is what was put out, and stays what it was until the last route is calculated.
//! - Paths inside the AS are those of the databases at the beginning. What changes in the databases after that is pending, for the next
//!   calculation: each destination that it may concern is looked at once more then. So nothing is lost, and nothing has to be copied.
//! - A pass that has begun is finished, however often the databases change meanwhile; the next begins no earlier than that, and when its
//!   delay (RFC 8405) is over.

use crate::event::Event;
use crate::io::Output;
use crate::route::{Changes, Made, Refused};
use crate::state::calculation::{Consequence, Pass, Scope, Stage};
use crate::state::engine::Engine;
use crate::state::work::Unit;

/// What has become of a calculation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calculated {
    /// None is due, or there are no units left for more of it in this input.
    Nothing,
    /// One is done, and nothing follows from it but routes.
    Routes,
    /// One is done after which LSAs of ours and virtual links may have to change.
    Consequences,
}

impl Engine {
    /// Once for each input: goes on with the calculation that is under way, or begins one if it is time.
    pub(crate) fn calculate_if_due(&mut self) -> Calculated {
        if self.work.left(Unit::Calculation) == 0 {
            return Calculated::Nothing;
        }
        let pass = self.calculation.pass.take().or_else(|| self.begin_pass());
        let Some(mut pass) = pass else { return Calculated::Nothing };
        if !self.advance(&mut pass) {
            self.calculation.pass = Some(pass);
            return Calculated::Nothing;
        }
        // What is translated from an NSSA follows from external routes, too.
        match pass.scope {
            Scope::Externals if !self.has_nssa() => Calculated::Routes,
            Scope::Externals | Scope::Inside => Calculated::Consequences,
        }
    }

    /// Whether a calculation is under way, or could have been begun.
    pub(crate) fn has_calculation_left(&self) -> bool {
        let is_due = self.calculation.backoff.due().is_some_and(|due| due <= self.now);
        self.calculation.pass.is_some() || is_due
    }

    /// Begins a calculation, if one is due.
    fn begin_pass(&mut self) -> Option<Pass> {
        if !self.calculation.backoff.take_due(self.now) {
            return None;
        }
        self.timers.cancel(crate::TimerKey::Calculation);
        self.calculation.runs += 1;
        let mut latest = std::mem::take(&mut self.calculation.latest);
        let mut scope = Scope::Inside;
        let mut affected = None;
        if let Consequence::Parts(parts) = std::mem::take(&mut self.calculation.pending)
            && self.may_be_partial(&parts, latest.table.len())
        {
            let parts_scope = if parts.are_inside() { Scope::Inside } else { Scope::Externals };
            // RFC 2328 §16.5, §16.6: a Summary- or AS-external-LSA leaves all but a few destinations as they are, and so do most trees.
            affected = self.with_inputs(|inputs| latest.replace_inside(inputs, parts));
            if affected.is_some() {
                self.calculation.partial_runs += 1;
                scope = parts_scope;
            }
        }
        let affected = affected.unwrap_or_else(|| self.with_inputs(|inputs| latest.calculate_inside(inputs)));
        self.calculation.latest = latest;
        if scope == Scope::Inside {
            self.reachability_changed();
        }
        Some(Pass { affected, changes: Changes::default(), stage: Stage::Search, scope })
    }

    /// Does what there are units for; whether it is done.
    fn advance(&mut self, pass: &mut Pass) -> bool {
        let mut latest = std::mem::take(&mut self.calculation.latest);
        if pass.stage == Stage::Search {
            let units = self.work.left(Unit::Search);
            let searched = self.with_inputs(|inputs| pass.affected.search(inputs, &latest, units));
            self.work.spend(Unit::Search, searched);
            if pass.affected.is_found() {
                pass.stage = Stage::Calculate;
            }
        }
        if pass.stage == Stage::Calculate {
            let networks = pass.affected.take(self.work.left(Unit::Calculation));
            self.work.spend(Unit::Calculation, networks.len());
            self.with_inputs(|inputs| pass.changes.calculate(inputs, &latest, &networks));
            if pass.affected.is_empty() {
                pass.stage = Stage::PutOut;
                self.limit_routes(&mut pass.changes, &latest.table);
            }
        }
        let mut done = false;
        while pass.stage == Stage::PutOut && !done && self.work.take(Unit::Output) {
            match pass.changes.make_next(&mut latest) {
                None => done = true,
                // RFC 3623 §2: "the restarting router does not install OSPF routes ... the router instead relies on the forwarding
                // entries that it installed prior to the restart".
                Some(_) if self.is_restarting() => {}
                Some(Made::Route(prefix, route)) => self.outputs.push_back(Output::Route { prefix, route }),
                Some(Made::Refused(Refused { prefix, originator, guard })) => {
                    self.event(Event::RouteRefused { prefix, originator, guard });
                }
            }
        }
        self.calculation.latest = latest;
        done
    }
}
