//! LSAs at MaxAge that are candidates for removal (RFC 2328 §14).

use std::collections::BTreeSet;

use crate::ids::LsaPlace;

/// LSAs at MaxAge that are candidates for removal. One is checked when its own state changes, and all are checked when the state of a
/// neighbour changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Removals {
    /// LSAs that have reached MaxAge, or have left a retransmission list.
    pub(crate) candidates: BTreeSet<LsaPlace>,
    pub(crate) sweep: Sweep,
    /// The last LSA with DoNotAge that the present pass has checked.
    pub(crate) do_not_age: Option<LsaPlace>,
}

/// Whether all LSAs at MaxAge have to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sweep {
    #[default]
    Done,
    /// All have to be checked.
    Due,
    /// Those after this one have to be checked.
    After(LsaPlace),
}

impl Removals {
    /// Notes an LSA that is at MaxAge, or that has left a retransmission list and may be at MaxAge.
    pub(crate) fn note(&mut self, place: LsaPlace) {
        self.candidates.insert(place);
    }

    /// Notes that a neighbour has changed its state: any LSA at MaxAge may have waited for it.
    pub(crate) fn note_all(&mut self) {
        self.sweep = Sweep::Due;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.candidates.is_empty() && self.sweep == Sweep::Done
    }
}
