//! The mesh file: one TOML file for the whole network, the same on every router.
//!
//! [`model`] is what the rest of weft sees: values that cannot be wrong any more. Nothing outside this module reads TOML.

pub mod model;
pub mod names;

pub use model::*;
