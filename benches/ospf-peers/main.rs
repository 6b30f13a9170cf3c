//! Compares weft with FRR and BIRD on a large link state database: CPU time per change, time to load, retransmissions, memory, and the time in
//! which weft shows its state.
//!
//! ```text
//! cargo bench --bench ospf-peers -- --runs 3 --rounds 40 --peers weft,frr,bird --topology mesh:400+10000 --topology grid:40x40 --externals 10000
//! ```
//!
//! The router that is measured has one neighbour, which is synthetic. The neighbour becomes Full and floods a database. Then, round after
//! round, it takes one link down and up again. The changes are never faster than MinLSArrival and BIRD's tick of one second allow, so that
//! each causes one calculation. CPU time is that of all threads of the router's processes. The cost of hellos is measured before and
//! subtracted. In each run the implementations are measured one after the other; the table shows medians. Nothing is asserted about the
//! figures. The benchmark needs root, and the packages `frr` and `bird2`.

#[path = "../../netns-tests/harness/mod.rs"]
mod harness;

mod database;
mod link;
mod neighbor;
mod options;
mod peers;
mod usage;

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use database::Database;
use link::Link;
use neighbor::Neighbor;
use options::{Options, Peer, Topology};
use peers::Running;

/// Maximum time for the adjacency to form, and for the routes to be installed.
const PATIENCE: Duration = Duration::from_secs(120);
/// Interval at which the kernel's routes are counted while they are installed.
const LOOK: Duration = Duration::from_millis(10);
/// Time after the adjacency is Full in which its consequences end. It is longer than packets from before a restart may be under way, for
/// which weft doubts what a neighbour floods.
const SETTLED: Duration = Duration::from_secs(12);
/// Time after loading in which its consequences end: retransmissions, acknowledgements, and heaps that shrink.
const REST: Duration = Duration::from_secs(6);
/// Time for which only the cost of hellos is measured.
const IDLE: Duration = Duration::from_secs(10);
/// How often `weft status` is asked, and the time between two questions.
const STATUS_RUNS: usize = 30;
const STATUS_PAUSE: Duration = Duration::from_millis(300);
/// Time from one change to the next: longer than MinLSArrival and BIRD's tick.
const PACE: Duration = Duration::from_millis(1500);

/// The figures of one run of one implementation.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// CPU time per change, without the cost of hellos.
    flip: Duration,
    /// Time from the first Link State Update until all routes are in the kernel.
    load: Duration,
    /// CPU time of loading.
    load_cpu: Duration,
    /// Number of LSAs that the neighbour had to retransmit in the whole run.
    retransmitted: u64,
    /// Memory after loading.
    memory: usage::Memory,
    /// The median time of `weft status --json` then, from the start of the process to its end.
    status: Duration,
    /// The longest time between two hellos meanwhile. HelloInterval is a second, of which up to a tenth is taken off at random.
    hello_gap: Duration,
}

fn main() -> Result<()> {
    let options = Options::read()?;
    for &topology in &options.topologies {
        println!("\n{topology}: medians of {} runs of {} changes", options.runs, options.rounds);
        let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); options.peers.len()];
        for run in 1..=options.runs {
            for (&peer, figures) in options.peers.iter().zip(&mut figures) {
                let measured = measure(peer, topology, options.rounds)
                    .with_context(|| format!("{peer}, {topology}, run {run}"))?;
                eprintln!("run {run}: {peer}: {measured:?}");
                figures.push(measured);
            }
        }
        print(&options.peers, &figures);
    }
    Ok(())
}

