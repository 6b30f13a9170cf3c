//! Calculation of the routing table (RFC 2328 §16): from link state databases to routes, without state of its own.

mod external;
mod graph;
mod inputs;
mod internal;
mod policy;
mod spf;
mod table;

#[cfg(test)]
mod tests;

pub(crate) use inputs::{Adjacency, AreaInputs, Connected, Peer, RouteInputs};
pub(crate) use table::{Calculation, Refused, calculate};
