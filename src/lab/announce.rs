//! Announces a host that has been plugged in elsewhere, so that switches learn its location. Hypervisors do the same for their guests.

use std::time::{Duration, Instant};
use std::{io, thread};

use anyhow::{Context, Result, bail};
use pnet::datalink::{self, Channel, Config, NetworkInterface};
use pnet::packet::arp::{ArpHardwareTypes, ArpOperation, MutableArpPacket};
use pnet::packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet::util::MacAddr;
use vxlan::Mac;

use super::netlink::Netlink;
use super::netns::Namespace;

/// RFC 903: "request reverse".
const REQUEST_REVERSE: ArpOperation = ArpOperation(3);
/// Octets of the header of an Ethernet frame.
const ETHERNET_HEADER: usize = 14;
/// Octets of the shortest frame, without its check sequence (IEEE 802.3 §4A.4.2).
const SHORTEST_FRAME: usize = 60;
/// How long the link may take to come up.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(1);

/// Broadcasts once that `mac` is behind `interface`, as soon as frames pass there. The frame is a RARP request, which nobody answers and
/// which contains no IP addresses: QEMU sends the same for a guest that has migrated.
pub fn announce(namespace: &Namespace, interface: &str, mac: Mac) -> Result<()> {
    let index = await_link(namespace, interface)?;
    let interface = NetworkInterface {
        name: interface.to_owned(),
        description: String::new(),
        index,
        mac: None,
        ips: Vec::new(),
        flags: 0,
    };
    let config = Config { promiscuous: false, ..Config::default() };
    let channel = namespace.within(|| Ok(datalink::channel(&interface, config)?));
    let channel = channel.with_context(|| format!("opening a packet socket in {}", namespace.name()))?;
    let Channel::Ethernet(mut sender, _) = channel else { bail!("{} is no Ethernet", interface.name) };
    let sent = sender.send_to(&frame(mac), None).unwrap_or_else(|| Err(io::Error::other("the frame is too long")));
    sent.with_context(|| format!("announcing {mac} in {}", namespace.name()))
}

/// Waits until the link is running, and returns its index.
fn await_link(namespace: &Namespace, interface: &str) -> Result<u32> {
    let mut netlink = Netlink::open(namespace)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let link = netlink.present(interface)?;
        if link.running {
            return Ok(link.index);
        }
        if Instant::now() > deadline {
            bail!("{interface} in {} does not come up", namespace.name());
        }
        thread::sleep(LOOK);
    }
}

fn frame(mac: Mac) -> [u8; SHORTEST_FRAME] {
    let mac = MacAddr::from(mac.octets());
    let mut frame = [0; SHORTEST_FRAME];
    let (header, body) = frame.split_at_mut(ETHERNET_HEADER);
    let mut rarp = MutableArpPacket::new(body).expect("the shortest frame has room for ARP");
    rarp.set_hardware_type(ArpHardwareTypes::Ethernet);
    rarp.set_protocol_type(EtherTypes::Ipv4);
    rarp.set_hw_addr_len(6);
    rarp.set_proto_addr_len(4);
    rarp.set_operation(REQUEST_REVERSE);
    rarp.set_sender_hw_addr(mac);
    rarp.set_target_hw_addr(mac);
    let mut ethernet = MutableEthernetPacket::new(header).expect("a header has room for itself");
    ethernet.set_destination(MacAddr::broadcast());
    ethernet.set_source(mac);
    ethernet.set_ethertype(EtherTypes::Rarp);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_is_a_rarp_request_from_the_host_for_itself() {
        let frame = frame("02:00:00:00:01:0a".parse().unwrap());
        let mac = [2, 0, 0, 0, 1, 10];
        assert_eq!(frame[..14], [&[0xff; 6][..], &mac, &[0x80, 0x35]].concat());
        let addresses = [&mac[..], &[0; 4], &mac, &[0; 4]].concat();
        assert_eq!(frame[14..42], [&[0, 1, 8, 0, 6, 4, 0, 3][..], &addresses].concat());
        assert_eq!(frame[42..], [0; 18]);
    }
}
