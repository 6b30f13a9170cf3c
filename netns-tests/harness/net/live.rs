//! A plan at work: its routers run, its segments are recorded, its kernels are compared with the oracle.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::super::capture::{Capture, Link, OspfPacket};
use super::super::process::run;
use super::super::speaker::{Daemon, Neighbor, Role, daemon};
use super::super::wait::{POLL, eventually, eventually_every};
use super::build::Wiring;
use super::kernel::kernel_routes;
use super::oracle::{Hops, Prefix, Table, tables};
use super::plan::{Plan, Segment};
use super::repeater::Tally;

/// How long a network may take until it is as it should be: ten dead intervals, because other tests run besides it.
pub const SETTLED: Duration = Duration::from_secs(40);

/// Between two looks at all kernels and daemons of a network, of which there may be many at once.
const AGREEMENT_POLL: Duration = Duration::from_millis(500);

/// If it is dropped without [`Network::finish`], the test has failed: what the routers have to say is shown.
pub struct Network {
    plan: Plan,
    /// By router; the dead ones too. Before `wiring`: processes end first.
    daemons: BTreeMap<&'static str, Box<dyn Daemon>>,
    dead: Vec<&'static str>,
    /// By segment: what each of its vantage points sees.
    captures: BTreeMap<&'static str, Vec<Capture>>,
    wiring: Wiring,
    is_finished: bool,
}

impl Network {
    /// Builds the network, starts every router while the segments are off, then switches all on at once: elections begin
    /// with everybody present.
    pub fn start(plan: Plan) -> Result<Self> {
        let wiring = Wiring::new(&plan)?;
        if !plan.late_externals {
            wiring.add_discards(&plan)?;
        }
        let mut daemons = BTreeMap::new();
        for router in &plan.routers {
            daemons.insert(router.name, daemon(&plan, router, wiring.routers[router.name].name())?);
        }
        let captures = BTreeMap::new();
        let mut network = Self { plan, daemons, dead: Vec::new(), captures, wiring, is_finished: false };
        network.record(|segment| segment.disturbance.is_none())?;
        for (name, daemon) in &mut network.daemons {
            daemon.start().with_context(|| format!("starting {name}"))?;
        }
        network.wiring.switch(&network.plan, true)?;
        // The ports of a repeater could not be recorded while they were off.
        network.record(|segment| segment.disturbance.is_some())?;
        if network.plan.late_externals {
            network.await_full()?;
            network.wiring.add_discards(&network.plan)?;
        }
        network.wiring.add_gateways(&network.plan)?;
        Ok(network)
    }

