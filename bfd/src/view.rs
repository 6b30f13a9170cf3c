//! The state of sessions, for display.

use std::time::Duration;

use crate::config::SessionKey;
use crate::wire::{Diagnostic, State};

/// A session as it is at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session: SessionKey,
    /// Its state.
    pub state: State,
    /// How long it has been in this state.
    pub in_state: Duration,
    /// Why it was last down.
    pub diagnostic: Diagnostic,
    /// My Discriminator.
    pub local_discriminator: u32,
    /// The peer's discriminator; 0 if the peer is not known.
    pub remote_discriminator: u32,
    /// The state in the last packet of the peer, and the reason why it was last down; `None` if nothing was received for a detection time.
    pub remote_state: Option<(State, Diagnostic)>,
    /// Whether the peer's BFD goes on when its control plane ends.
    pub remote_control_plane_independent: bool,
    /// The interval between our packets, before jitter; `None` if none are sent.
    pub transmit_interval: Option<Duration>,
    /// The time without a packet after which the session is down; `None` if nothing was received.
    pub detection_time: Option<Duration>,
    /// Time since the last packet was received.
    pub heard: Option<Duration>,
    /// Packets that were sent.
    pub sent: u64,
    /// Packets that were received and accepted.
    pub received: u64,
}
