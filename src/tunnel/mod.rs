//! WireGuard: devices of either back-end, the engine process, and where DNS names of peers lead.
//!
//! [`WireGuard`] is what the reconcile loop drives. Only [`device`] names wireguard-control.

pub mod device;
pub mod endpoints;
pub mod engine_process;
mod starts;
mod uapi;
mod watchdog;
mod wireguard;

pub use device::Observation;
pub use endpoints::Endpoints;
pub use engine_process::EngineProcess;
pub use wireguard::WireGuard;
