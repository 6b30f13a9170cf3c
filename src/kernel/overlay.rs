//! The overlay in the kernel: observing it, and carrying out its steps.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context, bail};

use super::links::{FoundLink, Kind};
use super::neighbors::FoundForwarding;
use super::observe::Kernel;
use super::overlay_links::{FoundBridge, FoundVxlan};
use super::{addresses, links, neighbors, overlay_links, settings, vlans};
use crate::net::IfName;
use crate::reconcile::overlay::{Bridge, Device, DeviceAddress, ForeignBridge, OverlayStep, PortVlans};
use crate::reconcile::state::{Admin, LearnedHost, Observed};

/// Whether segments are expected: if not, entries are not always read, because there may be very many foreign neighbour entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Segments {
    /// Entries are read only if devices of ours exist.
    #[default]
    Unexpected,
    /// Entries are always read, and their changes are watched.
    Observed,
}

/// Records a bridge or a VXLAN device of ours, or an interface that is joined to a bridge. `names` has every interface.
pub(super) fn note_link(observed: &mut Observed, link: &FoundLink, ours: bool, names: &BTreeMap<u32, IfName>) {
    let overlay = &mut observed.state.overlay;
    let controller = link.controller.and_then(|index| names.get(&index)).cloned();
    match &link.kind {
        Kind::Vxlan(FoundVxlan { made, port, held_back }) if ours => {
            let (made, port, vlans) = (*made, *port, PortVlans::new());
            let device = Device { made, mtu: link.mtu, bridge: controller, port, vlans, admin: link.admin };
            overlay.devices.insert(link.name.clone(), device);
            observed.held_back.extend(held_back.map(|state| (link.name.clone(), state)));
            observed.statistics.insert(link.name.clone(), link.statistics);
            return;
        }
        Kind::Bridge(FoundBridge { mac, snooping, .. }) if ours => {
            let bridge = Bridge { mac: *mac, mtu: link.mtu, snooping: *snooping, admin: link.admin };
            overlay.bridges.insert(link.name.clone(), bridge);
        }
        Kind::Bridge(FoundBridge { vlan_filtering, .. }) => {
            let bridge = ForeignBridge { mtu: link.mtu, vlan_filtering: *vlan_filtering, admin: link.admin };
            observed.foreign.bridges.insert(link.name.clone(), bridge);
        }
        _ => {}
    }
    overlay.ports.extend(controller.map(|controller| (link.name.clone(), controller)));
}

/// Whether an interface can be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupation {
    /// No interface has the name.
    Free,
    /// It has been created, and has to be marked.
    Unmarked,
}

impl Kernel {
    /// Observes VLANs of ports, where they matter. Links have to be in `observed` already.
    pub(super) async fn observe_vlans(
        &self,
        observed: &mut Observed,
        names: &BTreeMap<u32, IfName>,
    ) -> anyhow::Result<()> {
        let filters = |bridge: &IfName| observed.foreign.bridges.get(bridge).is_some_and(|found| found.vlan_filtering);
        let overlay = &mut observed.state.overlay;
        let relevant = self.segments == Segments::Observed || !overlay.is_empty();
        if !relevant || !observed.foreign.bridges.keys().any(filters) {
            return Ok(());
        }
        for (index, vlans) in vlans::dump(&self.netlink).await.context("dumping VLANs of bridge ports")? {
            let Some(name) = names.get(&index) else { continue };
            if let Some(device) = overlay.devices.get_mut(name) {
                if device.bridge.as_ref().is_some_and(filters) {
                    device.vlans = vlans;
                }
            } else if overlay.ports.get(name).is_some_and(filters) {
                observed.vlans.insert(name.clone(), vlans);
            }
        }
        Ok(())
    }

