//! Switches for the engine's deviations from RFC 2328: with them simulators build routers that behave as other implementations do, and test
//! whether this one converges with them. There is no reason to change any on a router in operation.

use std::fmt;
use std::str::FromStr;

/// A deviation from RFC 2328. The code gives the reasons for each after the word "Deviates:".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Deviation {
    /// An LSA that arrives within MinLSArrival of the previous instance is kept until that time has passed (§13 (5)(a)). Without this
    /// deviation it is discarded, no matter whether the previous instance was flooded or requested.
    EarlyArrivals,
    /// Hellos are sent before the Hello Timer fires if this speeds up an adjacency (§9.5).
    EarlyHellos,
    /// Retransmissions of many LSAs become less frequent, and come sooner after MinLSArrival (§13.6; RFC 4222).
    Backoff,
    /// Exchanges, requests, replies and floods are paced by turns and windows (RFC 4222). Without this deviation acknowledgements are
    /// delayed for as long as other implementations delay them: a second.
    Pacing,
    /// Database Descriptions that were overtaken are ignored, and the first of another negotiation is accepted at once (§10.6).
    StaleDescriptions,
    /// A slave that waits for a silent master negotiates again; it keeps its last packet to answer duplicates at any time (§10.8).
    SilentMaster,
    /// An LSA that is not newer than the database copy, while a newer one is requested, does not restart the exchange (§13 (6)).
    OvertakenUpdates,
    /// LSAs removed at MaxAge are remembered for a short time (§14), and flushed again if a neighbour still has one. The sequence numbers
    /// of this router's own LSAs are remembered, too.
    Departed,
    /// This router's own LSAs that other routers send are neither installed nor flooded as received (§13.4).
    OwnInstances,
    /// An acknowledgement of an instance of this router's own LSA that it does not have shows a newer instance (§13.7). A delayed
    /// acknowledgement is not sent if its instance was replaced meanwhile (§13.5).
    StrayAcknowledgments,
    /// LSAs that a neighbour floods just after the exchange began are sent back to it, because they may be from its previous incarnation
    /// (§13.3 (1)(c)). A slave whose exchange may have begun with a copy of the master's first packet verifies that the master received its
    /// first description (§10.8). What is acknowledged just after the interface came up is flooded once more (§13.7).
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

    /// All deviations.
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

/// The deviations that a router gives up; by default none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conduct {
    given_up: u16,
}

impl Conduct {
    /// A router without any deviation.
    pub fn foreign() -> Self {
        Deviation::all().fold(Self::default(), Self::without)
    }

    /// Gives up one deviation.
    #[must_use]
    pub const fn without(self, deviation: Deviation) -> Self {
        Self { given_up: self.given_up | (1 << deviation as u8) }
    }

    /// Whether a router with this conduct has a deviation.
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
