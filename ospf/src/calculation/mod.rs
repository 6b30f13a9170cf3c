//! When routes are calculated, and what follows. The calculation itself is in [`crate::route`].

pub(crate) mod pass;
pub(crate) mod schedule;
