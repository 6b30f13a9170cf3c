//! The steps of `weft lab demo`, each of which has to succeed: the sites become adjacent, a host pings another, their path is cut, the
//! packets take another way, the path is healed, and the packets take it again.

use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ipnetwork::IpNetwork;

use super::console::Console;
use super::health::{Health, distances, usable_links};
use super::interrupt::Interrupt;
use super::layout::SitePlan;
use super::netlink::Netlink;
use super::netns::{self, Namespace};
use super::ping::{Probe, Stream, trace};
use super::process::Daemon;
use super::state::{Lock, State};
use super::up::{self, Lab};
use super::{cut, preflight, process, wait};
use crate::control::view::FilterState;
use crate::mesh::names::tunnel_interface;
use crate::mesh::{Link, Site};
use crate::net::Prefix;
use crate::reconcile::state::PROTOCOL;

const PING_INTERVAL: Duration = Duration::from_millis(50);
/// Answers in a row that count as a working path.
const STEADY: usize = 20;
/// How long the adjacencies may take to form.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a first ping may take.
const PING_PATIENCE: Duration = Duration::from_secs(15);
/// How long rerouting may take beyond the dead interval, and the return beyond the hello interval: WireGuard may need a new handshake,
/// which it tries every 5 s.
const REROUTE_PATIENCE: Duration = Duration::from_secs(30);
/// How long after it was sent a request without an answer counts as lost.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
/// The time between two checks.
const LOOK: Duration = Duration::from_millis(20);
const TRACE_HOPS_MAX: u8 = 8;
const TRACE_PATIENCE: Duration = Duration::from_millis(500);

/// Runs the demo of a mesh file. An error says which step failed. The lab is removed in any case.
pub fn run(file: &Path, program: &Path) -> Result<()> {
    let lab = Lab::of_file(file, program)?;
    let cast = Cast::choose(&lab)?;
    preflight::check(&lab.mesh)?;
    let interrupt = Interrupt::listen()?;
    process::adopt_orphans()?;
    let mut console = Console::stdout();
    let lock = State::lock()?;
    if lab.state.exists() {
        bail!(
            "a lab of mesh `{0}` is up and the demo would destroy it; take it down first with `weft lab down {0}`",
            lab.mesh.name
        );
    }
    // From here on there is something to remove, even if a step panics.
    let mut stage = Stage { lab: &lab, program, building: Some(lock) };
    let began = Instant::now();
    lab.build(None).and_then(|()| lab.start())?;
    stage.building = None;
    let story = Story { lab: &lab, cast, interrupt, began };
    let played = story.play(&mut console);
    if played.is_err() && story.interrupt.check().is_ok() {
        console.line(format!("\n{}", wait::log_tails(&lab)));
    }
    console.progress("taking the lab down");
    let cleared = stage.clear();
    played?;
    cleared?;
    console.line(format!("clean      everything is gone again, {} after the start", seconds(began.elapsed())));
    let (file, here, there) = (file.display(), &story.cast.here.name, &story.cast.there.name);
    console.line(format!(
        "\nTo keep one and play with it:\n  weft lab up {file}\n  weft lab exec {file} {here} -- weft status\n  \
         weft lab cut {file} {here} {there}\n  weft lab down {file}"
    ));
    Ok(())
}

/// Takes the lab down when dropped.
struct Stage<'a> {
    lab: &'a Lab,
    program: &'a Path,
    /// Keeps other lab commands out until the lab is complete.
    building: Option<Lock>,
}

impl Stage<'_> {
    /// Takes the lab down and checks that nothing is left.
    fn clear(self) -> Result<()> {
        let _lock = State::lock()?;
        let leftovers = up::down(&self.lab.mesh.name, self.program)?;
        if let Some(complaint) = leftovers.complaints.first() {
            bail!("{complaint}");
        }
        if !leftovers.evicted.is_empty() {
            bail!("still running in the lab after weft had left: {}", leftovers.evicted.join(", "));
        }
        if let Some(name) = self.lab.layout.nodes.keys().find(|name| netns::path_of(name).exists()) {
            bail!("the network namespace {name} is still there");
        }
        if process::bury() {
            bail!("a process of the demo is still there");
        }
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if !self.lab.state.exists() {
            return;
        }
        let lock = self.building.take().map_or_else(State::lock, Ok);
        if let Err(error) = lock.and_then(|_lock| up::down(&self.lab.mesh.name, self.program)) {
            // A drop must not panic, even if stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: taking the lab down: {error:#}");
        }
    }
}

