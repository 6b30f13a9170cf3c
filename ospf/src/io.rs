//! What goes into the engine and what comes out of it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;

use crate::config::Config;
use crate::event::Event;
use crate::ids::{AreaId, Domain, InterfaceId, LsaKey, OpaqueScope, Prefix, RouterId};
use crate::wire::RestartReason;

/// One thing that happened, for [`crate::Engine::handle`].
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time, taken as soon as it is given")]
pub enum Input<'a> {
    /// An OSPF packet (the payload of IP protocol 89) arrived on an interface.
    Packet {
        /// Where.
        interface: InterfaceId,
        /// IP source address.
        source: Ipv4Addr,
        /// IP destination address.
        destination: Ipv4Addr,
        /// IP TTL with which it arrived.
        ttl: u8,
        /// From the OSPF version octet to the end of the IP payload.
        payload: &'a [u8],
    },
    /// The state of an interface, at first and at each change. An interface is down until this says otherwise.
    Link {
        /// Which.
        interface: InterfaceId,
        /// Its present state.
        state: LinkState,
    },
    /// A new configuration in place of the present one. What does not differ is not disturbed.
    Configure(Config),
    /// An opaque LSA (RFC 5250) is to be originated, or to say something else, or (`None`) to be withdrawn. It is there whenever its
    /// interface or area is; the configuration does not touch it.
    Opaque {
        /// How far it goes.
        scope: OpaqueScope,
        /// Opaque Type.
        opaque_type: u8,
        /// Opaque ID, 24 bits.
        opaque_id: u32,
        /// What it says, at most [`crate::MAX_OPAQUE_OCTETS`]; zeros are added up to a multiple of four.
        body: Option<Bytes>,
    },
    /// Adjacencies begin anew: those on an interface, or on all, with a router, or with all.
    Clear {
        /// Where; `None` = everywhere.
        interface: Option<InterfaceId>,
        /// With whom; `None` = with everybody.
        router_id: Option<RouterId>,
    },
    /// Time has passed: give this when the deadline of [`crate::Engine::next_deadline`] has come.
    Tick,
    /// A planned restart (RFC 3623 §2.1): neighbours are asked to go on as if nothing happened, and the engine stops without a goodbye when
    /// all have acknowledged that, or a few seconds have passed: then [`crate::Event::RestartReady`] comes out. Whoever gives this sees to
    /// it that the routes stay, and that the next engine begins with [`Config::restarting`] within the grace period.
    PrepareRestart {
        /// From now to the end of the restart at the latest, whole seconds, at most 1800 (§B.1).
        grace_period: Duration,
        /// Why.
        reason: RestartReason,
    },
    /// A planned stop of a router that does not come back soon: it becomes a stub router (RFC 6987), so that traffic goes around it, flushes
    /// its LSAs (RFC 2328 §14.1) when the neighbours know that and have had a moment, and stops as after [`Input::Shutdown`] when they have
    /// acknowledged it. That takes one to two seconds, ten at most; [`crate::Engine::is_stopped`] is true when it is done. Within a restart
    /// (RFC 3623) the adjacencies of before come back first. No configuration is taken meanwhile.
    Withdraw,
    /// A planned stop at once: one last hello that lists nobody leaves on each interface, so that neighbours drop the adjacency at once and
    /// send traffic another way, and all interfaces go down. Routes are not withdrawn: whether they outlive the engine is the driver's
    /// choice. From then on the engine takes no input and awaits nothing.
    Shutdown,
}

/// What the driver knows of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LinkState {
    /// Cannot carry packets.
    Down,
    /// Can carry packets.
    Up {
        /// The kernel's index, the Link Data of an unnumbered link (RFC 2328 §12.4.1.1, SNMP ifIndex).
        index: u32,
        /// IP MTU, bytes: the Interface MTU of Database Description packets, and the limit of what is sent.
        mtu: u16,
        /// Its addresses.
        addressing: Addressing,
    },
}

/// Whether an interface has an IP subnet of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Addressing {
    /// No subnet: packets are sent from the router's loopback address given here.
    Unnumbered(Ipv4Addr),
    /// An address within a subnet.
    Numbered {
        /// The interface's own address, source of its packets.
        address: Ipv4Addr,
        /// The subnet.
        subnet: Prefix,
    },
}

impl Addressing {
    /// The source address of what is sent there.
    pub fn address(self) -> Ipv4Addr {
        match self {
            Self::Unnumbered(address) | Self::Numbered { address, .. } => address,
        }
    }
}

/// One thing to do or to know, from [`crate::Engine::poll_output`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send an OSPF packet from the interface's own address, precedence Internetwork Control.
    Send {
        /// The way out; for a packet of a virtual link a physical interface of its transit area.
        interface: InterfaceId,
        /// 224.0.0.5, 224.0.0.6 or the neighbour's address.
        destination: Ipv4Addr,
        /// IP TTL.
        ttl: u8,
        /// Whether it stays on the link.
        delivery: Delivery,
        /// From the OSPF version octet to the end, trailers included.
        packet: Bytes,
    },
    /// The route to a destination has changed; `None` = there is none any more.
    Route {
        /// Which destination.
        prefix: Prefix,
        /// How to get there now.
        route: Option<Route>,
    },
    /// An opaque LSA of another router, of a type in [`Config::watched_opaque`], is new or says something else; `None` = it is gone, or
    /// its originator cannot be reached any more (RFC 5250 §5).
    Opaque {
        /// How far it is flooded, and from where.
        domain: Domain,
        /// Which. The Link State ID has the Opaque Type in its first octet and the Opaque ID in the others.
        key: LsaKey,
        /// What it says.
        body: Option<Bytes>,
    },
    /// Something that somebody may want to know.
    Event(Event),
}

/// How a packet leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// To the link of its interface, past the routing table.
    OnLink,
    /// By the routing table (virtual links, RFC 2328 §15).
    Routed,
}

/// A routing table entry (RFC 2328 §11) for a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Route {
    /// Path type, in order of preference.
    pub kind: RouteKind,
    /// Area the path lies in; for externals that of the path to the ASBR.
    pub area: AreaId,
    /// Cost; for external type 2 the type 2 metric alone.
    pub metric: u32,
    /// Routers that originate it on the paths chosen.
    pub originators: BTreeSet<RouterId>,
    /// Next hops, equal in cost. None: an area address range of ours, what falls into it and has no route of its own is discarded
    /// (RFC 2328 §11.1).
    pub nexthops: BTreeSet<Nexthop>,
    /// External Route Tag; 0 inside the AS.
    pub tag: u32,
}

impl Route {
    /// Whether packets are discarded: an area address range of ours in which nothing nearer is known (RFC 2328 §11.1).
    pub fn is_discard(&self) -> bool {
        self.nexthops.is_empty()
    }
}

/// Path types in the order of their preference (RFC 2328 §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RouteKind {
    /// Within an area.
    IntraArea,
    /// Through the backbone.
    InterArea,
    /// Outside the AS, type 1 metric.
    External1,
    /// Outside the AS, type 2 metric.
    External2,
}

/// The way out of this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nexthop {
    /// Outgoing interface.
    pub interface: InterfaceId,
    /// The neighbour's address; `None` = the destination is on this interface's own network.
    pub via: Option<Ipv4Addr>,
}
