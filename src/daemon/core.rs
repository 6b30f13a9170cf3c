//! The daemon's state and its loop.
//!
//! One task owns everything: it hears of routes, kernel changes, signals and questions, and after each makes the kernel what it
//! should be. It knows no protocol and no netlink.

mod answers;
mod origination;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use ospf::{Config, InterfaceId, LinkState, NeighborState, Prefix, StubRouter};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::carriers::Listed;
use super::checks::{Checks, Ground};
use super::ending::{End, Ending};
use super::filters::Filters;
use super::forwarding::Forwarding;
use super::host_memory::HostMemory;
use super::instance_lock::InstanceLock;
use super::loading::Loading;
use super::local::Local;
use super::looks::{DEVICES_INTERVAL, Looks};
use super::notes::Notes;
use super::renaming::{FormerMesh, adopt_former_mesh, carry_over_handles};
use super::restart_note::Note;
use super::router_ids::RouterIds;
use super::segments::Segments;
use super::service_manager::notify;
use super::settling::{Settling, has_converged};
use super::watchdog::Watchdog;
use super::{Ended, Options, Trace, interfaces, last_resort, removal};
use crate::control::{Activity, Asked, Part, Server, StubRouterCommand, socket_path};
use crate::kernel::{Attended, Change, Failure, Kernel, OthersRoutes, Watch};
use crate::mesh::{SiteInterface, When};
use crate::reconcile::Step;
use crate::reconcile::state::{
    Backend, CAPTURE_TABLE, Freshness, HeardHost, MAIN_TABLE, Observed, Route, RouteKey, State,
};
use crate::reconcile::sysctls::desired_sysctls;
use crate::routing::{
    Driver, InterfaceIds, News, OpaqueUser, Redistributed, RouteChanges, Signing, engine_config, redistributed,
};
use crate::state_file::Written;
use crate::trace::Recorder;
use crate::tunnel::{Endpoints, WireGuard};
use crate::{log, process};

/// Questions waiting for the loop.
const QUESTION_QUEUE: usize = 16;
/// A clock that is corrected by less than this was not set.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);
/// How long routes of the last run are kept at most, beyond the longest dead interval.
const SETTLING_MARGIN: Duration = Duration::from_secs(2);

/// Runs the daemon of `local` until it is told to stop.
pub(super) async fn run(options: Options, local: Local) -> anyhow::Result<Ended> {
    let (questioner, questions) = mpsc::channel(QUESTION_QUEUE);
    let notes = Notes::open(&options.run_dir, &options.state_dir);
    // Until the very end: another daemon must not begin before this one has answered everything.
    let instance_lock = Arc::new(InstanceLock::acquire(&options.run_dir)?);
    let activity = Arc::new(Activity::default());
    let server = Server::start(&socket_path(&options.run_dir), questioner, Arc::clone(&activity))?;
    let outcome = async {
        let ending = Ending::new()?;
        last_resort::arm()?;
        let (daemon, inlets) =
            Daemon::start(options, local, notes, questions, activity, Arc::clone(&instance_lock)).await?;
        daemon.live(inlets, ending).await
    };
    let outcome = outcome.await;
    server.finish().await;
    outcome
}

/// Everything that the loop listens to.
struct Inlets {
    news: mpsc::Receiver<News>,
    questions: mpsc::Receiver<Asked>,
    watch: Watch,
    reload: Signal,
}

