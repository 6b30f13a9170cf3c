//! Large structures that are discarded as a whole and freed in slices: freeing 100,000 LSAs takes longer than one input may take.

use crate::route::Calculation;
use crate::state::dismantle::Dismantle;
use crate::state::lsdb::Lsdb;
use crate::state::originations::Originations;
use crate::state::timers::Timers;

/// The structures that remain to be freed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Debris {
    lsdbs: Vec<Lsdb>,
    originations: Vec<Originations>,
    timers: Vec<Timers>,
    calculations: Vec<Calculation>,
}

impl Debris {
    pub(crate) fn lsdbs(&mut self, lsdbs: impl IntoIterator<Item = Lsdb>) {
        self.lsdbs.extend(lsdbs);
    }

    pub(crate) fn originations(&mut self, originations: Originations) {
        self.originations.push(originations);
    }

    pub(crate) fn timers(&mut self, timers: Timers) {
        self.timers.push(timers);
    }

    pub(crate) fn calculation(&mut self, calculation: Calculation) {
        self.calculations.push(calculation);
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self { lsdbs, originations, timers, calculations } = self;
        lsdbs.is_empty() && originations.is_empty() && timers.is_empty() && calculations.is_empty()
    }

    pub(crate) fn dismantle(&mut self) {
        dismantle_last(&mut self.lsdbs);
        dismantle_last(&mut self.originations);
        dismantle_last(&mut self.timers);
        dismantle_last(&mut self.calculations);
    }
}

pub(crate) fn dismantle_last(all: &mut Vec<impl Dismantle>) {
    if all.last_mut().is_some_and(|last| !last.dismantle()) {
        all.pop();
    }
}
