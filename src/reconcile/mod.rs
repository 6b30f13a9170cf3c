//! From what should be to what is: desired state, observed state, and the plan between them.
//!
//! [`state`] has the types of both sides. Nothing here does I/O.

pub mod state;
