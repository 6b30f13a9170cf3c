//! What the driver configures.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use crate::authentication::Authentication;

/// An interface, by a handle of the driver's. An interface that is made again under its name has another one, or the same: what counts is
/// which packets the driver hands over for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);

/// A session: there is one for each interface and peer. Several interfaces may lead to the same address (RFC 5881 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The interface that it belongs to.
    pub interface: InterfaceId,
    /// The address of the peer.
    pub peer: IpAddr,
}

/// Everything that is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Whether the sessions outlive this router's control plane (§4.1: C): they run in a process of their own.
    pub control_plane_independent: bool,
    /// The sessions.
    pub sessions: BTreeMap<SessionKey, SessionConfig>,
}

/// The configuration of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// bfd.DesiredMinTxInterval while the session is Up; otherwise it is one second at least (§6.8.3).
    pub desired_min_tx: Duration,
    /// bfd.RequiredMinRxInterval.
    pub required_min_rx: Duration,
    /// bfd.DetectMult: the peer declares the session down after so many intervals without a packet.
    pub multiplier: NonZeroU8,
    /// Who begins.
    pub role: Role,
    /// Whether the operator holds the session down.
    pub admin: Admin,
    /// The key of both ends.
    pub authentication: Option<Authentication>,
}

impl SessionConfig {
    /// An active session without a key, with the same interval in both directions.
    pub fn new(interval: Duration, multiplier: NonZeroU8) -> Self {
        Self {
            desired_min_tx: interval,
            required_min_rx: interval,
            multiplier,
            role: Role::Active,
            admin: Admin::Enabled,
            authentication: None,
        }
    }
}

/// Who begins (§6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends whether or not anything has been received.
    Active,
    /// Sends nothing until the peer has sent.
    Passive,
}

/// Whether the operator holds a session down (§6.8.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// The session may come up.
    Enabled,
    /// The session is in state AdminDown, and the peer learns that this is no failure.
    Disabled,
}