pub(super) struct Daemon {
    options: Options,
    pub(super) notes: Notes,
    router_ids: RouterIds,
    pub(super) local: Local,
    pub(super) backend: Backend,
    /// The number of this start.
    boot: u32,
    /// The moment of the engine's time zero, by the clock as it was when the engine was last configured.
    zero: SystemTime,
    ids: InterfaceIds,
    pub(super) driver: Driver,
    pub(super) kernel: Kernel,
    pub(super) drivers: WireGuard,
    endpoints: Endpoints,
    /// What was said of it by command.
    stub_router: StubRouterCommand,
    segments: Segments,
    /// What was last taken from the kernel into OSPF.
    redistributed: Redistributed,
    /// The site's prefixes, and what carries them.
    listed: Listed,
    /// What OSPF computed.
    routes: BTreeMap<Prefix, ospf::Route>,
    /// What the kernel was found to be, kept up with what has been carried out since.
    pub(super) observed: Observed,
    /// Link states as the engine knows them.
    told: BTreeMap<InterfaceId, LinkState>,
    settling: Settling,
    /// Interfaces that patterns of the mesh file mean have come or gone since they were last watched.
    interfaces_differ: bool,
    /// How long neighbours bear with silence.
    missed_after: Duration,
    /// Why the kernel could not be looked at the last time.
    look_failure: Option<String>,
    /// What could not be carried out, as far as the log has it.
    logged: BTreeSet<String>,
    filters: Filters,
    checks: Checks,
    loading: Loading,
    /// Why the mesh file was not taken at the last SIGHUP.
    refused_reload: Option<String>,
    looks: Looks,
    started: Instant,
    /// What the loop is doing, for those who wait for it.
    activity: Arc<Activity>,
    /// Shared with [`run`], which ends the control socket after the daemon.
    instance_lock: Arc<InstanceLock>,
    /// What is left of the mesh under its former name.
    pub(super) former: Option<FormerMesh>,
    engine_watch: JoinHandle<()>,
    watchdog: Watchdog,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.engine_watch.abort();
    }
}

/// Whether to trust what is known of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Only routes have changed, by our own doing.
    Known,
    /// Look at WireGuard devices.
    Devices,
    /// Look at everything.
    Afresh,
}

/// What to do after one turn of the loop.
enum Next {
    Reconcile(Look),
    Nothing,
    /// End, leaving nothing behind; then answer.
    Down(oneshot::Sender<Result<Part, String>>),
}

impl Daemon {
    async fn start(
        options: Options,
        local: Local,
        mut notes: Notes,
        questions: mpsc::Receiver<Asked>,
        activity: Arc<Activity>,
        instance_lock: Arc<InstanceLock>,
    ) -> anyhow::Result<(Self, Inlets)> {
        let now = Instant::now();
        let (mut kernel, mut watch) = Kernel::open(&local.mesh.name, &options.run_dir)?;
        let former = adopt_former_mesh(&kernel, &mut notes, &local).await;
        notes.note_mesh(&local.mesh.name);
        notes.note_options(&options);
        notes.note_mesh_file(&local.text);
        kernel.learn(others_routes(&local));
        watch.learn(others_routes(&local));
        let memory = HostMemory::open(&options.state_dir);
        let segments = Segments::new(&local.mesh, &local.site, memory, SystemTime::now());
        kernel.expect_segments(expected_segments(&segments));
        kernel.expect_filter(local.filter.clone());
        let listed = Listed::new(&local);
        kernel.follow(listed.followed().clone());
        watch.follow(listed.followed().clone());
        watch.manage(local.interfaces().chain(segments.interfaces()).collect());
        let backend = local.backend(kernel.has_wireguard().await?)?;
        let drivers = WireGuard::new(&options.run_dir, removal::PROGRAM.into());
        let mut endpoints = Endpoints::default();
        endpoints.set(local.tunnels.values());
        let mut ids = InterfaceIds::default();
        let zero = SystemTime::now();
        let boot = notes.number_start(zero);
        let signing = Signing { keyring: &local.keyring, zero, boot };
        let redistributed = Redistributed::default();
        let config = engine_config(&local.mesh, &local.site, &redistributed, &listed.withdrawn(), &signing, &mut ids);
        let longest = longest_dead_interval(&config);
        let mut router_ids = RouterIds::open(&options.state_dir);
        let has_other_id = router_ids.begin(local.site.loopback, zero);
        // Under another router id nothing goes on: to its neighbours this is another router.
        let resumption = resumption(&mut notes, &local, zero).filter(|_| !has_other_id);
        let boot = resumption.map_or(boot, |(_, least)| boot.max(least));
        let restarting = resumption.map(|(restarting, _)| restarting);
        let former_ids = router_ids.former(&local.mesh, zero);
        let config = ospf::Config { boot, restarting, former_ids, ..config };
        // Within a restart OSPF knows of no route for as long as that lasts.
        let patience = longest.max(restarting.map_or(Duration::ZERO, |restarting| restarting.grace_period));
        let seed = u64::from_ne_bytes(random()?);
        let recorder = recorder(&options, &local, &config, seed);
        let (driver, news) = Driver::start(config, seed, recorder)?;
        info!(mesh = local.mesh.name, site = local.site.name, router_id = %local.site.loopback, ?backend, "starting");
        let inlets =
            Inlets { news, questions, watch, reload: signal(SignalKind::hangup()).context("listening for SIGHUP")? };
        let checks = Checks::new(&local);
        let daemon = Self {
            engine_watch: drivers.watch_engine(),
            endpoints,
            notes,
            router_ids,
            options,
            local,
            backend,
            boot,
            zero,
            ids,
            driver,
            kernel,
            drivers,
            stub_router: StubRouterCommand::File,
            segments,
            redistributed,
            listed,
            routes: BTreeMap::new(),
            observed: Observed::default(),
            told: BTreeMap::new(),
            settling: Settling::start(now, patience + SETTLING_MARGIN),
            interfaces_differ: false,
            missed_after: longest,
            look_failure: None,
            logged: BTreeSet::new(),
            filters: Filters::new(now),
            checks,
            loading: Loading::default(),
            refused_reload: None,
            looks: Looks::new(now),
            started: now,
            activity,
            instance_lock,
            former,
            watchdog: Watchdog::from_environment(),
        };
        Ok((daemon, inlets))
    }

