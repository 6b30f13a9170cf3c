//! Why packets and LSAs are not taken: every reason has a name that scripts may rely on, and is counted per interface.

use crate::wire::{LsaError, Malformation, PacketError, WireError};

/// An enum of reasons: each variant with its name for machines and its text for people, besides the malformed ones, which say how.
macro_rules! reasons {
    (
        $(#[$doc:meta])* $reasons:ident;
        $($(#[$variant_doc:meta])* $variant:ident = $name:literal, $text:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $reasons {
            $($(#[$variant_doc])* $variant,)*
            /// It cannot be read.
            Malformed(WireError),
        }

        impl $reasons {
            #[cfg(test)]
            const PLAIN: &[Self] = &[$(Self::$variant),*];

            /// The reason in one word, for machines: it stays the same from version to version.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Malformed(error) => malformation(error.what),
                }
            }

            /// The reason without the place in the packet: counters are as many as there are reasons, not as there are octets.
            #[must_use]
            pub const fn counted(self) -> Self {
                match self {
                    Self::Malformed(WireError { what, offset: _ }) => Self::Malformed(WireError { what, offset: 0 }),
                    other => other,
                }
            }
        }

        impl std::fmt::Display for $reasons {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::Malformed(error) => write!(f, "malformed: {}", error.what),
                }
            }
        }
    };
}

reasons! {
    /// Why a whole packet was refused. Each reason is counted per interface.
    Refusal;
    /// Nothing is configured for this interface, or it is down or passive.
    InterfaceNotActive = "interface-not-active", "interface not active";
    /// Not version 2.
    Version = "version", "not version 2";
    /// The packet's checksum is wrong.
    Checksum = "checksum", "wrong checksum";
    /// Another area than the interface's.
    AreaMismatch = "area-mismatch", "another area";
    /// Another authentication type than the interface's.
    AuthenticationType = "authentication-type", "another authentication type";
    /// Simple password: another one.
    AuthenticationPassword = "authentication-password", "another password";
    /// Cryptographic: a Key ID that is not configured, or not to be accepted now.
    AuthenticationKeyId = "authentication-key-id", "unknown or expired authentication key";
    /// Cryptographic: the digest is wrong, or is not there.
    AuthenticationDigest = "authentication-digest", "wrong digest";
    /// Cryptographic: the sequence number went back; the packet is an old one.
    AuthenticationSequence = "authentication-sequence", "sequence number went back";
    /// Our own packet came back, or somebody uses our router id.
    OwnRouterId = "own-router-id", "our own router id";
    /// Hello: another HelloInterval.
    HelloIntervalMismatch = "hello-interval-mismatch", "another HelloInterval";
    /// Hello: another RouterDeadInterval.
    DeadIntervalMismatch = "dead-interval-mismatch", "another RouterDeadInterval";
    /// Hello: another network mask.
    NetworkMaskMismatch = "network-mask-mismatch", "another network mask";
    /// Hello: the E-bit disagrees with the area's kind.
    ExternalCapabilityMismatch = "external-capability-mismatch", "another kind of area (E-bit)";
    /// Hello: the N-bit disagrees with the area's kind (RFC 3101).
    NssaCapabilityMismatch = "nssa-capability-mismatch", "another kind of area (N-bit)";
    /// Not a hello, and no such neighbour.
    UnknownNeighbor = "unknown-neighbor", "unknown neighbor";
    /// The neighbour is not in a state in which this packet is taken.
    NeighborState = "neighbor-state", "not expected in the neighbor's state";
    /// Database Description: a larger Interface MTU than ours.
    MtuMismatch = "mtu-mismatch", "larger MTU than ours";
    /// Sent from an address outside the interface's subnet, or from our own.
    Source = "source", "not an address of a neighbor on this subnet";
    /// On a tunnel: sent from another address than the peer's.
    NotThePeer = "not-the-peer", "not from the peer's address";
    /// On a tunnel: the TTL is not 255, so another router may have forwarded it (RFC 5082).
    Ttl = "ttl", "forwarded by another router (TTL)";
    /// Hello: another router is the neighbour there, and speaks.
    SecondSpeaker = "second-speaker", "a second router where there can be one";
    /// Hello: the interface has as many neighbours as a hello lists.
    TooManyNeighbors = "too-many-neighbors", "more neighbors than a hello lists";
    /// Hello: the interface has a list of its neighbours, and the sender is not on it.
    NeighborNotListed = "neighbor-not-listed", "not among the configured neighbors";
    /// Of a virtual link: sent from an address that is not the far end's in the transit area.
    VirtualLinkSource = "virtual-link-source", "not from the far end of the virtual link";
    /// Addressed neither to us nor to a group that we are in.
    Destination = "destination", "not addressed to us";
}

