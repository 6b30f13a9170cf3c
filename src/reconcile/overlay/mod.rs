//! The L2 overlay's part of the reconcile loop: its side of desired and observed state, its steps, and the plan between them.
//!
//! What a segment needs is computed in the `vxlan` crate, which knows no interface names; [`desired_overlay`] gives its entries
//! theirs. VXLAN devices are weft's own, whole, and so are bridges but those that the mesh file calls existing; ports that hosts are
//! behind belong to others, and are only joined.

mod desired;
mod existing;
mod plan;
mod state;
mod step;

pub use desired::{LocalSegment, desired_overlay};
pub use existing::{
    ForeignBridge, HeldBack, PortVlans, Tagging, Unusable, VlanRange, highest_address, obstacles, ports, usable,
};
pub(super) use plan::{plan_making, plan_withdrawal};
pub use state::{Bridge, Device, DeviceAddress, Made, Overlay};
pub use step::OverlayStep;