    /// Starts recording the segments that `is_wanted` selects.
    fn record(&mut self, is_wanted: impl Fn(&Segment) -> bool) -> Result<()> {
        for segment in self.plan.segments.iter().filter(|segment| is_wanted(segment)) {
            let points = Wiring::vantage_points(&self.plan, segment);
            let start = |point: &String| Capture::start(self.wiring.hub.name(), point, "ip proto 89");
            self.captures.insert(segment.name, points.iter().map(start).collect::<Result<Vec<_>>>()?);
        }
        Ok(())
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn daemon(&self, router: &str) -> &dyn Daemon {
        self.daemons[router].as_ref()
    }

    /// What `router`, which is weft, says to `question` in JSON.
    pub fn json(&self, router: &str, question: &str) -> Result<Value> {
        let text = self.daemon(router).ask(&format!("{question} --json"))?;
        serde_json::from_str(&text).with_context(|| format!("reading what {router} says to {question:?}: {text}"))
    }

    /// What `router`, which is weft, says of one of its interfaces.
    pub fn interface(&self, router: &str, name: &str) -> Result<Value> {
        let shown = self.json(router, "show interfaces")?;
        let entry = shown.as_array().and_then(|all| all.iter().find(|entry| entry["interface"] == name));
        entry.cloned().with_context(|| format!("{name} in {shown}"))
    }

    /// Waits until `router`, which is weft, has heard more hellos on each of these interfaces than go into a dead interval: what is
    /// Full then has not lived on what came before.
    pub fn await_hellos(&self, router: &str, interfaces: &[&str]) -> Result<()> {
        for name in interfaces {
            let heard = || self.interface(router, name)?["received"]["hello"].as_u64().context("hellos received");
            let enough = heard()? + u64::from(self.plan.dead_interval) + 2;
            eventually(&format!("hellos on {name}"), SETTLED, || Ok((heard()? >= enough).then_some(())))?;
        }
        Ok(())
    }

    /// `ip ARGUMENTS` in the namespace of `router`.
    pub fn ip(&self, router: &str, arguments: &str) -> Result<String> {
        self.wiring.routers[router].ip(arguments)
    }

    /// Name of the namespace of `router`.
    pub fn netns(&self, router: &str) -> &str {
        self.wiring.routers[router].name()
    }

    /// Switches one router's way onto a segment on, or off.
    pub fn switch_port(&self, segment: &str, router: &str, is_on: bool) -> Result<()> {
        self.wiring.switch_port(&self.plan, self.plan.segment_named(segment), router, is_on)
    }

    /// Kills the router with SIGKILL; from now on the others are expected to do without it.
    pub fn kill(&mut self, router: &'static str) -> Result<()> {
        self.dead.push(router);
        self.process(router)?.kill()
    }

    /// Ends the router as its operator would, routes left in the kernel or not; from now on the others are expected to do without it.
    pub fn stop(&mut self, router: &'static str) -> Result<()> {
        self.dead.push(router);
        self.process(router)?.stop()
    }

    /// What the repeater of a disturbed segment has done so far.
    pub fn tally(&self, segment: &str) -> Tally {
        self.wiring.repeaters.get(segment).unwrap_or_else(|| panic!("{segment} is disturbed")).tally()
    }

    /// Starts the router again.
    pub fn restart(&mut self, router: &'static str) -> Result<()> {
        self.dead.retain(|dead| *dead != router);
        self.process(router)?.start()
    }

    /// Changes the plan and gives `router` its new configuration, while everything runs.
    pub fn reload(&mut self, router: &'static str, change: impl FnOnce(Plan) -> Plan) -> Result<()> {
        self.plan = change(self.plan.clone());
        let plan = self.plan.clone();
        self.process(router)?.reload(&plan, plan.router_named(router))
    }

    /// Ends the router for a graceful restart: the others are expected to do as if it were alive.
    pub fn stop_gracefully(&mut self, router: &'static str) -> Result<()> {
        self.process(router)?.stop_gracefully()
    }

    /// Waits until the kernel of every living router has the oracle's routes, and only them; returns how long it took.
    pub fn await_routes(&self, within: Duration) -> Result<Duration> {
        self.await_lasting_routes(Duration::ZERO, within)
    }

    /// [`Self::await_routes`], and that it stays so for the time `hold`, which is not counted. What is right at first may
    /// still be of an earlier life.
    pub fn await_lasting_routes(&self, hold: Duration, within: Duration) -> Result<Duration> {
        let expected = self.expected_routes();
        lasting(POLL, hold, "the routes that the oracle has", within, || self.ensure_routes(&expected))
    }

    /// Waits until every adjacency is Full as both of its ends see it and every kernel has the oracle's routes, and that it stays so
    /// for the time `hold`, which is not counted; returns how long it took.
    pub fn await_agreement(&self, hold: Duration, within: Duration) -> Result<Duration> {
        let expected = self.expected_routes();
        lasting(AGREEMENT_POLL, hold, "Full adjacencies and the routes that the oracle has", within, || {
            self.ensure_routes(&expected)?;
            self.ensure_every_neighbor(|neighbor| neighbor.state == "Full")
        })
    }

    fn ensure_routes(&self, expected: &BTreeMap<&'static str, BTreeMap<Prefix, Hops>>) -> Result<()> {
        let mut differences = String::new();
        for (router, expected) in expected {
            differences += &difference(router, expected, &kernel_routes(self.netns(router))?);
        }
        ensure!(differences.is_empty(), "{}", differences.trim());
        Ok(())
    }

    /// [`Self::await_routes`] for one router.
    pub fn await_routes_of(&self, router: &str, within: Duration) -> Result<()> {
        let expected = self.expected_routes();
        eventually(&format!("the routes that the oracle has for {router}"), within, || {
            let differences = difference(router, &expected[router], &kernel_routes(self.netns(router))?);
            if differences.is_empty() { Ok(Some(())) } else { bail!("{}", differences.trim()) }
        })
    }

    fn expected_routes(&self) -> BTreeMap<&'static str, BTreeMap<Prefix, Hops>> {
        let plan = self.dead.iter().fold(self.plan.clone(), |plan, router| plan.without(router));
        let without_costs = |table: Table| table.into_iter().map(|(prefix, (_, hops))| (prefix, hops)).collect();
        tables(&plan).into_iter().map(|(router, table)| (router, without_costs(table))).collect()
    }

