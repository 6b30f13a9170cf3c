//! LSAs at MaxAge that may perhaps be removed (RFC 2328 §14).

use std::collections::BTreeSet;

use crate::ids::LsaPlace;

/// LSAs at MaxAge that may perhaps be removed: each is looked at when something has happened to it, and all of them when something has
/// happened to a neighbour.
#[derive(Debug, Clone, Default)]
pub(crate) struct Removals {
    /// Those that have reached MaxAge, or have left a retransmission list.
    pub(crate) candidates: BTreeSet<LsaPlace>,
    pub(crate) sweep: Sweep,
    /// How far LSAs with DoNotAge have been looked at this time.
    pub(crate) do_not_age: Option<LsaPlace>,
}

/// Whether all LSAs at MaxAge have to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sweep {
    #[default]
    Done,
    /// From the first on.
    Due,
    /// What comes after this one.
    After(LsaPlace),
}

impl Removals {
    /// An LSA is at MaxAge, or has left a retransmission list and may be.
    pub(crate) fn note(&mut self, place: LsaPlace) {
        self.candidates.insert(place);
    }

    /// A neighbour has changed its state: all LSAs may have been waiting for it.
    pub(crate) fn note_all(&mut self) {
        self.sweep = Sweep::Due;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.candidates.is_empty() && self.sweep == Sweep::Done
    }
}
