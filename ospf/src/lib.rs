//! OSPFv2 (RFC 2328) as an engine without I/O.
//!
//! The inputs are packets, link events, configurations and the present time. The outputs are packets to send, route changes and events. The
//! engine reads no clock and uses no randomness of its own: the same inputs and the same seed give the same outputs.
//!
//! The driver owns the sockets, the clock and the kernel's routes. Its loop has three steps, shown here in virtual time:
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
//! // 1. Give the engine the input: here, an interface has come up.
//! let state = LinkState::Up { index: 1, mtu: 1420, addressing: Addressing::Unnumbered(loopback) };
//! engine.handle(now, Input::Link { interface: InterfaceId(1), state });
//! let mut hellos = 0;
//! while now < Instant::ZERO + Duration::from_secs(25) {
//!     // 2. Do what the outputs ask for: send packets, change routes, report events.
//!     while let Some(output) = engine.poll_output() {
//!         if let Output::Send { destination, .. } = output {
//!             assert_eq!(destination.to_string(), "224.0.0.5");
//!             hellos += 1;
//!         }
//!     }
//!     // 3. Sleep until the deadline or until the next input, whichever comes first.
//!     let (deadline, _reason) = engine.next_deadline().expect("the next hello is due");
//!     now = deadline;
//!     engine.handle(now, Input::Tick);
//! }
//! // One hello is sent at once, and one after each HelloInterval of ten seconds.
//! assert_eq!(hellos, 3);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! `examples/two_routers.rs` connects two engines by a link.
//!
//! Start reading with [`Engine`]: `engine` hands each input to the module that handles it. The folders follow RFC 2328:
//!
//! - `state`: the fields of the engine and their types. It uses none of the modules below.
//! - `machine`: state machines and elections as pure functions (§9.3, §9.4, §10.3; RFC 8405)
//! - `interface`: interfaces and hellos, sending and receiving packets (§8, §9, §10.5), virtual links (§15)
//! - `exchange`: neighbours and Database Exchange (§10; RFC 4222)
//! - `origination`: this router's own LSAs (§12.4, appendix E), areas (§6), NSSAs (RFC 3101), stub routers (RFC 6987), opaque LSAs
//!   (RFC 5250)
//! - `flooding`: flooding and aging (§13, §14; RFC 1793 §2.3)
//! - `calculation`: when routes and their alternates are calculated; `route`: the calculation itself (§16; RFC 5286)
//! - `restart`: graceful restart (RFC 3623), and withdrawal before a permanent stop
//! - `wire` (appendix A), `authentication` (appendix D), `config` (appendix C)
//!
//! `work` divides work that grows with the databases into slices, `limits` bounds the sizes of the databases and of the routing table,
//! `check` verifies the invariants, `established` marks look-ups that cannot fail, `view` shows the state.
//!
//! A paragraph that begins with "Deviates:" says where and why the engine does not follow the RFC; simulators can switch these deviations
//! off (`config::conduct`).

#![forbid(unsafe_code)]

mod authentication;
mod calculation;
mod check;
mod clear;
mod config;
mod configure;
mod engine;
mod established;
mod event;
mod exchange;
mod fingerprint;
mod flooding;
mod ids;
mod interface;
mod io;
mod limits;
mod machine;
#[cfg(feature = "serde")]
pub mod octets;
mod origination;
mod protection;
mod random;
mod refusal;
mod restart;
mod route;
mod routes;
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
pub use protection::*;
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
