//! The engine's timers: one deadline for each key, the earliest found at once.
//!
//! It knows when, and which; what is done then belongs to the chapter that set the timer.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AreaId, InterfaceId, LsaPlace, NeighborKey};
use crate::state::dismantle::Dismantle;
use crate::state::findings::Findings;
use crate::time::Instant;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TimerKey {
    /// Hello Timer: the next hello is sent (RFC 2328 §9).
    Hello(InterfaceId),
    /// Wait Timer: who is the designated router is decided (§9).
    Wait(InterfaceId),
    /// A hello is sent to a neighbour of a non-broadcast network that is down (§9.5.1).
    Poll(NeighborKey),
    /// Acknowledgements that were held back are sent (§13.5).
    DelayedAck(InterfaceId),
    /// Inactivity Timer: the neighbour is taken for dead (§10).
    Inactivity(NeighborKey),
    /// An exchange has taken so long that another may begin (RFC 4222).
    Admission,
    /// The last Database Description is sent again (§10.8), or the slave waits for the master's no longer.
    DatabaseDescription(NeighborKey),
    /// An adjacency that has not come forward starts over (not in the RFC).
    Progress(NeighborKey),
    /// LSAs at MaxAge are looked at again (not in the RFC).
    Removal,
    /// LSAs that were requested and did not come are requested again (§10.9).
    Request(NeighborKey),
    /// The next part of an answer to requests is sent (§10.7).
    Reply(NeighborKey),
    /// LSAs that were not acknowledged are sent again (§13.6).
    Retransmission(NeighborKey),
    /// The grace period of a neighbour that is helped is over (RFC 3623 §3.2 (2)).
    Helper(NeighborKey),
    /// A restart of our own has to be looked at, or is over (RFC 3623 §2.2).
    Restart,
    /// A neighbour that is slow to be done with an exchange has been helped long enough after a restart of our own: see
    /// [`crate::state::engine::Engine::grace_kept`].
    Grace(InterfaceId),
    /// This router leaves, and goes on with that.
    Withdrawal,
    /// An LSA whose origination was held back is originated (§12.4).
    Origination(LsaPlace),
    /// An LSA of our own is originated anew before it grows old (§12.4).
    Refresh(LsaPlace),
    /// An LSA that came within MinLSArrival is taken (§13 (5)(a)).
    EarlyArrival(LsaPlace),
    /// Refused LSAs of guards go to their originators (§13.4).
    ReturnToOriginators,
    /// The next LSA reaches MaxAge (§14).
    Expiry,
    /// LSAs that do not grow old are looked at (RFC 1793 §2.3).
    DoNotAge,
    /// The time after the start for which this router is a stub router is over (RFC 6987).
    StubRouter,
    /// A router that was an NSSA's translator stops translating (RFC 3101 §3.1).
    TranslatorStability(AreaId),
    /// Routes are calculated (§16).
    Calculation,
    /// Work that an input has left goes on.
    Work,
}

/// Deadlines by key and by time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    by_key: BTreeMap<TimerKey, Instant>,
    by_time: BTreeSet<(Instant, TimerKey)>,
}

impl Timers {
    /// Sets the deadline of `key`, in place of an earlier or later one.
    pub(crate) fn set(&mut self, key: TimerKey, deadline: Instant) {
        if let Some(previous) = self.by_key.insert(key, deadline) {
            self.by_time.remove(&(previous, key));
        }
        self.by_time.insert((deadline, key));
        debug_assert_eq!(self.by_key.len(), self.by_time.len(), "each key has one deadline");
    }

    /// Sets the deadline of `key` unless it has one.
    pub(crate) fn set_if_idle(&mut self, key: TimerKey, deadline: Instant) {
        if !self.by_key.contains_key(&key) {
            self.set(key, deadline);
        }
    }

    /// Takes the deadline of `key` away, if it has one.
    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(deadline) = self.by_key.remove(&key) {
            let indexed = self.by_time.remove(&(deadline, key));
            debug_assert!(indexed, "{key:?} was in one index only");
        }
    }

    /// The deadline of `key`.
    pub(crate) fn deadline(&self, key: TimerKey) -> Option<Instant> {
        self.by_key.get(&key).copied()
    }

    /// All keys that have a deadline.
    pub(crate) fn keys(&self) -> impl Iterator<Item = TimerKey> {
        self.by_key.keys().copied()
    }

    /// Both indices agree.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let same = self.by_key.len() == self.by_time.len()
            && self.by_key.iter().all(|(&key, &deadline)| self.by_time.contains(&(deadline, key)));
        findings.demand(same, "each timer has one deadline", || {
            format!("{} by key, {} by time", self.by_key.len(), self.by_time.len())
        });
    }

    /// What fires next.
    pub(crate) fn next(&self) -> Option<(Instant, TimerKey)> {
        self.by_time.first().copied()
    }

    /// Takes a timer whose deadline has come by `now`, the earliest first.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<TimerKey> {
        let &(deadline, key) = self.by_time.first()?;
        if deadline > now {
            return None;
        }
        self.cancel(key);
        Some(key)
    }
}

impl Dismantle for Timers {
    fn dismantle(&mut self) -> bool {
        self.by_time.pop_last();
        self.by_key.pop_last().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::new(Duration::from_millis(millis))
    }

    #[test]
    fn the_earliest_is_due_first_and_only_once() {
        let mut timers = Timers::default();
        timers.set(TimerKey::Hello(InterfaceId(2)), at(20));
        timers.set(TimerKey::Hello(InterfaceId(1)), at(30));
        timers.set(TimerKey::Calculation, at(10));
        assert_eq!(timers.next(), Some((at(10), TimerKey::Calculation)));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.take_due(at(25)), Some(TimerKey::Calculation));
        assert_eq!(timers.take_due(at(25)), Some(TimerKey::Hello(InterfaceId(2))));
        assert_eq!(timers.take_due(at(25)), None);
        assert_eq!(timers.deadline(TimerKey::Hello(InterfaceId(1))), Some(at(30)));
    }

    #[test]
    fn setting_again_moves_the_deadline_and_cancelling_removes_it() {
        let mut timers = Timers::default();
        timers.set(TimerKey::Calculation, at(10));
        timers.set(TimerKey::Calculation, at(50));
        timers.set_if_idle(TimerKey::Calculation, at(5));
        assert_eq!(timers.next(), Some((at(50), TimerKey::Calculation)));
        timers.cancel(TimerKey::Calculation);
        timers.cancel(TimerKey::Calculation);
        assert_eq!(timers.next(), None);
    }
}
