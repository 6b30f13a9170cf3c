//! Words that all of weft shares: networks of either address family, and names of interfaces. Nothing here does I/O, and nothing of weft is imported.

mod if_name;
mod ospf;
mod prefix;
pub mod wireguard;

pub use if_name::IfName;
pub use prefix::{NotAPrefix, Prefix};
