//! From what should be to what is: desired state, observed state, and the plan between them.
//!
//! [`state`] has the types of both sides, [`tunnels`] what WireGuard's drivers have to offer. Nothing here does I/O.

pub mod state;
pub mod tunnels;
