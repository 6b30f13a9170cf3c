//! Counters of an interface, which only grow.

use std::collections::BTreeMap;

use crate::refusal::{LsaRefusal, Refusal};

/// Counters of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets accepted, by packet type minus one.
    pub received: [u64; 5],
    /// Packets sent, by packet type minus one.
    pub sent: [u64; 5],
    /// Packets refused, by reason; malformed ones by kind, without the offset.
    pub refused: BTreeMap<Refusal, u64>,
    /// LSAs refused in packets that were accepted, by reason in the same way.
    pub lsa_refused: BTreeMap<LsaRefusal, u64>,
    /// LSAs that arrived within MinLSArrival of the previous instance and were kept until that time had passed.
    pub lsa_early: u64,
    /// LSAs that were retransmitted because they were not acknowledged.
    pub retransmitted: u64,
    /// How often a neighbour made no progress ([`crate::Event::Stalled`]).
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