reasons! {
    /// Why a single LSA was refused. Each reason is counted per interface.
    LsaRefusal;
    /// Its checksum is wrong (§13 (1)).
    Checksum = "checksum", "wrong LS checksum";
    /// Its type is unknown (§13 (2)).
    UnknownType = "unknown-type", "unknown LS type";
    /// AS scope in a stub area or an NSSA (§13 (3)).
    ScopeInStubArea = "scope-in-stub-area", "AS scope in a stub area";
    /// A Type-7 LSA in an area that is no NSSA (RFC 3101).
    NssaOnly = "nssa-only", "Type-7 outside an NSSA";
    /// It came sooner than MinLSArrival after the last (§13 (5)(a)), and there was no room to keep it until then.
    TooSoon = "too-soon", "sooner than MinLSArrival";
    /// It is of a guard ([`crate::Policy::guards`]), and came over a link on which everybody could have sent it.
    SiteOnOpenLink = "site-on-open-link", "an LSA of a site, over a link without authentication";
    /// There are as many LSAs in the databases as this engine takes.
    DatabaseFull = "database-full", "database full";
}

const fn malformation(what: Malformation) -> &'static str {
    match what {
        Malformation::Truncated => "malformed-truncated",
        Malformation::Length => "malformed-length",
        Malformation::Alignment => "malformed-alignment",
        Malformation::PacketType => "malformed-packet-type",
        Malformation::LsaType => "malformed-lsa-type",
    }
}

impl From<PacketError> for Refusal {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::Version(_) => Self::Version,
            PacketError::Checksum => Self::Checksum,
            PacketError::Malformed(error) => Self::Malformed(error),
        }
    }
}

impl From<LsaError> for LsaRefusal {
    fn from(error: LsaError) -> Self {
        match error {
            LsaError::Checksum => Self::Checksum,
            LsaError::UnknownType => Self::UnknownType,
            LsaError::Malformed(error) => Self::Malformed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const MALFORMED: [WireError; 5] = [
        WireError { what: Malformation::Truncated, offset: 1 },
        WireError { what: Malformation::Length, offset: 2 },
        WireError { what: Malformation::Alignment, offset: 3 },
        WireError { what: Malformation::PacketType, offset: 4 },
        WireError { what: Malformation::LsaType, offset: 5 },
    ];

    fn assert_distinct(names: &[&str], texts: &[String]) {
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len(), "{texts:?}");
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_lowercase());
        assert!(names.iter().all(|name| name.split('-').all(is_word)), "{names:?}");
    }

    #[test]
    fn every_reason_has_a_name_and_a_text_of_its_own() {
        let packets: Vec<_> = Refusal::PLAIN.iter().copied().chain(MALFORMED.map(Refusal::Malformed)).collect();
        let texts: Vec<_> = packets.iter().map(ToString::to_string).collect();
        assert_distinct(&packets.iter().map(Refusal::name).collect::<Vec<_>>(), &texts);
        let lsas: Vec<_> = LsaRefusal::PLAIN.iter().copied().chain(MALFORMED.map(LsaRefusal::Malformed)).collect();
        let texts: Vec<_> = lsas.iter().map(ToString::to_string).collect();
        assert_distinct(&lsas.iter().map(LsaRefusal::name).collect::<Vec<_>>(), &texts);
    }

    #[test]
    fn malformed_packets_are_counted_by_what_is_wrong_and_not_by_where() {
        let [truncated, length, ..] = MALFORMED.map(|error| Refusal::Malformed(error).counted());
        assert_ne!(truncated, length);
        let elsewhere = Refusal::Malformed(WireError { what: Malformation::Length, offset: 77 });
        assert_eq!(elsewhere.counted(), length);
        assert_eq!(Refusal::Checksum.counted(), Refusal::Checksum);
    }
}
