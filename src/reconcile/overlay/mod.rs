//! The part of the reconcile loop for the L2 overlay: its desired and observed state, its steps, and its part of the plan.
//!
//! The `vxlan` crate computes what a segment needs, without names of interfaces; [`desired_overlay`] adds these names. VXLAN devices belong
//! to weft entirely, and so do bridges, except those that the mesh file calls existing. The ports that lead to hosts are foreign
//! interfaces; weft only joins them to the bridge.

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
