//! What the fuzz targets of `fuzz/` do with the bytes they are given. They are here so that the test suite runs them too.
//!
//! A target takes any bytes and panics if something does not hold.

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

/// What a target does with an input.
type Target = fn(&[u8]);

/// All targets, by the names under which `fuzz/run` knows them.
pub const TARGETS: [(&str, Target); 5] =
    [("packet", packet), ("lsa", lsa), ("trace", trace), ("config", config), ("wire", wire)];