/// The two sites of the demo: their direct tunnel is the best path, and there is another one.
struct Cast<'a> {
    here: &'a SitePlan,
    there: &'a SitePlan,
    from: String,
    to: std::net::Ipv4Addr,
    /// The prefix of `there` that `to` is in.
    prefix: Prefix,
    link: &'a Link,
}

impl<'a> Cast<'a> {
    fn choose(lab: &'a Lab) -> Result<Self> {
        let links = usable_links(&lab.mesh, &Default::default());
        // Prefer sites without NAT: behind NAT, a tunnel takes longer to recover.
        let candidates = || links.iter().filter_map(|link| Self::of(lab, link, &links));
        let called = |cast: &Self| cast.here.nat.is_none() && cast.there.nat.is_none();
        candidates().find(called).or_else(|| candidates().next()).context(
            "the demo needs two sites with prefixes, a tunnel between them, and a longer way around it through others; \
             this mesh has no such pair",
        )
    }

    fn of(lab: &'a Lab, link: &'a Link, links: &[&'a Link]) -> Option<Self> {
        let others: Vec<&Link> = links.iter().copied().filter(|other| !std::ptr::eq(*other, link)).collect();
        let around = *distances(link.low, &others).get(&link.high)?;
        (around > u64::from(link.ospf.cost)).then_some(())?;
        let (low, high) = (lab.mesh.site_with_id(link.low)?, lab.mesh.site_with_id(link.high)?);
        let (here, there) = (lab.layout.site(&low.name)?, lab.layout.site(&high.name)?);
        let (from, to) = (here.lan.clone()?, there.lan_host?);
        here.lan_host?;
        Some(Self { here, there, from, to, prefix: prefix_of(to, high, low)?, link })
    }
}

/// The longest prefix of `there` that contains `address` and that `here` learns from it.
fn prefix_of(address: std::net::Ipv4Addr, there: &Site, here: &Site) -> Option<Prefix> {
    let learned = there.prefixes.iter().filter(|prefix| prefix.contains(address) && !here.prefixes.contains(prefix));
    learned.max_by_key(|prefix| prefix.len()).copied()
}

struct Story<'a> {
    lab: &'a Lab,
    cast: Cast<'a>,
    interrupt: Interrupt,
    began: Instant,
}

