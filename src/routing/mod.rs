//! The driver of the OSPF engine: sockets, a timer and link states on one side, routes and opaque LSAs on the other.
//!
//! It knows no protocol: it carries bytes and time into [`ospf::Engine`] and carries out what comes out of it.

mod config;
mod difference;
mod driver;
mod keyring;
mod log;
mod opaque;
mod ports;
mod redistribution;
mod senders;
mod socket;
mod unused;

pub use config::{InterfaceIds, Signing, engine_config};
pub use difference::differences;
pub use driver::{Driver, EngineReader, LsdbPart, News, Protections, RouteChanges, View};
pub use keyring::Keyring;
pub use opaque::{OpaqueChanges, OpaqueLsa, OpaqueUser, UserChanges};
pub use redistribution::{MAX_REDISTRIBUTED, Redistributed, redistributed};
pub use senders::Senders;
pub use socket::{Departure, OspfSocket, Received};
pub use unused::{KeptOut, Meant, Unused, UnusedPaths};
