//! weft beside FRR and BIRD on wires that lose, duplicate and delay OSPF packets: however often either end is killed or ended and
//! started again, all become Full and their kernels agree.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::harness::net::disturbance::{Disturbance, Fates, LONGEST_DELAY, seed};
use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Metric, Plan, Segment, Speaker};
use crate::harness::net::repeater::Tally;

use Speaker::{Bird, Frr, Weft};

/// How often each end is restarted at each level and beside each neighbour: the long proof.
const RESTARTS_OF_EACH_END: usize = 50;

/// Of the long proof's networks, seconds. With a hello every second it takes ten losses in a row to lose an adjacency: nothing but a
/// restart takes one down, even at 20 %.
const DEAD_INTERVAL: u8 = 10;

/// RxmtInterval of FRR and BIRD by default, seconds. weft keeps its own, which is shorter.
const RETRANSMIT_INTERVAL: u8 = 5;

/// MinLSInterval (RFC 2328 appendix B), by which FRR and BIRD put a second Router-LSA off, and BIRD's tick.
const MIN_LS_INTERVAL: Duration = Duration::from_secs(6);

/// How long it has to stay right: what is right at first may be of before the restart, until MinLSInterval is over.
const HOLD: Duration = Duration::from_secs(7);

/// The same in the suite.
const SHORT_HOLD: Duration = Duration::from_secs(2);

/// The chance that a restart takes longer than its deadline for no other reason than losses.
const CHANCE: f64 = 1e-6;

#[derive(Debug, Clone, Copy)]
enum End {
    Crash,
    Orderly,
}

/// A part of the long proof: one network, one level, one neighbour.
#[derive(Debug, Clone, Copy)]
struct Share {
    name: &'static str,
    neighbor: Speaker,
    medium: Medium,
    probability: f64,
    /// How many restarts of each end.
    restarts: usize,
}

/// What a share has seen.
#[derive(Debug)]
struct Outcome {
    share: Share,
    tally: Tally,
    /// By the name of the router that was restarted.
    took: BTreeMap<&'static str, Vec<Duration>>,
}

#[test]
fn restarts_of_either_end_at_5_percent_of_loss_duplication_and_delay_end_in_agreement() -> Result<()> {
    let seed = seed()?;
    println!("seed {seed}");
    let plan = Plan::new("t-bad")
        .speakers([Frr, Weft, Bird])
        .segment(Segment::new("lan", 1, Medium::Broadcast, &["frr", "weft"]).disturbed(Disturbance::level(0.05, seed)))
        .segment(
            Segment::new("wire", 2, Medium::PointToPoint, &["weft", "bird"])
                .disturbed(Disturbance::level(0.05, seed.wrapping_add(1))),
        )
        .stub("frr", 0, 10)
        .stub("weft", 0, 10)
        .stub("bird", 0, 10)
        .external("weft", "192.168.2.0/24", Metric::Type2(20), 0);
    let mut network = Network::start(plan)?;
    network.await_agreement(Duration::ZERO, SETTLED)?;
    let middle = &["weft"][..];
    let ends = &["frr", "bird"][..];
    for (end, routers) in [(End::Crash, middle), (End::Orderly, ends), (End::Orderly, middle), (End::Crash, ends)] {
        for router in routers {
            end_router(&mut network, router, end)?;
        }
        for router in routers {
            network.restart(router)?;
        }
        let within = deadline(0.05, network.plan().dead_interval, 3);
        let took = network.await_agreement(SHORT_HOLD, within).with_context(|| format!("{end:?} of {routers:?}"))?;
        println!("{end:?} of {routers:?}: agreed after {took:.1?}");
    }
    for segment in ["lan", "wire"] {
        ensure_disturbed(network.tally(segment), 0.05)?;
    }
    network.finish()
}

/// Networks run at the same time: they wait for timers. That of 20 % takes the longest for a restart and so is divided the most.
#[test]
#[ignore = "takes a quarter of an hour: ./test --long runs it"]
fn fifty_restarts_of_either_end_at_1_5_and_20_percent_beside_frr_and_bird_end_in_agreement() -> Result<()> {
    let seed = seed()?;
    println!("seed {seed}");
    let start = Instant::now();
    let running: Vec<_> = (0..).zip(shares()).map(|(n, share)| thread::spawn(move || run(share, seed + n))).collect();
    let ended: Vec<_> = running.into_iter().map(|thread| thread.join().expect("a share returns its errors")).collect();
    let (outcomes, failures): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    println!("{}", report(&outcomes));
    println!("{:.0?} in all", start.elapsed());
    let failures: Vec<String> =
        failures.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(failures.is_empty(), "seed {seed}, {} shares failed:\n{}", failures.len(), failures.join("\n\n"));
    Ok(())
}

