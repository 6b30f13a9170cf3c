//! How long a calculation takes: `cargo test --release -p ospf route::tests::speed -- --ignored --nocapture`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement reads the clock; the engine does not"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::kit::{Net, host};
use crate::config::{ExternalMetric, Unlisted};
use crate::route::inter_area::calculate_inter_area;
use crate::route::internal::calculate_internal;
use crate::route::{Calculation, calculate};

/// Sites 1 to `sites` in full mesh, all guards, each with a prefix that the policy lists as its own.
fn full_mesh(sites: u32, cost: impl Fn(u32, u32) -> u16) -> Net {
    let mut net = Net::new(sites);
    for a in 1..=sites {
        for b in a + 1..=sites {
            net.link(a, b, cost(a, b));
        }
    }
    let prefixes: Vec<_> = (1..=sites).map(|site| format!("10.{}.{}.0/24", site / 256, site % 256)).collect();
    let guards: Vec<_> = (1..=sites).collect();
    for (&site, prefix) in guards.iter().zip(&prefixes) {
        net.external(site, prefix, ExternalMetric::Type1(1));
    }
    let listed: Vec<_> =
        prefixes.iter().zip(&guards).map(|(prefix, site)| (prefix.as_str(), std::slice::from_ref(site))).collect();
    net.believe(&guards, &listed, Unlisted::Refuse);
    for site in 1..=sites {
        let own = [site];
        net.policy.listed.insert(host(site), own.map(crate::ids::RouterId).into());
    }
    net
}

fn grid(side: u32) -> Net {
    let mut net = Net::new(side * side);
    for row in 0..side {
        for column in 0..side {
            let here = row * side + column + 1;
            if column + 1 < side {
                net.link(here, here + 1, 1);
            }
            if row + 1 < side {
                net.link(here, here + side, 1);
            }
        }
    }
    net
}

/// `layers` of `width` routers, all of a layer joined to all of the next, router 1 before the first: the most equal paths.
fn layers(layers: u32, width: u32) -> Net {
    let mut net = Net::new(1 + layers * width);
    for last in 0..width {
        net.link(1, 2 + last, 1);
    }
    for layer in 1..layers {
        for from in 0..width {
            for to in 0..width {
                net.link(2 + (layer - 1) * width + from, 2 + layer * width + to, 1);
            }
        }
    }
    net.policy.guards = (1..=layers * width).map(crate::ids::RouterId).collect();
    net
}

fn least(mut run: impl FnMut()) -> Duration {
    let once = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    std::iter::repeat_with(once).take(20).min().expect("twenty runs")
}

fn measure(name: &str, net: &Net) {
    net.with_inputs(1, |inputs| {
        let internal = calculate_internal(inputs);
        let inter_area = calculate_inter_area(inputs, &internal);
        let all = least(|| _ = black_box(calculate(inputs)));
        let inside = least(|| _ = black_box(calculate_internal(inputs)));
        let outside = least(|| _ = black_box(Calculation::upon(inputs, internal.clone(), inter_area.clone())));
        let routes = calculate(inputs).table.routes().len();
        println!("{name}: {routes} routes in {all:?}; inside {inside:?}, externals alone {outside:?}");
    });
}

#[test]
#[ignore = "a measurement"]
fn measure_full_meshes_and_a_grid() {
    measure("100 sites, equal costs", &full_mesh(100, |_, _| 10));
    measure("400 sites, equal costs", &full_mesh(400, |_, _| 10));
    measure(
        "400 sites, various costs",
        &full_mesh(400, |a, b| (a * 7919 + b * 104_729).wrapping_mul(2_654_435_761) as u16 | 1),
    );
    measure("grid of 32 x 32", &grid(32));
    measure("4 layers of 50", &layers(4, 50));
    measure("4 layers of 100", &layers(4, 100));
}
