//! The overhead of VXLAN encapsulation (RFC 7348 §5), and the MTU that it leaves to hosts.

/// Length in octets of the inner Ethernet header, which the underlay carries as payload.
const INNER_ETHERNET: u32 = 14;
/// Length of the VXLAN header in octets.
const VXLAN: u32 = 8;
/// Length of the outer UDP header in octets.
const UDP: u32 = 8;

/// The IP version of the underlay, between the two ends of the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underlay {
    /// The outer IP header has 20 octets.
    Ipv4,
    /// The outer IP header has 40 octets.
    Ipv6,
}

impl Underlay {
    /// The octets that encapsulation adds to a guest's IP packet: 50 over IPv4, 70 over IPv6.
    pub const fn overhead(self) -> u32 {
        let ip = match self {
            Self::Ipv4 => 20,
            Self::Ipv6 => 40,
        };
        ip + UDP + VXLAN + INNER_ETHERNET
    }
}

/// The largest IP packet of a guest, in octets, that crosses an underlay of this MTU without fragmentation; `None` if not even the headers
/// fit.
pub const fn guest_mtu(underlay_mtu: u32, underlay: Underlay) -> Option<u32> {
    match underlay_mtu.checked_sub(underlay.overhead()) {
        Some(0) | None => None,
        mtu => mtu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_of_1420_leaves_1370_over_ipv4_and_1350_over_ipv6() {
        assert_eq!(guest_mtu(1420, Underlay::Ipv4), Some(1370));
        assert_eq!(guest_mtu(1420, Underlay::Ipv6), Some(1350));
    }

    #[test]
    fn an_underlay_without_room_carries_nothing() {
        assert_eq!(guest_mtu(50, Underlay::Ipv4), None);
        assert_eq!(guest_mtu(51, Underlay::Ipv4), Some(1));
        assert_eq!(guest_mtu(0, Underlay::Ipv6), None);
    }
}
