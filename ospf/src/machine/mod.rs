//! The state machines and decisions of the RFCs as pure functions: neighbours (RFC 2328 §10.3), interfaces (§9.3), the election of
//! designated routers (§9.4), and the delay of route calculation (RFC 8405).

pub(crate) mod dr_election;
pub(crate) mod interface;
pub(crate) mod neighbor;
pub(crate) mod spf_delay;
