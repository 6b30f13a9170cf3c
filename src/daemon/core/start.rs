//! How the daemon starts.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use ospf::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info};

use super::{Daemon, Inlets, QUESTION_QUEUE};
use crate::bfd::client::BfdProcess;
use crate::control::{Activity, Asked};
use crate::daemon::checks::Checks;
use crate::daemon::filters::Filters;
use crate::daemon::host::Host;
use crate::daemon::host_memory::HostMemory;
use crate::daemon::inquiry::Devices;
use crate::daemon::instance_lock::InstanceLock;
use crate::daemon::loading::Loading;
use crate::daemon::local::Local;
use crate::daemon::notes::Notes;
use crate::daemon::paths::{self, Paths};
use crate::daemon::renaming::adopt_former_mesh;
use crate::daemon::router::Router;
use crate::daemon::router_ids::RouterIds;
use crate::daemon::segments::Segments;
use crate::daemon::watchdog::Watchdog;
use crate::daemon::{Options, Trace, removal};
use crate::kernel::{Kernel, OthersRoutes};
use crate::mesh::{SiteInterface, When};
use crate::rib::Rib;
use crate::routing::Driver;
use crate::sys;
use crate::trace::Recorder;
use crate::tunnel::{Endpoints, WireGuard};

/// How long routes of the last run are kept at most, beyond the longest dead interval.
const RETENTION_MARGIN: Duration = Duration::from_secs(2);

impl Daemon {
    pub(super) async fn start(
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
        let memory = HostMemory::open(&options.state_dir);
        let segments = Segments::new(&local.mesh, &local.site, memory, SystemTime::now());
        kernel.expect_filter(local.filter.clone());
        let backend = local.backend(kernel.has_wireguard().await?)?;
        let drivers = WireGuard::new(&options.run_dir, removal::PROGRAM.into());
        let mut endpoints = Endpoints::default();
        endpoints.set(local.tunnels.values());

        let zero = SystemTime::now();
        let mut router_ids = RouterIds::open(&options.state_dir);
        let has_other_id = router_ids.begin(local.site.loopback, zero);
        // Under another router id nothing goes on: to its neighbours this is another router.
        let number = notes.number_start(zero);
        let resumption = resumption(&mut notes, &local, zero).filter(|_| !has_other_id);
        let boot = resumption.map_or(number, |(_, least)| number.max(least));
        let restarting = resumption.map(|(restarting, _)| restarting);
        let mut router = Router::new(&local, router_ids, boot, zero);
        let config = Config { restarting, ..router.config(&local, zero, zero) };
        // Within a restart OSPF knows of no route for as long as that lasts.
        let grace_period = restarting.map_or(Duration::ZERO, |restarting| restarting.grace_period);
        let patience = router.dead_interval().max(grace_period) + RETENTION_MARGIN;
        let seed = u64::from_ne_bytes(sys::random()?);
        let recorder = recorder(&options, &local, &config, seed);
        let (driver, news) = Driver::start(config, seed, recorder)?;

        kernel.learn(others_routes(&local));
        watch.learn(others_routes(&local));
        kernel.expect_segments(expected_segments(&segments));
        kernel.follow(router.listed().followed().clone());
        watch.follow(router.listed().followed().clone());
        watch.manage(local.interfaces().chain(segments.interfaces()).collect());
        info!(mesh = local.mesh.name, site = local.site.name, router_id = %local.site.loopback, ?backend, "starting");
        let (bfd, bfd_news) = BfdProcess::attend(&options.run_dir, removal::PROGRAM.into(), paths::wanted(&local));
        let (inquiries, gathered) = mpsc::channel(QUESTION_QUEUE);
        let inlets = Inlets {
            news,
            questions,
            inquiries: gathered,
            watch,
            bfd: bfd_news,
            reload: signal(SignalKind::hangup()).context("listening for SIGHUP")?,
        };
        let daemon = Self {
            engine_watch: drivers.watch_engine(),
            checks: Checks::new(&local),
            carriers: router.listed().interfaces(),
            options,
            notes,
            local,
            backend,
            router,
            driver,
            rib: Rib::default(),
            host: Host::new(now, patience),
            kernel,
            drivers,
            bfd,
            paths: Paths::default(),
            endpoints,
            segments,
            filters: Filters::new(now),
            interfaces_differ: false,
            loading: Loading::default(),
            carried_out: None,
            refused_reload: None,
            started: now,
            devices: Devices::default(),
            inquiries,
            activity,
            instance_lock,
            former,
            watchdog: Watchdog::from_environment(),
        };
        Ok((daemon, inlets))
    }

    /// The router starts over under another router id: its previous routes are kept until it has new ones.
    pub(super) fn retain_routes_again(&mut self) {
        let grace_period = self.local.mesh.ospf.graceful_restart.restarter.unwrap_or_default();
        self.host.retain_routes(Instant::now(), self.router.dead_interval().max(grace_period) + RETENTION_MARGIN);
    }
}

/// How the engine has to begin, and the least number of this start, by the note that the daemon before has left.
fn resumption(notes: &mut Notes, local: &Local, now: SystemTime) -> Option<(ospf::Restarting, u32)> {
    let note = notes.take_restart();
    let restarter = local.mesh.ospf.graceful_restart.restarter;
    note.zip(restarter).and_then(|(note, grace_period)| note.resumption(now, grace_period))
}

/// Whether the kernel is to be read for segments.
pub(super) fn expected_segments(segments: &Segments) -> crate::kernel::Segments {
    if segments.is_empty() { crate::kernel::Segments::Unexpected } else { crate::kernel::Segments::Observed }
}

/// Whether routes of others matter to this site.
pub(super) fn others_routes(local: &Local) -> OthersRoutes {
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
    let made = sys::random().and_then(|salt| Recorder::create(path, *limit, salt, config));
    let mut recorder = made.inspect_err(|error| error!("nothing is traced: {error:#}")).ok()?;
    recorder.start(&local.mesh.name, &local.site.name, seed);
    Some(recorder)
}
