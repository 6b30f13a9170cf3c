//! Inputs and outputs of the engine.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::config::Config;
use crate::event::Event;
use crate::ids::{Domain, InterfaceId, LsaKey, Prefix, RouterId};
use crate::protection::Protection;
pub use crate::routes::{Nexthop, Route, RouteKind};
use crate::wire::RestartReason;

/// An input for [`crate::Engine::handle`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, taken as soon as it is given")]
pub enum Input<'a> {
    /// An OSPF packet (the payload of IP protocol 89) was received.
    Packet {
        /// The receiving interface.
        interface: InterfaceId,
        /// IP source address.
        source: Ipv4Addr,
        /// IP destination address.
        destination: Ipv4Addr,
        /// The IP TTL of the received packet.
        #[cfg_attr(feature = "serde", serde(default = "crate::serial::link_ttl"))]
        ttl: u8,
        /// From the OSPF version octet to the end of the IP payload.
        #[cfg_attr(feature = "serde", serde(with = "crate::octets"))]
        payload: Cow<'a, [u8]>,
    },
    /// The link state of an interface, given at the start and at each change. Until the first one, an interface is down.
    Link {
        /// The interface.
        interface: InterfaceId,
        /// The present state of its link.
        state: LinkState,
    },
    /// What a test below OSPF, such as BFD, has found out about the path to a neighbour, given at each change (RFC 5882). Until the first
    /// one, a path is untested. It is kept for as long as the interface is configured, whether or not there is such a neighbour.
    Path {
        /// The interface.
        interface: InterfaceId,
        /// The neighbour's address, from which it sends hellos.
        neighbor: Ipv4Addr,
        /// Whether packets pass.
        state: PathState,
    },
    /// A new configuration that replaces the present one. What is the same in both is not disturbed.
    Configure(Config),
    /// Originates an opaque LSA (RFC 5250), changes its contents, or (with `None`) withdraws it. It is originated whenever its interface or
    /// area exists; a new configuration does not affect it.
    Opaque {
        /// The flooding scope.
        scope: Domain,
        /// Opaque Type.
        opaque_type: u8,
        /// Opaque ID, 24 bits.
        opaque_id: u32,
        /// The contents, at most [`crate::MAX_OPAQUE_OCTETS`]; padded with zeros to a multiple of four octets.
        #[cfg_attr(feature = "serde", serde(default, with = "crate::octets::optional"))]
        body: Option<Bytes>,
    },
    /// Restarts adjacencies: on one interface or on all, with one router or with all.
    Clear {
        /// The interface; `None` = all interfaces.
        interface: Option<InterfaceId>,
        /// The neighbour's Router ID; `None` = all neighbours.
        router_id: Option<RouterId>,
    },
    /// Time has passed. To be given when the deadline of [`crate::Engine::next_deadline`] has come.
    Tick,
    /// A planned restart (RFC 3623 §2.1). Neighbours are asked to keep their adjacencies. The engine stops without a last hello when all of
    /// them have acknowledged the request, or after a few seconds; then it reports [`crate::Event::RestartReady`]. The driver must keep the
    /// routes, and must start the next engine with [`Config::restarting`] within the grace period.
    PrepareRestart {
        /// The time from now to the end of the restart at the latest, in whole seconds, at most 1800 (§B.1).
        grace_period: Duration,
        /// The restart reason.
        reason: RestartReason,
    },
    /// A planned stop of a router that does not come back soon. The router becomes a stub router (RFC 6987), so that traffic avoids it.
    /// When the neighbours know this and have had a moment to react, it flushes its LSAs (RFC 2328 §14.1). When they have acknowledged
    /// that, it stops as after [`Input::Shutdown`]. This takes one to two seconds, ten at most; [`crate::Engine::is_stopped`] is true when
    /// it is done. During a graceful restart (RFC 3623) the former adjacencies are established first. Configurations are ignored during the
    /// withdrawal.
    Withdraw,
    /// A planned stop at once. The engine sends a last hello that lists no neighbours on each interface, so that neighbours drop the
    /// adjacency at once and send traffic another way. Then all interfaces go down. Routes are not withdrawn: the driver decides whether
    /// they outlive the engine. From then on the engine ignores inputs and has no deadline.
    Shutdown,
}

/// The state of an interface's link, as the driver reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LinkState {
    /// The link cannot carry packets.
    Down,
    /// The link can carry packets.
    Up {
        /// The kernel's interface index: the Link Data of an unnumbered link (RFC 2328 §12.4.1.1, SNMP ifIndex).
        index: u32,
        /// IP MTU in octets: the Interface MTU of Database Description packets, and the maximum size of the packets sent.
        mtu: u16,
        /// Addresses of the interface.
        addressing: Addressing,
    },
}

/// Whether packets pass to a neighbour, by a test below OSPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum PathState {
    /// Nothing tests it, or one of both ends has ended the test: hellos alone decide.
    Untested,
    /// Packets pass.
    Up,
    /// Packets passed before, and do not pass any more: the neighbour is down, and is held in Init until this changes.
    Down {
        /// Whether the test ends with the neighbour's OSPF (BFD's C bit is clear): then it shows nothing while the neighbour restarts.
        shares_fate: bool,
    },
}

/// Whether an interface has an IP subnet of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Addressing {
    /// No subnet: packets are sent from this loopback address of the router.
    Unnumbered(Ipv4Addr),
    /// An address within a subnet.
    Numbered {
        /// The interface's own address, the source of its packets.
        address: Ipv4Addr,
        /// The subnet.
        subnet: Prefix,
    },
}

impl Addressing {
    /// The source address of packets sent from the interface.
    pub fn address(self) -> Ipv4Addr {
        match self {
            Self::Unnumbered(address) | Self::Numbered { address, .. } => address,
        }
    }
}

/// An output of [`crate::Engine::poll_output`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send an OSPF packet from the interface's own address, with IP precedence Internetwork Control.
    Send {
        /// The outgoing interface; for a packet of a virtual link, a physical interface of its transit area.
        interface: InterfaceId,
        /// 224.0.0.5, 224.0.0.6 or the neighbour's address.
        destination: Ipv4Addr,
        /// IP TTL.
        ttl: u8,
        /// Whether the packet bypasses the routing table.
        delivery: Delivery,
        /// The packet from the OSPF version octet to the end, including trailers.
        packet: Bytes,
    },
    /// The route to a destination has changed; `None` = it no longer exists.
    Route {
        /// The destination.
        prefix: Prefix,
        /// The new route.
        route: Option<Route>,
    },
    /// The protection of a route has been calculated ([`Config::alternates`]). It holds until the next one, and as long as the route has the
    /// next hops that are named in it.
    Protection {
        /// The destination.
        prefix: Prefix,
        /// The protection, shared by destinations that have the same one; `None` if there is none for this kind of route.
        protection: Option<Arc<Protection>>,
    },
    /// An opaque LSA of another router, of a type in [`Config::watched_opaque`], is new or has new contents; `None` = it is gone, or its
    /// originator is no longer reachable (RFC 5250 §5).
    Opaque {
        /// The database that contains it.
        domain: Domain,
        /// The LSA's key. The first octet of the Link State ID is the Opaque Type, the others are the Opaque ID.
        key: LsaKey,
        /// The contents.
        body: Option<Bytes>,
    },
    /// An event to report.
    Event(Event),
}

/// How a packet is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Directly to the link of its interface, without use of the routing table.
    OnLink,
    /// According to the routing table (virtual links, RFC 2328 §15).
    Routed,
}
