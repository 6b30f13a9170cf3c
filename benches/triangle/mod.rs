//! Three sites with a router and a host each, and weft or FRR on them: what several benchmarks compare.

#![allow(dead_code, reason = "each benchmark uses its own part of this")]

use std::time::Duration;

pub mod frr;
pub mod underlay;
pub mod weft;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(90);
