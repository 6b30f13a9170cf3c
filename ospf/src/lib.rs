//! OSPFv2 (RFC 2328) as a pure engine.
//!
//! Bytes, link events, configuration and the present time go in; packets to send, route changes and events come out.
//! The engine does no I/O, reads no clock and no randomness, and gives the same outputs for the same inputs and seed.
//!
//! Start with [`Engine`]. The files follow the chapters of RFC 2328:
//!
//! - `area` (§6)
//! - `receive` and `send` (§8), `interface_machine`, `interface`, `dr_election` and `hello` (§9, §10.5), `nonbroadcast` (§9.5.1),
//!   `second_speaker`, `virtual_link` (§15)
//! - `neighbor`, `transitions` and `adjacency` (§10), `exchange` and `requests` (§10.6 to §10.9), `pacing` (RFC 4222), `answers`
//! - `origination`, `router_lsa`, `network_lsa`, `summary_lsa`, `external_lsa`, `link_state_ids`, `wishes` (§12.4, appendix E), `nssa` (RFC 3101), `stub_router` (RFC 6987), `opaque` (RFC 5250)
//! - `flooding`, `early`, `self_originated`, `site_lsas`, `acknowledgment` and `retransmission` (§13), `aging` (§14)
//! - `calculation`, `pass` and `route` (§16), `spf_delay` (RFC 8405)
//! - `wire` (appendix A), `authentication` (appendix D)
//! - `helper` and `restart` (RFC 3623)
//!
//! "Deviates:" says where and why it is not as the RFC has it; simulators switch that off (`config::conduct`).
//!
//! `work` cuts what grows with the databases into slices, `debris` is freed so. `lsdb` and `databases` hold what the chapters share; `limits` guards them; `check` says what always holds.

#![forbid(unsafe_code)]

mod authentication;
mod calculation;
mod check;
mod clear;
mod config;
mod configure;
mod debris;
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
pub use check::{MAX_VIOLATIONS, Violation};
pub use config::*;
pub use state::counters::Counters;
pub use state::databases::{Domain, LsaPlace};
pub use engine::Engine;
pub use event::*;
pub use restart::helper::{HelperExit, HelperRefusal};
pub use ids::*;
pub use machine::interface::InterfaceState;
pub use io::*;
pub use limits::{Limit, LimitState, LimitView};
pub use origination::opaque::{MAX_OPAQUE_LSAS, MAX_OPAQUE_OCTETS, OpaqueRefusal, OpaqueScope};
pub use exchange::progress::Stall;
pub use flooding::reachability::UnreachableView;
pub use refusal::*;
pub use restart::restarter::RestartExit;
pub use route::VirtualLinkObstacle;
pub use origination::router_lsa::MAX_ROUTER_LINKS;
pub use flooding::site_lsas::SiteLsasView;
pub use machine::spf_delay::SpfState;
pub use origination::stub_router::{MAX_LINK_METRIC, StubRouterState};
pub use time::Instant;
pub use state::timers::TimerKey;
pub use view::*;

#[cfg(test)]
mod tests;