    async fn live(mut self, mut inlets: Inlets, mut ending: Ending) -> anyhow::Result<Ended> {
        // A signal ends whatever is under way: it may wait for something that does not come.
        let end = tokio::select! {
            biased;
            end = ending.asked_for() => end,
            end = self.work(&mut inlets) => end?,
        };
        notify(NotifyState::Stopping);
        // The loop turns no more, and its end has time limits of its own.
        let signs = Watchdog::from_environment().give_all();
        tokio::select! {
            ended = self.end(end) => ended,
            never = signs => match never {},
        }
    }

    /// Works until somebody wants everything gone. May be dropped at any time: the daemon ends then.
    async fn work(&mut self, inlets: &mut Inlets) -> anyhow::Result<End> {
        self.tell_whereabouts().await;
        self.reconcile(Look::Afresh).await;
        notify(NotifyState::Ready);
        loop {
            if std::mem::take(&mut self.interfaces_differ) {
                inlets.watch.manage(self.managed_interfaces());
            }
            if inlets.watch.attend(&self.observed).context("listening to the kernel")? == Attended::Anew {
                // Whatever happened before nobody has heard.
                self.reconcile(Look::Afresh).await;
            }
            self.activity.begin("idle");
            match self.turn(inlets).await? {
                Next::Nothing => {}
                Next::Reconcile(look) => self.reconcile(look).await,
                Next::Down(answer) => return Ok(End::Down(answer)),
            }
        }
    }

