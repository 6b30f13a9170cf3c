//! All faults that a router has to survive, in one run: the same daemon is there at the end, with what it had, in the memory that it had.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::lab::Lab;
use crate::harness::mesh;
use crate::harness::process::run;
use crate::harness::wait::eventually;

/// Everything has settled again after a fault.
const SETTLED: Duration = Duration::from_secs(60);
/// What was needed once is given back: the daemon looks for it every 30 s.
const GIVEN_BACK: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// Prefixes that the last site brings in, so that there is something to lose.
const EXTERNALS: usize = 2000;

/// For the last site of the triangle.
const REDISTRIBUTE: &str = r#"
[[site.redistribute]]
from = "static"
prefixes = ["172.16.0.0/12 ge 16 le 32"]
"#;

/// Files that the daemon keeps; in a lab all are in its run directory.
const FILES: [&str; 8] = ["starts", "hosts.json", "router-ids", "sysctl.json", "restart", "mesh", "options", "filter"];

/// Resident memory of a process, KiB.
fn resident_kib(pid: Pid) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    line.trim_end_matches("kB").trim().parse().with_context(|| format!("reading {line:?}"))
}

/// Waits until `site` has its tunnels, adjacencies and the prefixes again, in OSPF and in the kernel.
fn await_whole(lab: &Lab, site: &str) -> Result<()> {
    lab.await_full()?;
    eventually("all prefixes to be installed", SETTLED, || Ok((lab.weft_routes(site)?.len() > EXTERNALS).then_some(())))
}

