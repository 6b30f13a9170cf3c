//! The layout of a model: the configuration of its routers, and how they are connected.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ospf::{
    Addressing, AreaId, Conduct, Config, External, ExternalMetric, InterfaceConfig, InterfaceId, LinkState,
    NetworkType, Prefix, RouterId,
};

use super::bounds::{Bounds, Medium};

/// Whether two routers reach each other's interfaces.
pub(super) fn are_joined(one: usize, other: usize, bounds: &Bounds) -> bool {
    match bounds.medium {
        Medium::PointToPoint | Medium::Broadcast => one != other,
        Medium::Chain => one.abs_diff(other) == 1,
    }
}

/// Returns the number of a router's neighbours.
pub(super) fn neighbors(router: usize, bounds: &Bounds) -> usize {
    (0..bounds.routers).filter(|&other| are_joined(router, other, bounds)).count()
}

/// Returns the interface on which a router reaches `other`.
pub(super) fn interface(other: usize, bounds: &Bounds) -> InterfaceId {
    match bounds.medium {
        Medium::PointToPoint | Medium::Chain => InterfaceId(1 + other as u32),
        Medium::Broadcast => InterfaceId(1),
    }
}

/// Returns a random seed, which is different for each start of an engine.
pub(super) fn seed(router: usize, starts: u8) -> u64 {
    (router as u64) << 8 | u64::from(starts)
}

/// Returns a router's loopback address, which is also its Router ID.
pub(super) fn loopback(router: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 1 + router as u8)
}

/// Returns the address of a router's interfaces.
pub(super) fn address(router: usize, bounds: &Bounds) -> Ipv4Addr {
    match bounds.medium {
        Medium::PointToPoint | Medium::Chain => loopback(router),
        Medium::Broadcast => Ipv4Addr::new(192, 0, 2, 1 + router as u8),
    }
}

/// Returns an external destination of a router.
pub(super) fn destination(router: usize, external: u8) -> Prefix {
    Prefix::host(Ipv4Addr::new(203, 0, 113 + router as u8, external))
}

/// Returns the interfaces of a router.
fn interfaces(router: usize, bounds: &Bounds) -> BTreeSet<InterfaceId> {
    let joined = (0..bounds.routers).filter(|&other| are_joined(router, other, bounds));
    joined.map(|other| interface(other, bounds)).collect()
}

/// Returns the configuration of a router.
pub(super) fn config(router: usize, externals: &BTreeSet<u8>, bounds: &Bounds) -> Config {
    let network = match bounds.medium {
        Medium::PointToPoint | Medium::Chain => NetworkType::PointToPoint,
        Medium::Broadcast => NetworkType::Broadcast,
    };
    let interface = |id: InterfaceId| InterfaceConfig {
        hello_interval: bounds.timers.hello,
        dead_interval: bounds.timers.dead,
        retransmit_interval: bounds.timers.retransmit,
        ..InterfaceConfig::new(format!("link{}", id.0), AreaId::BACKBONE, network)
    };
    let external = External { metric: ExternalMetric::Type2(10), forwarding: None, tag: 0 };
    Config {
        interfaces: interfaces(router, bounds).into_iter().map(|id| (id, interface(id))).collect(),
        loopbacks: BTreeMap::from([(AreaId::BACKBONE, BTreeSet::from([loopback(router)]))]),
        conduct: if bounds.foreign.contains(&router) { bounds.conduct } else { Conduct::default() },
        externals: externals.iter().map(|&number| (destination(router, number), external)).collect(),
        ..Config::new(RouterId(u32::from(loopback(router))))
    }
}

/// Returns the states of a router's interfaces at its start.
pub(super) fn link_states(router: usize, bounds: &Bounds) -> impl Iterator<Item = (InterfaceId, LinkState)> {
    let address = address(router, bounds);
    let addressing = match bounds.medium {
        Medium::PointToPoint | Medium::Chain => Addressing::Unnumbered(address),
        Medium::Broadcast => Addressing::Numbered { address, subnet: Prefix::new(address, 24) },
    };
    let up = LinkState::Up { index: 1, mtu: bounds.mtu, addressing };
    interfaces(router, bounds).into_iter().map(move |id| (id, up.clone()))
}