impl Story<'_> {
    fn play(&self, console: &mut Console) -> Result<()> {
        let Cast { here, there, .. } = &self.cast;
        let sites = self.lab.mesh.sites.len();
        let hosts = self.lab.layout.sites.iter().filter(|site| site.lan.is_some()).count();
        console.line(format!(
            "start      mesh {}: {sites} routers, {hosts} LAN hosts, {} network namespaces, after {}",
            self.lab.mesh.name,
            self.lab.layout.nodes.len(),
            seconds(self.began.elapsed())
        ));
        self.adjacencies(console)?;
        let stream = self.ping(console)?;
        self.cut(console, &stream).with_context(|| format!("cutting {} – {}", here.name, there.name))?;
        self.heal(console, &stream).with_context(|| format!("healing {} – {}", here.name, there.name))
    }

    fn adjacencies(&self, console: &mut Console) -> Result<()> {
        let (mut last, mut unfiltered) = (None, None);
        let took = wait::until_good(self.lab, self.began, START_PATIENCE, |health| {
            self.interrupt.check()?;
            console.progress(progress(health));
            let filters = health.sites.iter().filter_map(|site| Some(&site.status.as_ref()?.filter));
            unfiltered =
                filters.filter(|filter| filter.state == FilterState::Off).find_map(|filter| filter.reason.clone());
            last =
                Some((count(health, |site| site.neighbors.expected()), count(health, |site| site.routes.expected())));
            Ok(())
        })?;
        let (neighbors, routes) = last.unwrap_or_default();
        console.line(format!(
            "adjacency  {neighbors} of {neighbors} neighbours Full, {routes} of {routes} routes in the kernels after {}",
            seconds(took.routes)
        ));
        if let Some(reason) = unfiltered {
            console.line(format!("filter     off, which the demo can do without: {reason}"));
        }
        Ok(())
    }

    fn ping(&self, console: &mut Console) -> Result<Stream> {
        let Cast { here, there, from, to, .. } = &self.cast;
        let stream = Stream::start(&Namespace::existing(from)?, *to, PING_INTERVAL)?;
        let source = here.lan_host.context("the pinging host has an address")?;
        self.await_steady(&stream, Instant::now(), PING_PATIENCE)
            .with_context(|| format!("ping from {}-lan ({source}) to {}-lan ({to})", here.name, there.name))?;
        let rtt = stream.log().last_answered().and_then(|probe| probe.rtt()).unwrap_or_default();
        console.line(format!(
            "ping       {}-lan {source} to {}-lan {to}: {STEADY} of {STEADY} answered, {:.2} ms",
            here.name,
            there.name,
            rtt.as_secs_f64() * 1e3
        ));
        let hops = self.route()?;
        if !self.is_direct(&hops) {
            bail!("the route to {} is not the direct tunnel: {}", self.cast.prefix, self.describe(&hops));
        }
        self.path(console)?;
        Ok(stream)
    }

    fn cut(&self, console: &mut Console, stream: &Stream) -> Result<()> {
        let Cast { here, there, link, .. } = &self.cast;
        let cut_at = Instant::now();
        cut::cut(&self.lab.layout, here, there)?;
        console.line(format!(
            "cut        packets between {} and {} vanish ({} – {}); no interface goes down",
            here.name, there.name, here.underlay[0], there.underlay[0]
        ));
        let patience = link.ospf.timers.dead_interval + REROUTE_PATIENCE;
        let moved =
            self.await_route(console, stream, "rerouting", patience, |hops| !hops.is_empty() && !self.is_direct(hops))?;
        let steady = self.await_steady(stream, moved, patience)?;
        let log = stream.log();
        let (lost, sent) = (log.lost(cut_at, steady), log.sent(cut_at, steady));
        console.line(format!(
            "reroute    {} after the cut (dead interval {} s): {lost} of {sent} packets lost, {} ms without an answer",
            seconds(moved - cut_at),
            link.ospf.timers.dead_interval.as_secs(),
            log.outage(cut_at, Instant::now()).as_millis()
        ));
        self.path(console)
    }

    fn heal(&self, console: &mut Console, stream: &Stream) -> Result<()> {
        let Cast { here, there, link, .. } = &self.cast;
        let healed_at = Instant::now();
        cut::heal(&self.lab.layout, here, there)?;
        let patience = link.ospf.timers.hello_interval + REROUTE_PATIENCE;
        let back = self.await_route(console, stream, "coming back", patience, |hops| self.is_direct(hops))?;
        self.await_steady(stream, back, patience)?;
        wait::until_good(self.lab, healed_at, patience, |_| self.interrupt.check())?;
        let log = stream.log();
        let until = Instant::now().checked_sub(ANSWER_PATIENCE).unwrap_or(healed_at);
        console.line(format!(
            "heal       direct again {} after the cut ended: {} of {} packets lost",
            seconds(back - healed_at),
            log.lost(healed_at, until),
            log.sent(healed_at, until)
        ));
        self.path(console)
    }

    /// Fails if the demo cannot go on.
    fn check(&self) -> Result<()> {
        self.interrupt.check()?;
        let ended = |site: &&Site| Daemon::of(&self.lab.state.site(&site.name)).is_none();
        match self.lab.mesh.sites.iter().find(ended) {
            Some(site) => bail!("weft of {} ended", site.name),
            None => Ok(()),
        }
    }

    /// Waits until [`STEADY`] consecutive requests that were sent after `since` are answered. Returns when the first of them was sent.
    fn await_steady(&self, stream: &Stream, since: Instant, patience: Duration) -> Result<Instant> {
        let deadline = Instant::now() + patience;
        loop {
            self.check()?;
            let log = stream.log();
            let sent: Vec<&Probe> = log.probes.iter().filter(|probe| probe.sent >= since).collect();
            let all_answered = |run: &&[&Probe]| run.iter().all(|probe| probe.answered.is_some());
            if let Some(run) = sent.windows(STEADY).find(all_answered) {
                return Ok(run[0].sent);
            }
            if Instant::now() > deadline {
                bail!("no {STEADY} answers in a row within {} s", patience.as_secs());
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits until the kernel's route from here to there is as `wanted`. Returns when it was.
    fn await_route(
        &self,
        console: &mut Console,
        stream: &Stream,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&[Hop]) -> bool,
    ) -> Result<Instant> {
        let start = Instant::now();
        loop {
            self.check()?;
            let hops = self.route()?;
            let now = Instant::now();
            if wanted(&hops) {
                return Ok(now);
            }
            if now - start > patience {
                bail!("{what}: after {} s the route is still {}", patience.as_secs(), self.describe(&hops));
            }
            let lost = stream.log().lost(start, now);
            console.progress(format!("{what}: {:.1} s, {lost} packets without an answer", (now - start).as_secs_f64()));
            thread::sleep(LOOK);
        }
    }

    /// The next hops of the kernel's route from here to there; empty if there is no route.
    fn route(&self) -> Result<Vec<Hop>> {
        let mut netlink = Netlink::open(&Namespace::existing(&self.cast.here.namespace)?)?;
        let wanted = IpNetwork::from(self.cast.prefix);
        let rows = netlink.routes(PROTOCOL)?;
        let links = netlink.links()?;
        let name =
            |index| links.iter().find(|link| link.index == index).map_or("?", |link| link.name.as_str()).to_owned();
        let hops = rows.iter().filter(|row| row.destination == wanted).flat_map(|row| &row.nexthops);
        Ok(hops.map(|(index, via)| Hop { interface: name(*index), via: *via }).collect())
    }

    fn is_direct(&self, hops: &[Hop]) -> bool {
        let direct = tunnel_interface(&self.cast.there.name);
        !hops.is_empty() && hops.iter().all(|hop| hop.interface == direct.as_str())
    }

    fn describe(&self, hops: &[Hop]) -> String {
        if hops.is_empty() {
            return format!("none for {}", self.cast.prefix);
        }
        let hops = hops.iter().map(|hop| match hop.via {
            Some(via) => format!("via {via} dev {}", hop.interface),
            None => format!("dev {}", hop.interface),
        });
        format!("{} {}", self.cast.prefix, hops.collect::<Vec<_>>().join(", "))
    }

    /// Prints the path of the packets, as traced and as the kernel's route.
    fn path(&self, console: &mut Console) -> Result<()> {
        let hops = trace(&Namespace::existing(&self.cast.from)?, self.cast.to, TRACE_HOPS_MAX, TRACE_PATIENCE)?;
        if hops.last() != Some(&Some(self.cast.to)) {
            bail!("a trace of the path did not arrive");
        }
        let routers = hops[..hops.len() - 1].iter().map(|hop| match hop {
            Some(address) => match self.lab.layout.site_of_router(*address) {
                Some(site) => site.name.clone(),
                None => address.to_string(),
            },
            None => "?".to_owned(),
        });
        let way: Vec<String> = std::iter::once(format!("{}-lan", self.cast.here.name))
            .chain(routers)
            .chain([format!("{}-lan", self.cast.there.name)])
            .collect();
        console.line(format!("           path {}", way.join(" > ")));
        console.line(format!("           route {}", self.describe(&self.route()?)));
        Ok(())
    }
}

struct Hop {
    interface: String,
    via: Option<std::net::IpAddr>,
}

/// One line about the progress of a lab that is starting.
pub fn progress(health: &Health) -> String {
    let mut text = format!(
        "waiting: {} of {} neighbours Full, {} of {} routes in the kernels",
        count(health, |site| site.neighbors.present.len()),
        count(health, |site| site.neighbors.expected()),
        count(health, |site| site.routes.present.len()),
        count(health, |site| site.routes.expected())
    );
    if !health.hosts.is_empty() {
        let good = health.hosts.iter().filter(|host| host.is_good()).count();
        text.push_str(&format!(", {good} of {} hosts reach all others", health.hosts.len()));
    }
    text
}

fn count(health: &Health, of: impl Fn(&super::health::SiteHealth) -> usize) -> usize {
    health.sites.iter().map(of).sum()
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
