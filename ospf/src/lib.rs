//! OSPFv2 (RFC 2328) as a pure engine.
//!
//! Bytes, link events, configuration and the present time go in; packets to send, route changes and events come out.
//! The engine does no I/O, reads no clock and no randomness, and gives the same outputs for the same inputs and seed.
//!
//! The driver owns sockets, the clock and the kernel's routes. Its loop has three steps, which this router goes through in virtual time:
//!
//! ```
//! use std::time::Duration;
//! use ospf::{
//!     Addressing, AreaId, Config, Engine, Input, Instant, InterfaceConfig, InterfaceId, LinkState, NetworkType, Output, RouterId,
//! };
//!
//! let loopback = "10.255.0.1".parse()?;
//! let mut config = Config::new(RouterId::from(loopback));
//! let link = InterfaceConfig::new("wg-osaka", AreaId::BACKBONE, NetworkType::PointToPoint);
//! config.interfaces.insert(InterfaceId(1), link);
//!
//! let mut now = Instant::ZERO;
//! let mut engine = Engine::new(config, 1, now);
//! // 1. Hand it what has happened: here, an interface has come up.
//! let state = LinkState::Up { index: 1, mtu: 1420, addressing: Addressing::Unnumbered(loopback) };
//! engine.handle(now, Input::Link { interface: InterfaceId(1), state });
//! let mut hellos = 0;
//! while now < Instant::ZERO + Duration::from_secs(25) {
//!     // 2. Do what it says: send packets, change routes, report events.
//!     while let Some(output) = engine.poll_output() {
//!         if let Output::Send { destination, .. } = output {
//!             assert_eq!(destination.to_string(), "224.0.0.5");
//!             hellos += 1;
//!         }
//!     }
//!     // 3. Sleep until its deadline, or until something happens before.
//!     let (deadline, _reason) = engine.next_deadline().expect("the next hello is due");
//!     now = deadline;
//!     engine.handle(now, Input::Tick);
//! }
//! // One at once, and one each HelloInterval, ten seconds.
//! assert_eq!(hellos, 3);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! `examples/two_routers.rs` has two of them and a link.
//!
//! Start reading with [`Engine`]: `engine` hands each input to its chapter. The folders follow RFC 2328:
//!
//! - `state`: what a router knows, the fields of the engine and their types. It names no chapter below.
//! - `machine`: state machines and elections as functions of values (§9.3, §9.4, §10.3; RFC 8405)
//! - `interface`: interfaces and hellos, packets in and out (§8, §9, §10.5), virtual links (§15)
//! - `exchange`: neighbours and the exchange of databases (§10; RFC 4222)
//! - `origination`: this router's own LSAs (§12.4, appendix E), areas (§6), NSSAs (RFC 3101), stub routers (RFC 6987), opaque LSAs (RFC 5250)
//! - `flooding`: flooding and aging (§13, §14; RFC 1793 §2.3)
//! - `calculation`: when routes are calculated; `route`: the calculation itself (§16)
//! - `restart`: graceful restart, and leaving for good (RFC 3623)
//! - `wire` (appendix A), `authentication` (appendix D), `config` (appendix C)
//!
//! `work` cuts what grows with the databases into slices, `limits` guards them, `check` asserts what always holds, `view` shows the state.
//!
//! "Deviates:" says where and why it is not as the RFC has it; simulators switch that off (`config::conduct`).

#![forbid(unsafe_code)]

mod authentication;
mod calculation;
mod check;
mod clear;
mod config;
mod configure;
mod engine;
mod event;
mod exchange;
mod fingerprint;
mod flooding;
mod ids;
mod interface;
mod io;
mod limits;
mod machine;
mod origination;
mod random;
mod refusal;
mod restart;
mod route;
#[cfg(feature = "serde")]
mod serial;
mod state;
mod time;
mod view;
pub mod wire;
mod work;

pub use authentication::Redaction;
pub use config::*;
pub use event::*;
pub use ids::*;
pub use io::*;
pub use machine::interface::InterfaceState;
pub use machine::neighbor::NeighborState;
pub use machine::spf_delay::SpfState;
pub use origination::opaque::{MAX_OPAQUE_LSAS, MAX_OPAQUE_OCTETS};
pub use origination::router_lsa::MAX_ROUTER_LINKS;
pub use origination::stub_router::MAX_LINK_METRIC;
pub use refusal::*;
pub use route::VirtualLinkObstacle;
pub use state::counters::Counters;
pub use state::engine::Engine;
pub use state::findings::{MAX_VIOLATIONS, Violation};
pub use state::timers::TimerKey;
pub use time::Instant;
pub use view::*;

#[cfg(test)]
mod tests;