    /// Waits until all hold the same roles for true on a LAN, and the states that follow from them: the designated and
    /// the backup router are Full with everybody, the others 2-Way with each other (RFC 2328 §10.4).
    pub fn await_roles(&self, segment: &str, roles: &[(&str, Role)]) -> Result<()> {
        let by_id: BTreeMap<_, Role> = roles.iter().map(|(name, role)| (self.plan.router_id(name), *role)).collect();
        eventually(&format!("the roles {roles:?} on {segment}"), SETTLED, || {
            for (name, own) in roles {
                let mut seen = self.daemon(name).neighbors()?;
                seen.retain(|neighbor| neighbor.interface == segment);
                ensure!(seen.len() + 1 == roles.len(), "{name} sees {seen:?}");
                for neighbor in &seen {
                    let role = by_id.get(&neighbor.router_id).with_context(|| format!("{name} sees {neighbor:?}"))?;
                    let is_adjacent = *own != Role::Other || *role != Role::Other;
                    let state = if is_adjacent { "Full" } else { "2-Way" };
                    ensure!(neighbor.state == state, "{name} sees {neighbor:?} and should be {state} with it");
                    ensure!(neighbor.role.is_none_or(|seen| seen == *role), "{name} sees {neighbor:?} as no {role:?}");
                }
            }
            Ok(Some(()))
        })
    }

    /// Waits until every pair that hears each other is Full, on segments where all are to be.
    pub fn await_full(&self) -> Result<()> {
        eventually("every adjacency to be Full", SETTLED, || {
            self.ensure_every_neighbor(|neighbor| neighbor.state == "Full").map(Some)
        })
    }

    /// An error unless every router has a neighbour of this kind in each that it hears.
    fn ensure_every_neighbor(&self, is_good: impl Fn(&Neighbor) -> bool) -> Result<()> {
        for router in &self.plan.routers {
            let seen = self.daemon(router.name).neighbors()?;
            for (segment, _) in self.plan.ports(router.name) {
                for far in segment.neighbors(router.name) {
                    let id = self.plan.router_id(far.router);
                    let is_far = |n: &Neighbor| n.router_id == id && n.interface == segment.name;
                    ensure!(seen.iter().any(|n| is_far(n) && is_good(n)), "{} sees {seen:?}", router.name);
                }
            }
        }
        Ok(())
    }

    /// An error unless every adjacency is Full and has been since `when`, as far as its two ends say.
    pub fn ensure_unbroken_since(&self, when: Instant) -> Result<()> {
        let least = when.elapsed();
        self.ensure_every_neighbor(|n| n.state == "Full" && n.in_state.is_none_or(|age| age >= least))
            .with_context(|| format!("Full for {least:?}"))
    }

    /// Waits until nobody waits for an acknowledgement: nobody helps a neighbour through a restart that has not acknowledged what is new
    /// (RFC 3623 §3.1 (2)).
    pub fn await_acknowledged(&self) -> Result<()> {
        eventually("every LSA to be acknowledged", SETTLED, || {
            for router in &self.plan.routers {
                let seen = self.daemon(router.name).neighbors()?;
                let is_done = |neighbor: &Neighbor| neighbor.unacknowledged.is_none_or(|lsas| lsas == 0);
                ensure!(seen.iter().all(is_done), "{} sees {seen:?}", router.name);
            }
            Ok(Some(()))
        })
    }

    /// Waits until `from` reaches `to`, from its own address on `segment` or stub network.
    pub fn await_ping(&self, from: &str, source: &str, to: &str) -> Result<()> {
        eventually(&format!("{from} to reach {to}"), SETTLED, || {
            run(&format!("ip netns exec {} ping -n -c 1 -W 1 -I {source} {to}", self.netns(from))).map(Some)
        })
        .map(drop)
    }

