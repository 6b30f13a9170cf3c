//! Loop-free alternates (RFC 5286): next hops that may be used at once when one of a route fails, before any router has calculated anything.
//!
//! A neighbour is an alternate if it sends a packet to the destination by a path that does not come back here (inequality 1 of §3) and
//! avoids what has failed (inequalities 3 and 4). Its path is known from the distances between routers, each calculated with that
//! neighbour as the root. Only neighbours in the area of the route are considered, and none in an area with virtual links, where the
//! condition is not sufficient (§6.3).
//!
//! - `topology`: the area's graph and the distances in it
//! - `area`: this router's neighbours in the area, and the distances from each of them
//! - `places`: where the paths to a destination end, from LSAs of each kind (§6)
//! - `choice`: the inequalities, and which alternate is the best

mod area;
mod choice;
mod places;
#[cfg(test)]
mod tests;
mod topology;

pub(crate) use area::{Area, News};
pub(crate) use places::Protector;