    /// Waits for one thing to happen.
    async fn turn(&mut self, inlets: &mut Inlets) -> anyhow::Result<Next> {
        let deadline = self.deadline();
        tokio::select! {
            news = inlets.news.recv() => {
                let News { routes, opaques } = news.context("the routing task has ended")?;
                let nothing_else = opaques.is_empty() && self.only_routes_differ();
                let done = nothing_else && self.reconcile_routes(&routes).await;
                let may_carry = self.listed.are_concerned(&routes);
                self.take_routes(routes);
                if may_carry && self.follow_carriers() {
                    self.configure().await;
                }
                if done {
                    return Ok(Next::Nothing);
                }
                for (user, changes) in opaques.by_user() {
                    match user {
                        OpaqueUser::SegmentClaims => self.segments.hear(changes, SystemTime::now()),
                    }
                }
                self.tell_whereabouts().await;
                Ok(Next::Reconcile(Look::Known))
            }
            changed = inlets.watch.changed() => {
                let changes = changed.context("listening to the kernel")?;
                let now = Instant::now();
                let unmanaged = |change: &Change| matches!(change, Change::OthersRoutes | Change::Unmanaged);
                if changes.iter().any(unmanaged) {
                    self.looks.unmanaged_changed(now);
                }
                let moved = self.hear_hosts(&changes).await;
                let filter_differs = changes.contains(&Change::Filter) && self.filter_differs(&inlets.watch).await;
                let known = |change: &Change| matches!(change, Change::Heard { .. } | Change::Filter);
                let managed = |change: &Change| !unmanaged(change) && !known(change);
                if filter_differs {
                    return Ok(Next::Reconcile(Look::Afresh));
                }
                if changes.iter().any(managed) && self.looks.managed_changed(now) {
                    Ok(Next::Reconcile(Look::Afresh))
                } else if moved {
                    Ok(Next::Reconcile(Look::Known))
                } else {
                    Ok(Next::Nothing)
                }
            }
            Some(asked) = inlets.questions.recv() => self.answer(asked, &mut inlets.watch).await,
            _ = self.endpoints.moved() => Ok(Next::Reconcile(Look::Known)),
            () = self.watchdog.due() => {
                // A routing task that does not answer is no life.
                self.driver.view(self.local.kept_out()).await?;
                self.watchdog.give();
                Ok(Next::Nothing)
            }
            _ = inlets.reload.recv() => {
                // A refusal has been logged, and stands in `weft status`.
                let _ = self.reload(&mut inlets.watch).await;
                Ok(Next::Reconcile(Look::Afresh))
            }
            () = tokio::time::sleep_until(deadline.into()) => {
                let only_devices = self.other_deadline(deadline).is_none_or(|other| other > deadline)
                    && self.looks.only_devices(deadline);
                Ok(Next::Reconcile(if only_devices { Look::Devices } else { Look::Afresh }))
            }
        }
    }

    /// The mesh's nftables tables were changed, perhaps by weft itself: whether they are not what they were.
    async fn filter_differs(&mut self, watch: &Watch) -> bool {
        let now = Instant::now();
        self.filters.expire(now);
        self.filters.look(&mut self.kernel, now).await;
        let differs = !self.kernel.has_filter(self.observed.state.filter.as_ref());
        if differs {
            let by = watch.filter_author().unwrap_or_else(|| "another program".to_owned());
            warn!(by, "weft's nftables tables were removed or changed; they are set again");
        }
        differs
    }

    /// When to look though nothing happens.
    fn deadline(&self) -> Instant {
        let look = self.looks.deadline();
        self.other_deadline(Instant::now()).map_or(look, |other| other.min(look))
    }

    /// When to come back for another reason than that it is time to look again.
    fn other_deadline(&self, now: Instant) -> Option<Instant> {
        // Nothing can be carried out before the kernel has been looked at.
        let step = self.kernel.attempts().deadline(now).filter(|_| !self.looks.is_failing());
        [self.settling.deadline(), step].into_iter().flatten().min()
    }

    /// Makes the kernel what it should be, as far as it can be done now.
    async fn reconcile(&mut self, look: Look) {
        let now = Instant::now();
        // Deadlines that have passed are dealt with first: one that stayed would wake the loop again at once.
        self.settling.advance(now);
        let look = if self.observed.freshness == Freshness::Stale { Look::Afresh } else { look };
        if look == Look::Afresh && !self.looks.may_look(now) {
            return;
        }
        if look != Look::Known {
            self.activity.begin("looking at the kernel");
            if look == Look::Afresh {
                self.filters.look(&mut self.kernel, now).await;
                let start = Instant::now();
                match self.kernel.observe(&self.drivers).await {
                    Ok(observed) => {
                        self.checks.note_settings(self.local.tunnels.keys(), &self.observed, &observed);
                        self.observed = observed;
                    }
                    Err(error) => return self.failed(&error),
                }
                if self.rename_tunnels().await {
                    match self.kernel.observe(&self.drivers).await {
                        Ok(observed) => self.observed = observed,
                        Err(error) => return self.failed(&error),
                    }
                }
                self.looks.looked(start, Instant::now());
            } else {
                self.kernel.observe_devices(&mut self.observed, &self.drivers).await;
                self.looks.at_devices(Instant::now());
            }
            self.checks.note_traffic(&self.observed);
            if self.local.find_interfaces(&self.observed.foreign) {
                self.interfaces_differ = true;
                self.configure().await;
            }
            // Before any adjacency: what this router brings in is not flushed at the end of a restart, and an interface comes up with all
            // its networks.
            self.redistribute().await;
            self.tell_links().await;
            self.follow_clock().await;
            self.note_down();
        }
        if let Settling::Until(_) = self.settling
            && self.converged().await
        {
            self.settling.converged(now);
        }
        self.activity.begin("changing the kernel");
        let desired = self.desired();
        let outcome = self.kernel.reconcile(&desired, &mut self.observed, &self.drivers).await;
        self.filters.note(&self.kernel, self.observed.state.filter.as_ref(), now);
        match outcome {
            Ok(failures) => {
                self.look_failure = None;
                self.looks.succeeded();
                self.log_failures(&failures);
                self.forget_former_mesh().await;
            }
            Err(error) => self.failed(&error),
        }
        self.segments.tell_ports(&self.observed);
        let reachable = self.reachable(&self.observed.state.routes);
        self.segments.carry(&reachable, &self.observed);
        self.segments.listen(&self.observed, &self.kernel.learned());
        if look != Look::Known {
            let Self { checks, kernel, observed, local, redistributed, .. } = self;
            checks.turn(&Ground { kernel, observed, local, redistributed }).await;
        }
    }