    /// Ends the network. An error if tshark complains of a packet that any router has sent.
    pub fn finish(self) -> Result<()> {
        self.finish_with_packets().map(drop)
    }

    /// [`Self::finish`]; gives the packets of each segment.
    pub fn finish_with_packets(mut self) -> Result<BTreeMap<&'static str, Vec<OspfPacket>>> {
        let mut packets = BTreeMap::new();
        for (segment, captures) in &mut self.captures {
            for capture in captures {
                // Elections, exchanges and floods have been seen on every segment.
                capture.await_all_types(SETTLED).with_context(|| format!("recording {segment}"))?;
                let judged =
                    capture.finish_ospf(Link::Lan).with_context(|| format!("judging the packets of {segment}"))?;
                packets.entry(*segment).or_insert_with(Vec::new).extend(judged);
            }
        }
        self.is_finished = true;
        Ok(packets)
    }

    /// Copies what tells of a failure to a place that outlives the network, until the next failure of this plan.
    fn keep(&self) -> Result<PathBuf> {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.plan.name);
        // Fails only if there is none of an earlier failure.
        fs::remove_dir_all(&dir).ok();
        fs::create_dir_all(&dir)?;
        for (segment, captures) in &self.captures {
            let points = Wiring::vantage_points(&self.plan, self.plan.segment_named(segment));
            for (point, capture) in points.iter().zip(captures) {
                capture.keep(&dir.join(format!("{point}.pcap")))?;
            }
        }
        for (name, daemon) in &self.daemons {
            let to = dir.join(name);
            fs::create_dir(&to)?;
            for entry in fs::read_dir(daemon.dir())? {
                let entry = entry?;
                let is_text = |suffix| entry.path().extension().is_some_and(|found| found == suffix);
                if ["log", "conf", "toml"].into_iter().any(is_text) {
                    fs::copy(entry.path(), to.join(entry.file_name()))?;
                }
            }
        }
        Ok(dir)
    }

    fn process(&mut self, router: &str) -> Result<&mut Box<dyn Daemon>> {
        self.daemons.get_mut(router).with_context(|| format!("{router} is in the plan"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        for (name, daemon) in &self.daemons {
            eprintln!("--- {name}:\n{}", daemon.evidence());
            let routes = self.wiring.routers[name].ip("route show");
            eprintln!("--- routes of {name}:\n{}", routes.unwrap_or_else(|error| error.to_string()));
        }
        match self.keep() {
            Ok(dir) => eprintln!("--- recordings, configurations and whole logs are in {}", dir.display()),
            Err(error) => eprintln!("--- keeping recordings and logs: {error:#}"),
        }
    }
}

/// Waits until `check` succeeds and goes on to for the time `hold`; returns how long it took until it began to.
fn lasting(
    poll: Duration,
    hold: Duration,
    what: &str,
    within: Duration,
    check: impl Fn() -> Result<()>,
) -> Result<Duration> {
    let start = Instant::now();
    let mut right_since = None;
    eventually_every(poll, what, within + hold, || {
        if let Err(error) = check() {
            right_since = None;
            return Err(error);
        }
        let since = *right_since.get_or_insert_with(Instant::now);
        Ok((since.elapsed() >= hold).then_some(since.duration_since(start)))
    })
}

/// Lines that say what a kernel lacks, has too much, or has otherwise.
fn difference(router: &str, expected: &BTreeMap<Prefix, Hops>, found: &BTreeMap<Prefix, Hops>) -> String {
    let mut text = String::new();
    for (prefix, hops) in expected.iter().filter(|(prefix, hops)| found.get(prefix) != Some(hops)) {
        writeln!(text, "{router}: {prefix} via {hops:?}, not {:?}", found.get(prefix))
            .expect("a String takes everything");
    }
    for (prefix, hops) in found.iter().filter(|(prefix, _)| !expected.contains_key(prefix)) {
        writeln!(text, "{router}: {prefix} via {hops:?} is too much").expect("a String takes everything");
    }
    text
}
