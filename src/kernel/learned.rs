//! Forwarding entries that a bridge has learned from frames on its ports.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use vxlan::Mac;

use super::neighbors::{FoundForwarding, forwarding, remove_station, station};
use super::netlink::Netlink;
use super::observe::Kernel;
use crate::mesh::VlanId;

/// The entries, to be looked at beside everything else.
#[derive(Clone)]
pub struct Learned(Netlink);

impl Kernel {
    /// For looking at what bridges have learned.
    pub fn learned(&self) -> Learned {
        Learned(self.netlink.clone())
    }
}

impl Learned {
    /// Has the bridge that `port` is joined to forget that it has heard the host on another port; whether it had. What somebody has set
    /// stays.
    ///
    /// # Errors
    /// If the kernel does not answer, or refuses.
    pub async fn forget_elsewhere(&self, port: u32, mac: Mac, vlan: Option<VlanId>) -> io::Result<bool> {
        let question = RouteNetlinkMessage::GetNeighbour(station(port, mac, vlan));
        let answer = match self.0.get(question).await {
            Ok(RouteNetlinkMessage::NewNeighbour(entry)) => forwarding(&entry),
            Ok(_) => None,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
            Err(error) => return Err(error),
        };
        match answer {
            Some(FoundForwarding::Heard(index, mac, vlan)) if index != port => {
                remove_station(&self.0, index, mac, vlan).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
