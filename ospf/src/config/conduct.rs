//! Where this engine does other than RFC 2328 says, as switches: simulators build routers that behave as other implementations do, and
//! find out whether this one converges with them. A router in the field has no reason to touch any.

use std::fmt;
use std::str::FromStr;

/// A deviation from RFC 2328. Where it is argued, the code says "Deviates:".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Deviation {
    /// An LSA within MinLSArrival of the instance before is kept until that has passed (§13 (5)(a)). Without it, and without regard to how
    /// the instance before came, it is discarded.
    EarlyArrivals,
    /// Hellos leave before the Hello Timer fires when they bring an adjacency forward (§9.5).
    EarlyHellos,
    /// Retransmissions of much become less frequent, and come sooner after MinLSArrival (§13.6; RFC 4222).
    Backoff,
    /// Exchanges, requests, answers and floods wait for their turn and for room in windows (RFC 4222). Without it acknowledgements are
    /// held back for as long as others hold them back, too: a second.
    Pacing,
    /// Database Descriptions that were overtaken are ignored, and the first of another negotiation is taken at once (§10.6).
    StaleDescriptions,
    /// A slave that waits for a silent master negotiates again; its last packet answers duplicates for ever (§10.8).
    SilentMaster,
    /// An LSA that is not newer than the database's while a newer one is requested does not restart the exchange (§13 (6)).
    OvertakenUpdates,
    /// LSAs that have left the database at MaxAge are remembered for a moment (§14), and flushed once more if a neighbour still holds one;
    /// so are the sequence numbers of this router's own.
    Departed,
    /// This router's own LSAs that others send are neither installed nor flooded as they came (§13.4).
    OwnInstances,
    /// An acknowledgement of an instance of this router's own that it does not have is news (§13.7). None that was held back is sent for an
    /// instance that was replaced meanwhile (§13.5).
    StrayAcknowledgments,
    /// What a neighbour floods just after the exchange began is sent back to it, as it may be of a previous incarnation (§13.3 (1)(c)). A
    /// slave that has just started sees to it that it was understood (§10.8).
    DoubtedFloods,
    /// A second instance of an LSA follows the first sooner than MinLSInterval (§12.4), and the first Router-LSA waits for adjacencies.
    SecondInstance,
}

impl Deviation {
    const ALL: [(&str, Self); 12] = [
        ("early-arrivals", Self::EarlyArrivals),
        ("early-hellos", Self::EarlyHellos),
        ("backoff", Self::Backoff),
        ("pacing", Self::Pacing),
        ("stale-descriptions", Self::StaleDescriptions),
        ("silent-master", Self::SilentMaster),
        ("overtaken-updates", Self::OvertakenUpdates),
        ("departed", Self::Departed),
        ("own-instances", Self::OwnInstances),
        ("stray-acknowledgments", Self::StrayAcknowledgments),
        ("doubted-floods", Self::DoubtedFloods),
        ("second-instance", Self::SecondInstance),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().map(|(_, deviation)| deviation)
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, deviation)| deviation == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

impl FromStr for Deviation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found
            .map(|&(_, deviation)| deviation)
            .ok_or_else(|| format!("one of {}", Self::ALL.map(|(name, _)| name).join(", ")))
    }
}

/// Which deviations a router gives up; by default none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conduct {
    given_up: u16,
}

impl Conduct {
    /// A router that gives up all of them.
    pub fn foreign() -> Self {
        Deviation::all().fold(Self::default(), Self::without)
    }

    /// Gives up one more.
    #[must_use]
    pub const fn without(self, deviation: Deviation) -> Self {
        Self { given_up: self.given_up | (1 << deviation as u8) }
    }

    /// Whether a router of this conduct deviates so.
    pub const fn has(self, deviation: Deviation) -> bool {
        self.given_up & (1 << deviation as u8) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deviation_is_given_up_alone_and_has_a_name() {
        for one in Deviation::all() {
            let conduct = Conduct::default().without(one);
            assert!(Deviation::all().all(|other| conduct.has(other) == (other != one)), "{one}");
            assert_eq!(one.to_string().parse(), Ok(one));
            assert!(!Conduct::foreign().has(one));
        }
    }
}
