//! The two networks that weft has to scale to, minutes each: `./test` runs the first, `./test --long` the second.

use ospf_sim::Topology;

use crate::{lossy, run, scenario};

#[test]
#[ignore = "takes minutes: ./test runs it"]
fn a_hundred_routers_in_full_mesh_converge_under_a_tenth_of_loss() {
    run(&scenario(Topology::mesh(100), lossy(), 7));
}

#[test]
#[ignore = "takes minutes: ./test --long runs it"]
fn a_grid_of_thirty_two_by_thirty_two_converges_under_a_tenth_of_loss() {
    run(&scenario(Topology::grid(32, 32), lossy(), 7));
}