    /// Whether the kernel is known to be as it should be, but for what OSPF has just computed.
    fn only_routes_differ(&self) -> bool {
        let tunnels_stand = self.local.tunnels.keys().all(|name| self.observed.state.links.contains_key(name));
        self.settling == Settling::Settled
            && self.observed.freshness == Freshness::Fresh
            && !self.kernel.attempts().has_failures()
            && !self.looks.is_failing()
            && tunnels_stand
    }

    /// Installs these changes alone; `false` if they have a bearing on more than their own routes, and nothing was done.
    async fn reconcile_routes(&mut self, changes: &RouteChanges) -> bool {
        let changed = changes.iter().filter_map(|(prefix, route)| Some((*prefix, route.clone()?))).collect();
        let routes = self.forwarding().routes(&changed);
        // The rules stand or fall with the routes that may capture the tunnels' own packets.
        let captures = |prefix: &Prefix| {
            self.observed.state.routes.contains_key(&RouteKey { table: CAPTURE_TABLE, prefix: *prefix })
        };
        // What a segment sends to a site stands or falls with the way there.
        let peers = self.segments.peers();
        let leads_to_segments = |prefix: &Prefix| peers.iter().any(|peer| *prefix == Prefix::host(*peer));
        let capture = routes.keys().any(|key| key.table == CAPTURE_TABLE);
        if capture || changes.keys().any(|prefix| captures(prefix) || leads_to_segments(prefix)) {
            return false;
        }
        let failures =
            self.kernel.reconcile_routes(changes.keys().copied(), &routes, &mut self.observed, &self.drivers).await;
        self.log_failures(&failures);
        true
    }

    /// Takes note that nothing could be planned, or that the plan was not begun.
    fn failed(&mut self, error: &anyhow::Error) {
        let failure = format!("{error:#}");
        if self.look_failure.as_ref() != Some(&failure) {
            warn!(failure, "not done; will be tried again");
        }
        self.look_failure = Some(failure);
        self.looks.failed(Instant::now());
    }

    /// Logs what has failed, once each until all is well.
    fn log_failures(&mut self, failures: &[Failure]) {
        if !self.kernel.attempts().has_failures() {
            self.logged.clear();
        }
        // What stands in the way of the ruleset is logged where it is noted.
        let others = failures.iter().filter(|failure| !matches!(failure.step, Step::SetFilter(_)));
        for failure in others.map(ToString::to_string) {
            if !self.logged.contains(&failure) {
                warn!(failure, "not done; will be tried again");
                self.logged.insert(failure);
            }
        }
    }

