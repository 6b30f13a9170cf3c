//! Answers the requests of the control socket. A long answer consists of parts, each of which is made when the client has read the one
//! before.

use std::net::Ipv4Addr;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, ensure};
use futures::FutureExt as _;
use ospf::{NeighborState, NeighborView};
use serde::Serialize;
use tracing::info;

use super::preview::steps;
use super::{Daemon, Next};
use crate::control::view::Reloaded;
use crate::control::{Asked, Cursor, LsaSelection, Noun, Part, Request};
use crate::daemon::checks::Ground;
use crate::daemon::host::Look;
use crate::daemon::inquiry::{Gathered, Sources};
use crate::daemon::paths;
use crate::daemon::report::Report;
use crate::kernel::Watch;
use crate::routing::differences;

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
            request @ (Request::Status | Request::Show { .. } | Request::Trace { .. }) => {
                self.inquire(Asked { request, from, answer }).await;
                return Ok(Next::Nothing);
            }
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
        let sessions = paths::wanted(&self.local);
        if let Err(reason) = self.reload(watch).await {
            anyhow::bail!("the mesh file is refused, the old one stays in force: {reason}");
        }
        let after = self.router.preview(&self.local, self.router.ids().clone(), self.host.observed(), now);
        let bfd = paths::differences(&sessions, &paths::wanted(&self.local));
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
            steps: steps(differences(&before, &after), bfd, kernel),
        })
    }

    /// Begins to answer a question: what the answer needs from elsewhere is read by a task of its own, which hands it to [`Self::compose`].
    pub(super) async fn inquire(&mut self, asked: Asked) {
        let Self { checks, kernel, host, local, router, .. } = self;
        let ground = Ground { kernel, observed: host.observed(), local, redistributed: router.redistributed() };
        let checks = match &asked.request {
            Request::Status if asked.from.is_none() => checks.look(&ground).await.boxed(),
            Request::Show { noun: Noun::Routes, .. } if asked.from.is_none() => {
                checks.look_up_routes(&ground).await.boxed()
            }
            _ => std::future::ready(()).boxed(),
        };
        // An engine that does not answer is not asked.
        let tunnels = match self.drivers.engine().is_silent() {
            true => Vec::new(),
            false => self.local.tunnels.keys().cloned().collect(),
        };
        let sources = Sources {
            engine: self.driver.reader(),
            kept_out: self.local.kept_out(),
            devices: self.devices.of(tunnels),
            rules: self.kernel.rule_listing(),
            run_dir: self.options.run_dir.clone(),
            sample: self.filters.is_sample_due(Instant::now()),
            checks,
        };
        let inquiries = self.inquiries.clone();
        tokio::spawn(async move {
            let gathered = sources.gather(&asked.request, asked.from).await;
            // The loop has ended if this fails, and with it the client's wait.
            let _ = inquiries.send((asked, gathered)).await;
        });
    }

    /// Answers a question for which everything has been read.
    pub(super) async fn compose(&mut self, asked: Asked, gathered: anyhow::Result<Gathered>) {
        self.activity.begin("answering");
        let Asked { request, from, answer } = asked;
        let part = match gathered {
            Ok(gathered) => self.part(&request, from, gathered).await,
            Err(error) => Err(error),
        };
        // The receiver is gone if the client has disconnected.
        let _ = answer.send(part.map_err(|error| format!("{error:#}")));
    }

    async fn part(&mut self, request: &Request, from: Option<Cursor>, mut gathered: Gathered) -> anyhow::Result<Part> {
        let now = Instant::now();
        if let Some(refused) = gathered.refused.take() {
            self.filters.take_sample(refused, now);
        }
        self.checks.note_devices(&gathered.reading);
        let Self { checks, kernel, host, local, router, .. } = self;
        checks.take(&Ground { kernel, observed: host.observed(), local, redistributed: router.redistributed() }).await;
        match request {
            Request::Status => self.status(from, &gathered),
            Request::Trace { host } => {
                self.look_at_segments().await?;
                whole(&self.report(&gathered).trace(host))
            }
            Request::Show { noun: Noun::L2, .. } => {
                self.look_at_segments().await?;
                whole(&self.report(&gathered).segments(&gathered.limited))
            }
            Request::Show { noun, lsas } => self.show(*noun, lsas.unwrap_or_default(), from, &gathered),
            _ => unreachable!("only questions are inquired about"),
        }
    }

    /// Answers [`Request::Status`]. The routes come last, because there may be very many: they are sent in parts.
    fn status(&self, from: Option<Cursor>, gathered: &Gathered) -> anyhow::Result<Part> {
        let report = self.report(gathered);
        if from.is_some() {
            return report.routes_part(from, "}");
        }
        let head = serde_json::to_string(&report.status())?;
        let mut part = report.routes_part(None, "}")?;
        part.json.insert_str(0, head.strip_suffix("[]}").unwrap_or(&head));
        Ok(part)
    }

    fn show(&self, noun: Noun, lsas: LsaSelection, from: Option<Cursor>, gathered: &Gathered) -> anyhow::Result<Part> {
        let report = self.report(gathered);
        match noun {
            Noun::Neighbors => whole(&report.neighbors()),
            Noun::Bfd => whole(&report.sessions(&gathered.sessions)),
            Noun::Routes => report.routes_part(from, ""),
            Noun::Tunnels => whole(&report.tunnels()),
            Noun::Interfaces => whole(&report.interfaces()),
            Noun::Lsdb => {
                let from = match from {
                    Some(Cursor::Lsa(cursor)) => Some(cursor),
                    _ => None,
                };
                report.lsdb_part(gathered.lsas.as_ref().context("no part of the database was read")?, &lsas, from)
            }
            Noun::Areas => whole(&report.areas(&gathered.areas)),
            Noun::BorderRouters => whole(&report.border_routers()),
            Noun::Limits => whole(&report.limits()),
            Noun::Spf => whole(&report.spf()),
            Noun::Protection => whole(&report.protection()),
            Noun::Filters => {
                let (dropped, refused) = gathered.drops.as_ref().context("the ruleset was not listed")?;
                whole(&report.filters(dropped, refused))
            }
            Noun::L2 => unreachable!("answered by the caller"),
        }
    }

    /// Reads the kernel's state again: counters, and the ports where hosts were learned, change without a notification.
    async fn look_at_segments(&mut self) -> anyhow::Result<()> {
        self.kernel.observe_again(self.host.observed_mut()).await
    }

    /// Collects what an answer is made from.
    fn report<'a>(&'a self, gathered: &'a Gathered) -> Report<'a> {
        Report {
            local: &self.local,
            backend: self.backend,
            endpoints: &self.endpoints,
            checks: &self.checks,
            ids: self.router.ids(),
            paths: &self.paths,
            routes: self.router.routes(),
            protections: self.router.protections(),
            rib: &self.rib,
            forwarding: self.basis().forwarding(),
            observed: self.host.observed(),
            segments: &self.segments,
            reading: &gathered.reading,
            view: &gathered.view,
            failures: {
                let processes = self.drivers.engine().trouble().into_iter().chain(self.bfd.trouble());
                processes.chain(self.host.problems(Instant::now())).collect()
            },
            refused_reload: self.refused_reload.as_deref(),
            redistributed: self.router.redistributed(),
            listed: self.router.listed(),
            filters: &self.filters,
            upkeep: self.upkeep(),
            uptime: self.started.elapsed(),
        }
    }
}

fn whole(value: &impl Serialize) -> anyhow::Result<Part> {
    Ok(Part::whole(serde_json::to_string(value)?))
}
