//! The handle on the kernel of one network namespace, and the observation of its state.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::filter::Filter;
use super::links::{ALIAS_PREFIX, FoundLink, Kind};
use super::netlink::Netlink;
use super::overlay::{self, Segments};
use super::settings::Memory;
use super::watch::Watch;
use super::{addresses, links, routes, rules, settings, uplinks};
use crate::net::IfName;
use crate::reconcile::carriers::Followed;
use crate::reconcile::state::{ForeignInterface, Link, Observed, ObservedDevice, Scope, Sysctl, SysctlKey};
use crate::reconcile::sysctls::Sysctls;
use crate::reconcile::tunnels::Tunnels;

/// How many WireGuard devices are read at the same time.
const DEVICES_AT_ONCE: usize = 16;

/// The time limit for reading all devices: the daemon waits for it.
const DEVICES_PATIENCE: Duration = Duration::from_millis(1500);

/// The kernel of one network namespace, for one mesh.
pub struct Kernel {
    pub(super) netlink: Netlink,
    /// IFLA_IFALIAS of the mesh's links.
    pub(super) alias: String,
    pub(super) memory: Memory,
    pub(super) others: OthersRoutes,
    /// Prefixes that foreign routes may carry.
    pub(super) followed: Followed,
    /// Name of the mesh.
    pub(super) mesh: String,
    pub(super) segments: Segments,
    pub(super) filter: Filter,
}

/// Whether foreign routes are observed: there may be very many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OthersRoutes {
    /// They are not read, and only changes of default routes are reported.
    #[default]
    Ignored,
    /// They are observed, and their changes reported.
    Observed,
}

impl Kernel {
    /// Opens the kernel for the mesh of this name, and a watch that is notified of everything from now on. `run_dir` is the daemon's own
    /// directory; if state files cannot be stored there, this is reported as a problem.
    pub fn open(mesh: &str, run_dir: &Path) -> anyhow::Result<(Self, Watch)> {
        let netlink = Netlink::open()?;
        let watch = Watch::open(netlink.port(), mesh)?;
        let kernel = Self {
            netlink,
            alias: format!("{ALIAS_PREFIX}{mesh}"),
            memory: Memory::open(run_dir),
            others: OthersRoutes::default(),
            followed: Followed::default(),
            mesh: mesh.to_owned(),
            segments: Segments::default(),
            filter: Filter::open(run_dir),
        };
        Ok((kernel, watch))
    }

    /// Sets whether foreign routes are observed from now on.
    pub fn learn(&mut self, others: OthersRoutes) {
        self.others = others;
    }

    /// Sets the prefixes that foreign routes may carry: where one of them has no other carrier, foreign routes are observed, too.
    pub fn follow(&mut self, followed: Followed) {
        self.followed = followed;
    }

    /// Sets whether segments are expected from now on.
    pub fn expect_segments(&mut self, segments: Segments) {
        self.segments = segments;
    }

    /// Returns whether the kernel can create WireGuard links.
    pub async fn has_wireguard(&self) -> anyhow::Result<bool> {
        links::has_wireguard(&self.netlink).await.context("asking the kernel for WireGuard")
    }

    /// Observes the present state: what weft created, and what is foreign as far as it matters.
    pub async fn observe(&self, tunnels: &impl Tunnels) -> anyhow::Result<Observed> {
        let mut observed = self.observe_kernel().await?;
        self.observe_devices(&mut observed, tunnels).await;
        Ok(observed)
    }

    /// Observes the present state again, except the WireGuard devices, which may take long to answer: they stay as they are in `observed`.
    pub async fn observe_again(&self, observed: &mut Observed) -> anyhow::Result<()> {
        let mut again = self.observe_kernel().await?;
        let former = std::mem::take(observed);
        let is_there = |interface: &IfName| again.state.links.contains_key(interface);
        let devices = former.state.devices.into_iter().filter(|(interface, _)| is_there(interface)).collect();
        again.unreadable = former.unreadable.into_iter().filter(is_there).collect();
        again.state.devices = devices;
        again.freshness = former.freshness;
        *observed = again;
        Ok(())
    }

