//! Indexes of routers, links and LANs, and the IDs and addresses that are derived from them.

use std::fmt;
use std::net::Ipv4Addr;

use ospf::{InterfaceId, Prefix, RouterId};

/// The index of a router in [`Topology::routers`](super::Topology::routers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterIndex(pub usize);

/// The index of a link in [`Topology::links`](super::Topology::links).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(pub usize);

/// One of the two ends of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first end.
    A,
    /// The second end.
    B,
}

/// The index of a LAN in [`Topology::lans`](super::Topology::lans).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanIndex(pub usize);

/// The most LANs: each has a /24 in 100.64.0.0/10.
pub const MAX_LANS: usize = 1 << 14;

/// The most routers: each has a loopback address in 10.255.0.0/16.
pub const MAX_ROUTERS: usize = 65_534;

/// The number of Router IDs that each router may have.
pub const MAX_IDS: u8 = 4;

/// The most links: each has a /30 in 172.16.0.0/12.
pub const MAX_LINKS: usize = 1 << 18;

impl Side {
    /// Both sides.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Returns the other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl RouterIndex {
    /// Returns its loopback address, in 10.255.0.0/16.
    pub fn loopback(self) -> Ipv4Addr {
        debug_assert!(self.0 < MAX_ROUTERS);
        Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 255, 0, 0)) + self.0 as u32 + 1)
    }

    /// Returns its first Router ID, which is the loopback address.
    pub fn id(self) -> RouterId {
        self.ids(0)
    }

    /// Returns a Router ID that it may have: the address with its index in 10.255.0.0/16, 10.254.0.0/16 and so on.
    pub fn ids(self, number: u8) -> RouterId {
        RouterId(u32::from(self.loopback()) - (u32::from(number) << 16))
    }

    /// Returns the router that may have this Router ID.
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
    /// Returns the interface to this link, which has the same ID at both of its routers.
    pub fn interface(self) -> InterfaceId {
        InterfaceId(u32::try_from(self.0).expect("links are fewer") + 1)
    }

    /// Returns the link of an interface; `None` for the interfaces of stub networks.
    pub fn of(interface: InterfaceId) -> Option<Self> {
        let number = interface.0.checked_sub(1)? as usize;
        (number < MAX_LINKS).then_some(Self(number))
    }

    /// Returns the subnet, in 172.16.0.0/12, that the link has if it is numbered.
    pub fn subnet(self) -> Prefix {
        debug_assert!(self.0 < MAX_LINKS);
        Prefix::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 0)) + 4 * self.0 as u32), 30)
    }

    /// Returns the address at a side, in the link's subnet.
    pub fn address(self, side: Side) -> Ipv4Addr {
        let host = match side {
            Side::A => 1,
            Side::B => 2,
        };
        Ipv4Addr::from(u32::from(self.subnet().network()) + host)
    }
}

impl LanIndex {
    /// Returns the interface to this LAN, which has the same ID at all of its routers.
    pub fn interface(self) -> InterfaceId {
        InterfaceId(FIRST_LAN + u32::try_from(self.0).expect("LANs are few"))
    }

    /// Returns the LAN of an interface; `None` for other interfaces.
    pub fn of(interface: InterfaceId) -> Option<Self> {
        let number = interface.0.checked_sub(FIRST_LAN)? as usize;
        (number < MAX_LANS).then_some(Self(number))
    }

    /// Returns the subnet, in 100.64.0.0/10.
    pub fn subnet(self) -> Prefix {
        debug_assert!(self.0 < MAX_LANS);
        Prefix::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + 256 * self.0 as u32), 24)
    }
}

/// The first interface ID of LANs; those of links and stub networks are lower.
const FIRST_LAN: u32 = 1 << 20;

/// Returns the interface of a virtual link, which has the same ID at both of its ends; `place` is the link's index.
pub fn virtual_interface(place: usize) -> InterfaceId {
    InterfaceId(FIRST_VIRTUAL + u32::try_from(place).expect("virtual links are few"))
}

/// Whether an interface is one of a virtual link.
pub fn is_virtual(interface: InterfaceId) -> bool {
    interface.0 >= FIRST_VIRTUAL
}

/// The first interface ID of virtual links; all others are lower.
const FIRST_VIRTUAL: u32 = 1 << 21;

/// Returns the interface of a router's stub network; `place` is the network's index at the router.
pub fn stub_interface(place: usize) -> InterfaceId {
    InterfaceId(u32::try_from(MAX_LINKS + 1 + place).expect("stub networks are few"))
}
