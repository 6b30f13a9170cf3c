//! Interfaces on an Ethernet segment: those of switches, of hosts, and the ports of the sites' routers.

use std::fs;
use std::io::ErrorKind;

use anyhow::{Context, Result};

use super::layout::Node;
use super::netlink::Netlink;
use super::netns::Namespace;
use crate::net::IfName;

/// IN6_ADDR_GEN_MODE_NONE: the interface gets no link-local address, and so sends nothing from one.
const NO_ADDRESS: &str = "1";

/// Configures `interface` according to `node`, if it is on a segment. Must be called before the interface is brought up, so that a switch
/// sends no packets of its own, and a host has only the addresses of the table.
pub fn configure(namespace: &Namespace, netlink: &mut Netlink, node: &Node, interface: &IfName) -> Result<()> {
    let Some(wanted) = node.segment_links.get(interface) else { return Ok(()) };
    let link = netlink.present(interface.as_str())?;
    if link.mtu != wanted.mtu {
        netlink.set_mtu(&link, wanted.mtu)?;
    }
    if let Some(mac) = wanted.mac.filter(|mac| link.mac != mac.octets()) {
        netlink.set_mac(&link, mac)?;
    }
    if let Some(bridge) = &wanted.bridge {
        let bridge = netlink.present(bridge.as_str())?;
        if link.bridge != Some(bridge.index) {
            netlink.join(&link, &bridge)?;
        }
        if let Some(vlan) = wanted.vlan {
            netlink.put_into_vlan(&link, vlan)?;
        }
    }
    let setting = format!("/proc/sys/net/ipv6/conf/{interface}/addr_gen_mode");
    namespace.within(|| match fs::write(&setting, NO_ADDRESS) {
        // The kernel has no IPv6.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("keeping {interface} from giving itself an address ({setting})")),
    })
}
