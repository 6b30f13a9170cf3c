//! The engine's timers: one deadline for each key; the earliest deadline is found at once.
//!
//! This module knows when a timer fires; the module that set it knows what to do then.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AreaId, InterfaceId, LsaPlace, NeighborKey};
use crate::state::dismantle::Dismantle;
use crate::state::findings::Findings;
use crate::time::Instant;

/// The purpose of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TimerKey {
    /// Hello Timer: sends the next hello (RFC 2328 §9).
    Hello(InterfaceId),
    /// Wait Timer: ends the waiting before the designated router is elected (§9).
    Wait(InterfaceId),
    /// Poll Timer: sends a hello to a neighbour of a non-broadcast network that is down (§9.5.1).
    Poll(NeighborKey),
    /// Sends delayed acknowledgements (§13.5).
    DelayedAck(InterfaceId),
    /// Inactivity Timer: the neighbour is declared down (§10).
    Inactivity(NeighborKey),
    /// An exchange has taken so long that another may begin (RFC 4222).
    Admission,
    /// Sends the last Database Description again (§10.8), or ends the slave's waiting for the master.
    DatabaseDescription(NeighborKey),
    /// Restarts an adjacency that makes no progress (not in the RFC).
    Progress(NeighborKey),
    /// Checks the LSAs at MaxAge again (not in the RFC).
    Removal,
    /// Requests LSAs again that were requested and did not arrive (§10.9).
    Request(NeighborKey),
    /// Sends the next part of an answer to requests (§10.7).
    Reply(NeighborKey),
    /// Retransmits LSAs that were not acknowledged (§13.6).
    Retransmission(NeighborKey),
    /// Ends the grace period of a restarting neighbour (RFC 3623 §3.2 (2)).
    Helper(NeighborKey),
    /// Checks or ends a graceful restart of this router (RFC 3623 §2.2).
    Restart,
    /// Flushes our Grace-LSA, which stayed after a restart for a neighbour that is slow to finish its exchange: see
    /// [`crate::state::engine::Engine::grace_kept`].
    Grace(InterfaceId),
    /// Begins the next step of the withdrawal of this router.
    Withdrawal,
    /// Originates an LSA whose origination was held back (§12.4).
    Origination(LsaPlace),
    /// Refreshes an LSA of this router (§12.4).
    Refresh(LsaPlace),
    /// Processes an LSA that arrived within MinLSArrival (§13 (5)(a)).
    EarlyArrival(LsaPlace),
    /// Sends refused LSAs of guards to their originators (§13.4).
    ReturnToOriginators,
    /// The next LSA reaches MaxAge (§14).
    Expiry,
    /// Checks the LSAs with DoNotAge (RFC 1793 §2.3).
    DoNotAge,
    /// Ends the time after the start in which this router is a stub router (RFC 6987).
    StubRouter,
    /// Ends the translation by a router that is no longer the NSSA's translator (RFC 3101 §3.1).
    TranslatorStability(AreaId),
    /// Calculates the routes (§16).
    Calculation,
    /// Calculates the alternates (RFC 5286).
    Alternates,
    /// Continues the work that an input has left.
    Work,
}

/// Deadlines by key and by time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    by_key: BTreeMap<TimerKey, Instant>,
    by_time: BTreeSet<(Instant, TimerKey)>,
}

impl Timers {
    /// Sets the deadline of `key`; it replaces any earlier one.
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

    /// Removes the deadline of `key`, if it has one.
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

    /// Checks that both indices agree.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let same = self.by_key.len() == self.by_time.len()
            && self.by_key.iter().all(|(&key, &deadline)| self.by_time.contains(&(deadline, key)));
        findings.demand(same, "each timer has one deadline", || {
            format!("{} by key, {} by time", self.by_key.len(), self.by_time.len())
        });
    }

    /// The timer that fires next.
    pub(crate) fn next(&self) -> Option<(Instant, TimerKey)> {
        self.by_time.first().copied()
    }

    /// Removes and returns a timer whose deadline has passed at `now`, the earliest first.
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
