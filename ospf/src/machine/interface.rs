//! The interface state machine (RFC 2328 §9.1 to §9.3): state and event give the next state, or require an election. It has no side
//! effects; the election is in [`crate::machine::dr_election`].

use std::fmt;

use crate::config::{InterfaceConfig, NetworkType};

/// Interface states (RFC 2328 §9.1), and one for interfaces that are only advertised.
///
/// The state Loopback is left out: only LoopInd leads to it, an indication that no Linux link gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InterfaceState {
    /// No packet is sent or received, and nothing is advertised.
    Down,
    /// The network is advertised, but no packet is sent or received.
    Passive,
    /// The router waits to learn whether there is a designated router or backup.
    Waiting,
    /// Operational, on a network without a designated router.
    PointToPoint,
    /// Another router is the designated router, and this one is not its backup.
    DrOther,
    /// This router is the backup designated router.
    Backup,
    /// This router is the designated router.
    Dr,
}

impl fmt::Display for InterfaceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "Down",
            Self::Passive => "Passive",
            Self::Waiting => "Waiting",
            Self::PointToPoint => "Point-to-point",
            Self::DrOther => "DROther",
            Self::Backup => "Backup",
            Self::Dr => "DR",
        })
    }
}

impl InterfaceState {
    /// Whether this router is the designated router or its backup.
    pub(crate) const fn is_designated(self) -> bool {
        matches!(self, Self::Backup | Self::Dr)
    }
}

/// Interface events (RFC 2328 §9.2); UnloopInd and LoopInd do not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InterfaceEvent {
    /// The underlying link is up.
    InterfaceUp,
    /// RouterDeadInterval has passed in state Waiting.
    WaitTimer,
    /// In state Waiting, a neighbour declared itself the backup, or the designated router without a backup.
    BackupSeen,
    /// A change of a neighbour may change the outcome of the election.
    NeighborChange,
    /// The underlying link is down.
    InterfaceDown,
}

impl InterfaceEvent {
    /// The event's name in the RFC.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InterfaceUp => "InterfaceUp",
            Self::WaitTimer => "WaitTimer",
            Self::BackupSeen => "BackupSeen",
            Self::NeighborChange => "NeighborChange",
            Self::InterfaceDown => "InterfaceDown",
        }
    }
}

/// The effect of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The interface enters this state.
    Become(InterfaceState),
    /// The election decides between the states DROther, Backup and DR (§9.4).
    Elect,
}

/// The state to which InterfaceUp leads (§9.3).
pub(crate) fn opening(config: &InterfaceConfig) -> InterfaceState {
    match config.network {
        _ if config.passive => InterfaceState::Passive,
        NetworkType::PointToPoint | NetworkType::PointToMultipoint | NetworkType::VirtualLink { .. } => {
            InterfaceState::PointToPoint
        }
        // "Else, if the router is not eligible to become Designated Router the interface state transitions to DR Other."
        NetworkType::Broadcast | NetworkType::NonBroadcast if config.priority == 0 => InterfaceState::DrOther,
        NetworkType::Broadcast | NetworkType::NonBroadcast => InterfaceState::Waiting,
    }
}

/// The effect of `event` on an interface in `state` for which InterfaceUp leads to `opening`; `None` = no effect.
///
/// ```text
///                 InterfaceUp, passive  +-------+
///            .------------------------> |Passive|
///            |                          +-------+
///            |    InterfaceUp           +--------------+
///            .------------------------> |Point-to-point|
///            |                          +--------------+
///         +----+  InterfaceUp           +-------+
///         |Down|----------------------> |Waiting|
///         +----+                        +-------+
///            |                              |  BackupSeen, WaitTimer
///            |    InterfaceUp,              v
///            |    priority 0            (election) <------------------.
///            |                              |                         |
///            |           .------------------+------------------.      | NeighborChange
///            |           v                  v                  v      |
///            |       +-------+          +------+             +--+     |
///            '-----> |DROther|          |Backup|             |DR|     |
///                    +-------+          +------+             +--+     |
///                        '------------------+------------------'------'
///         InterfaceDown leads from every state to Down.
/// ```
pub(crate) fn transition(state: InterfaceState, event: InterfaceEvent, opening: InterfaceState) -> Option<Step> {
    use InterfaceEvent as E;
    use InterfaceState as S;
    match (event, state) {
        (E::InterfaceUp, S::Down) => Some(Step::Become(opening)),
        (E::InterfaceUp, S::Passive | S::Waiting | S::PointToPoint | S::DrOther | S::Backup | S::Dr) => None,

        (E::WaitTimer | E::BackupSeen, S::Waiting) => Some(Step::Elect),
        (E::WaitTimer | E::BackupSeen, S::Down | S::Passive | S::PointToPoint | S::DrOther | S::Backup | S::Dr) => None,

        // There is no election in state Waiting, even if neighbours change.
        (E::NeighborChange, S::DrOther | S::Backup | S::Dr) => Some(Step::Elect),
        (E::NeighborChange, S::Down | S::Passive | S::Waiting | S::PointToPoint) => None,

        (E::InterfaceDown, S::Down) => None,
        (E::InterfaceDown, _) => Some(Step::Become(S::Down)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AreaId, RouterId};
    use InterfaceEvent as E;
    use InterfaceState as S;

    const STATES: [S; 7] = [S::Down, S::Passive, S::Waiting, S::PointToPoint, S::DrOther, S::Backup, S::Dr];

    #[test]
    fn the_whole_transition_table_is_that_of_the_rfc() {
        let none = None;
        let down = Some(Step::Become(S::Down));
        let up = Some(Step::Become(S::Waiting));
        let elect = Some(Step::Elect);
        let table = [
            (E::InterfaceUp, [up, none, none, none, none, none, none]),
            (E::WaitTimer, [none, none, elect, none, none, none, none]),
            (E::BackupSeen, [none, none, elect, none, none, none, none]),
            (E::NeighborChange, [none, none, none, none, elect, elect, elect]),
            (E::InterfaceDown, [none, down, down, down, down, down, down]),
        ];
        for (event, expected) in table {
            for (state, step) in STATES.into_iter().zip(expected) {
                assert_eq!(transition(state, event, S::Waiting), step, "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn the_opening_state_is_that_of_the_network_and_of_the_priority() {
        let far_end = NetworkType::VirtualLink { transit_area: AreaId(1), far_end: RouterId(2) };
        let cases = [
            (NetworkType::PointToPoint, 1, S::PointToPoint),
            (NetworkType::PointToMultipoint, 1, S::PointToPoint),
            (far_end, 1, S::PointToPoint),
            (NetworkType::Broadcast, 1, S::Waiting),
            (NetworkType::NonBroadcast, 255, S::Waiting),
            (NetworkType::Broadcast, 0, S::DrOther),
            (NetworkType::NonBroadcast, 0, S::DrOther),
        ];
        for (network, priority, expected) in cases {
            let config = InterfaceConfig { priority, ..InterfaceConfig::new("eth0", AreaId::BACKBONE, network) };
            assert_eq!(opening(&config), expected, "{network:?}, priority {priority}");
            assert_eq!(opening(&InterfaceConfig { passive: true, ..config }), S::Passive);
        }
    }
}
