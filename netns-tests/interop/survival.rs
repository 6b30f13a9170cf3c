//! A LAN of all three: each is killed in turn and comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};

use Speaker::{Bird, Frr, Weft};

/// How often each is killed where it is measured.
const TIMES: usize = 10;

/// Longer than what FRR and BIRD put a second Router-LSA off (MinLSInterval, 5 s, and BIRD's tick of 1 s).
const HOLD: Duration = Duration::from_secs(7);

#[test]
fn kernels_do_without_each_of_weft_frr_and_bird_and_take_it_back() -> Result<()> {
    let mut network = Network::start(lan("t-kill"))?;
    network.await_routes(SETTLED)?;
    for victim in [Weft, Frr, Bird].map(Speaker::name) {
        network.kill(victim)?;
        network.await_routes(SETTLED).with_context(|| format!("{victim} has been killed"))?;
        network.restart(victim)?;
        network.await_routes(SETTLED).with_context(|| format!("{victim} is back"))?;
    }
    network.finish()
}

/// A crash and a restart at once, ten times each: within the dead interval the three kernels agree, and go on to.
/// 10 s, because FRR and BIRD need more than 4 s to tell of themselves anew (see [`HOLD`]).
#[test]
#[ignore = "takes minutes, and a measurement wants a machine that does nothing else"]
fn kernels_agree_within_the_dead_interval_of_ten_crashes_of_each() -> Result<()> {
    const DEAD: u8 = 10;
    let dead_interval = Duration::from_secs(DEAD.into());
    let mut network = Network::start(lan("t-crash").dead_interval(DEAD))?;
    network.await_lasting_routes(HOLD, SETTLED)?;
    let mut late = Vec::new();
    for round in 1..=TIMES {
        for victim in [Weft, Frr, Bird].map(Speaker::name) {
            let start = Instant::now();
            network.kill(victim)?;
            network.restart(victim)?;
            let took = start.elapsed() + network.await_lasting_routes(HOLD, SETTLED)?;
            println!("crash {round} of {victim}: agreed after {took:.2?}");
            if took > dead_interval {
                late.push((victim, round, took));
            }
        }
    }
    network.finish()?;
    ensure!(late.is_empty(), "longer than {dead_interval:?}: {late:?}");
    Ok(())
}

fn lan(name: &'static str) -> Plan {
    Plan::new(name)
        .speakers([Weft, Frr, Bird])
        .segment(Segment::new("lan", 1, Medium::Broadcast, &["weft", "frr", "bird"]).priorities(&[3, 2, 1]))
        .stub("weft", 0, 10)
        .stub("frr", 0, 10)
        .stub("bird", 0, 10)
}
