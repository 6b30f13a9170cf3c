//! Scheduling of calculations of the routing table, and their consequences. The calculation itself is in [`crate::route`].

pub(crate) mod alternates;
pub(crate) mod pass;
pub(crate) mod schedule;
