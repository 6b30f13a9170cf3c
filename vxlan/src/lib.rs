//! The L2 overlay as values: what must exist at a site so that an Ethernet segment spans several (VXLAN, RFC 7348).
//!
//! Pure: no sockets, no netlink, no clock. [`segment`] has the configuration; [`Whereabouts`] says where each host is, from the table
//! and from what sites claim ([`Claim`]); [`Entries`] are what follows for the kernel of one site.

#![forbid(unsafe_code)]

mod announcement;
mod claim;
mod encapsulation;
mod entries;
mod mac;
pub mod segment;
mod vni;
mod whereabouts;

pub use announcement::{Announcement, Contradiction, encapsulate};
pub use claim::{Claim, ClaimError, MAX_CLAIMS, MAX_EPOCH_JUMP, MAX_SEQUENCE, OPAQUE_TYPES, decode, encode};
pub use encapsulation::{Underlay, guest_mtu};
pub use entries::{Bridge, Device, DhcpAnswers, Entries, Filter, Mss, PORT, Port, Proxy, Roaming, Situation};
pub use mac::{Mac, MacError};
pub use segment::{FrameRate, Segment, Vtep};
pub use vni::{Vni, VniError};
pub use whereabouts::{DAMPING_WINDOW, Finding, Forgotten, MAX_MOVES, Record, Refusal, Whereabouts};
