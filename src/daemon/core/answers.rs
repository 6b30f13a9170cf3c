//! Answers the requests of the control socket. A long answer consists of parts, each of which is made when the client has read the one
//! before.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, stream};
use ospf::{AreaId, Domain, LsaPlace, NeighborState, NeighborView};
use serde::Serialize;
use tokio::time::{timeout, timeout_at};
use tracing::info;

use super::preview::steps;
use super::{Daemon, Next};
use crate::control::view::Reloaded;
use crate::control::{Asked, Cursor, LsaSelection, Noun, Part, Request};
use crate::daemon::checks::Ground;
use crate::daemon::host::Look;
use crate::daemon::report::{AreaSummary, Report};
use crate::kernel::Watch;
use crate::net::IfName;
use crate::routing::differences;
use crate::tunnel::{Observation, device};

/// Maximum time to read all WireGuard devices together: a client waits for the answer.
const DEVICES_PATIENCE: Duration = Duration::from_millis(700);
/// Maximum time in which `nft` lists the few sources that are refused, and the whole ruleset.
const SAMPLE_PATIENCE: Duration = Duration::from_millis(500);
const LISTING_PATIENCE: Duration = Duration::from_millis(1200);
/// Maximum number of WireGuard devices that are read at the same time.
const DEVICES_AT_ONCE: usize = 64;

impl Daemon {
    /// Carries out a request and sends its answer. Returns what the loop has to do next.
    pub(super) async fn answer(&mut self, asked: Asked, watch: &mut Watch) -> anyhow::Result<Next> {
        self.activity.begin("answering");
        let Asked { request, from, answer } = asked;
        let (part, next) = match request {
            Request::Down => return Ok(Next::Down(answer)),
            Request::Reload => (self.reload_and_wait(watch).await, Next::Nothing),
            Request::Plan { file, text } => {
                let plan = self.preview(text, file).await;
                (plan.and_then(|plan| whole(&plan)), Next::Nothing)
            }
            Request::Move { .. } | Request::Forget { .. } => {
                let done = self.segments.obey(&request, SystemTime::now());
                self.announce_hosts().await;
                (done.and_then(|done| whole(&done)), Next::Reconcile(Look::Known))
            }
            Request::StubRouter { command } => {
                info!(?command, "stub router by command");
                let configuration = self.router.set_stub_router(command);
                self.configure_if(configuration).await;
                (Ok(Part::null()), Next::Nothing)
            }
            Request::Clear { neighbor } => {
                let done = self.clear(neighbor.as_deref()).await;
                (done.and_then(|count| whole(&count)), Next::Nothing)
            }
            Request::Status => (self.status(from).await, Next::Nothing),
            Request::Show { noun, lsas } => (self.show(noun, lsas.unwrap_or_default(), from).await, Next::Nothing),
            Request::Trace { host } => (self.trace(&host).await, Next::Nothing),
        };
        // The receiver is gone if the client has disconnected.
        let _ = answer.send(part.map_err(|error| format!("{error:#}")));
        Ok(next)
    }

    /// Clears the adjacencies with the named router or on the named interface, or all, and returns their number.
    async fn clear(&mut self, named: Option<&str>) -> anyhow::Result<usize> {
        let view = self.driver.view(self.local.kept_out()).await?;
        let present = view.neighbors.iter().filter(|neighbor| neighbor.state >= NeighborState::Init);
        let is_named = |neighbor: &&NeighborView| {
            let Some(named) = named else { return true };
            let router_id = Ipv4Addr::from(neighbor.router_id);
            let of_site = self.local.mesh.site(named).is_some_and(|site| site.loopback == router_id);
            let of_interface = self.router.ids().name(neighbor.interface).is_some_and(|name| name.as_str() == named);
            let address: Option<Ipv4Addr> = named.parse().ok();
            of_site || of_interface || address == Some(router_id) || address == Some(neighbor.address)
        };
        let cleared: Vec<_> =
            present.filter(is_named).map(|neighbor| (neighbor.interface, neighbor.router_id)).collect();
        if let Some(named) = named {
            ensure!(!cleared.is_empty(), "no neighbour `{named}`: see `weft show neighbors`");
        }
        info!(neighbor = named.unwrap_or("all"), count = cleared.len(), "adjacencies cleared by command");
        for (interface, router_id) in &cleared {
            self.driver.clear(*interface, *router_id).await;
        }
        Ok(cleared.len())
    }

