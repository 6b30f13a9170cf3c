//! OSPFv2 (RFC 2328) as a pure engine.
//!
//! Bytes, link events, configuration and the present time go in; packets to send, route changes and events come out.
//! The engine does no I/O, reads no clock and no randomness, and gives the same outputs for the same inputs and seed.

#![forbid(unsafe_code)]

mod config;
#[allow(dead_code, reason = "used by the engine, which follows")]
mod databases;
mod event;
mod ids;
mod io;
#[allow(dead_code, reason = "used by the engine, which follows")]
mod lsdb;
#[allow(dead_code, unused_imports, reason = "used by the engine, which follows")]
mod route;
#[allow(dead_code, reason = "used by the engine, which follows")]
mod random;
#[allow(dead_code, reason = "used by the engine, which follows")]
mod neighbor;
mod time;
#[allow(dead_code, reason = "used by the engine, which follows")]
mod timers;
pub mod wire;

pub use config::*;
pub use databases::{Domain, LsaPlace};
pub use event::*;
pub use ids::*;
pub use io::*;
pub use time::Instant;
pub use timers::TimerKey;
