//! The calculation of the routing table from the link state databases (RFC 2328 §16). It has no state of its own.

mod affected;
mod alternates;
#[cfg(test)]
mod at_once;
mod changes;
mod external;
mod graph;
mod inputs;
mod inter_area;
mod internal;
mod partial;
mod policy;
mod ranges;
mod reach;
mod routers;
mod spf;
mod standing;
mod summaries;
mod table;
mod virtual_link;

#[cfg(test)]
mod tests;

pub(crate) use affected::Affected;
pub(crate) use alternates::{Area, News, Protector};
#[cfg(test)]
pub(crate) use at_once::calculate;
pub(crate) use changes::{Changes, Made};
pub(crate) use external::Translatable;
pub(crate) use inputs::{Adjacency, AreaInputs, Border, Connected, Peer, RouteInputs, VirtualEnd};
pub(crate) use partial::{Destination, Parts};
pub(crate) use reach::{Reached, reached};
pub(crate) use standing::RouterChange;
pub(crate) use summaries::SummaryMetrics;
pub(crate) use table::{Calculation, Refused, RoutingTable};
pub use virtual_link::VirtualLinkObstacle;