    /// Reads the mesh file again, and reconciles the kernel with it.
    async fn reload_and_wait(&mut self, watch: &mut Watch) -> anyhow::Result<Part> {
        let now = SystemTime::now();
        let before = self.router.preview(&self.local, self.router.ids().clone(), self.host.observed(), now);
        if let Err(reason) = self.reload(watch).await {
            anyhow::bail!("the mesh file is refused, the old one stays in force: {reason}");
        }
        let after = self.router.preview(&self.local, self.router.ids().clone(), self.host.observed(), now);
        self.host.try_everything();
        self.carried_out = Some(Vec::new());
        self.reconcile(Look::Afresh).await;
        let kernel = self.carried_out.take().unwrap_or_default();
        whole(&Reloaded {
            mesh: self.local.mesh.name.clone(),
            site: self.local.site.name.clone(),
            sites: self.local.mesh.sites.len(),
            tunnels: self.local.tunnels.len(),
            failures: self.host.problems(Instant::now()),
            steps: steps(differences(&before, &after), kernel),
        })
    }

    /// Answers [`Request::Status`]. The routes come last, because there may be very many: they are sent in parts.
    async fn status(&mut self, from: Option<Cursor>) -> anyhow::Result<Part> {
        if from.is_some() {
            return self.report(BTreeMap::new()).await?.routes_part(from, "}");
        }
        // If this takes too long, the previous sample is shown.
        let _ = timeout(SAMPLE_PATIENCE, self.filters.sample(&self.kernel, Instant::now())).await;
        let Self { checks, kernel, host, local, router, .. } = self;
        let ground = Ground { kernel, observed: host.observed(), local, redistributed: router.redistributed() };
        checks.look(&ground).await;
        let devices = self.look_at_devices().await;
        let report = self.report(devices).await?;
        let head = serde_json::to_string(&report.status())?;
        let mut part = report.routes_part(None, "}")?;
        part.json.insert_str(0, head.strip_suffix("[]}").unwrap_or(&head));
        Ok(part)
    }

    async fn show(&mut self, noun: Noun, lsas: LsaSelection, from: Option<Cursor>) -> anyhow::Result<Part> {
        if noun == Noun::L2 {
            self.look_at_segments().await?;
            let limited = timeout(SAMPLE_PATIENCE, self.kernel.limited_frames()).await.unwrap_or_default();
            return whole(&self.report(BTreeMap::new()).await?.segments(&limited));
        }
        if noun == Noun::Filters {
            let listed = timeout(LISTING_PATIENCE, self.kernel.drops()).await;
            let (dropped, refused) = listed.context("nft has not listed the ruleset in time")??;
            return whole(&self.report(BTreeMap::new()).await?.filters(&dropped, &refused));
        }
        if noun == Noun::Routes && from.is_none() {
            let Self { checks, kernel, host, local, router, .. } = self;
            let ground = Ground { kernel, observed: host.observed(), local, redistributed: router.redistributed() };
            checks.look_up_routes(&ground).await;
        }
        let devices = if noun == Noun::Tunnels { self.look_at_devices().await } else { BTreeMap::new() };
        let report = self.report(devices).await?;
        match noun {
            Noun::Neighbors => whole(&report.neighbors()),
            Noun::Routes => report.routes_part(from, ""),
            Noun::Tunnels => whole(&report.tunnels()),
            Noun::Interfaces => whole(&report.interfaces()),
            Noun::Lsdb => {
                let from = match from {
                    Some(Cursor::Lsa(cursor)) => Some(cursor),
                    _ => None,
                };
                let part = self.driver.lsdb().part(from.and_then(|cursor| cursor.place)).await?;
                report.lsdb_part(&part, &lsas, from)
            }
            Noun::Areas => whole(&report.areas(&self.area_summaries().await?)),
            Noun::BorderRouters => whole(&report.border_routers()),
            Noun::Limits => whole(&report.limits()),
            Noun::Spf => whole(&report.spf()),
            Noun::L2 | Noun::Filters => unreachable!("answered above"),
        }
    }

