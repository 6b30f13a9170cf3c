//! The commands of the operator about hosts: `weft move` and `weft forget`.

use std::time::SystemTime;

use anyhow::{Context as _, bail};
use tracing::info;
use vxlan::{Finding, Forgotten, Mac, Vni, Vtep};

use super::{Segment, Segments};
use crate::control::{Request, view};

impl Segments {
    /// Carries out [`Request::Move`] or [`Request::Forget`], and returns the answer to it.
    ///
    /// # Errors
    /// If the host or site does not exist, or the host may not be at that site.
    pub(in crate::daemon) fn obey(&mut self, request: &Request, now: SystemTime) -> anyhow::Result<serde_json::Value> {
        match request {
            Request::Move { host, site, force } => {
                self.place(host, site, *force, now)?;
                Ok(serde_json::Value::Null)
            }
            Request::Forget { host } => Ok(serde_json::to_value(self.forget(host, now)?)?),
            _ => bail!("not a command about a host of a segment"),
        }
    }

    /// Moves a host, which is given by its name, MAC or IP address, to the site with this name; `force` overrides whatever was claimed of
    /// the host.
    pub(super) fn place(&mut self, host: &str, site: &str, force: bool, now: SystemTime) -> anyhow::Result<()> {
        let found = self.sites.iter().find(|(_, name)| *name == site);
        let to = Vtep(*found.with_context(|| format!("there is no site `{site}`"))?.0);
        let (vni, mac, segment) = self.named(host)?;
        let (locations, table) = (&mut segment.locations, &segment.l2.segment);
        let finding = match force {
            false => locations.place(table, mac, to, now),
            true => locations.place_by_force(table, mac, to, now),
        };
        if force && finding.is_ok() {
            info!(segment = segment.l2.name, host = segment.called(mac), site, "host placed by force: a new epoch");
        }
        self.note(vni, finding.with_context(|| format!("moving {host} to {site}"))?);
        Ok(())
    }

    /// Makes this site forget its claims and records of a host.
    pub(super) fn forget(&mut self, host: &str, now: SystemTime) -> anyhow::Result<view::Forgotten> {
        let (vni, mac, segment) = self.named(host)?;
        let (locations, table) = (&mut segment.locations, &segment.l2.segment);
        let from = locations.location(table, mac);
        let Forgotten { before, after } = locations.forget(table, mac, now)?;
        let to = locations.location(table, mac);
        let (name, called) = (segment.l2.name.clone(), segment.called(mac));
        info!(segment = name, host = called, "host forgotten");
        let moved = from.zip(to).filter(|(from, to)| from != to);
        self.note(vni, moved.map(|(from, to)| Finding::Moved { mac, from, to }));
        Ok(view::Forgotten {
            segment: name,
            host: called,
            remembered_at: before.map(|record| self.site_name(record.claim.location)),
            site: to.map(|vtep| self.site_name(vtep)).unwrap_or_default(),
            claimed_by: after.map(|record| self.site_name(record.author)),
        })
    }

    /// Finds the host with this name, MAC or IP address, and its segment.
    fn named(&mut self, host: &str) -> anyhow::Result<(Vni, Mac, &mut Segment)> {
        let mut hosts =
            self.segments.iter_mut().filter_map(|(vni, segment)| Some((*vni, segment.host(host)?, segment)));
        let Some(found) = hosts.next() else {
            bail!("no segment of this site has a host `{host}`: say its name, MAC or IP address as in the mesh file")
        };
        if hosts.next().is_some() {
            bail!("more than one segment has a host `{host}`: say its name, or its MAC address");
        }
        Ok(found)
    }
}