#[test]
fn fates_are_as_frequent_as_their_probabilities() {
    const PACKETS: usize = 100_000;
    let mut fates = Fates::new(Disturbance { loss: 0.2, duplication: 0.05, delay: 0.01, seed: 1 });
    let all: Vec<Vec<Duration>> = (0..PACKETS).map(|_| fates.next()).collect();
    let copies = || all.iter().flatten();
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let arrived = all.iter().filter(|delays| !delays.is_empty()).count();
    let close = |found: f64, probability: f64| (found - probability).abs() < 0.005;
    assert!(close(1.0 - share(arrived, PACKETS), 0.2));
    assert!(close(share(all.iter().filter(|delays| delays.len() == 2).count(), arrived), 0.05));
    assert!(close(share(copies().filter(|delay| !delay.is_zero()).count(), copies().count()), 0.01));
    assert!(copies().all(|delay| *delay <= LONGEST_DELAY) && copies().any(|delay| *delay > LONGEST_DELAY / 2));
}

/// The parts of the long proof: names of networks are short, because names of interfaces are.
fn shares() -> Vec<Share> {
    const NAMES: [&str; 20] = [
        "t-bw0", "t-bw1", "t-bw2", "t-bw3", "t-bw4", "t-bw5", "t-bw6", "t-bw7", "t-bw8", "t-bw9", "t-bw10", "t-bw11",
        "t-bw12", "t-bw13", "t-bw14", "t-bw15", "t-bw16", "t-bw17", "t-bw18", "t-bw19",
    ];
    let media = [Medium::Broadcast, Medium::PointToPoint].into_iter().cycle();
    let kinds = [(0.01, 2), (0.05, 2), (0.2, 6)].into_iter().flat_map(|(probability, networks)| {
        [Frr, Bird].into_iter().flat_map(move |neighbor| {
            (0..networks).map(move |nth| {
                // Together RESTARTS_OF_EACH_END.
                let restarts = (RESTARTS_OF_EACH_END + nth) / networks;
                (probability, neighbor, restarts)
            })
        })
    });
    let share =
        |((name, medium), (probability, neighbor, restarts))| Share { name, neighbor, medium, probability, restarts };
    NAMES.into_iter().zip(media).zip(kinds).map(share).collect()
}

fn run(share: Share, seed: u64) -> Result<Outcome> {
    let Share { name, neighbor, medium, probability, restarts } = share;
    let routers = [Weft, neighbor].map(Speaker::name);
    let plan = Plan::new(name)
        .speakers([Weft, neighbor])
        .dead_interval(DEAD_INTERVAL)
        .retransmit_interval(RETRANSMIT_INTERVAL)
        .segment(Segment::new("lan", 1, medium, &routers).disturbed(Disturbance::level(probability, seed)))
        .stub(routers[0], 0, 10)
        .stub(routers[0], 0, 5)
        .stub(routers[1], 0, 10)
        .stub(routers[1], 0, 5)
        .external(routers[0], "192.168.1.0/24", Metric::Type2(20), 1)
        .external(routers[1], "192.168.2.0/24", Metric::Type1(20), 2);
    let within = deadline(probability, DEAD_INTERVAL, RETRANSMIT_INTERVAL);
    let context = |what: &str| format!("{what}: {share:?}, seed of its wire {seed}");
    let mut network = Network::start(plan).with_context(|| context("starting"))?;
    network.await_agreement(HOLD, within).with_context(|| context("at first"))?;
    let mut took: BTreeMap<&'static str, Vec<Duration>> = BTreeMap::new();
    for round in 0..restarts {
        for router in routers {
            let end = if round % 2 == 0 { End::Crash } else { End::Orderly };
            let start = Instant::now();
            end_router(&mut network, router, end)?;
            network.restart(router)?;
            let started = start.elapsed();
            let agreed = network
                .await_agreement(HOLD, within)
                .with_context(|| context(&format!("restart {} of {router}, {end:?}", round + 1)))?;
            println!(
                "{name} ({} % beside {}): {end:?} of {router}: {:.1?}",
                probability * 100.0,
                routers[1],
                started + agreed
            );
            took.entry(router).or_default().push(started + agreed);
        }
    }
    let tally = network.tally("lan");
    ensure_disturbed(tally, probability).with_context(|| context("its wire"))?;
    network.finish().with_context(|| context("at the end"))?;
    Ok(Outcome { share, tally, took })
}

