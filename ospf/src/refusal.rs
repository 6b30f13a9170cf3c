//! The reasons for which packets and LSAs are refused. Every reason has a name that scripts may rely on, and is counted per interface.

use crate::wire::{LsaError, Malformation, PacketError, WireError};

/// Defines an enum of reasons: each variant with its name for programs and its text for people, and one variant for malformed data.
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
            /// It cannot be decoded.
            Malformed(WireError),
        }

        impl $reasons {
            #[cfg(test)]
            const PLAIN: &[Self] = &[$(Self::$variant),*];

            /// The reason in one word, for programs. It does not change between versions.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Malformed(error) => malformation(error.what),
                }
            }

            /// The reason without the offset in the packet, so that there is one counter for each reason and not for each offset.
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
    /// No interface is configured, or it is down or passive.
    InterfaceNotActive = "interface-not-active", "interface not active";
    /// The OSPF version is not 2.
    Version = "version", "not version 2";
    /// The packet's checksum is wrong.
    Checksum = "checksum", "wrong checksum";
    /// The Area ID is not that of the interface.
    AreaMismatch = "area-mismatch", "area ID differs from ours";
    /// The AuType is not that of the interface.
    AuthenticationType = "authentication-type", "authentication type differs from ours";
    /// Simple password: the password is wrong.
    AuthenticationPassword = "authentication-password", "wrong password";
    /// Cryptographic authentication: the Key ID is not configured, or the key is outside its lifetime.
    AuthenticationKeyId = "authentication-key-id", "unknown or expired authentication key";
    /// Cryptographic authentication: the digest is wrong or missing.
    AuthenticationDigest = "authentication-digest", "wrong digest";
    /// Cryptographic authentication: the sequence number is lower than the last one, so the packet may be a replay.
    AuthenticationSequence = "authentication-sequence", "sequence number lower than the last one";
    /// Our own packet was looped back, or another router uses our Router ID.
    OwnRouterId = "own-router-id", "our own router id";
    /// Hello: the HelloInterval differs from ours.
    HelloIntervalMismatch = "hello-interval-mismatch", "another HelloInterval";
    /// Hello: the RouterDeadInterval differs from ours.
    DeadIntervalMismatch = "dead-interval-mismatch", "another RouterDeadInterval";
    /// Hello: the network mask differs from ours.
    NetworkMaskMismatch = "network-mask-mismatch", "network mask differs from ours";
    /// Hello: the E-bit disagrees with the area's kind.
    ExternalCapabilityMismatch = "external-capability-mismatch", "kind of area differs from ours (E-bit)";
    /// Hello: the N-bit disagrees with the area's kind (RFC 3101).
    NssaCapabilityMismatch = "nssa-capability-mismatch", "kind of area differs from ours (N-bit)";
    /// Not a hello, and not from a known neighbour.
    UnknownNeighbor = "unknown-neighbor", "unknown neighbor";
    /// The packet is not accepted in the neighbour's present state.
    NeighborState = "neighbor-state", "not accepted in the neighbor's state";
    /// Database Description: the Interface MTU is larger than ours.
    MtuMismatch = "mtu-mismatch", "larger MTU than ours";
    /// The source address is outside the interface's subnet, or is our own.
    Source = "source", "not an address of a neighbor on this subnet";
    /// On a tunnel: the source address is not the peer's.
    NotThePeer = "not-the-peer", "not from the peer's address";
    /// On a tunnel: the TTL is not 255, so another router may have forwarded the packet (RFC 5082).
    Ttl = "ttl", "forwarded by another router (TTL)";
    /// Hello: another router is already the neighbour on this interface, and is active.
    SecondSpeaker = "second-speaker", "a second router where there can be only one";
    /// Hello: the interface has as many neighbours as a hello can list.
    TooManyNeighbors = "too-many-neighbors", "more neighbors than a hello can list";
    /// Hello: the interface has a list of neighbours, and the sender is not on it.
    NeighborNotListed = "neighbor-not-listed", "not among the configured neighbors";
    /// Virtual link: the source address is not the far end's address in the transit area.
    VirtualLinkSource = "virtual-link-source", "not from the far end of the virtual link";
    /// The destination is neither an address of ours nor a group that we have joined.
    Destination = "destination", "not addressed to us";
}

reasons! {
    /// Why a single LSA was refused. Each reason is counted per interface.
    LsaRefusal;
    /// The LS checksum is wrong (§13 (1)).
    Checksum = "checksum", "wrong LS checksum";
    /// The LS type is unknown (§13 (2)).
    UnknownType = "unknown-type", "unknown LS type";
    /// An LSA with AS scope in a stub area or an NSSA (§13 (3)).
    ScopeInStubArea = "scope-in-stub-area", "AS scope in a stub area";
    /// A Type-7 LSA in an area that is not an NSSA (RFC 3101).
    NssaOnly = "nssa-only", "Type-7 outside an NSSA";
    /// It was received sooner than MinLSArrival after the last instance (§13 (5)(a)), and there was no room to keep it until then.
    TooSoon = "too-soon", "sooner than MinLSArrival";
    /// It is a guard's LSA ([`crate::Policy::guards`]), received over a link on which anybody could have sent it.
    SiteOnOpenLink = "site-on-open-link", "an LSA of a site, received over a link without authentication";
    /// The databases contain as many LSAs as this engine accepts.
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