/// For so long, over and over again, something is done to a router.
fn keep_on(time: Duration, mut fault: impl FnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        fault()?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// How many engines there can have been within `time`, if each is killed as soon as it is seen and `src/tunnel/starts.rs` decides when the
/// next may be started: the one that ran before, two that are started at once (a new daemon knows of no start before them), and one after
/// each wait of 0.2, 0.4, 0.8 … 10 s from the start before it. In 12 s that is one after 0.2, 0.6, 1.4, 3 and 6.2 s: 8 engines. Whatever
/// holds up the daemon or this test makes them fewer, but the first three cost no wait that is worth mentioning.
fn most_engines(time: Duration) -> usize {
    let (mut count, mut wait, mut start) = (3, Duration::from_millis(200), Duration::ZERO);
    while start + wait <= time {
        start += wait;
        wait = (2 * wait).min(Duration::from_secs(10));
        count += 1;
    }
    count
}

/// Every file that the daemon keeps is nonsense.
fn damage_files(lab: &Lab, site: &str) -> Result<()> {
    for file in FILES {
        let path = lab.run_dir(site).join(file);
        fs::write(&path, b"\0\xff{[").with_context(|| format!("damaging {path:?}"))?;
    }
    Ok(())
}

/// Clients that ask for everything and never read it.
fn deaf_clients(lab: &Lab, site: &str) -> Result<Vec<UnixStream>> {
    let ask = |_| {
        let mut client = UnixStream::connect(lab.run_dir(site).join("control.sock"))?;
        client.write_all(b"{\"request\":\"show\",\"noun\":\"lsdb\"}\n")?;
        Ok(client)
    };
    (0..16).map(ask).collect()
}

/// Links that are not weft's come and go: a hundred pairs at once.
fn link_storm(lab: &Lab, site: &str) -> Result<()> {
    let netns = lab.netns(site);
    let batch = |line: &dyn Fn(usize) -> String| -> Result<()> {
        let mut file = tempfile::NamedTempFile::new()?;
        for number in 0..100 {
            writeln!(file, "{}", line(number))?;
        }
        let path = file.path().display().to_string();
        run(&format!("ip -netns {netns} -batch {path}")).map(drop)
    };
    batch(&|number| format!("link add storm{number} type veth peer name other{number}"))?;
    for _ in 0..20 {
        batch(&|number| format!("link set storm{number} up"))?;
        batch(&|number| format!("link set storm{number} down"))?;
    }
    batch(&|number| format!("link delete storm{number}"))
}

#[test]
fn a_router_survives_all_faults_in_one_run_in_the_memory_that_it_had() -> Result<()> {
    if std::env::var(mesh::BACKEND_VARIABLE).is_ok_and(|backend| backend == "kernel") {
        bail!("kernel tunnels have no engine: this test is not for the virtual machine");
    }
    let (site, last) = ("taipei", "seoul");
    let lab = Lab::up("t-survive", &format!("{}{REDISTRIBUTE}", mesh::triangle("t-survive")))?;
    let mut routes = tempfile::NamedTempFile::new()?;
    for number in 0..EXTERNALS {
        writeln!(routes, "route add blackhole 172.20.{}.{}/32", number / 256, number % 256)?;
    }
    let path = routes.path().display().to_string();
    run(&format!("ip -netns {} -batch {path}", lab.netns(last)))?;
    await_whole(&lab, site)?;
    let begin = Instant::now();
    let told = |what: &str| {
        let resident = lab.daemon(site).and_then(resident_kib).unwrap_or_default();
        eprintln!("after {:.1?}, {resident} KiB: {what}", begin.elapsed());
    };

    // A crash, after which neither log has room and every file is nonsense.
    lab.kill_daemon(site)?;
    damage_files(&lab, site)?;
    for log in [lab.run_dir(site).with_file_name("log"), lab.run_dir(site).join("engine.log")] {
        if log.symlink_metadata().is_ok() {
            fs::remove_file(&log)?;
        }
        symlink("/dev/full", &log)?;
    }
    lab.start_what_is_missing()?;
    await_whole(&lab, site)?;
    let daemon = lab.daemon(site)?;
    ensure!(lab.ask(site, "show lsdb --json")?.len() > 100 * EXTERNALS, "the whole database is shown");
    let before = resident_kib(daemon)?;
    told("a crash, no room for logs, damaged files");

    // Its engine dies again and again: it is not started as often as it dies.
    let mut killed = Vec::new();
    let since = Instant::now();
    keep_on(Duration::from_secs(12), || {
        for engine in lab.engine(site)? {
            if !killed.contains(&engine) {
                kill(engine, Signal::SIGKILL).ok();
                killed.push(engine);
            }
        }
        Ok(())
    })?;
    let most = most_engines(since.elapsed());
    ensure!((3..=most).contains(&killed.len()), "{} engines in 12 s, at most {most} expected", killed.len());
    await_whole(&lab, site)?;
    told("the engine died again and again");

    // Its engine hangs.
    let engine = *lab.engine(site)?.first().context("an engine")?;
    kill(engine, Signal::SIGSTOP)?;
    eventually("another engine", SETTLED, || {
        let now = lab.engine(site)?;
        Ok((!now.is_empty() && !now.contains(&engine)).then_some(()))
    })?;
    await_whole(&lab, site)?;
    told("the engine hung");

    // What is meant for the daemon reaches both.
    for process in lab.engine(site)?.into_iter().chain([daemon]) {
        kill(process, Signal::SIGHUP)?;
    }
    // Its files are damaged while it runs, its tunnels and routes are taken away.
    damage_files(&lab, site)?;
    for tunnel in lab.tunnels(site)? {
        lab.ip(site, &format!("link delete {tunnel}"))?;
    }
    lab.ip(site, "route flush proto 201")?;
    await_whole(&lab, site)?;
    told("SIGHUP, tunnels and routes deleted");

    // Clients do not read, links come and go, and it is stopped for almost the dead interval, all at once.
    let clients = deaf_clients(&lab, site)?;
    link_storm(&lab, site)?;
    told("links of others came and went");
    kill(daemon, Signal::SIGSTOP)?;
    std::thread::sleep(Duration::from_millis(3600));
    kill(daemon, Signal::SIGCONT)?;
    await_whole(&lab, site)?;
    eventually("an answer beside clients that do not read", SETTLED, || {
        Ok(lab.ask(site, "show lsdb --json").is_ok().then_some(()))
    })?;
    drop(clients);
    told("clients that do not read, stopped for 3.6 s");

    ensure!(lab.daemon(site)? == daemon, "it is the same daemon");
    lab.await_ping(&format!("{site}-lan"), lab.lan_host(last)?, SETTLED)?;
    let after = eventually("memory within 20 % of what it was", GIVEN_BACK, || {
        let now = resident_kib(daemon)?;
        Ok((now <= before + before / 5).then_some(now))
    });
    let after = after.with_context(|| format!("{before} KiB before, {:?} KiB now", resident_kib(daemon).ok()))?;
    eprintln!("{before} KiB before, {after} KiB after; {} engines in 12 s", killed.len());
    lab.down()
}
