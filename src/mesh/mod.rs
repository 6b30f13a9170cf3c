//! The mesh file: one TOML file for the whole network, the same on every router.
//!
//! [`load()`] and [`parse`] check a file and return the [`Mesh`]. [`model`] has the types that the rest of weft uses: their values have
//! been checked. Nothing outside this module reads TOML.

pub mod model;
pub mod names;

mod address;
mod addressing;
mod area;
mod areas;
mod auth;
mod bfd;
mod default_originate;
mod diagnostic;
mod draft;
mod durations;
mod existing_bridge;
mod filter;
mod general;
mod graceful_restart;
mod identity;
mod interface;
mod lab_names;
mod link;
mod link_ends;
mod listed_prefix;
mod load;
mod member;
mod ospf;
mod ports;
mod process;
mod reader;
mod redistribution;
mod router_links;
mod schema;
mod segment;
mod segment_host;
mod segment_hosts;
mod segment_ports;
mod segments;
mod site;
mod speakers;
#[cfg(test)]
mod tests;
mod virtual_link;

pub use ::ospf::Unlisted;
pub use auth::{Auth, AuthKey, Validity};
pub use bfd::Bfd;
pub use default_originate::{DefaultOriginate, When};
pub use diagnostic::{Diagnostics, Finding, Look, Place};
pub use filter::*;
pub use graceful_restart::GracefulRestart;
pub use load::{LoadError, MAX_FILE, Parsed, load, parse, read, read_from};
pub use member::UnknownKey;
pub use model::*;
pub use schema::json_schema;
