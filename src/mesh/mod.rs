//! The mesh file: one TOML file for the whole network, the same on every router.
//!
//! [`load()`] and [`parse`] check a file and give the [`Mesh`]. [`model`] is what the rest of weft sees: values that
//! cannot be wrong any more. Nothing outside this module reads TOML.

pub mod model;
pub mod names;

mod address;
mod addressing;
mod areas;
mod diagnostic;
mod draft;
mod durations;
mod general;
mod identity;
mod link;
mod load;
mod member;
mod ospf;
mod ports;
mod reader;
mod schema;
mod site;
#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostics, Look};
pub use load::{LoadError, Parsed, load, parse};
pub use member::UnknownKey;
pub use model::*;
