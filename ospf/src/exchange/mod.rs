//! Neighbours and the database exchange (RFC 2328 §10).

pub(crate) mod description;
pub(crate) mod pacing;
pub(crate) mod progress;
pub(crate) mod requests;
pub(crate) mod transitions;
