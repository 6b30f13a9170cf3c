//! A calculation of the routing table (RFC 2328 §16) in slices, called a pass. At its beginning, it calculates the paths inside the AS.
//! Then it searches the destinations whose routes may have changed, calculates and compares their routes, and reports the differences.
//!
//! Invariants:
//! - The routing table contains the routes that were reported. It does not change before the last route has been calculated.
//! - Paths inside the AS are those of the databases at the beginning. Later changes of the databases are pending for the next calculation,
//!   which examines each destination that they may affect. So no change is lost, and no database has to be copied.
//! - A pass is always completed, however often the databases change meanwhile. The next pass begins after that, when its delay (RFC 8405)
//!   is over.

use crate::event::Event;
use crate::io::Output;
use crate::route::{Changes, Made, Refused};
use crate::state::calculation::{Consequence, Pass, Scope, Stage};
use crate::state::engine::Engine;
use crate::state::work::Unit;

/// The result of a call of [`Engine::calculate_if_due`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calculated {
    /// No calculation is due, or there are no units left for this input.
    Nothing,
    /// A calculation is complete, and changes only routes.
    Routes,
    /// A calculation is complete, and LSAs of ours and virtual links may have to change.
    Consequences,
}

impl Engine {
    /// Begins a calculation if one is due, or continues the present one. Called once or more for each input.
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
        // LSAs translated from an NSSA depend on external routes, too.
        match pass.scope {
            Scope::Externals if !self.has_nssa() => Calculated::Routes,
            Scope::Externals | Scope::Inside => Calculated::Consequences,
        }
    }

    /// Whether a calculation is in progress or due.
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
            // RFC 2328 §16.5, §16.6: a Summary-LSA or an AS-external-LSA changes only a few destinations, and so do most shortest-path
            // trees.
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

    /// Continues a pass as far as there are units left; returns whether it is complete.
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
            self.routes_calculated(networks);
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
                Some(Made::Route(prefix, route)) => {
                    self.alternates.route_changed(prefix, route.as_ref());
                    self.outputs.push_back(Output::Route { prefix, route });
                }
                Some(Made::Refused(Refused { prefix, originator, guard })) => {
                    self.event(Event::RouteRefused { prefix, originator, guard });
                }
            }
        }
        self.calculation.latest = latest;
        done
    }
}
