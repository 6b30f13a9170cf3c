//! Bidirectional Forwarding Detection (RFC 5880) on single hops (RFC 5881) as a machine without I/O: asynchronous mode, no echo function.
//!
//! The inputs are configurations, link states, packets and the present time. The outputs are packets to send and changes of sessions. The
//! machine reads no clock and uses no randomness of its own: the same inputs and the same seed give the same outputs. It knows no other
//! protocol.
//!
//! The driver owns the sockets and the clock. Before it ticks, it hands over all packets that wait in its sockets, each with the time at
//! which the kernel received it: otherwise a process that had to wait for a processor would declare sessions down whose packets lie there.
//!
//! ```
//! use std::time::Duration;
//! use bfd::{Config, Engine, Input, Instant, InterfaceId, LinkState, Output, SessionConfig, SessionKey};
//!
//! let session = SessionKey { interface: InterfaceId(1), peer: "10.255.0.2".parse()? };
//! let mut config = Config::default();
//! config.sessions.insert(session, SessionConfig::new(Duration::from_millis(50), 3.try_into()?));
//!
//! let mut now = Instant::ZERO;
//! let mut engine = Engine::new(1);
//! // 1. Give the engine its inputs.
//! engine.handle(now, Input::Configure(config));
//! engine.handle(now, Input::Link { interface: InterfaceId(1), state: LinkState::Up });
//! let mut sent = 0;
//! while now < Instant::ZERO + Duration::from_secs(10) {
//!     // 2. Do what the outputs ask for.
//!     while let Some(output) = engine.poll_output() {
//!         if let Output::Send { octets, .. } = output {
//!             assert_eq!(octets.len(), 24);
//!             sent += 1;
//!         }
//!     }
//!     // 3. Sleep until the deadline or until the next input, whichever comes first.
//!     let (deadline, _reason) = engine.next_deadline().expect("the next packet is due");
//!     now = deadline;
//!     engine.handle(now, Input::Tick);
//! }
//! // Nobody answers: a packet each 0.75 to 1 s (RFC 5880 §6.8.3, §6.8.7).
//! assert!((10..=14).contains(&sent));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `engine` looks sessions up and keeps their deadlines; `session` is one session (§6.8), `machine` its states (§6.2), `timing` its
//! intervals and Poll Sequences (§6.5, §6.8.2 to §6.8.4); `wire` is §4.1, `authentication` §6.7.

#![forbid(unsafe_code)]

mod authentication;
mod config;
mod engine;
mod io;
mod machine;
mod random;
mod session;
mod time;
mod timing;
mod view;
mod wire;

pub use authentication::{Authentication, AuthenticationType, Forgery, KeyLength};
pub use config::*;
pub use engine::Engine;
pub use io::*;
pub use session::TimerKey;
pub use time::Instant;
pub use view::SessionView;
pub use wire::{Diagnostic, Malformation, State};

#[cfg(test)]
mod tests;
