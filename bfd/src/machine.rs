//! The state machine of a session as a pure function (RFC 5880 §6.2, §6.8.6).
//!
//! ```text
//!                              +--+
//!                              |  | UP, ADMIN DOWN, TIMER
//!                              |  V
//!                      DOWN  +------+  INIT
//!               +------------|      |------------+
//!               |            | DOWN |            |
//!               |  +-------->|      |<--------+  |
//!               |  |         +------+         |  |
//!               |  |                          |  |
//!               |  |               ADMIN DOWN,|  |
//!               |  |ADMIN DOWN,          DOWN,|  |
//!               |  |TIMER                TIMER|  |
//!               V  |                          |  V
//!             +------+                      +------+
//!        +----|      |                      |      |----+
//!    DOWN|    | INIT |--------------------->|  UP  |    |INIT, UP
//!        +--->|      | INIT, UP             |      |<---+
//!             +------+                      +------+
//! ```

use crate::wire::State;

/// The state after a packet from a session in state `received`; `None` if nothing changes.
pub(crate) fn after_packet(state: State, received: State) -> Option<State> {
    use State::{AdminDown, Down, Init, Up};
    match (state, received) {
        (AdminDown, _) | (Down, AdminDown | Up) | (Init, Down) | (Up, Init | Up) => None,
        (Down, Down) => Some(Init),
        (Down, Init) | (Init, Init | Up) => Some(Up),
        (Init | Up, AdminDown) | (Up, Down) => Some(Down),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_every_received_one_lead_where_the_rfc_says() {
        use State::{AdminDown, Down, Init, Up};
        let states = [AdminDown, Down, Init, Up];
        let table = [
            // Received: AdminDown, Down, Init, Up.
            (AdminDown, [AdminDown, AdminDown, AdminDown, AdminDown]),
            (Down, [Down, Init, Up, Down]),
            (Init, [Down, Init, Up, Up]),
            (Up, [Down, Down, Up, Up]),
        ];
        for (state, expected) in table {
            for (received, expected) in states.into_iter().zip(expected) {
                let next = after_packet(state, received);
                assert_eq!(next.unwrap_or(state), expected, "{state} receives {received}");
                assert_ne!(next, Some(state), "a change is one");
            }
        }
    }
}
