//! Output for people: tables that fit 100 columns, problems first.

mod detail;
mod filters;
mod nouns;
mod segments;
mod status;
mod table;

pub use detail::{interfaces_in_detail, neighbors_in_detail};
pub use filters::filters;
pub use nouns::{
    areas, border_routers, interfaces, limits, lsdb, lsdb_in_brief, neighbors, protection, routes, routes_with_backups,
    sessions, spf, tunnels,
};
pub use segments::{segments, traces};
pub use status::status;
