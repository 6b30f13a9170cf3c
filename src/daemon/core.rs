//! The daemon's loop: it waits for one thing to happen, and carries out what the parts decide about it.
//!
//! One task owns everything. [`Router`] is the OSPF side, [`Rib`] the routing table, [`Host`] the kernel side; none of them does I/O, and
//! each is tested by itself. Here are the sockets, the tasks, and the order of things.

mod answers;
mod looking;
mod preview;
mod reload;
mod start;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;
use ospf::{InterfaceId, NeighborState, PathState};
use sd_notify::NotifyState;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::info;

use super::checks::{Checks, Ground};
use super::desired::{Basis, reachable};
use super::ending::{End, Ending};
use super::filters::Filters;
use super::host::{Host, Look, Reaction};
use super::inquiry::{Devices, Gathered};
use super::instance_lock::InstanceLock;
use super::loading::Loading;
use super::local::Local;
use super::looks::DEVICES_INTERVAL;
use super::notes::Notes;
use super::paths::{Path, Paths};
use super::renaming::FormerMesh;
use super::restart_note::Note;
use super::router::{Configuration, Router};
use super::segments::Segments;
use super::service_manager::notify;
use super::watchdog::Watchdog;
use super::{Ended, Options, last_resort, removal};
use crate::bfd::client::BfdProcess;
use crate::control::{Activity, Asked, Part, Server, socket_path};
use crate::kernel::{Attended, Changes, Kernel, Watch};
use crate::net::{IfName, Prefix};
use crate::reconcile::state::{Backend, CAPTURE_TABLE, RouteKey, State};
use crate::reconcile::{Plan, overlay::Overlay};
use crate::rib::Rib;
use crate::routing::{Driver, News, OpaqueUser};
use crate::state_file::Written;
use crate::tunnel::{Endpoints, WireGuard};
use crate::{bfd, log, process};

/// Questions waiting for the loop.
const QUESTION_QUEUE: usize = 16;

/// Runs the daemon of `local` until it is stopped.
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

/// Everything that the loop waits for.
struct Inlets {
    news: mpsc::Receiver<News>,
    questions: mpsc::Receiver<Asked>,
    /// Questions for which everything has been read.
    inquiries: mpsc::Receiver<(Asked, anyhow::Result<Gathered>)>,
    watch: Watch,
    /// What the BFD process reports.
    bfd: mpsc::Receiver<bfd::client::News>,
    reload: Signal,
}

pub(super) struct Daemon {
    options: Options,
    pub(super) notes: Notes,
    /// The mesh file, as this site reads it.
    pub(super) local: Local,
    pub(super) backend: Backend,
    /// The OSPF side, and the task of its engine.
    router: Router,
    pub(super) driver: Driver,
    /// The routing table.
    rib: Rib,
    /// The kernel side, and what carries out its steps.
    pub(super) host: Host,
    pub(super) kernel: Kernel,
    pub(super) drivers: WireGuard,
    /// The BFD process, and what it has found.
    bfd: BfdProcess,
    paths: Paths,
    endpoints: Endpoints,
    segments: Segments,
    filters: Filters,
    checks: Checks,
    /// The interfaces that carry the site's prefixes, as far as they are watched.
    carriers: BTreeSet<IfName>,
    /// Other interfaces have to be watched than those that are.
    interfaces_differ: bool,
    loading: Loading,
    /// The steps that are being carried out, while a client waits for a list of them.
    pub(super) carried_out: Option<Vec<String>>,
    /// Why the mesh file was not taken at the last reload.
    refused_reload: Option<String>,
    started: Instant,
    /// The WireGuard devices, as clients see them.
    devices: Devices,
    /// Where tasks hand in what they have read for an answer.
    inquiries: mpsc::Sender<(Asked, anyhow::Result<Gathered>)>,
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

/// What to do after one turn of the loop.
enum Next {
    Reconcile(Look),
    Nothing,
    /// End, leaving nothing behind; then answer.
    Down(oneshot::Sender<Result<Part, String>>),
}

impl Daemon {
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

