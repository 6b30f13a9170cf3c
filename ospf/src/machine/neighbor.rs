//! The neighbour state machine (RFC 2328 §10.1 to §10.4): state and event give the next state and the actions. It has no side effects.

/// Neighbour events (RFC 2328 §10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeighborEvent {
    /// A hello was received from the neighbour.
    HelloReceived,
    /// Hellos are now sent to a configured neighbour (NBMA networks only).
    Start,
    /// The neighbour's hello lists this router.
    TwoWayReceived {
        /// Whether §10.4 requires an adjacency.
        adjacency: Adjacency,
    },
    /// Whether an adjacency is required has to be decided again.
    AdjOk {
        /// Whether §10.4 requires an adjacency now.
        adjacency: Adjacency,
    },
    /// Master, slave and the first DD sequence number have been negotiated.
    NegotiationDone,
    /// Both routers have described their whole database.
    ExchangeDone {
        /// Whether the link state request list is empty.
        complete: bool,
    },
    /// The neighbour requested an LSA that is not in the database.
    BadLsReq,
    /// All requested LSAs have arrived.
    LoadingDone,
    /// A Database Description does not match the previous ones.
    SeqNumberMismatch,
    /// The master of the exchange has sent no Database Description for a long time (not in the RFC).
    MasterSilent,
    /// The adjacency has made no progress for a long time (not in the RFC).
    Stalled,
    /// The neighbour's hello does not list this router.
    OneWayReceived,
    /// The neighbour is gone for good.
    KillNbr,
    /// No hello was received for RouterDeadInterval.
    InactivityTimer,
    /// The underlying link is down.
    LlDown,
}

/// Whether an adjacency with a neighbour is required (RFC 2328 §10.4): always on networks without a designated router; elsewhere only if
/// this router or the neighbour is the designated router or the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adjacency {
    Wanted,
    Unwanted,
}

impl NeighborEvent {
    /// The event's name in the RFC.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HelloReceived => "HelloReceived",
            Self::Start => "Start",
            Self::TwoWayReceived { .. } => "2-WayReceived",
            Self::AdjOk { .. } => "AdjOK?",
            Self::NegotiationDone => "NegotiationDone",
            Self::ExchangeDone { .. } => "ExchangeDone",
            Self::BadLsReq => "BadLSReq",
            Self::LoadingDone => "Loading Done",
            Self::SeqNumberMismatch => "SeqNumberMismatch",
            Self::MasterSilent => "MasterSilent",
            Self::Stalled => "Stalled",
            Self::OneWayReceived => "1-WayReceived",
            Self::KillNbr => "KillNbr",
            Self::InactivityTimer => "InactivityTimer",
            Self::LlDown => "LLDown",
        }
    }
}

/// An action of a transition. The actions are executed in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send a hello to a neighbour from which nothing has been received, and start the Inactivity Timer.
    Attempt,
    /// Start or restart the Inactivity Timer.
    AwaitHello,
    /// Empty the retransmission, summary and request lists, and stop their timers.
    ClearLists,
    /// Declare this router master and send the first Database Description.
    Negotiate,
    /// Put the database on the database summary list.
    Summarize,
    /// Forget the neighbour.
    Forget,
}

/// The effect of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) next: NeighborState,
    pub(crate) actions: &'static [Action],
}

