//! A step of the model.

/// The direction from one router to another, as a number: `from` × routers + `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channel(pub(super) u8);

impl Channel {
    /// Returns sender and receiver; `routers` is the number of routers.
    pub(super) fn ends(self, routers: usize) -> (usize, usize) {
        (usize::from(self.0) / routers, usize::from(self.0) % routers)
    }
}

/// An event that may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The next packet of a channel is delivered.
    Deliver(Channel),
    /// The next packet of a channel is delivered, and a copy of it is held back.
    Duplicate(Channel),
    /// The next packet of a channel is lost.
    Lose(Channel),
    /// The next packet of a channel is held back: others overtake it.
    Hold(Channel),
    /// A held-back packet, which is at this index, is delivered.
    DeliverHeld(Channel, u8),
    /// The next timer of a router fires.
    Timer(u8),
    /// A router is replaced by a new one of the same configuration.
    Restart(u8),
    /// A router adds an external destination, or withdraws the one that it added.
    Change(u8),
}
