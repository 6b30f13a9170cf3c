//! Claims, by which sites announce hosts that are not at their site in the table. The routing protocol floods them as [`SHARES`] bodies of
//! each segment and site.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Type = 1             |          Length = 20          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                              MAC                              |
//! +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               |             Epoch             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           Sequence                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                             Home                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           Location                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//! The TLV is repeated any number of times. As in RFC 3630 §2.3.2, a value is padded to four octets, Length does not include the padding,
//! and TLVs of unknown types are ignored. Versions without the epoch send zero in its place and ignore it: they compare only the sequence.

use std::cmp::Reverse;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use crate::Mac;
use crate::segment::Vtep;

/// A claim that a host is at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// MAC address of the host.
    pub mac: Mac,
    /// The epoch: of two claims, the one with the greater epoch wins, whatever their sequences. The first epoch is 0; the next one begins
    /// by command, or after [`MAX_SEQUENCE`] moves.
    pub epoch: u16,
    /// The number of moves of the host, at most [`MAX_SEQUENCE`]: of two claims of one epoch, the one with the greater sequence wins, as
    /// with the MAC Mobility sequence number of RFC 7432 §7.7. The table has sequence 0.
    pub sequence: u32,
    /// The host's site in the table when it moved. If the table gives another site now, the table wins.
    pub home: Vtep,
    /// The site where the host is.
    pub location: Vtep,
}

/// The greatest sequence of a claim. Every site refuses a greater one, whatever it knows of the host, so that all sites refuse the same
/// claims: a site that was unreachable for years accepts the present ones. Damping ([`crate::MAX_MOVES`], [`crate::DAMPING_WINDOW`]) lets
/// a host move once in 36 seconds on average, so that this many moves take 19 years; then the next epoch begins.
pub const MAX_SEQUENCE: u32 = 1 << 24;

/// The most by which the epoch of a claim may be ahead of the epoch that a site knows of the host; the table's epoch is 0. A claim that is
/// further ahead is refused. Epochs begin by command: a site that was unreachable accepts the present claim, unless more than this many
/// epochs began in the meantime.
pub const MAX_EPOCH_JUMP: u16 = 256;

/// The number of shares into which the claims of each segment and site are divided. A share is advertised as one body.
///
/// The routing protocol lets a body change only so often. Hosts are distributed over the shares by the last octet of their MAC addresses, so
/// that hosts that move shortly after one another need not wait for each other.
pub const SHARES: u8 = 16;

impl Claim {
    /// The precedence of the claim: of two claims about a host, the one with the greater rank wins. The later epoch wins, then the greater
    /// sequence, then the lower VTEP.
    pub(crate) fn rank(&self) -> (u16, u32, Reverse<Vtep>) {
        (self.epoch, self.sequence, Reverse(self.location))
    }

    /// The range of all claims about a host, in the order of claims.
    pub(crate) fn all_about(mac: Mac) -> RangeInclusive<Self> {
        let [least, greatest] = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST].map(Vtep);
        let first = Self { mac, epoch: 0, sequence: 0, home: least, location: least };
        first..=Self { mac, epoch: u16::MAX, sequence: u32::MAX, home: greatest, location: greatest }
    }

    /// The share of the claim, less than [`SHARES`].
    pub fn share(&self) -> u8 {
        let [.., last] = self.mac.octets();
        last % SHARES
    }
}

/// The TLV type of a claim.
const CLAIM: u16 = 1;
/// Length of the type and length fields of a TLV, in octets.
const HEADER: usize = 4;
/// Length of the value of a claim, in octets.
const VALUE: usize = 20;

/// The largest number of claims in a body, which has 16 KiB.
pub const MAX_CLAIMS: usize = 16 * 1024 / (HEADER + VALUE);

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A TLV ends beyond the body.
    #[error("the TLV at octet {at} ends beyond the body")]
    Truncated {
        /// Offset of the TLV in octets.
        at: usize,
    },
    /// The value of a claim is not 20 octets long.
    #[error("the claim at octet {at} has {length} octets in place of {VALUE}")]
    Length {
        /// Offset of the TLV in octets.
        at: usize,
        /// Its length field.
        length: u16,
    },
    /// The MAC address cannot be that of a host.
    #[error("the claim at octet {at} is about a MAC address that no host has")]
    Mac {
        /// Offset of the TLV in octets.
        at: usize,
    },
}

/// Encodes the first [`MAX_CLAIMS`] of `claims` as a body.
pub fn encode(claims: impl IntoIterator<Item = Claim>) -> Vec<u8> {
    let mut body = Vec::new();
    for claim in claims.into_iter().take(MAX_CLAIMS) {
        body.extend_from_slice(&CLAIM.to_be_bytes());
        body.extend_from_slice(&(VALUE as u16).to_be_bytes());
        body.extend_from_slice(&claim.mac.octets());
        body.extend_from_slice(&claim.epoch.to_be_bytes());
        body.extend_from_slice(&claim.sequence.to_be_bytes());
        body.extend_from_slice(&claim.home.0.octets());
        body.extend_from_slice(&claim.location.0.octets());
    }
    body
}