    /// What should be in the kernel, by all that is known.
    fn desired(&self) -> State {
        let mut desired = self.local.desired(self.backend, |interface| self.endpoints.endpoint(interface));
        let present = &self.observed.state.sysctls;
        let forwarding = self.forwarding();
        desired.routes = forwarding.routes(&self.routes);
        desired.sysctls = desired_sysctls(self.local.tunnels.keys(), present);
        self.settling.keep(&mut desired, &self.observed.state, &self.local.mesh, self.local.site.loopback);
        let uplinks = forwarding.uplinks(&desired.routes);
        desired.rules = forwarding.rules(&desired.routes, &uplinks);
        desired.routes.extend(uplinks.routes);
        let reachable = self.reachable(&desired.routes);
        desired.overlay = self.segments.desired(&reachable, &self.observed, SystemTime::now());
        desired
    }

    /// Other sites of our segments that one of these routes leads to through tunnels alone: elsewhere VXLAN does not go.
    fn reachable(&self, routes: &BTreeMap<RouteKey, Route>) -> BTreeSet<Ipv4Addr> {
        let mut peers = self.segments.peers();
        let tables = [MAIN_TABLE, CAPTURE_TABLE];
        peers.retain(|peer| {
            let prefix = Prefix::host(*peer);
            let found = tables.iter().find_map(|table| routes.get(&RouteKey { table: *table, prefix }));
            let mut interfaces = found.into_iter().flat_map(|route| &route.nexthops).map(|hop| &hop.interface);
            found.is_some() && interfaces.all(|interface| self.local.tunnels.contains_key(interface))
        });
        peers
    }

    /// Bridges have heard hosts on ports where they were not before; whether one has moved here.
    async fn hear_hosts(&mut self, changes: &BTreeSet<Change>) -> bool {
        let mut moved = false;
        for change in changes {
            let Change::Heard { port, mac, vlan } = change else { continue };
            let named = self.observed.indexes.iter().find(|(_, index)| *index == port).map(|(name, _)| name.clone());
            let Some(name) = named else { continue };
            let Some(bridge) = self.observed.state.overlay.ports.get(&name) else { continue };
            let vlan = self.observed.state.overlay.vlan_on(bridge, *vlan);
            let host = HeardHost { port: name, mac: *mac, vlan };
            if self.segments.heard_on(&host, bridge, SystemTime::now()) {
                self.observed.heard.retain(|other| (other.mac, other.vlan) != (host.mac, host.vlan));
                self.observed.heard.insert(host);
                moved = true;
            }
        }
        if moved {
            self.tell_whereabouts().await;
        }
        moved
    }

    /// Tells the other sites, and writes down, where hosts have moved, as far as that has changed.
    async fn tell_whereabouts(&mut self) {
        for (lsa, body) in self.segments.take_untold() {
            self.driver.opaque(OpaqueUser::SegmentClaims, lsa, body).await;
        }
        self.segments.remember();
    }

