//! The fuzz targets of `fuzz/`. They are here so that the test suite runs them too.
//!
//! A target takes any octets, and panics if a property does not hold.

mod config;
mod input;
mod lsa;
mod packet;
mod trace;
mod wire;

pub use config::config;
pub use lsa::lsa;
pub use packet::packet;
pub use trace::trace;
pub use wire::wire;

/// A function that runs a target with an input.
type Target = fn(&[u8]);

/// All targets, by their names for `fuzz/run`.
pub const TARGETS: [(&str, Target); 5] =
    [("packet", packet), ("lsa", lsa), ("trace", trace), ("config", config), ("wire", wire)];