/// The effect of `event` on a neighbour in `state` (RFC 2328 §10.3); `None` = no effect.
///
/// ```text
///                                  +----+     Start      +-------+
///                                  |Down| -------------> |Attempt|
///                                  +----+                +-------+
///                    HelloReceived    |                      | HelloReceived
///                                     | <--------------------'
///                                  +----+          1-WayReceived from any state below
///                                  |Init| <--------------------------------------------.
///                                  +----+                                              |
///                  2-WayReceived,     |    |   2-WayReceived, no adjacency             |
///                  adjacency          |    '----------> +-----+                        |
///                                     |                 |2-Way| -----------------------+
///                                     | <-------------- +-----+                        |
///                                     | AdjOK?, adjacency  ^                           |
///                                     |                    | AdjOK?, no adjacency      |
///                                     |                    '-- from any state below    |
///                                 +-------+    SeqNumberMismatch, BadLSReq             |
///                                 |ExStart| <------------------------------.           |
///                                 +-------+                                |           |
///                                     | NegotiationDone                    |           |
///                                 +--------+                               |           |
///                                 |Exchange|-------------------------------+           |
///                                 +--------+                               |           |
///                 ExchangeDone,    |      | ExchangeDone, nothing to ask   |           |
///                 LSAs to ask for  |      |                                |           |
///                            +-------+    |                                |           |
///                            |Loading|----------------------------------->-+           |
///                            +-------+    |                                |           |
///                  Loading Done    |      |                                |           |
///                                 +-----------+                            |           |
///                                 |    Full   |----------------------------+-----------'
///                                 +-----------+
///           KillNbr, LLDown and InactivityTimer lead from every state to Down.
/// ```
pub(crate) fn transition(state: NeighborState, event: NeighborEvent) -> Option<Transition> {
    use NeighborEvent as E;
    use NeighborState as S;
    let (next, actions): (_, &'static [Action]) = match (event, state) {
        // RFC 2328 §10.3: the state table, event by event.
        (E::HelloReceived, S::Down | S::Attempt) => (S::Init, &[Action::AwaitHello]),
        (E::HelloReceived, S::Init | S::TwoWay | S::ExStart | S::Exchange | S::Loading | S::Full) => {
            (state, &[Action::AwaitHello])
        }

        (E::Start, S::Down) => (S::Attempt, &[Action::Attempt]),
        (E::Start, _) => return None,

        // §10.4 decides whether state 2-Way is skipped.
        (E::TwoWayReceived { adjacency: Adjacency::Wanted }, S::Init) => (S::ExStart, &[Action::Negotiate]),
        (E::TwoWayReceived { adjacency: Adjacency::Unwanted }, S::Init) => (S::TwoWay, &[]),
        (
            E::TwoWayReceived { .. },
            S::Down | S::Attempt | S::TwoWay | S::ExStart | S::Exchange | S::Loading | S::Full,
        ) => return None,

        (E::AdjOk { adjacency: Adjacency::Wanted }, S::TwoWay) => (S::ExStart, &[Action::Negotiate]),
        // "the neighbor state transitions to 2-Way", and the lists are cleared.
        (E::AdjOk { adjacency: Adjacency::Unwanted }, S::ExStart | S::Exchange | S::Loading | S::Full) => {
            (S::TwoWay, &[Action::ClearLists])
        }
        (E::AdjOk { adjacency: Adjacency::Wanted }, S::ExStart | S::Exchange | S::Loading | S::Full)
        | (E::AdjOk { adjacency: Adjacency::Unwanted }, S::TwoWay)
        | (E::AdjOk { .. }, S::Down | S::Attempt | S::Init) => return None,

        (E::NegotiationDone, S::ExStart) => (S::Exchange, &[Action::Summarize]),
        (E::NegotiationDone, _) => return None,

        (E::ExchangeDone { complete: true }, S::Exchange) => (S::Full, &[]),
        (E::ExchangeDone { complete: false }, S::Exchange) => (S::Loading, &[]),
        (E::ExchangeDone { .. }, _) => return None,

        (E::LoadingDone, S::Loading) => (S::Full, &[]),
        (E::LoadingDone, _) => return None,

        // "The (possibly partially formed) adjacency is torn down, and then an attempt is made at reestablishment."
        (E::SeqNumberMismatch | E::BadLsReq, S::Exchange | S::Loading | S::Full) => {
            (S::ExStart, &[Action::ClearLists, Action::Negotiate])
        }
        (E::SeqNumberMismatch | E::BadLsReq, S::Down | S::Attempt | S::Init | S::TwoWay | S::ExStart) => return None,

        (E::MasterSilent, S::Exchange) => (S::ExStart, &[Action::ClearLists, Action::Negotiate]),
        (E::MasterSilent, _) => return None,

        (E::Stalled, S::ExStart | S::Exchange | S::Loading) => (S::ExStart, &[Action::ClearLists, Action::Negotiate]),
        (E::Stalled, S::Down | S::Attempt | S::Init | S::TwoWay | S::Full) => return None,

        // The Inactivity Timer is not changed, because a hello was received.
        (E::OneWayReceived, S::TwoWay | S::ExStart | S::Exchange | S::Loading | S::Full) => {
            (S::Init, &[Action::ClearLists])
        }
        (E::OneWayReceived, S::Down | S::Attempt | S::Init) => return None,

        (E::KillNbr | E::LlDown | E::InactivityTimer, S::Down) => return None,
        (E::KillNbr | E::LlDown | E::InactivityTimer, _) => (S::Down, &[Action::ClearLists, Action::Forget]),
    };
    Some(Transition { next, actions })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Adjacency::{Unwanted, Wanted};
    use NeighborEvent as E;
    use NeighborState as S;

    const STATES: [S; 8] = [S::Down, S::Attempt, S::Init, S::TwoWay, S::ExStart, S::Exchange, S::Loading, S::Full];

    /// For each event, the state to which it leads from each of `STATES`; `None` where it has no effect.
    #[test]
    fn the_whole_transition_table_is_that_of_the_rfc() {
        let none = None;
        let down = Some(S::Down);
        let init = Some(S::Init);
        let start = Some(S::ExStart);
        let two_way = Some(S::TwoWay);
        let table = [
            (
                E::HelloReceived,
                [init, init, init, Some(S::TwoWay), start, Some(S::Exchange), Some(S::Loading), Some(S::Full)],
            ),
            (E::Start, [Some(S::Attempt), none, none, none, none, none, none, none]),
            (E::TwoWayReceived { adjacency: Wanted }, [none, none, start, none, none, none, none, none]),
            (E::TwoWayReceived { adjacency: Unwanted }, [none, none, two_way, none, none, none, none, none]),
            (E::AdjOk { adjacency: Wanted }, [none, none, none, start, none, none, none, none]),
            (E::AdjOk { adjacency: Unwanted }, [none, none, none, none, two_way, two_way, two_way, two_way]),
            (E::NegotiationDone, [none, none, none, none, Some(S::Exchange), none, none, none]),
            (E::ExchangeDone { complete: true }, [none, none, none, none, none, Some(S::Full), none, none]),
            (E::ExchangeDone { complete: false }, [none, none, none, none, none, Some(S::Loading), none, none]),
            (E::BadLsReq, [none, none, none, none, none, start, start, start]),
            (E::LoadingDone, [none, none, none, none, none, none, Some(S::Full), none]),
            (E::SeqNumberMismatch, [none, none, none, none, none, start, start, start]),
            (E::MasterSilent, [none, none, none, none, none, start, none, none]),
            (E::Stalled, [none, none, none, none, start, start, start, none]),
            (E::OneWayReceived, [none, none, none, init, init, init, init, init]),
            (E::KillNbr, [none, down, down, down, down, down, down, down]),
            (E::InactivityTimer, [none, down, down, down, down, down, down, down]),
            (E::LlDown, [none, down, down, down, down, down, down, down]),
        ];
        for (event, expected) in table {
            for (state, next) in STATES.into_iter().zip(expected) {
                assert_eq!(transition(state, event).map(|step| step.next), next, "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn lists_are_cleared_whenever_an_adjacency_is_left() {
        let unwanted = E::AdjOk { adjacency: Unwanted };
        let others = [E::BadLsReq, E::SeqNumberMismatch, E::OneWayReceived, E::KillNbr, E::InactivityTimer, E::LlDown];
        for event in others.into_iter().chain([unwanted]) {
            for state in [S::Exchange, S::Loading, S::Full] {
                let step = transition(state, event).expect("each of these ends the adjacency");
                assert_eq!(step.actions.first(), Some(&Action::ClearLists), "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn only_a_hello_starts_the_inactivity_timer_and_one_way_does_not_touch_it() {
        let touches = |state, event| {
            transition(state, event).is_some_and(|step| {
                step.actions.iter().any(|action| matches!(action, Action::AwaitHello | Action::Forget))
            })
        };
        for state in STATES {
            assert!(touches(state, E::HelloReceived));
            let wanted = E::TwoWayReceived { adjacency: Wanted };
            for event in [E::OneWayReceived, wanted, E::SeqNumberMismatch, E::BadLsReq, E::LoadingDone] {
                assert!(!touches(state, event), "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn reaching_ex_start_always_negotiates() {
        for state in STATES {
            let wanted = [E::TwoWayReceived { adjacency: Wanted }, E::AdjOk { adjacency: Wanted }];
            for event in wanted.into_iter().chain([E::BadLsReq, E::SeqNumberMismatch]) {
                if let Some(step) = transition(state, event) {
                    assert_eq!(step.next, S::ExStart);
                    assert_eq!(step.actions.last(), Some(&Action::Negotiate));
                }
            }
        }
    }
}

/// Neighbour states (RFC 2328 §10.1), in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeighborState {
    /// Nothing was received from the neighbour recently.
    Down,
    /// NBMA only: hellos are sent to the neighbour, but nothing was received from it recently.
    Attempt,
    /// A hello of the neighbour was received that does not list this router.
    Init,
    /// Communication is bidirectional: the neighbour's hello lists this router.
    TwoWay,
    /// Master and slave are being negotiated.
    ExStart,
    /// Databases are being described.
    Exchange,
    /// Missing LSAs are being requested.
    Loading,
    /// Fully adjacent.
    Full,
}

impl std::fmt::Display for NeighborState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Down => "Down",
            Self::Attempt => "Attempt",
            Self::Init => "Init",
            Self::TwoWay => "2-Way",
            Self::ExStart => "ExStart",
            Self::Exchange => "Exchange",
            Self::Loading => "Loading",
            Self::Full => "Full",
        })
    }
}