    /// Observes FDB entries and neighbour entries. Links and addresses have to be in `observed` already.
    pub(super) async fn observe_overlay(
        &self,
        observed: &mut Observed,
        names: &BTreeMap<u32, IfName>,
    ) -> anyhow::Result<()> {
        if observed.state.overlay.is_empty() && self.segments == Segments::Unexpected {
            return Ok(());
        }
        let overlay = &mut observed.state.overlay;
        for found in neighbors::dump_forwarding(&self.netlink).await.context("dumping forwarding entries")? {
            let (FoundForwarding::Remote(index, ..)
            | FoundForwarding::FdbEntry(index, ..)
            | FoundForwarding::Learned(index, ..)) = found;
            let Some(name) = names.get(&index) else { continue };
            let ours = overlay.devices.contains_key(name);
            match found {
                FoundForwarding::Remote(_, Some(mac), vtep) if ours => {
                    overlay.remotes.insert((name.clone(), mac), vtep);
                }
                FoundForwarding::Remote(_, None, vtep) if ours => {
                    overlay.flood_lists.insert((name.clone(), vtep));
                }
                FoundForwarding::FdbEntry(_, mac, vlan, roaming) if ours => {
                    let bridge = overlay.devices.get(name).and_then(|device| device.bridge.as_ref());
                    let vlan = bridge.and_then(|bridge| overlay.vlan_on(bridge, vlan));
                    overlay.fdb_entries.insert((name.clone(), mac, vlan), roaming);
                }
                FoundForwarding::Learned(_, mac, vlan) => {
                    if let Some(bridge) = overlay.ports.get(name).filter(|bridge| overlay.receives(bridge, vlan)) {
                        let vlan = overlay.vlan_on(bridge, vlan);
                        observed.learned.insert(LearnedHost { port: name.clone(), mac, vlan });
                    }
                }
                FoundForwarding::Remote(..) | FoundForwarding::FdbEntry(..) => {}
            }
        }
        for (index, address, mac) in neighbors::dump_permanent(&self.netlink).await.context("dumping neighbours")? {
            let ours = |name: &&IfName| overlay.bridges.contains_key(*name) || overlay.devices.contains_key(*name);
            let Some(name) = names.get(&index).filter(ours) else { continue };
            overlay.neighbors.insert((name.clone(), address), mac);
        }
        Ok(())
    }

    /// Carries out one step.
    pub(super) async fn overlay_step(
        &self,
        step: &OverlayStep,
        observed: &Observed,
        indexes: &mut BTreeMap<IfName, u32>,
    ) -> anyhow::Result<()> {
        match step {
            OverlayStep::CreateBridge(name, bridge) => {
                let is_ours = |kind: &Kind| matches!(kind, Kind::Bridge(found) if found.mac == bridge.mac);
                let occupation = self.occupation(name, observed, is_ours).await;
                let hint = "to have a segment use a bridge that weft does not make, name it with `existing_bridge` in the mesh file";
                let bridged = observed.foreign.bridges.contains_key(name);
                let occupation = if bridged { occupation.context(hint) } else { occupation };
                if occupation? == Occupation::Free {
                    overlay_links::create_bridge(&self.netlink, name, bridge.mac).await?;
                }
                let index = self.claim(name, indexes).await?;
                settings::answer_for_others_only(name).context("setting IPv6")?;
                overlay_links::set_bridge(&self.netlink, index, bridge).await?;
            }
            OverlayStep::CreateDevice(name, made) => {
                let is_ours = |kind: &Kind| matches!(kind, Kind::Vxlan(found) if found.made == Some(*made));
                if self.occupation(name, observed, is_ours).await? == Occupation::Free {
                    overlay_links::create_vxlan(&self.netlink, name, *made).await?;
                }
                self.claim(name, indexes).await?;
                if made.address == DeviceAddress::Highest {
                    // It answers from its own neighbour entries.
                    settings::answer_for_others_only(name).context("setting IPv6")?;
                }
            }
            OverlayStep::Join(port, bridge) => {
                if let Some(other) = observed.state.overlay.ports.get(port)
                    && !observed.state.overlay.bridges.contains_key(other)
                {
                    bail!("it is a port of {other}, which is not the mesh's");
                }
                let bridge = index_of(indexes, bridge)?;
                overlay_links::join(&self.netlink, index_of(indexes, port)?, Some(bridge)).await?;
            }
            OverlayStep::Delete(name) => {
                links::delete(&self.netlink, index_of(indexes, name)?).await?;
                indexes.remove(name);
            }
            request => self.overlay_request(request, indexes).await?,
        }
        Ok(())
    }

