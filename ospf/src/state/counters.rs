//! What an interface has seen, in numbers that only grow.

use std::collections::BTreeMap;

use crate::refusal::{LsaRefusal, Refusal};

/// What an interface has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets taken, by packet type less one.
    pub received: [u64; 5],
    /// Packets sent, by packet type less one.
    pub sent: [u64; 5],
    /// Packets refused; malformed ones by kind, their offset left out.
    pub refused: BTreeMap<Refusal, u64>,
    /// LSAs refused that came in good packets, in the same way.
    pub lsa_refused: BTreeMap<LsaRefusal, u64>,
    /// LSAs that came within MinLSArrival of the instance before and were kept until then.
    pub lsa_early: u64,
    /// LSAs that were sent again because no acknowledgement came.
    pub retransmitted: u64,
    /// How often a neighbour did not come forward ([`crate::Event::Stalled`]).
    pub stalled: u64,
}

impl Counters {
    pub(crate) fn refuse(&mut self, reason: Refusal) {
        *self.refused.entry(reason.counted()).or_default() += 1;
    }

    pub(crate) fn refuse_lsa(&mut self, reason: LsaRefusal) {
        *self.lsa_refused.entry(reason.counted()).or_default() += 1;
    }
}
