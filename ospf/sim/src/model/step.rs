//! One step of the model.

/// From a router to another: `from` × routers + `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channel(pub(super) u8);

impl Channel {
    /// Sender and receiver among so many routers.
    pub(super) fn ends(self, routers: usize) -> (usize, usize) {
        (usize::from(self.0) / routers, usize::from(self.0) % routers)
    }
}

/// What may happen next.
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
    /// A packet that was held back is delivered: the one in this place.
    DeliverHeld(Channel, u8),
    /// The next timer of a router fires.
    Timer(u8),
    /// A router is replaced by a new one of the same configuration.
    Restart(u8),
    /// A router adds an external destination, or withdraws the one that it added.
    Change(u8),
}