    /// This router at present, as far as its routes depend on it.
    fn forwarding(&self) -> Forwarding<'_> {
        Forwarding::new(&self.local, &self.observed, &self.ids, self.underlay())
    }

    /// Addresses outside the mesh that tunnels send to, as configured and as found.
    fn underlay(&self) -> BTreeSet<Ipv4Addr> {
        let found = self.observed.state.devices.values().filter_map(|device| device.peer.as_ref()?.endpoint);
        let configured = self.local.tunnels.keys().filter_map(|interface| self.endpoints.endpoint(interface));
        configured
            .chain(found)
            .filter_map(|endpoint| match endpoint.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect()
    }

    /// Tells the engine of every link whose state is another one now.
    async fn tell_links(&mut self) {
        let states = interfaces::link_states(&self.local, &self.observed, &mut self.ids);
        for (id, state) in &states {
            if self.told.get(id) != Some(state) {
                self.driver.link(*id, state.clone()).await;
            }
        }
        self.told = states;
    }

    /// The router starts over under another router id: its previous routes are kept until it has new ones.
    fn settle_again(&mut self) {
        let grace_period = self.local.mesh.ospf.graceful_restart.restarter.unwrap_or_default();
        self.settling = Settling::start(Instant::now(), self.missed_after.max(grace_period) + SETTLING_MARGIN);
    }

    fn take_routes(&mut self, changes: RouteChanges) {
        for (prefix, route) in changes {
            match route {
                Some(route) => self.routes.insert(prefix, route),
                None => self.routes.remove(&prefix),
            };
        }
    }

    /// Whether every tunnel has a neighbour that is Full and to which there is a route.
    async fn converged(&mut self) -> bool {
        let Ok(view) = self.driver.view(self.local.kept_out()).await else { return false };
        if view.restarting {
            return false;
        }
        let full: BTreeSet<InterfaceId> = view
            .neighbors
            .iter()
            .filter(|neighbor| neighbor.state == NeighborState::Full)
            .map(|neighbor| neighbor.interface)
            .collect();
        let peers = self.local.tunnels.iter();
        has_converged(peers.map(|(name, peer)| (full.contains(&self.ids.id(name)), peer.peer_loopback)), &self.routes)
    }

    /// Takes the mesh file as it is now; a wrong one changes nothing.
    ///
    /// # Errors
    /// Why the file is refused.
    async fn reload(&mut self, watch: &mut Watch) -> Result<(), String> {
        notify(NotifyState::Reloading);
        let outcome = match self.reloaded().await {
            Ok((local, backend)) => {
                info!(sites = local.mesh.sites.len(), tunnels = local.tunnels.len(), "mesh file read again");
                carry_over_handles(&self.local, &local, &mut self.ids);
                if local.site.loopback != self.local.site.loopback {
                    self.settle_again();
                }
                self.local = local;
                self.notes.note_mesh_file(&self.local.text);
                self.local.find_interfaces(&self.observed.foreign);
                self.backend = backend;
                self.refused_reload = None;
                self.endpoints.set(self.local.tunnels.values());
                self.filters.expire(Instant::now());
                self.checks.overrides.reload(&self.local);
                self.kernel.learn(others_routes(&self.local));
                self.segments.reload(&self.local.mesh, &self.local.site, SystemTime::now());
                self.kernel.expect_segments(expected_segments(&self.segments));
                self.tell_whereabouts().await;
                self.listed.reload(&self.local);
                self.follow_carriers();
                self.kernel.follow(self.listed.followed().clone());
                // By the new file; what is no longer looked at is not redistributed either.
                self.redistributed = redistributed(&self.local.site, &self.observed.foreign);
                self.configure().await;
                watch.learn(others_routes(&self.local));
                watch.follow(self.listed.followed().clone());
                watch.manage(self.managed_interfaces());
                Ok(())
            }
            Err(reason) => {
                let reason = format!("{reason:#}");
                error!("the mesh file is not taken, the old one stays in force: {reason}");
                self.refused_reload = Some(reason.clone());
                Err(reason)
            }
        };
        notify(NotifyState::Ready);
        outcome
    }

    /// Notes until when neighbours would bear with this router's silence, should it end without a word before it looks again; and
    /// whatever could not be noted before.
    fn note_down(&mut self) {
        self.instance_lock.keep();
        self.notes.retry();
        self.router_ids.retry();
        self.segments.retry_remembering();
        self.kernel.retry_remembering();
        if self.local.mesh.ospf.graceful_restart.restarter.is_some() {
            let end = SystemTime::now() + DEVICES_INTERVAL + self.missed_after;
            // It is written anew the next time anyway.
            let _: Written = self.notes.leave_restart(Note::running(end));
        }
    }

    /// Gives the engine the mesh file, the clock and the routes of others as they are.
    async fn configure(&mut self) {
        self.zero = self.driver.zero();
        let signing = Signing { keyring: &self.local.keyring, zero: self.zero, boot: self.boot };
        let withdrawn = self.listed.withdrawn();
        let (mesh, site) = (&self.local.mesh, &self.local.site);
        let mut config = engine_config(mesh, site, &self.redistributed, &withdrawn, &signing, &mut self.ids);
        let now = SystemTime::now();
        self.router_ids.begin(self.local.site.loopback, now);
        config.former_ids = self.router_ids.former(&self.local.mesh, now);
        match self.stub_router {
            StubRouterCommand::File => {}
            StubRouterCommand::On => config.stub_router = StubRouter::Always,
            StubRouterCommand::Off => config.stub_router = StubRouter::Never,
        }
        self.missed_after = longest_dead_interval(&config);
        self.told.retain(|id, _| config.interfaces.contains_key(id));
        self.driver.configure(config).await;
    }

    /// Keys are valid by the clock: when that was set, their times in the engine are other ones.
    async fn follow_clock(&mut self) {
        let zero = self.driver.zero();
        let moved = zero.duration_since(self.zero).unwrap_or_else(|earlier| earlier.duration());
        if moved > CLOCK_TOLERANCE {
            info!(seconds = moved.as_secs_f64(), "the clock was set");
            self.configure().await;
        }
    }

    async fn reloaded(&mut self) -> anyhow::Result<(Local, Backend)> {
        self.activity.begin("reading the mesh file");
        let options = self.options.clone();
        let load = move || {
            let local = Local::load(&options);
            // Reading the key has left copies on the stack of this thread.
            wireguard::stack::wipe();
            local
        };
        let local = self.loading.load(load).await?;
        anyhow::ensure!(
            local.mesh.name == self.local.mesh.name,
            "the mesh is called {} now and was {}: restart weft, which takes everything over",
            local.mesh.name,
            self.local.mesh.name
        );
        // Whether the kernel has WireGuard was found out at the start, and `auto` stays with what it chose then.
        let backend = local.backend(self.backend == Backend::Kernel)?;
        Ok((local, backend))
    }

    /// What is wrong with the daemon's own files, with its log and the engine's, and with what the system lets it have.
    fn upkeep(&self) -> Vec<String> {
        let logs = log::problem().into_iter().chain(self.drivers.engine().log_problem());
        let of_process = logs.chain(process::few_files_left());
        let of_files = self.notes.problems().into_iter().chain(self.kernel.memory_problems());
        let of_ids = self.router_ids.problems();
        of_process.chain(of_files).chain(of_ids).chain(self.segments.memory_problems()).collect()
    }

    /// Removes everything; what cannot be undone comes back.
    pub(super) async fn remove_everything(&mut self) -> anyhow::Result<Vec<String>> {
        let left = removal::remove_everything(&mut self.kernel, &self.drivers, &mut self.notes).await?;
        self.drivers.engine().stop().await?;
        Ok(left)
    }
}

