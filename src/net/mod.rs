//! Words that all of weft shares: networks of either address family, names of interfaces, and small sets. Nothing here does I/O, and nothing of weft is imported.

mod few;
mod if_name;
mod ospf;
mod prefix;
pub mod wireguard;

pub use few::Few;
pub use if_name::IfName;
pub use prefix::{NotAPrefix, Prefix};
