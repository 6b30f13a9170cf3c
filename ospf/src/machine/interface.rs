//! The interface machine (RFC 2328 §9.1 to §9.3): state and event give the next state, or that a designated router is to be elected. It
//! does nothing itself, and what an election gives is [`crate::machine::dr_election`]'s.

use std::fmt;

use crate::config::{InterfaceConfig, NetworkType};

/// Interface states (RFC 2328 §9.1), and one for interfaces that are advertised only.
///
/// Loopback is not among them: it is entered by LoopInd only, an indication that no Linux link gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum InterfaceState {
    /// No packet is sent or taken, nothing is advertised.
    Down,
    /// The network is advertised, no packet is sent or taken.
    Passive,
    /// Looking for the designated routers that there may be.
    Waiting,
    /// Operational, and no designated router is elected here.
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

/// What can happen to an interface (RFC 2328 §9.2); UnloopInd and LoopInd do not occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InterfaceEvent {
    /// The link below is up.
    InterfaceUp,
    /// RouterDeadInterval has passed in Waiting.
    WaitTimer,
    /// In Waiting a neighbour said that it is the backup, or the designated router without one.
    BackupSeen,
    /// Something that the election depends on has changed with a neighbour.
    NeighborChange,
    /// The link below is down.
    InterfaceDown,
}

impl InterfaceEvent {
    /// The RFC's word for it.
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

/// The outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// This state is entered.
    Become(InterfaceState),
    /// The election decides between DROther, Backup and DR (§9.4).
    Elect,
}

/// The state that InterfaceUp leads to (§9.3).
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

/// What `event` does to an interface in `state` whose opening state is `opening`; `None` = nothing.
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

        // In Waiting nobody is elected, however much the neighbours change.
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
