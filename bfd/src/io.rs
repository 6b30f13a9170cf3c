//! Inputs and outputs of the [`crate::Engine`].

use std::net::IpAddr;

use crate::authentication::Forgery;
use crate::config::{Config, InterfaceId, SessionKey};
use crate::time::Instant;
use crate::wire::{Diagnostic, Malformation, State};

/// The UDP port of control packets of single-hop sessions (RFC 5881 §4).
pub const CONTROL_PORT: u16 = 3784;

/// What the driver hands to the engine.
#[derive(Debug)]
pub enum Input<'a> {
    /// The configuration, whole. Sessions that are in it as before are left alone; those that are not in it any more say so to their peers.
    Configure(Config),
    /// An interface carries packets, or does not any more. Sessions on an interface of which nothing was reported send nothing.
    Link {
        /// The interface.
        interface: InterfaceId,
        /// Whether it carries packets.
        state: LinkState,
    },
    /// The payload of a UDP datagram to [`CONTROL_PORT`].
    Packet(Packet<'a>),
    /// The deadline has come.
    Tick,
}

/// A received datagram.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The interface that it arrived on.
    pub interface: InterfaceId,
    /// Its source address.
    pub source: IpAddr,
    /// Its TTL or hop limit on arrival.
    pub ttl: u8,
    /// When the kernel received it. It may lie in the past, if this process had to wait for a processor; detection counts from it.
    pub received: Instant,
    /// Its payload.
    pub octets: &'a [u8],
}

/// Whether an interface carries packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It does.
    Up,
    /// It does not, or it is gone.
    Down,
}

/// What the engine asks of the driver, or reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this, with TTL 255, to [`CONTROL_PORT`] of the peer, out of the session's interface whatever the routing table says, from the session's
    /// source port (RFC 5881 §4, §5).
    Send {
        /// The session.
        session: SessionKey,
        /// The payload.
        octets: Vec<u8>,
    },
    /// A session has another state.
    Changed(Change),
    /// A session that is not configured any more has ended: its peer has had the time to learn it, or there was none.
    Ended {
        /// The session.
        session: SessionKey,
    },
    /// A packet was not accepted.
    Discarded {
        /// The interface that it arrived on.
        interface: InterfaceId,
        /// Its source address.
        source: IpAddr,
        /// Why.
        reason: Discard,
    },
}

/// A change of a session's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The session.
    pub session: SessionKey,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// bfd.LocalDiag.
    pub diagnostic: Diagnostic,
    /// What has caused it.
    pub cause: Cause,
    /// Whether the peer's BFD goes on when its control plane ends, by its last packet.
    pub remote_control_plane_independent: bool,
}

impl Change {
    /// Whether packets cannot be expected to pass to the peer any more: it is no failure if one of both operators holds the session down
    /// (RFC 5882 §3.2).
    pub fn is_failure(&self) -> bool {
        let is_admin = matches!(self.cause, Cause::Received(State::AdminDown) | Cause::Disabled | Cause::Enabled);
        self.from == State::Up && !is_admin
    }
}

/// The cause of a [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A packet of the peer, whose session is in this state.
    Received(State),
    /// Nothing was received for the detection time.
    DetectionTimeExpired,
    /// The interface does not carry packets any more.
    LinkDown,
    /// The configuration holds the session down.
    Disabled,
    /// The configuration holds the session down no more.
    Enabled,
}

/// Why a packet was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Discard {
    /// It has crossed a router, or its sender does not follow RFC 5881 §5.
    #[error("its TTL is not 255")]
    Ttl,
    /// It is no control packet.
    #[error("no valid control packet: {0}")]
    Malformed(#[from] Malformation),
    /// It is not authentic.
    #[error("not authentic: {0}")]
    Forged(#[from] Forgery),
    /// No session has the discriminator that it names.
    #[error("no session has its Your Discriminator")]
    UnknownDiscriminator,
    /// The session that it names is on another interface.
    #[error("its session is on another interface")]
    OtherInterface,
    /// It names no session, and none is configured with its sender.
    #[error("no session is configured with its sender")]
    UnknownPeer,
}
