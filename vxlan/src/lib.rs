//! The L2 overlay as values: what VXLAN (RFC 7348) needs from an underlay.
//!
//! Pure: no sockets, no netlink. This version has the identifiers and the arithmetic of frame sizes that every segment starts
//! from; weft refuses `[[l2]]` until the entries of a segment are computed here as well.

#![forbid(unsafe_code)]

mod encapsulation;
mod vni;

pub use encapsulation::{Underlay, guest_mtu};
pub use vni::{Vni, VniError};