fn measure(peer: Peer, topology: Topology, rounds: usize) -> Result<Figures> {
    let link = Link::new()?;
    let mut router = Running::start(peer)?;
    let mut neighbor = Neighbor::open(&link)?;
    let started = Instant::now();
    while !neighbor.is_full() {
        ensure!(started.elapsed() < PATIENCE, "no adjacency");
        router.alive()?;
        neighbor.turn(Instant::now() + LOOK)?;
    }
    // Both ends may still originate LSAs because of the new adjacency, and weft sends back what is flooded this soon.
    neighbor.stay(SETTLED)?;
    let pids = link.pids()?;
    let &first = pids.first().context("no process in the router's namespace")?;

    let mut database = Database::new(topology);
    let cpu_before = usage::cpu(&pids)?;
    let began = Instant::now();
    neighbor.flood(database.lsas())?;
    let expected = database.routes();
    let mut looked = began;
    loop {
        neighbor.turn(looked + LOOK)?;
        if looked.elapsed() >= LOOK {
            if usage::routes(first)? >= expected {
                break;
            }
            looked = Instant::now();
            ensure!(began.elapsed() < PATIENCE, "{} of {expected} routes", usage::routes(first)?);
        }
    }
    let load = began.elapsed();
    let load_cpu = usage::cpu(&pids)? - cpu_before;
    neighbor.stay(REST)?;
    ensure!(neighbor.is_acknowledged(), "not everything was acknowledged");
    let memory = usage::memory(&pids)?;

    let (status, hello_gap) = status(&router, &mut neighbor)?;

    let idle = spent(&pids, || neighbor.stay(IDLE))?;
    let flipping = spent(&pids, || {
        for _ in 0..rounds {
            neighbor.flood_together(database.flip())?;
            neighbor.stay(PACE)?;
        }
        Ok(())
    })?;
    router.alive()?;
    ensure!(usage::routes(first)? >= expected, "routes are missing after the changes");
    let rounds = u32::try_from(rounds)?;
    let idle_share = idle.mul_f64((PACE * rounds).as_secs_f64() / IDLE.as_secs_f64());
    let flip = flipping.saturating_sub(idle_share) / rounds;
    Ok(Figures { flip, load, load_cpu, retransmitted: neighbor.retransmitted, memory, status, hello_gap })
}

/// The median time of `weft status --json`, asked again and again, and the longest time between two hellos meanwhile; zero for others.
fn status(router: &Running, neighbor: &mut Neighbor) -> Result<(Duration, Duration)> {
    neighbor.forget_hellos();
    let mut times = Vec::new();
    for _ in 0..STATUS_RUNS {
        let Some(mut command) = router.status() else { return Ok((Duration::ZERO, Duration::ZERO)) };
        let asked = thread::spawn(move || {
            let began = Instant::now();
            let output = command.stderr(Stdio::inherit()).output();
            output.map(|output| (began.elapsed(), output.stdout.len()))
        });
        while !asked.is_finished() {
            neighbor.turn(Instant::now() + LOOK)?;
        }
        let (took, octets) = asked.join().map_err(|_| anyhow::anyhow!("the thread that asks has failed"))??;
        ensure!(octets > 0, "weft status has printed nothing");
        times.push(took.as_secs_f64());
        neighbor.stay(STATUS_PAUSE)?;
    }
    Ok((Duration::from_secs_f64(median(times)), neighbor.hello_gap))
}

/// Runs `work` and returns the CPU time that the processes use meanwhile.
fn spent(pids: &[u32], work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let before = usage::cpu(pids)?;
    work()?;
    Ok(usage::cpu(pids)?.saturating_sub(before))
}

fn print(peers: &[Peer], figures: &[Vec<Figures>]) {
    type Get = fn(&Figures) -> f64;
    let columns: [(&str, usize, Get); 8] = [
        ("CPU per change, ms", 3, |f| f.flip.as_secs_f64() * 1e3),
        ("loading, s", 3, |f| f.load.as_secs_f64()),
        ("CPU of loading, s", 3, |f| f.load_cpu.as_secs_f64()),
        ("sent again", 0, |f| f.retransmitted as f64),
        ("RSS, MiB", 1, |f| f.memory.resident as f64 / 1024.0),
        ("PSS, MiB", 1, |f| f.memory.proportional as f64 / 1024.0),
        ("status --json, ms", 1, |f| f.status.as_secs_f64() * 1e3),
        ("hello after, s", 3, |f| f.hello_gap.as_secs_f64()),
    ];
    print!("{:<20}", "");
    peers.iter().for_each(|peer| print!(" {peer:>10}"));
    peers[1..].iter().for_each(|peer| print!(" {:>12}", format!("{peer}/{}", peers[0])));
    println!();
    for (name, digits, get) in columns {
        let medians: Vec<f64> = figures.iter().map(|figures| median(figures.iter().map(get).collect())).collect();
        print!("{name:<20}");
        medians.iter().for_each(|value| print!(" {value:>10.digits$}"));
        medians[1..].iter().for_each(|value| match medians[0] {
            0.0 => print!(" {:>12}", "-"),
            ours => print!(" {:>12.2}", value / ours),
        });
        println!();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[(values.len() - 1) / 2].midpoint(values[values.len() / 2])
}
