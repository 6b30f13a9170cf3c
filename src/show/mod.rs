//! What a person reads: tables that fit 100 columns, with what is wrong first.

mod nouns;
mod status;
mod table;

pub use nouns::{interfaces, lsdb, neighbors, routes, tunnels};
pub use status::status;
