//! How the daemon takes the mesh file again.

use std::time::{Instant, SystemTime};

use sd_notify::NotifyState;
use tracing::{error, info};

use super::Daemon;
use super::start::{expected_segments, others_routes};
use crate::daemon::local::Local;
use crate::daemon::paths;
use crate::daemon::service_manager::notify;
use crate::kernel::Watch;
use crate::reconcile::state::Backend;

impl Daemon {
    /// Takes the mesh file as it is now; a wrong one changes nothing.
    ///
    /// # Errors
    /// Why the file is refused.
    pub(super) async fn reload(&mut self, watch: &mut Watch) -> Result<(), String> {
        notify(NotifyState::Reloading);
        let options = self.options.clone();
        let outcome = match self.load(move || Local::load(&options)).await {
            Ok((local, backend)) => {
                info!(sites = local.mesh.sites.len(), tunnels = local.tunnels.len(), "mesh file read again");
                self.take(local, backend, watch).await;
                self.refused_reload = None;
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

    /// Takes a mesh file that was read in the place of the one in force.
    async fn take(&mut self, local: Local, backend: Backend, watch: &mut Watch) {
        let now = SystemTime::now();
        let former = std::mem::replace(&mut self.local, local);
        if self.local.site.loopback != former.site.loopback {
            self.retain_routes_again();
        }
        self.notes.note_mesh_file(&self.local.text);
        self.local.find_interfaces(&self.host.observed().foreign);
        self.backend = backend;
        self.endpoints.set(self.local.tunnels.values());
        self.bfd.configure(paths::wanted(&self.local));
        self.filters.expire(Instant::now());
        self.checks.overrides.reload(&self.local);
        self.kernel.learn(others_routes(&self.local));
        self.segments.reload(&self.local.mesh, &self.local.site, now);
        self.kernel.expect_segments(expected_segments(&self.segments));
        self.announce_hosts().await;
        // Tunnels to renamed sites go on under other names, and with other sessions.
        let left = self.paths.keep(|interface| self.local.tunnels.contains_key(interface));
        // A whole plan follows.
        drop(self.router.follow_paths(&left, &mut self.rib));
        self.give_paths(left).await;
        let Self { router, local, host, rib, .. } = self;
        router.reload(&former, local, host.observed());
        // Tunnels to renamed sites have other interfaces; what else differs follows with the whole plan.
        router.rewrite_routes(rib);
        // The engine is configured in any case.
        let _ = router.follow_carriers(local, host.observed(), rib);
        self.watch_carriers();
        self.kernel.follow(self.router.listed().followed().clone());
        self.configure().await;
        watch.learn(others_routes(&self.local));
        watch.follow(self.router.listed().followed().clone());
        watch.manage(self.managed_interfaces());
    }

    /// Runs `read`, which reads a mesh file and the files that it names, on a thread of its own.
    ///
    /// # Errors
    /// If it fails or takes too long, or if the file is one that this daemon cannot change to.
    pub(super) async fn load(
        &mut self,
        read: impl FnOnce() -> anyhow::Result<Local> + Send + 'static,
    ) -> anyhow::Result<(Local, Backend)> {
        self.activity.begin("reading the mesh file");
        let load = move || {
            let local = read();
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
}
