//! The two networks that weft has to scale to. In debug builds they take too long; `cargo nextest run --release -p ospf-sim` runs them.

use ospf_sim::Topology;

use crate::{lossy, run, scenario};

#[test]
#[cfg_attr(debug_assertions, ignore = "minutes without optimisation: run with --release")]
fn a_hundred_routers_in_full_mesh_converge_under_a_tenth_of_loss() {
    run(&scenario(Topology::mesh(100), lossy(), 7));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "minutes without optimisation: run with --release")]
fn a_grid_of_thirty_two_by_thirty_two_converges_under_a_tenth_of_loss() {
    run(&scenario(Topology::grid(32, 32), lossy(), 7));
}
