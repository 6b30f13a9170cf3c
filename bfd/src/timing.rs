//! The intervals of a session: those that are advertised, those that are in use, and the Poll Sequence between both (RFC 5880 §6.5, §6.8.2
//! to §6.8.4).

use std::time::Duration;

use crate::config::SessionConfig;
use crate::wire::{ControlPacket, Micros};

/// The shortest bfd.DesiredMinTxInterval of a session that is not Up (§6.8.3).
const SLOW: Duration = Duration::from_secs(1);
/// The shortest interval that is taken from a configuration.
const SHORTEST: Duration = Duration::from_millis(1);

/// The intervals of one session.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// What is advertised: bfd.DesiredMinTxInterval and bfd.RequiredMinRxInterval.
    advertised: Intervals,
    /// What is kept to, until the peer is known to have received what is advertised.
    in_use: Intervals,
    /// The intervals with which the present Poll Sequence has begun.
    poll: Option<Intervals>,
    /// What the peer has advertised.
    remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intervals {
    tx: Micros,
    rx: Micros,
}

/// What the last packet of the peer has advertised.
#[derive(Debug, Clone, Copy)]
struct Remote {
    desired_min_tx: Micros,
    /// bfd.RemoteMinRxInterval; 1 until the peer has said otherwise (§6.8.1).
    required_min_rx: Micros,
    multiplier: u8,
}

impl Remote {
    const UNKNOWN: Self = Self { desired_min_tx: Micros(0), required_min_rx: Micros(1), multiplier: 0 };
}

impl Intervals {
    fn of(config: &SessionConfig, is_up: bool) -> Self {
        let shortest = if is_up { SHORTEST } else { SLOW };
        Self {
            tx: Micros::of(config.desired_min_tx.max(shortest)),
            rx: Micros::of(config.required_min_rx.max(SHORTEST)),
        }
    }
}

impl Timing {
    /// Those of a session that is not Up.
    pub fn new(config: &SessionConfig) -> Self {
        let advertised = Intervals::of(config, false);
        Self { advertised, in_use: advertised, poll: None, remote: Remote::UNKNOWN }
    }

    /// Takes over another configuration, or another state. While the session is Up, a longer interval between our packets, and a shorter one
    /// between those of the peer, is in use only when a Poll Sequence has shown that the peer knows it (§6.8.3).
    pub fn set(&mut self, config: &SessionConfig, is_up: bool) {
        let before = std::mem::replace(&mut self.advertised, Intervals::of(config, is_up));
        if !is_up {
            (self.in_use, self.poll) = (self.advertised, None);
            return;
        }
        self.in_use.tx = self.in_use.tx.min(self.advertised.tx);
        self.in_use.rx = self.in_use.rx.max(self.advertised.rx);
        if before != self.advertised && self.poll.is_none() {
            self.poll = Some(self.advertised);
        }
    }

    /// Takes over what the peer advertises.
    pub fn receive(&mut self, packet: &ControlPacket) {
        self.remote = Remote {
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            multiplier: packet.multiplier,
        };
    }

    /// Ends the Poll Sequence. If something else has been advertised since it began, another one follows: the Final may have answered a
    /// packet from before.
    pub fn finish_poll(&mut self) {
        let Some(polled) = self.poll.take() else { return };
        match polled == self.advertised {
            true => self.in_use = self.advertised,
            false => self.poll = Some(self.advertised),
        }
    }

    /// Forgets what the peer has advertised: it may be another one that sends next.
    pub fn forget_remote(&mut self) {
        self.remote = Remote::UNKNOWN;
    }

    /// Whether a Poll Sequence is being transmitted.
    pub fn is_polling(&self) -> bool {
        self.poll.is_some()
    }

    /// The interval between periodic packets, before jitter; `None` if the peer wants none (§6.8.7).
    pub fn transmit_interval(&self) -> Option<Duration> {
        let required = self.remote.required_min_rx;
        (required != Micros(0)).then(|| self.in_use.tx.max(required).duration())
    }

    /// The detection time; `None` if nothing was received (§6.8.4).
    pub fn detection_time(&self) -> Option<Duration> {
        let Remote { desired_min_tx, multiplier, .. } = self.remote;
        (multiplier > 0).then(|| self.in_use.rx.max(desired_min_tx).duration() * multiplier.into())
    }

    /// bfd.DesiredMinTxInterval.
    pub fn desired_min_tx(&self) -> Micros {
        self.advertised.tx
    }

    /// bfd.RequiredMinRxInterval.
    pub fn required_min_rx(&self) -> Micros {
        self.advertised.rx
    }
}