    async fn observe_kernel(&self) -> anyhow::Result<Observed> {
        let links = links::dump(&self.netlink).await.context("dumping links")?;
        let addresses = addresses::dump(&self.netlink).await.context("dumping addresses")?;
        let names: BTreeMap<u32, IfName> = links.iter().map(|link| (link.index, link.name.clone())).collect();
        let mut observed = Observed::default();
        observed.state.routes = routes::dump(&self.netlink, &names).await.context("dumping routes")?;
        observed.state.rules = rules::dump(&self.netlink).await.context("dumping rules")?;
        observed.state.sysctls = settings::read_all(links.iter().map(|link| (&link.name, link.settings)));
        for link in links {
            observed.indexes.insert(link.name.clone(), link.index);
            let ours = link.is_ours(&self.alias);
            overlay::note_link(&mut observed, &link, ours, &names);
            match link.kind {
                Kind::Tunnel(backend) if ours => {
                    let tunnel = Link { backend, mtu: link.mtu, admin: link.admin };
                    observed.state.links.insert(link.name, tunnel);
                }
                Kind::Vxlan(_) if ours => {}
                _ => {
                    let (index, mtu, running) = (link.index, link.mtu, link.running);
                    let found = ForeignInterface { index, mtu, running, addresses: Vec::new() };
                    observed.foreign.interfaces.insert(link.name, found);
                }
            }
        }
        for address in addresses {
            let Some(name) = names.get(&address.index) else { continue };
            if let Some(interface) = observed.foreign.interfaces.get_mut(name) {
                interface.addresses.push(address.network);
            }
            if observed.state.overlay.bridges.contains_key(name) && address.is_ours() {
                observed.state.overlay.gateways.insert((name.clone(), address.network));
            } else if address.network.prefix() == 32 {
                let mine = &mut observed.state.addresses;
                let whose = if address.is_ours() { mine } else { &mut observed.foreign.addresses };
                whose.insert((name.clone(), address.network.ip()));
            }
        }
        if self.others == OthersRoutes::Observed
            || !self.followed.left_to_routes(&observed.foreign.interfaces).is_empty()
        {
            observed.foreign.routes =
                routes::dump_of_others(&self.netlink).await.context("dumping routes of others")?;
        }
        observed.foreign.uplinks = uplinks::look_up(&self.netlink, &observed.foreign.interfaces, &names)
            .await
            .context("looking up default routes")?;
        observed.state.filter = self.filter.present.clone();
        self.observe_vlans(&mut observed, &names).await?;
        self.observe_overlay(&mut observed, &names).await?;
        Ok(observed)
    }

    /// Reads the WireGuard devices of the mesh's links again, and updates `observed`.
    pub async fn observe_devices(&self, observed: &mut Observed, tunnels: &impl Tunnels) {
        observed.state.devices.clear();
        observed.unreadable.clear();
        let interfaces: Vec<IfName> = observed.state.links.keys().cloned().collect();
        let deadline = Instant::now() + DEVICES_PATIENCE;
        let asked = interfaces.into_iter().map(|interface| async move {
            let device = timeout_at(deadline, tunnels.observe(&interface)).await;
            (interface, device.unwrap_or_else(|_elapsed| Err(anyhow!("no time was left to ask it"))))
        });
        let answers: Vec<(IfName, anyhow::Result<Option<ObservedDevice>>)> =
            stream::iter(asked).buffer_unordered(DEVICES_AT_ONCE).collect().await;
        for (interface, answer) in answers {
            match answer {
                Ok(Some(device)) => {
                    observed.state.devices.insert(interface, device);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(iface = %interface, error = format!("{error:#}"), "tunnel device unreadable");
                    observed.unreadable.insert(interface);
                }
            }
        }
    }

    /// Returns the original values of settings, as far as no other program has changed them since: desired state of `weft down`.
    pub fn settings_to_restore(&self, observed: &Observed) -> Sysctls {
        self.memory.originals().restoration(&observed.state.sysctls)
    }

    /// Returns the settings, in the notation of `sysctl`, that have the values of weft while their original values are unknown. For `weft
    /// down`, before it changes anything.
    pub fn settings_unknown(&self, observed: &Observed) -> Vec<String> {
        let ours = [(SysctlKey::Forwarding, 1), (SysctlKey::RpFilter, 0)];
        let standing = ours.into_iter().filter(|(key, value)| {
            let sysctl = Sysctl { scope: Scope::All, key: *key };
            self.memory.is_blank() && observed.state.sysctls.get(&sysctl) == Some(value)
        });
        standing.map(|(key, value)| format!("net.ipv4.conf.all.{} = {value}", key.name())).collect()
    }

    /// Writes the state files that could not be written before.
    pub fn retry_remembering(&mut self) {
        self.memory.retry();
        self.filter_note().retry();
    }

    /// Returns the problems of the state files of the kernel settings and of the ruleset.
    pub fn memory_problems(&self) -> Vec<String> {
        self.memory.problems().into_iter().chain(self.filter_problems()).collect()
    }

    /// Forgets the original values of settings, after they have been restored.
    pub fn forget_settings(&mut self) -> anyhow::Result<()> {
        self.memory.forget()
    }
}

/// Returns the names of the meshes whose links are in the network namespace of this thread.
///
/// # Errors
/// If the links cannot be dumped.
pub async fn meshes_by_links() -> anyhow::Result<BTreeSet<String>> {
    let netlink = Netlink::open()?;
    let links = links::dump(&netlink).await.context("dumping links")?;
    Ok(links.iter().filter_map(FoundLink::mesh).map(str::to_owned).collect())
}