fn end_router(network: &mut Network, router: &'static str, end: End) -> Result<()> {
    match end {
        End::Crash => network.kill(router),
        End::Orderly => network.stop(router),
    }
}

/// How long a restart may take until all agree.
///
/// Everything has to go through that needs an answer: three Database Descriptions of each end, two requests, the new Router-LSA of both
/// ends, a Network-LSA, twice, because a late duplicate of a Database Description is a SeqNumberMismatch and begins the exchange anew
/// (RFC 2328 §10.6). One that fails, because the packet or its answer is lost, is tried again after RxmtInterval. The number of failures
/// before so many successes has a negative binomial distribution; the deadline has room for as many as are exceeded with a probability of
/// [`CHANCE`]. Before and after there are the dead interval, after which a neighbour that has not heard of the restart notices, which is
/// WaitTimer also, and MinLSInterval, twice: a router corrects its own LSA of before, and again with the adjacency in it.
fn deadline(probability: f64, dead_interval: u8, retransmit_interval: u8) -> Duration {
    const ROUND_TRIPS: i32 = 2 * 10;
    let success = (1.0 - probability).powi(2);
    // The probability of exactly so many failures, and of more.
    let (mut failures, mut exactly) = (0_u32, success.powi(ROUND_TRIPS));
    let mut more = 1.0 - exactly;
    while more > CHANCE {
        failures += 1;
        exactly *= (1.0 - success) * f64::from(u32::try_from(ROUND_TRIPS).expect("positive") + failures - 1)
            / f64::from(failures);
        more -= exactly;
    }
    let interval = Duration::from_secs(retransmit_interval.into());
    2 * Duration::from_secs(dead_interval.into()) + 2 * MIN_LS_INTERVAL + 2 * LONGEST_DELAY + interval * failures
}

/// That the wire did what it was to do: a proof over a good wire is none.
#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn ensure_disturbed(tally: Tally, probability: f64) -> Result<()> {
    let Tally { packets, lost, duplicated, delayed } = tally;
    // Fewer than this are seen with the probability CHANCE at most (Chernoff's bound).
    let expected = 3.0 * packets as f64 * probability;
    let least = expected - (2.0 * expected * -CHANCE.ln()).sqrt();
    ensure!(packets > 100 && (lost + duplicated + delayed) as f64 >= least.max(1.0), "{tally:?}");
    Ok(())
}

/// By level and neighbour: how many restarts of which end, and how long they took.
fn report(outcomes: &[Outcome]) -> String {
    let mut rows: BTreeMap<(String, &str, &str), Vec<Duration>> = BTreeMap::new();
    let mut tallies: BTreeMap<String, Vec<Tally>> = BTreeMap::new();
    for Outcome { share, tally, took } in outcomes {
        let level = format!("{:4.0} %", share.probability * 100.0);
        tallies.entry(level.clone()).or_default().push(*tally);
        for (router, took) in took {
            rows.entry((level.clone(), share.neighbor.name(), router)).or_default().extend(took);
        }
    }
    let mut lines = Vec::new();
    for ((level, neighbor, router), mut took) in rows {
        took.sort_unstable();
        let (median, slowest) = (took[took.len() / 2], took[took.len() - 1]);
        lines.push(format!(
            "{level} beside {neighbor:4}: {:3} restarts of {router:4}, median {median:.1?}, slowest {slowest:.1?}",
            took.len()
        ));
    }
    for (level, tallies) in tallies {
        let sum = |count: fn(&Tally) -> usize| tallies.iter().map(count).sum::<usize>();
        lines.push(format!(
            "{level}: {} OSPF packets, {} lost, {} duplicated, {} delayed",
            sum(|tally| tally.packets),
            sum(|tally| tally.lost),
            sum(|tally| tally.duplicated),
            sum(|tally| tally.delayed)
        ));
    }
    lines.join("\n")
}