    /// Carries out a step that consists of one or two requests.
    async fn overlay_request(&self, step: &OverlayStep, indexes: &BTreeMap<IfName, u32>) -> io::Result<()> {
        let netlink = &self.netlink;
        let index = |name| index_of(indexes, name);
        match step {
            OverlayStep::SetBridge(name, bridge) => overlay_links::set_bridge(netlink, index(name)?, bridge).await,
            OverlayStep::SetMtu(name, mtu) => links::set_mtu(netlink, index(name)?, *mtu).await,
            OverlayStep::Attach(name, bridge, port, vlan) => {
                overlay_links::join(netlink, index(name)?, Some(index(bridge)?)).await?;
                overlay_links::set_port(netlink, index(name)?, *port).await?;
                match vlan {
                    Some(vlan) => vlans::set_access(netlink, index(name)?, *vlan).await,
                    None => Ok(()),
                }
            }
            OverlayStep::SetUp(name) => overlay_links::set_up(netlink, index(name)?).await,
            OverlayStep::Leave(name) => overlay_links::join(netlink, index(name)?, None).await,
            OverlayStep::AddRemote(name, mac, vtep) => neighbors::add_remote(netlink, index(name)?, *mac, *vtep).await,
            OverlayStep::RemoveRemote(name, mac) => neighbors::remove_remote(netlink, index(name)?, *mac).await,
            OverlayStep::AddFlood(name, vtep) => neighbors::add_flood(netlink, index(name)?, *vtep).await,
            OverlayStep::RemoveFlood(name, vtep) => neighbors::remove_flood(netlink, index(name)?, *vtep).await,
            OverlayStep::AddFdbEntry(name, mac, vlan, roaming) => {
                neighbors::add_fdb_entry(netlink, index(name)?, *mac, *vlan, *roaming).await
            }
            OverlayStep::RemoveFdbEntry(name, mac, vlan) => {
                neighbors::remove_fdb_entry(netlink, index(name)?, *mac, *vlan).await
            }
            OverlayStep::AddNeighbor(name, address, mac) => {
                neighbors::add_permanent(netlink, index(name)?, *address, *mac).await
            }
            OverlayStep::RemoveNeighbor(name, address) => {
                neighbors::remove_permanent(netlink, index(name)?, *address).await
            }
            OverlayStep::AddGateway(name, address) => addresses::add(netlink, index(name)?, *address).await,
            OverlayStep::RemoveGateway(name, address) => addresses::remove(netlink, index(name)?, *address).await,
            OverlayStep::CreateBridge(..)
            | OverlayStep::CreateDevice(..)
            | OverlayStep::Join(..)
            | OverlayStep::Delete(_) => unreachable!("taken by the caller, they are more than requests"),
        }
    }

    /// Returns whether an interface can be created under this name. One that exists without the mesh's mark is foreign. The exception is
    /// one that equals what weft creates under this name, and has not been changed: a previous daemon created it, and ended before it could
    /// mark it.
    async fn occupation(
        &self,
        name: &IfName,
        observed: &Observed,
        is_ours: impl Fn(&Kind) -> bool,
    ) -> anyhow::Result<Occupation> {
        let ours = observed.state.overlay.bridges.contains_key(name);
        if ours || !observed.foreign.interfaces.contains_key(name) {
            return Ok(Occupation::Free);
        }
        let found = links::find(&self.netlink, name).await?;
        let untouched = found.alias.is_none() && found.admin == Admin::Down && found.controller.is_none();
        anyhow::ensure!(untouched && is_ours(&found.kind), "an interface of this name exists that is not the mesh's");
        Ok(Occupation::Unmarked)
    }

    /// Finds the interface that was just created, and marks it as the mesh's.
    async fn claim(&self, name: &IfName, indexes: &mut BTreeMap<IfName, u32>) -> anyhow::Result<u32> {
        let index = links::index(&self.netlink, name).await.with_context(|| format!("finding {name}"))?;
        indexes.insert(name.clone(), index);
        links::claim(&self.netlink, index, &self.alias).await.context("marking it as the mesh's")?;
        Ok(index)
    }
}

fn index_of(indexes: &BTreeMap<IfName, u32>, name: &IfName) -> io::Result<u32> {
    indexes.get(name).copied().ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
}
