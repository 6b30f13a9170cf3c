//! What encapsulation takes away from a frame (RFC 7348 §5).

/// Octets of the inner Ethernet header, which the underlay carries as payload.
const INNER_ETHERNET: u32 = 14;
/// Octets of the VXLAN header.
const VXLAN: u32 = 8;
/// Octets of the outer UDP header.
const UDP: u32 = 8;

/// The IP version between the two ends of the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underlay {
    /// 20 octets of outer IP header.
    Ipv4,
    /// 40 octets of outer IP header.
    Ipv6,
}

impl Underlay {
    /// Octets that encapsulation adds to a guest's IP packet: 50 over IPv4, 70 over IPv6.
    pub const fn overhead(self) -> u32 {
        let ip = match self {
            Self::Ipv4 => 20,
            Self::Ipv6 => 40,
        };
        ip + UDP + VXLAN + INNER_ETHERNET
    }
}

/// The largest IP packet (octets) of a guest that crosses an underlay of this MTU in one piece; `None` if the underlay has no
/// room even for the headers.
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
