//! Numbers of routers, links and LANs, and the ids and addresses that follow from them.

use std::fmt;
use std::net::Ipv4Addr;

use ospf::{InterfaceId, Prefix, RouterId};

/// A router, by its place in [`Topology::routers`](super::Topology::routers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterIndex(pub usize);

/// A link, by its place in [`Topology::links`](super::Topology::links).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(pub usize);

/// One of the two ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// A LAN, by its place in [`Topology::lans`](super::Topology::lans).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanIndex(pub usize);

/// As many LANs have a /24 in 100.64.0.0/10.
pub const MAX_LANS: usize = 1 << 14;

/// As many routers have a loopback address in 10.255.0.0/16.
pub const MAX_ROUTERS: usize = 65_534;

/// As many router ids has a router.
pub const MAX_IDS: u8 = 4;

/// As many links have a /30 in 172.16.0.0/12.
pub const MAX_LINKS: usize = 1 << 18;

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl RouterIndex {
    /// Its loopback address, in 10.255.0.0/16.
    pub fn loopback(self) -> Ipv4Addr {
        debug_assert!(self.0 < MAX_ROUTERS);
        Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 255, 0, 0)) + self.0 as u32 + 1)
    }

    /// Its first router id, which is the loopback address.
    pub fn id(self) -> RouterId {
        self.ids(0)
    }

    /// A router id that it may have: that of the same number in 10.255.0.0/16, 10.254.0.0/16 and so on.
    pub fn ids(self, number: u8) -> RouterId {
        RouterId(u32::from(self.loopback()) - (u32::from(number) << 16))
    }

    /// The router that may have this id.
    pub fn of(id: RouterId) -> Option<Self> {
        let lowest = Self(0).ids(MAX_IDS - 1).0;
        let number = (id.0.checked_sub(lowest)? % (1 << 16)) as usize;
        (number < MAX_ROUTERS && id <= Self(number).id()).then_some(Self(number))
    }
}

impl fmt::Display for RouterIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.loopback().fmt(f)
    }
}

impl LinkIndex {
    /// The interface to this link, at both of its routers.
    pub fn interface(self) -> InterfaceId {
        InterfaceId(u32::try_from(self.0).expect("links are fewer") + 1)
    }

    /// The link of an interface; `None` for the interfaces of stub networks.
    pub fn of(interface: InterfaceId) -> Option<Self> {
        let number = interface.0.checked_sub(1)? as usize;
        (number < MAX_LINKS).then_some(Self(number))
    }

    /// The subnet, in 172.16.0.0/12, that the link has if it is numbered.
    pub fn subnet(self) -> Prefix {
        debug_assert!(self.0 < MAX_LINKS);
        Prefix::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 0)) + 4 * self.0 as u32), 30)
    }

    /// The address in the subnet at a side.
    pub fn address(self, side: Side) -> Ipv4Addr {
        let host = match side {
            Side::A => 1,
            Side::B => 2,
        };
        Ipv4Addr::from(u32::from(self.subnet().network()) + host)
    }
}

impl LanIndex {
    /// The interface to this LAN, at all of its routers.
    pub fn interface(self) -> InterfaceId {
        InterfaceId(FIRST_LAN + u32::try_from(self.0).expect("LANs are few"))
    }

    /// The LAN of an interface; `None` for other interfaces.
    pub fn of(interface: InterfaceId) -> Option<Self> {
        let number = interface.0.checked_sub(FIRST_LAN)? as usize;
        (number < MAX_LANS).then_some(Self(number))
    }

    /// The subnet, in 100.64.0.0/10.
    pub fn subnet(self) -> Prefix {
        debug_assert!(self.0 < MAX_LANS);
        Prefix::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + 256 * self.0 as u32), 24)
    }
}

/// Interfaces of LANs come after those of links and stub networks.
const FIRST_LAN: u32 = 1 << 20;

/// The interface of a virtual link at both of its ends, by the link's place among all.
pub fn virtual_interface(place: usize) -> InterfaceId {
    InterfaceId(FIRST_VIRTUAL + u32::try_from(place).expect("virtual links are few"))
}

/// Those of virtual links are the last.
const FIRST_VIRTUAL: u32 = 1 << 21;

/// The interface of a router's stub network, by the network's place among them.
pub fn stub_interface(place: usize) -> InterfaceId {
    InterfaceId(u32::try_from(MAX_LINKS + 1 + place).expect("stub networks are few"))
}