    async fn trace(&mut self, host: &str) -> anyhow::Result<Part> {
        self.look_at_segments().await?;
        whole(&self.report(BTreeMap::new()).await?.trace(host))
    }

    /// Reads the kernel's state again: counters, and the ports where hosts were learned, change without a notification.
    async fn look_at_segments(&mut self) -> anyhow::Result<()> {
        *self.host.observed_mut() = self.kernel.observe(&self.drivers).await?;
        Ok(())
    }

    /// Summarizes the link state database of each area, which is read part by part.
    async fn area_summaries(&self) -> anyhow::Result<BTreeMap<AreaId, AreaSummary>> {
        let mut summaries: BTreeMap<AreaId, AreaSummary> = BTreeMap::new();
        let reader = self.driver.lsdb();
        let mut after: Option<LsaPlace> = None;
        loop {
            let part = reader.part(after).await?;
            for shown in &part.lsas {
                if let Domain::Area(area) = shown.domain {
                    summaries.entry(area).or_default().count(&shown.lsa);
                }
            }
            after = part.rest;
            if after.is_none() {
                return Ok(summaries);
            }
        }
    }

    /// Collects what an answer is made from. `devices` is empty unless the answer needs the WireGuard devices.
    async fn report(&self, devices: BTreeMap<IfName, Observation>) -> anyhow::Result<Report<'_>> {
        Ok(Report {
            local: &self.local,
            backend: self.backend,
            endpoints: &self.endpoints,
            checks: &self.checks,
            ids: self.router.ids(),
            routes: self.router.routes(),
            rib: &self.rib,
            forwarding: self.basis().forwarding(),
            observed: self.host.observed(),
            segments: &self.segments,
            devices,
            view: self.driver.view(self.local.kept_out()).await?,
            failures: self.drivers.engine().trouble().into_iter().chain(self.host.problems(Instant::now())).collect(),
            refused_reload: self.refused_reload.as_deref(),
            redistributed: self.router.redistributed(),
            listed: self.router.listed(),
            filters: &self.filters,
            upkeep: self.upkeep(),
            uptime: self.started.elapsed(),
        })
    }

    /// Reads the WireGuard devices, and notes their counters for the checks.
    async fn look_at_devices(&mut self) -> BTreeMap<IfName, Observation> {
        let devices = self.devices().await;
        self.checks.note_devices(&devices);
        devices
    }

    /// Reads the WireGuard devices. A device that cannot be read is left out; the loop has logged the reason.
    async fn devices(&self) -> BTreeMap<IfName, Observation> {
        if self.drivers.engine().is_silent() {
            return BTreeMap::new();
        }
        let deadline = tokio::time::Instant::now() + DEVICES_PATIENCE;
        let asked = self.local.tunnels.keys().map(|interface| async move {
            let device = timeout_at(deadline, device::observe(interface)).await.ok()?.ok()??;
            Some((interface.clone(), device))
        });
        stream::iter(asked).buffer_unordered(DEVICES_AT_ONCE).filter_map(std::future::ready).collect().await
    }
}

fn whole(value: &impl Serialize) -> anyhow::Result<Part> {
    Ok(Part::whole(serde_json::to_string(value)?))
}
