//! The L2 overlay's part of the reconcile loop: its side of desired and observed state, its steps, and the plan between them.
//!
//! What a segment needs is computed in the `vxlan` crate, which knows no interface names; [`desired_overlay`] gives its entries
//! theirs. VXLAN devices and bridges are weft's own, whole; ports that hosts are behind belong to others, and are only joined.

mod desired;
mod plan;
mod state;
mod step;

pub use desired::{LocalSegment, desired_overlay};
pub(super) use plan::{plan_making, plan_withdrawal};
pub use state::{Bridge, Device, Made, Overlay};
pub use step::OverlayStep;
