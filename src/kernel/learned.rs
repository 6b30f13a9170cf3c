//! FDB entries that a bridge has learned from frames on its ports.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use vxlan::Mac;

use super::neighbors::{FoundForwarding, fdb_entry, forwarding, remove_fdb_entry};
use super::netlink::Netlink;
use super::observe::Kernel;
use crate::mesh::VlanId;

/// Access to the entries, for use in a task of its own.
#[derive(Clone)]
pub struct Learned(Netlink);

impl Kernel {
    /// Returns access to the FDB entries that bridges have learned.
    pub fn learned(&self) -> Learned {
        Learned(self.netlink.clone())
    }
}

impl Learned {
    /// Removes the entry that the bridge of `port` has learned for the host on another port; returns whether there was one. Entries that a
    /// program added stay.
    ///
    /// # Errors
    /// If the kernel does not answer, or refuses.
    pub async fn forget_elsewhere(&self, port: u32, mac: Mac, vlan: Option<VlanId>) -> io::Result<bool> {
        let question = RouteNetlinkMessage::GetNeighbour(fdb_entry(port, mac, vlan));
        let answer = match self.0.get(question).await {
            Ok(RouteNetlinkMessage::NewNeighbour(entry)) => forwarding(&entry),
            Ok(_) => None,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
            Err(error) => return Err(error),
        };
        match answer {
            Some(FoundForwarding::Learned(index, mac, vlan)) if index != port => {
                remove_fdb_entry(&self.0, index, mac, vlan).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
