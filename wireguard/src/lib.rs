//! The userspace WireGuard engine: TUN devices with the cryptography behind them, each with the UAPI socket that `wg`
//! uses, and a control socket through which the daemon adds and removes them.
//!
//! It knows nothing of meshes and OSPF, and changes no routes. [`engine::run`] is the body of the process; [`control`] is the protocol by
//! which another process controls it. Only `device` names the crate that moves packets today.

mod clients;
pub mod config;
pub mod control;
mod descriptors;
mod device;
mod endpoint;
pub mod engine;
mod interface;
mod panics;
mod registry;
mod route;
mod socket;
pub mod stack;
mod sys;
mod tun;
mod uapi;
mod udp;

pub use config::InterfaceName;
pub use engine::Options;