/// How the engine has to begin, and the least number of this start, by the note that the daemon before has left.
fn resumption(notes: &mut Notes, local: &Local, now: SystemTime) -> Option<(ospf::Restarting, u32)> {
    let note = notes.take_restart();
    let restarter = local.mesh.ospf.graceful_restart.restarter;
    note.zip(restarter).and_then(|(note, grace_period)| note.resumption(now, grace_period))
}

fn longest_dead_interval(config: &ospf::Config) -> Duration {
    config.interfaces.values().map(|interface| interface.dead_interval).max().unwrap_or_default()
}

/// Whether the kernel is to be looked at for segments.
fn expected_segments(segments: &Segments) -> crate::kernel::Segments {
    if segments.is_empty() { crate::kernel::Segments::Unexpected } else { crate::kernel::Segments::Observed }
}

/// Whether routes of others matter to this site.
fn others_routes(local: &Local) -> OthersRoutes {
    let of_default = local.site.default_originate.is_some_and(|default| default.when == When::IfPresent);
    // Whether tunnels need what is announced there depends on them.
    let is_open = local.site.interfaces.iter().chain(&local.site.interface_patterns).any(SiteInterface::is_open);
    match local.site.redistributions.is_empty() && !of_default && !is_open {
        true => OthersRoutes::Ignored,
        false => OthersRoutes::Observed,
    }
}

/// The trace that the operator asked for, begun; `None` if it cannot be written, which is no reason for a router not to start.
fn recorder(options: &Options, local: &Local, config: &Config, seed: u64) -> Option<Recorder> {
    let Trace { path, limit } = options.trace.as_ref()?;
    let made = random().and_then(|salt| Recorder::create(path, *limit, salt, config));
    let mut recorder = made.inspect_err(|error| error!("nothing is traced: {error:#}")).ok()?;
    recorder.start(&local.mesh.name, &local.site.name, seed);
    Some(recorder)
}

/// Random octets from the operating system: a seed for the engine's jitter, a salt.
pub(super) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    use std::io::Read as _;
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("reading /dev/urandom")?;
    Ok(bytes)
}
