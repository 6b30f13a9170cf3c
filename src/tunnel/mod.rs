//! WireGuard: devices of both back-ends, the engine process, and the resolution of the peers' DNS names.
//!
//! The reconcile loop uses [`WireGuard`]. Only [`device`] uses wireguard-control.

pub mod device;
pub mod endpoints;
pub mod engine_process;
mod uapi;
mod watchdog;
mod wireguard;

pub use device::Observation;
pub use endpoints::Endpoints;
pub use engine_process::EngineProcess;
pub use wireguard::WireGuard;
