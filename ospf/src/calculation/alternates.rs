//! When alternates are calculated, and in which slices. The calculation itself is in [`crate::route`].
//!
//! Alternates come after routes: a calculation begins a moment after the first change, so that one calculation serves several changes, and
//! not before the routes are calculated. First, the areas that have changed are read; then the distances from neighbours are
//! calculated, as far as the changes concern them; then the destinations are examined one after the other.
//!
//! Invariants:
//! - A protection that was put out belongs to the present next hops of its route.
//! - What changes during a calculation is noted for the next one.

#[cfg(test)]
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Bound;
#[cfg(test)]
use std::sync::Arc;
use std::time::Duration;

use crate::config::Alternates;
use crate::ids::{Domain, LsaPlace, LsaType, Prefix};
use crate::io::Output;
#[cfg(test)]
use crate::protection::Protection;
#[cfg(test)]
use crate::route::Protector;
use crate::route::{Area, News};
use crate::state::alternates::{AlternatesPass, Concerned};
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::state::work::Unit;

/// How long after a change alternates are calculated.
const DELAY: Duration = Duration::from_millis(50);

impl Engine {
    /// Takes note of an LSA with new contents: the distances in its area may have changed.
    pub(crate) fn topology_changed(&mut self, place: LsaPlace) {
        if let (Domain::Area(area), LsaType::ROUTER | LsaType::NETWORK) = (place.domain, place.key.kind)
            && self.config.alternates == Alternates::On
        {
            self.alternates.outdated.insert(area);
            self.timers.set_if_idle(TimerKey::Alternates, self.now + DELAY);
        }
    }

    /// Takes note of a change that may concern any route.
    pub(crate) fn anything_changed(&mut self) {
        if self.config.alternates == Alternates::On {
            self.alternates.outdated = self.areas();
            self.alternates.areas.retain(|area, _| self.alternates.outdated.contains(area));
            self.timers.set_if_idle(TimerKey::Alternates, self.now + DELAY);
        }
    }

    /// Has all alternates calculated, after they were switched on.
    pub(crate) fn calculate_all_alternates(&mut self) {
        self.alternates.concerned = Concerned::All;
        self.anything_changed();
    }

    /// Takes note of destinations whose routes have been calculated.
    pub(crate) fn routes_calculated(&mut self, networks: BTreeSet<Prefix>) {
        if self.config.alternates == Alternates::On {
            self.alternates.concerned.extend(networks);
            self.timers.set_if_idle(TimerKey::Alternates, self.now + DELAY);
        }
    }

    /// Whether a calculation of alternates is in progress or due, and can go on. An area is not read while a calculation of routes is
    /// pending, however long that is delayed: alternates of routes that are about to change, in a network that has changed, would be wrong,
    /// and they are needed just then.
    pub(crate) fn has_alternates_left(&self) -> bool {
        let state = &self.alternates;
        let waits = self.calculation.pass.is_some() || self.calculation.backoff.due().is_some();
        let goes_on = match &state.pass {
            Some(pass) => !waits || pass.areas.is_empty(),
            None => !waits && state.due && state.is_pending(),
        };
        goes_on && !self.is_restarting()
    }

    /// Begins a calculation of alternates if one is due, or continues the present one.
    pub(crate) fn calculate_alternates(&mut self) {
        if self.config.alternates == Alternates::Off {
            let former = std::mem::take(&mut self.alternates).protection;
            let withdrawn = former.into_keys().map(|prefix| Output::Protection { prefix, protection: None });
            return self.outputs.extend(withdrawn);
        }
        self.alternates.due &= self.alternates.is_pending();
        if !self.has_alternates_left() {
            return;
        }
        let state = &mut self.alternates;
        let mut pass = state.pass.take().unwrap_or_else(|| {
            state.due = false;
            let areas = std::mem::take(&mut state.outdated);
            let concerned = std::mem::take(&mut state.concerned);
            AlternatesPass { areas, concerned, last: None, protector: Default::default() }
        });
        if !self.advance_alternates(&mut pass) {
            self.alternates.pass = Some(pass);
        } else if self.alternates.is_pending() {
            self.timers.set_if_idle(TimerKey::Alternates, self.now + DELAY);
        }
    }

    /// Continues a calculation as far as there are units left; returns whether it is complete.
    fn advance_alternates(&mut self, pass: &mut AlternatesPass) -> bool {
        while let Some(&area) = pass.areas.first() {
            if self.work.left(Unit::Distance) == 0 {
                return false;
            }
            pass.areas.remove(&area);
            let former = self.alternates.areas.remove(&area);
            let surroundings = self.with_inputs(|inputs| {
                let of_area = inputs.areas.iter().find(|inputs| inputs.area == area)?;
                Area::new(inputs, of_area, former)
            });
            let Some((surroundings, news)) = surroundings else { continue };
            match news {
                News::Anything => pass.concerned = Concerned::All,
                News::Networks(networks) => pass.concerned.extend(networks),
            }
            self.work.spend(Unit::Distance, surroundings.size());
            self.alternates.areas.insert(area, surroundings);
        }
        for surroundings in self.alternates.areas.values_mut() {
            while !surroundings.is_complete() {
                if self.work.left(Unit::Distance) == 0 {
                    return false;
                }
                let examined = surroundings.advance();
                self.work.spend(Unit::Distance, examined);
            }
        }
        self.examine_destinations(pass)
    }

    /// Determines the protection of the destinations that are left, as far as there are units.
    fn examine_destinations(&mut self, pass: &mut AlternatesPass) -> bool {
        let mut units = self.work.left(Unit::Alternate);
        let mut found = Vec::new();
        self.with_inputs(|inputs| {
            let latest = &self.calculation.latest;
            while units > 0 {
                let next = match &mut pass.concerned {
                    Concerned::All => {
                        let after = pass.last.map_or(Bound::Unbounded, Bound::Excluded);
                        latest.table.after(after).next()
                    }
                    Concerned::These(prefixes) => prefixes.pop_first(),
                };
                let Some(prefix) = next else { break };
                pass.last = Some(prefix);
                let (protection, examined) = pass.protector.protection(inputs, latest, &self.alternates.areas, prefix);
                units = units.saturating_sub(1 + examined);
                found.push((prefix, protection));
            }
        });
        let spent = self.work.left(Unit::Alternate) - units;
        self.work.spend(Unit::Alternate, spent);
        for (prefix, protection) in found {
            let known = &mut self.alternates.protection;
            if known.get(&prefix) == protection.as_ref() {
                continue;
            }
            match &protection {
                Some(protection) => _ = known.insert(prefix, protection.clone()),
                None => _ = known.remove(&prefix),
            }
            self.outputs.push_back(Output::Protection { prefix, protection });
        }
        units > 0
    }

    /// All alternates, from the present databases and routes.
    #[cfg(test)]
    pub(crate) fn alternates_from_nothing(&self) -> BTreeMap<Prefix, Arc<Protection>> {
        if self.config.alternates == Alternates::Off {
            return BTreeMap::new();
        }
        self.with_inputs(|inputs| {
            let areas = inputs.areas.iter().filter_map(|of_area| {
                let (mut surroundings, _) = Area::new(inputs, of_area, None)?;
                while !surroundings.is_complete() {
                    surroundings.advance();
                }
                Some((of_area.area, surroundings))
            });
            let (areas, latest) = (areas.collect(), &self.calculation.latest);
            let all = latest.table.routes().filter_map(|(prefix, _)| {
                Some((prefix, Protector::default().protection(inputs, latest, &areas, prefix).0?))
            });
            all.collect()
        })
    }
}
