//! Interfaces (RFC 2328 appendix C.3).

use std::time::Duration;

use crate::ids::AreaId;

/// One interface (RFC 2328 §9 and appendix C.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// The name for events and shows.
    pub name: String,
    /// The area it belongs to.
    pub area: AreaId,
    /// The kind of network.
    pub network: NetworkType,
    /// Router Priority: 0 = never the designated router. Of no meaning where none is elected.
    pub priority: u8,
    /// Passive: its network is advertised, no packet is sent or taken.
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
    /// Accept Database Description packets whatever Interface MTU they claim.
    pub mtu_ignore: bool,
}

impl InterfaceConfig {
    /// An active interface with the sample values of appendix C.3, cost 10 and priority 1.
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
        }
    }
}

/// Network type (RFC 2328 §1.2, §9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkType {
    /// Exactly one neighbour, reached at AllSPFRouters (224.0.0.5).
    PointToPoint,
}
