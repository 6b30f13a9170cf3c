//! Grace-LSAs (RFC 3623 appendix A): opaque LSAs of type 3 with link-local scope, by which a router asks its neighbours to help with its
//! restart.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{Malformation, WireError};
use super::lsa::LsaBody;
use super::reader::Reader;
use crate::ids::{LinkStateId, LsaKey, LsaType, RouterId};

/// Link State ID: Opaque Type 3, Opaque ID 0.
const ID: LinkStateId = LinkStateId(3 << 24);

/// TLV types (§A).
const GRACE_PERIOD: u16 = 1;
const REASON: u16 = 2;
const INTERFACE_ADDRESS: u16 = 3;

/// The contents of a Grace-LSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraceLsa {
    /// Grace period in seconds, from the LSA's origination: neighbours are asked to keep the adjacency for this time.
    pub grace_period: u32,
    /// The restart reason.
    pub reason: RestartReason,
    /// On networks with several routers, the router's interface address, which identifies it there.
    pub address: Option<Ipv4Addr>,
}

/// The reason of a restart (§A, Graceful restart reason).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RestartReason {
    /// 0: unknown, for example an unplanned restart.
    #[default]
    Unknown,
    /// 1: the software is restarted.
    SoftwareRestart,
    /// 2: the software is reloaded or upgraded.
    SoftwareUpgrade,
    /// 3: another control processor takes over.
    ControlProcessor,
    /// Any other number.
    Other(u8),
}

impl RestartReason {
    const fn from_octet(octet: u8) -> Self {
        match octet {
            0 => Self::Unknown,
            1 => Self::SoftwareRestart,
            2 => Self::SoftwareUpgrade,
            3 => Self::ControlProcessor,
            other => Self::Other(other),
        }
    }

    const fn octet(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::SoftwareRestart => 1,
            Self::SoftwareUpgrade => 2,
            Self::ControlProcessor => 3,
            Self::Other(other) => other,
        }
    }
}

impl std::fmt::Display for RestartReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::SoftwareRestart => "software restart",
            Self::SoftwareUpgrade => "software upgrade",
            Self::ControlProcessor => "switch to another control processor",
            Self::Other(number) => return write!(f, "reason {number}"),
        })
    }
}

impl GraceLsa {
    /// The key of a router's Grace-LSA, which is the same on each of its links.
    pub const fn key(router: RouterId) -> LsaKey {
        LsaKey { kind: LsaType::OPAQUE_LINK, id: ID, advertising_router: router }
    }

    /// Whether this is the key of a Grace-LSA, with any Opaque ID.
    pub const fn is_key(key: LsaKey) -> bool {
        key.kind.0 == LsaType::OPAQUE_LINK.0 && key.id.0 >> 24 == ID.0 >> 24
    }

    /// Decodes the body of an opaque LSA. TLVs of unknown types are ignored.
    ///
    /// # Errors
    /// If a TLV is longer than the remaining octets or has a wrong length, or if there is no grace period.
    pub fn read(body: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(body, super::LSA_HEADER_LEN);
        let (mut grace_period, mut reason, mut address) = (None, RestartReason::Unknown, None);
        while !reader.is_empty() {
            let kind = reader.u16()?;
            let length_at = reader.clone();
            let len = usize::from(reader.u16()?);
            let value_at = reader.offset();
            let value = reader.take(len)?;
            // §A: "padded to 4-octet alignment"; the last may lack its padding.
            reader.take(len.next_multiple_of(4).saturating_sub(len).min(reader.remaining()))?;
            let mut value = Reader::new(value, value_at);
            match kind {
                GRACE_PERIOD => grace_period = Some(value.u32()?),
                REASON => reason = RestartReason::from_octet(value.u8()?),
                INTERFACE_ADDRESS => address = Some(value.address()?),
                _ => continue,
            }
            if !value.is_empty() {
                return Err(length_at.error(Malformation::Length));
            }
        }
        let grace_period = grace_period.ok_or_else(|| reader.error(Malformation::Truncated))?;
        Ok(Self { grace_period, reason, address })
    }

    /// Encodes the body of an opaque LSA.
    pub fn body(&self) -> LsaBody {
        let mut out = BytesMut::with_capacity(24);
        out.put_u16(GRACE_PERIOD);
        out.put_u16(4);
        out.put_u32(self.grace_period);
        out.put_u16(REASON);
        out.put_u16(1);
        out.put_slice(&[self.reason.octet(), 0, 0, 0]);
        if let Some(address) = self.address {
            out.put_u16(INTERFACE_ADDRESS);
            out.put_u16(4);
            out.put_slice(&address.octets());
        }
        debug_assert!(out.len().is_multiple_of(4));
        LsaBody::Opaque(out.freeze())
    }

    /// The grace period as a duration.
    pub fn period(&self) -> Duration {
        Duration::from_secs(self.grace_period.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(body: &LsaBody) -> Bytes {
        match body {
            LsaBody::Opaque(octets) => octets.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for reason in (0..=5).map(RestartReason::from_octet) {
            for address in [None, Some(Ipv4Addr::new(192, 0, 2, 1))] {
                let lsa = GraceLsa { grace_period: 120, reason, address };
                assert_eq!(GraceLsa::read(&octets(&lsa.body())), Ok(lsa));
            }
        }
    }

    #[test]
    fn the_body_is_that_of_the_rfc() {
        let lsa = GraceLsa {
            grace_period: 120,
            reason: RestartReason::SoftwareRestart,
            address: Some(Ipv4Addr::new(192, 0, 2, 1)),
        };
        let expected = [0, 1, 0, 4, 0, 0, 0, 120, 0, 2, 0, 1, 1, 0, 0, 0, 0, 3, 0, 4, 192, 0, 2, 1];
        assert_eq!(octets(&lsa.body())[..], expected);
        let key = GraceLsa::key(RouterId(9));
        assert!(GraceLsa::is_key(key) && key.id.0 == 0x0300_0000);
        assert!(!GraceLsa::is_key(LsaKey { kind: LsaType::OPAQUE_AREA, ..key }));
    }

    #[test]
    fn tlvs_that_are_unknown_are_passed_over_and_impossible_ones_refused() {
        let read = |octets: &'static [u8]| GraceLsa::read(&Bytes::from_static(octets));
        let known = [0, 9, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0, 1, 0, 4, 0, 0, 0, 7, 0, 2, 0, 1, 2];
        let lsa = GraceLsa::read(&Bytes::copy_from_slice(&known)).unwrap();
        assert_eq!((lsa.grace_period, lsa.reason), (7, RestartReason::SoftwareUpgrade));
        assert!(read(&[]).is_err(), "no grace period");
        assert!(read(&[0, 1, 0, 4, 0, 0]).is_err(), "cut short");
        assert!(read(&[0, 1, 0, 8, 0, 0, 0, 1, 0, 0, 0, 1]).is_err(), "too long a period");
        assert!(read(&[0, 1, 0xff, 0xff, 0, 0, 0, 1]).is_err(), "longer than the LSA");
    }
}