/// Decodes the claims of a body. An error makes the whole body invalid: none of its claims is accepted.
///
/// # Errors
/// The kind of the error, and its offset.
pub fn decode(body: &[u8]) -> Result<Vec<Claim>, ClaimError> {
    let mut claims = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        let Some((&[t1, t2, l1, l2], value)) = rest.split_first_chunk::<HEADER>() else {
            return Err(ClaimError::Truncated { at });
        };
        let (kind, length) = (u16::from_be_bytes([t1, t2]), u16::from_be_bytes([l1, l2]));
        let value = value.get(..usize::from(length)).ok_or(ClaimError::Truncated { at })?;
        if kind == CLAIM {
            claims.push(claim(value).map_err(|fault| fault.at(at, length))?);
        }
        at += HEADER + usize::from(length).next_multiple_of(4);
    }
    Ok(claims)
}

/// What is wrong with the value of a claim.
enum Fault {
    Length,
    Mac,
}

impl Fault {
    fn at(self, at: usize, length: u16) -> ClaimError {
        match self {
            Self::Length => ClaimError::Length { at, length },
            Self::Mac => ClaimError::Mac { at },
        }
    }
}

fn claim(value: &[u8]) -> Result<Claim, Fault> {
    let value: &[u8; VALUE] = value.try_into().map_err(|_| Fault::Length)?;
    let [m1, m2, m3, m4, m5, m6, e1, e2, s1, s2, s3, s4, h1, h2, h3, h4, p1, p2, p3, p4] = *value;
    Ok(Claim {
        mac: Mac::try_from([m1, m2, m3, m4, m5, m6]).map_err(|_| Fault::Mac)?,
        epoch: u16::from_be_bytes([e1, e2]),
        sequence: u32::from_be_bytes([s1, s2, s3, s4]),
        home: Vtep(Ipv4Addr::new(h1, h2, h3, h4)),
        location: Vtep(Ipv4Addr::new(p1, p2, p3, p4)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Claim {
        Claim {
            mac: "02:00:00:00:01:0a".parse().unwrap(),
            epoch: 0,
            sequence: 7,
            home: Vtep(Ipv4Addr::new(10, 255, 0, 1)),
            location: Vtep(Ipv4Addr::new(10, 255, 0, 2)),
        }
    }

    const EXAMPLE: [u8; 24] = [0, 1, 0, 20, 2, 0, 0, 0, 1, 10, 0, 0, 0, 0, 0, 7, 10, 255, 0, 1, 10, 255, 0, 2];

    #[test]
    fn a_claim_is_a_tlv_of_24_octets() {
        assert_eq!(encode([example()]), EXAMPLE);
        assert_eq!(decode(&EXAMPLE), Ok(vec![example()]));
        assert_eq!(decode(&[]), Ok(vec![]));
    }

    #[test]
    fn the_epoch_is_where_versions_without_it_send_zero_and_read_nothing() {
        let later = Claim { epoch: 0x0102, ..example() };
        let mut octets = EXAMPLE;
        octets[10..12].copy_from_slice(&[1, 2]);
        assert_eq!(encode([later]), octets);
        assert_eq!(decode(&octets), Ok(vec![later]));
    }

    #[test]
    fn tlvs_of_other_types_are_passed_over_with_their_padding() {
        let body = [&[0, 9, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0], EXAMPLE.as_slice(), &[0, 2, 0, 0]].concat();
        assert_eq!(decode(&body), Ok(vec![example()]));
    }

    #[test]
    fn a_body_that_is_cut_or_lies_about_a_length_is_refused_as_a_whole() {
        for cut in 1..EXAMPLE.len() {
            assert_eq!(decode(&EXAMPLE[..cut]), Err(ClaimError::Truncated { at: 0 }), "{cut} octets");
        }
        let mut longer = [EXAMPLE, EXAMPLE].concat();
        longer[27] = 200;
        assert_eq!(decode(&longer), Err(ClaimError::Truncated { at: 24 }));
        longer[27] = 16;
        assert_eq!(decode(&longer), Err(ClaimError::Length { at: 24, length: 16 }));
        longer[27] = 20;
        longer[28] = 1;
        assert_eq!(decode(&longer), Err(ClaimError::Mac { at: 24 }));
    }

    #[test]
    fn hosts_are_spread_over_the_shares_of_a_segment_by_the_last_octet_of_their_addresses() {
        let shares: Vec<u8> = (0..=255_u8)
            .map(|last| Claim { mac: Mac::try_from([2, 0, 0, 0, 0, last]).unwrap(), ..example() }.share())
            .collect();
        assert_eq!(shares, (0..SHARES).cycle().take(256).collect::<Vec<u8>>());
    }

    #[test]
    fn no_more_is_said_than_a_body_holds() {
        assert_eq!(MAX_CLAIMS, 682);
        assert_eq!(encode(std::iter::repeat_n(example(), 1000)).len(), 682 * 24);
    }
}
