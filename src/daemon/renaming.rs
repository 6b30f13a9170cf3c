//! Handles renamed sites and meshes: what exists under the former name is kept under the new one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::core::Daemon;
use super::local::Local;
use super::notes::Notes;
use crate::kernel::Kernel;
use crate::reconcile::renames;
use crate::routing::InterfaceIds;

/// How often deleting the remains of the former mesh is tried.
const PAUSE: Duration = Duration::from_secs(5);

/// The name of the mesh that the last daemon of this run directory used.
#[derive(Debug)]
pub(super) struct FormerMesh {
    mesh: String,
    next_try: Instant,
}

/// Takes over the links that a daemon of this run directory made for the mesh by its former name. The nftables tables of that name stay
/// until there are new ones.
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

/// Keeps the handles, and so the adjacencies, of tunnels whose interfaces have new names; a tunnel is identified by its peer's key.
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
    /// Renames tunnels to sites that have a new name; returns whether there were any.
    pub(super) async fn rename_tunnels(&mut self) -> bool {
        if self.host.observed().state.links.keys().all(|name| self.local.tunnels.contains_key(name)) {
            return false;
        }
        let desired = self.local.desired(self.backend, |_| None);
        let renames = renames(&desired, self.host.observed());
        for (from, to) in &renames {
            match self.kernel.rename_tunnel(from, to, self.backend, &self.drivers).await {
                Ok(()) => {
                    info!(iface = %to, former = %from, "tunnel renamed");
                    if let Some(carried_out) = &mut self.carried_out {
                        carried_out.push(format!("rename tunnel {from} to {to}"));
                    }
                }
                // The tunnel is created again, which loses its sessions.
                Err(error) => warn!(iface = %from, error = format!("{error:#}"), "not renamed"),
            }
        }
        !renames.is_empty()
    }

    /// Deletes the nftables tables of the former mesh once those of the new one are in place.
    pub(super) async fn forget_former_mesh(&mut self) {
        let now = Instant::now();
        let in_place = self.host.observed().state.filter == self.local.filter;
        let Some(former) = self.former.as_mut().filter(|former| in_place && former.next_try <= now) else { return };
        former.next_try = now + PAUSE;
        match self.kernel.delete_filter_of(&former.mesh).await {
            Ok(()) => self.former = None,
            Err(error) => warn!(former = former.mesh, error = format!("{error:#}"), "its nftables tables stay for now"),
        }
    }
}