    /// Works until everything is to be removed. May be dropped at any time: the daemon ends then.
    async fn work(&mut self, inlets: &mut Inlets) -> anyhow::Result<End> {
        self.announce_hosts().await;
        self.reconcile(Look::Afresh).await;
        notify(NotifyState::Ready);
        loop {
            if std::mem::take(&mut self.interfaces_differ) {
                inlets.watch.manage(self.managed_interfaces());
            }
            if inlets.watch.attend(self.host.observed()).context("listening to the kernel")? == Attended::Anew {
                // Earlier notifications about these interfaces were missed.
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
        let deadline = self.host.deadline(Instant::now());
        tokio::select! {
            news = inlets.news.recv() => Ok(self.hear_engine(news.context("the routing task has ended")?).await),
            changed = inlets.watch.changed() => {
                Ok(self.hear_kernel(&changed.context("listening to the kernel")?, &inlets.watch).await)
            }
            Some((asked, gathered)) = inlets.inquiries.recv() => {
                self.compose(asked, gathered).await;
                Ok(Next::Nothing)
            }
            Some(asked) = inlets.questions.recv() => self.answer(asked, &mut inlets.watch).await,
            Some(news) = inlets.bfd.recv() => Ok(self.hear_bfd(news).await),
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
            () = tokio::time::sleep_until(deadline.into()) => Ok(Next::Reconcile(self.host.due(deadline))),
        }
    }

    /// Acts on news of the engine: routes, and claims of other sites about hosts.
    async fn hear_engine(&mut self, News { routes, protections, opaques }: News) -> Next {
        let may_carry = self.router.listed().are_concerned(&routes);
        let changed = self.router.take_routes(routes, protections, &mut self.rib);
        let only_routes = opaques.is_empty() && self.host.only_routes_differ(&self.local);
        let done = only_routes && self.install(&changed).await;
        if may_carry {
            let Self { router, local, host, rib, .. } = self;
            let configuration = router.follow_carriers(local, host.observed(), rib);
            self.watch_carriers();
            self.configure_if(configuration).await;
        }
        if done {
            return Next::Nothing;
        }
        for (user, changes) in opaques.by_user() {
            match user {
                OpaqueUser::SegmentClaims => self.segments.receive(changes, SystemTime::now()),
            }
        }
        self.announce_hosts().await;
        Next::Reconcile(Look::Known)
    }

    /// Acts on what BFD has found of paths: takes the routes over a failed one to their alternates, then gives it to the engine. Returns
    /// whether that is all; otherwise more than routes depends on them, and follows with a whole plan.
    async fn hear_bfd(&mut self, news: bfd::client::News) -> Next {
        let changes = self.paths.take(news, Instant::now());
        let changed = self.router.follow_paths(&changes, &mut self.rib);
        let done = changed.is_empty() || self.install(&changed).await;
        self.give_paths(changes).await;
        if done { Next::Nothing } else { Next::Reconcile(Look::Known) }
    }

    async fn give_paths(&self, paths: Vec<(Path, PathState)>) {
        for ((interface, peer), state) in paths {
            // Without a handle it is no interface of the engine, or none any more.
            if let Some(id) = self.router.ids().known(&interface) {
                self.driver.path(id, peer, state).await;
            }
        }
    }

    /// Acts on notifications of the kernel. What OSPF and the routes need of an interface that has gone down or up is done at once, from
    /// the notification alone; everything else is read afterwards.
    async fn hear_kernel(&mut self, changes: &Changes, watch: &Watch) -> Next {
        let Reaction { filter, learned, links, look } = self.host.noticed(changes, Instant::now());
        let follows = links && !self.follow_links().await;
        let moved = self.learn_hosts(learned).await;
        if filter && self.filter_differs(watch).await {
            return Next::Reconcile(Look::Afresh);
        }
        match look {
            Some(look) => Next::Reconcile(look),
            None if moved || follows => Next::Reconcile(Look::Known),
            None => Next::Nothing,
        }
    }

    /// Makes the kernel what it should be, as far as it can be done now.
    async fn reconcile(&mut self, wanted: Look) {
        let now = Instant::now();
        let Some(look) = self.host.begin(wanted, now) else { return };
        if look != Look::Known {
            self.activity.begin("looking at the kernel");
            if let Err(error) = self.look(look, now).await {
                return self.host.failed(&error, Instant::now());
            }
            self.follow_kernel().await;
            self.note_down();
        }
        if self.host.retains_routes() && self.has_converged().await {
            self.host.converged(now);
        }
        self.activity.begin("changing the kernel");
        let desired = self.desired();
        let plan = self.host.plan(&desired, now);
        self.carry_out(plan, Some(&desired)).await;
        self.filters.note(&self.kernel, self.host.observed().state.filter.as_ref(), now);
        self.forget_former_mesh().await;
        let observed = self.host.observed();
        self.segments.announce_moves(observed);
        let reachable = reachable(&self.local, &observed.state.routes);
        self.segments.carry(&reachable, observed);
        self.segments.listen(observed, &self.kernel.learned());
        if look != Look::Known {
            let Self { checks, kernel, host, local, router, .. } = self;
            let ground = Ground { kernel, observed: host.observed(), local, redistributed: router.redistributed() };
            checks.turn(&ground).await;
        }
    }

    /// Carries out a plan. `desired` is what it leads to, or `None` if it is about routes alone.
    async fn carry_out(&mut self, plan: Plan, desired: Option<&State>) {
        if let Some(carried_out) = &mut self.carried_out {
            carried_out.extend(plan.steps.iter().map(ToString::to_string));
        }
        let executed = self.kernel.execute(&plan.steps, self.host.observed(), &self.drivers).await;
        self.host.carried_out(plan, executed, desired, Instant::now());
    }

    /// Gives these destinations their routes, and changes nothing else; `false` if more depends on them than that, and nothing was done.
    async fn install(&mut self, changed: &BTreeSet<Prefix>) -> bool {
        let used = changed.iter().filter_map(|prefix| Some((*prefix, self.rib.used(*prefix)?)));
        let routes = self.basis().forwarding().routes(used);
        // The rules depend on the routes that may capture the tunnels' own packets.
        let present = &self.host.observed().state.routes;
        let is_captured = |prefix: &Prefix| present.contains_key(&RouteKey { table: CAPTURE_TABLE, prefix: *prefix });
        // What a segment sends to a site depends on the route there.
        let peers = self.segments.peers();
        let leads_to_segments = |prefix: &Prefix| peers.iter().any(|peer| *prefix == Prefix::host(*peer));
        let captures = routes.keys().any(|key| key.table == CAPTURE_TABLE);
        if captures || changed.iter().any(|prefix| is_captured(prefix) || leads_to_segments(prefix)) {
            return false;
        }
        let plan = self.host.plan_routes(changed.iter().copied(), &routes, Instant::now());
        self.carry_out(plan, None).await;
        true
    }

    /// Returns the desired state of the kernel, by all that is known.
    fn desired(&self) -> State {
        let overlay = |reachable: &BTreeSet<_>| -> Overlay {
            self.segments.desired(reachable, self.host.observed(), SystemTime::now())
        };
        self.basis().desired(overlay)
    }

    fn basis(&self) -> Basis<'_, impl Fn(&IfName) -> Option<SocketAddr>> {
        Basis {
            local: &self.local,
            backend: self.backend,
            observed: self.host.observed(),
            host: &self.host,
            rib: &self.rib,
            endpoint: |interface: &IfName| self.endpoints.endpoint(interface),
        }
    }

    /// Gives the engine what has been read of the kernel: redistributed routes, the states of interfaces, the clock.
    async fn follow_kernel(&mut self) {
        if self.local.find_interfaces(&self.host.observed().foreign) {
            self.interfaces_differ = true;
            self.configure().await;
        }
        // Before any adjacency: what this router brings in is not flushed at the end of a restart, and an interface comes up with all its
        // networks.
        let Self { router, local, host, rib, .. } = self;
        let configuration = router.follow_kernel(local, host.observed(), rib);
        self.watch_carriers();
        self.configure_if(configuration).await;
        // A whole plan follows in any case.
        let _: bool = self.follow_links().await;
        if let Some(moved) = self.router.clock_set(self.driver.zero()) {
            info!(seconds = moved.as_secs_f64(), "the clock was set");
            self.configure().await;
        }
    }

    /// Gives the engine every link whose state is another one now, and takes the routes over failed links out of the kernel. Returns
    /// whether that is all; otherwise more than routes depends on them, and follows with a whole plan.
    async fn follow_links(&mut self) -> bool {
        let Self { router, local, host, rib, .. } = self;
        let (links, changed) = router.follow_links(local, host.observed(), rib);
        for (id, state) in links {
            self.driver.link(id, state).await;
        }
        changed.is_empty() || self.install(&changed).await
    }

    /// Gives the engine the mesh file, the clock and the routes of others as they are.
    async fn configure(&mut self) {
        let config = self.router.config(&self.local, self.driver.zero(), SystemTime::now());
        self.driver.configure(config).await;
        // It knows nothing of the paths of an interface that is new to it.
        self.give_paths(self.paths.down()).await;
    }

    async fn configure_if(&mut self, configuration: Configuration) {
        if configuration == Configuration::Outdated {
            self.configure().await;
        }
    }

    /// Whether every tunnel has a neighbour that is Full and to which there is a route.
    async fn has_converged(&mut self) -> bool {
        let Ok(view) = self.driver.view(self.local.kept_out()).await else { return false };
        if view.restarting {
            return false;
        }
        let full = view.neighbors.iter().filter(|neighbor| neighbor.state == NeighborState::Full);
        let full: BTreeSet<InterfaceId> = full.map(|neighbor| neighbor.interface).collect();
        self.router.has_converged(&self.local, &full)
    }

    /// The interfaces whose changes are handled at once, in addition to those that weft has made: OSPF, segments or carriers depend on
    /// them.
    fn managed_interfaces(&self) -> BTreeSet<IfName> {
        self.local.interfaces().chain(self.segments.interfaces()).chain(self.router.listed().interfaces()).collect()
    }

    /// Notes until when neighbours would wait for this router, should it end without notice before it looks again; and whatever could not
    /// be noted before.
    fn note_down(&mut self) {
        self.instance_lock.keep();
        self.notes.retry();
        self.router.retry();
        self.segments.retry_remembering();
        self.kernel.retry_remembering();
        if self.local.mesh.ospf.graceful_restart.restarter.is_some() {
            let end = SystemTime::now() + DEVICES_INTERVAL + self.router.dead_interval();
            // It is written anew the next time anyway.
            let _: Written = self.notes.leave_restart(Note::running(end));
        }
    }

    /// What is wrong with the daemon's own files, with its log and the engine's, and with what the system lets it have.
    fn upkeep(&self) -> Vec<String> {
        let logs = log::problem().into_iter().chain(self.drivers.engine().log_problem());
        let of_process = logs.chain(process::few_files_left());
        let of_files = self.notes.problems().into_iter().chain(self.kernel.memory_problems());
        let of_ids = self.router.problems();
        of_process.chain(of_files).chain(of_ids).chain(self.segments.memory_problems()).collect()
    }

    /// Removes everything; returns what cannot be undone.
    pub(super) async fn remove_everything(&mut self) -> anyhow::Result<Vec<String>> {
        self.bfd.configure(Vec::new());
        let left =
            removal::remove_everything(&mut self.kernel, &self.drivers, &self.options.run_dir, &mut self.notes).await?;
        self.drivers.engine().stop().await?;
        Ok(left)
    }
}
