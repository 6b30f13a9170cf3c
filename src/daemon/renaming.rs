//! Sites and meshes that have been renamed: what exists under the former name is kept under the new one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::core::Daemon;
use super::local::Local;
use super::notes::Notes;
use crate::kernel::Kernel;
use crate::reconcile::renames;
use crate::routing::InterfaceIds;

/// How often it is tried to delete what is left of the former mesh.
const PAUSE: Duration = Duration::from_secs(5);

/// The mesh as it was called when the run directory's last daemon ran.
#[derive(Debug)]
pub(super) struct FormerMesh {
    mesh: String,
    next_try: Instant,
}

/// Takes over what a daemon of the same run directory has made for a mesh of another name. What remains is its nftables tables, which
/// stay until there are others.
pub(super) async fn adopt_former_mesh(kernel: &Kernel, notes: &mut Notes, local: &Local) -> Option<FormerMesh> {
    let former = notes.noted_mesh().filter(|noted| *noted != local.mesh.name)?;
    match kernel.adopt_links(&former).await {
        Ok(links) => {
            info!(former, mesh = local.mesh.name, links, "the mesh has another name; its links are taken over")
        }
        Err(error) => {
            let error = format!("{error:#}");
            warn!(former, error, "links of the mesh by its former name stay; `weft down --mesh {former}` removes them");
        }
    }
    Some(FormerMesh { mesh: former, next_try: Instant::now() })
}

/// Interfaces by the tunnel's peer keep their handles under new names, and with them their adjacencies.
pub(super) fn carry_over_handles(before: &Local, after: &Local, ids: &mut InterfaceIds) {
    let by_peer = before.tunnels.iter().map(|(name, tunnel)| (tunnel.peer_key, name));
    let by_peer: BTreeMap<_, _> = by_peer.collect();
    for (name, tunnel) in &after.tunnels {
        if let Some(&former) = by_peer.get(&tunnel.peer_key)
            && former != name
            && !after.tunnels.contains_key(former)
        {
            ids.rename(former, name);
        }
    }
}

impl Daemon {
    /// Renames tunnels whose site has another name now; whether there were any.
    pub(super) async fn rename_tunnels(&mut self) -> bool {
        if self.observed.state.links.keys().all(|name| self.local.tunnels.contains_key(name)) {
            return false;
        }
        let desired = self.local.desired(self.backend, |_| None);
        let renames = renames(&desired, &self.observed);
        for (from, to) in &renames {
            match self.kernel.rename_tunnel(from, to, self.backend, &self.drivers).await {
                Ok(()) => info!(iface = %to, former = %from, "tunnel renamed"),
                // It is made anew: the sessions are lost.
                Err(error) => warn!(iface = %from, error = format!("{error:#}"), "not renamed"),
            }
        }
        !renames.is_empty()
    }

    /// Deletes what is left of the mesh by its former name, once there is something in its place.
    pub(super) async fn forget_former_mesh(&mut self) {
        let now = Instant::now();
        let in_place = self.observed.state.filter == self.local.filter;
        let Some(former) = self.former.as_mut().filter(|former| in_place && former.next_try <= now) else { return };
        former.next_try = now + PAUSE;
        match self.kernel.delete_filter_of(&former.mesh).await {
            Ok(()) => self.former = None,
            Err(error) => warn!(former = former.mesh, error = format!("{error:#}"), "its nftables tables stay for now"),
        }
    }
}
