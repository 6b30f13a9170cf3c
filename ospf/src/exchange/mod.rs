//! Neighbours and the exchange of databases (§10).

pub(crate) mod description;
pub(crate) mod pacing;
pub(crate) mod progress;
pub(crate) mod requests;
pub(crate) mod transitions;
