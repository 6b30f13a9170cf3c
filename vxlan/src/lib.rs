//! The L2 overlay (VXLAN, RFC 7348): the state that the kernel of a site needs so that an Ethernet segment spans several sites.
//!
//! Pure: no sockets, no netlink, no clock. [`segment`] holds the configuration; [`HostLocations`] determines the location of each host from
//! the table of hosts and the claims of the sites ([`Claim`]); [`Entries`] is the resulting state of one site's kernel.

#![forbid(unsafe_code)]

mod announcement;
mod claim;
mod encapsulation;
mod entries;
mod locations;
mod mac;
pub mod segment;
mod vni;

pub use announcement::{Announcement, Contradiction, encapsulate};
pub use claim::{Claim, ClaimError, MAX_CLAIMS, MAX_EPOCH_JUMP, MAX_SEQUENCE, SHARES, decode, encode};
pub use encapsulation::{Underlay, guest_mtu};
pub use entries::{Bridge, Device, DhcpAnswers, Entries, Filter, Mss, PORT, Port, Proxy, Roaming, Situation};
pub use locations::{DAMPING_WINDOW, Finding, Forgotten, HostLocations, MAX_MOVES, Record, Refusal};
pub use mac::{Mac, MacError};
pub use segment::{FrameRate, Segment, Vtep};
pub use vni::{Vni, VniError};
