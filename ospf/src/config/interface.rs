//! The configuration of interfaces (RFC 2328 appendix C.3).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::authentication::Authentication;
use crate::ids::{AreaId, Prefix, RouterId};

/// The configuration of an interface (RFC 2328 §9 and appendix C.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default = "crate::serial::blank_interface"))]
pub struct InterfaceConfig {
    /// The name used in events and shows.
    pub name: String,
    /// The area it belongs to.
    pub area: AreaId,
    /// The kind of network.
    pub network: NetworkType,
    /// Router Priority: 0 = never the designated router. It has no meaning on networks without a designated router.
    pub priority: u8,
    /// Whether the interface is passive: its network is advertised, but no packet is sent or accepted.
    pub passive: bool,
    /// Interface output cost, 1..=65535.
    pub cost: u16,
    /// HelloInterval, whole seconds.
    pub hello_interval: Duration,
    /// RouterDeadInterval, whole seconds.
    pub dead_interval: Duration,
    /// RxmtInterval.
    pub retransmit_interval: Duration,
    /// InfTransDelay, whole seconds.
    pub transmit_delay: Duration,
    /// Whether Database Descriptions are accepted regardless of their Interface MTU.
    pub mtu_ignore: bool,
    /// Whether the interface's network, which must contain only routers, is not advertised (RFC 6860). The network of a passive interface,
    /// which contains hosts, is always advertised.
    pub prefix_suppression: bool,
    /// Neighbours on non-broadcast networks, by address; without meaning on other networks (§C.5, §C.6).
    ///
    /// On a point-to-multipoint network without any, neighbours are found by multicast hellos, as on broadcast networks.
    pub neighbors: BTreeMap<Ipv4Addr, NbmaNeighbor>,
    /// PollInterval: the interval between hellos to a neighbour of a non-broadcast network that is down.
    pub poll_interval: Duration,
    /// Further addresses of the interface and their networks, advertised as stub networks while the interface is up. No adjacencies are
    /// formed on them. They may include an address without a network of its own, which [`crate::Addressing::Unnumbered`] does not
    /// advertise.
    pub further_addresses: BTreeMap<Ipv4Addr, Prefix>,
    /// How packets are signed and verified.
    pub authentication: Authentication,
    /// From which senders packets are accepted.
    pub speaker: Speaker,
}

impl InterfaceConfig {
    /// Creates an active interface with the sample values of appendix C.3, cost 10 and priority 1.
    pub fn new(name: impl Into<String>, area: AreaId, network: NetworkType) -> Self {
        Self {
            name: name.into(),
            area,
            network,
            priority: 1,
            passive: false,
            cost: 10,
            hello_interval: Duration::from_secs(10),
            dead_interval: Duration::from_secs(40),
            retransmit_interval: Duration::from_secs(5),
            transmit_delay: Duration::from_secs(1),
            mtu_ignore: false,
            prefix_suppression: false,
            authentication: Authentication::Null,
            further_addresses: BTreeMap::new(),
            neighbors: BTreeMap::new(),
            poll_interval: Duration::from_secs(120),
            speaker: Speaker::Anyone,
        }
    }
}

impl InterfaceConfig {
    /// Whether an accepted packet is certain to come from its sender, because it has a digest that only holders of the key can compute. A
    /// simple password does not prove this: every multicast hello shows it to all who could forge a packet.
    pub(crate) fn is_authenticated(&self) -> bool {
        match self.authentication {
            Authentication::Cryptographic(_) => true,
            Authentication::Null | Authentication::Simple(_) => false,
        }
    }

    /// Whether the interface's network is not advertised: it is transit-only in the sense of RFC 6860 §1.
    pub(crate) fn hides_network(&self) -> bool {
        self.prefix_suppression && !self.passive
    }
}

/// From which senders packets are accepted on an interface. Virtual links have their own rule: see [`NetworkType::VirtualLink`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Speaker {
    /// From any router on the link (RFC 2328 §8.2).
    #[default]
    Anyone,
    /// Only from the router at the other end of a tunnel. Routers other than the two ends may have packets forwarded into the tunnel.
    Peer {
        /// The source address of the peer's packets.
        address: Ipv4Addr,
        /// Whether the TTL has to prove that they were not forwarded.
        ttl_security: TtlSecurity,
    },
}

/// The Generalized TTL Security Mechanism (RFC 5082): a packet that is sent with TTL 255 and arrives with it was not forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TtlSecurity {
    /// Only packets with TTL 255 are accepted.
    #[default]
    Required,
    /// Packets with any TTL are accepted: the peer sends them with another, as RFC 2328 §A.1 requires.
    Off,
}

/// Network type (RFC 2328 §1.2, §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum NetworkType {
    /// Any number of neighbours, found by multicast; a designated router is elected.
    Broadcast,
    /// Any number of configured neighbours that all reach each other; a designated router is elected.
    NonBroadcast,
    /// Any number of neighbours that need not all reach each other: treated as point-to-point links.
    PointToMultipoint,
    /// Exactly one neighbour, reached at AllSPFRouters (224.0.0.5).
    PointToPoint,
    /// A virtual link of the backbone through another area, between two border routers of that area (§15).
    VirtualLink {
        /// The transit area, which is neither the backbone nor a stub area.
        transit_area: AreaId,
        /// The router id of the border router at the far end.
        far_end: RouterId,
    },
}

/// A configured neighbour on a non-broadcast network (§C.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NbmaNeighbor {
    /// Its Router Priority until its first hello is received: 0 = not eligible to become the designated router.
    pub priority: u8,
}

impl Default for NbmaNeighbor {
    fn default() -> Self {
        Self { priority: 1 }
    }
}
