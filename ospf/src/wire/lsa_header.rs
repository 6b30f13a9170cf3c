//! Encoding and decoding of the LSA header (RFC 2328 §A.4.1), and the comparison of two instances (§13.1).

use std::cmp::Ordering;

use bytes::{BufMut, BytesMut};

use super::constants::{DO_NOT_AGE, LSA_HEADER_LEN, MAX_AGE, MAX_AGE_DIFF};
use super::error::{Malformation, WireError};
use super::fletcher::Fletcher;
use super::lsa::LsaHeader;
use super::packet::Options;
use super::reader::Reader;
use crate::ids::{LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

/// The position of the checksum, from the octet after LS age, where its coverage begins (§12.1.7).
const CHECKSUM_POSITION: usize = 14;

/// The length of LS age, which the checksum does not cover.
const AGE_LEN: usize = 2;

impl LsaHeader {
    /// Compares two instances of one LSA (§13.1): `Greater` if this one is newer, `Equal` if they are the same instance.
    ///
    /// Both ages must be present ages, see [`super::Lsa::with_age`].
    pub fn compare(&self, other: &Self) -> Ordering {
        debug_assert_eq!(self.key, other.key, "instances of one LSA");
        // RFC 2328 §12.1.6: the sequence numbers are signed.
        self.sequence
            .cmp(&other.sequence)
            .then(self.checksum.cmp(&other.checksum))
            .then(self.is_max_age().cmp(&other.is_max_age()))
            // RFC 1793 §2.2: "Before comparing, the LS age fields must have their DoNotAge bits masked off."
            .then_with(|| match self.seconds().abs_diff(other.seconds()) {
                difference if difference > MAX_AGE_DIFF => other.seconds().cmp(&self.seconds()),
                _ => Ordering::Equal,
            })
    }

    /// Whether this instance is newer than `other` (§13.1).
    pub fn newer_than(&self, other: &Self) -> bool {
        self.compare(other).is_gt()
    }

    /// Whether this instance has the initial sequence number, and `other` has a higher one: the originator may have forgotten that one
    /// (§12.1.6).
    pub(crate) fn begins_anew_after(&self, other: &Self) -> bool {
        self.sequence == SequenceNumber::INITIAL && other.sequence != SequenceNumber::INITIAL
    }

    /// Whether LS age is MaxAge: the LSA is being flushed (§14).
    pub const fn is_max_age(&self) -> bool {
        self.seconds() >= MAX_AGE
    }

    /// LS age in seconds, without DoNotAge.
    pub const fn seconds(&self) -> u16 {
        self.age & !DO_NOT_AGE
    }

    /// Whether the LSA has DoNotAge, so that it does not age in databases (RFC 1793 §2.2).
    pub const fn is_do_not_age(&self) -> bool {
        self.age & DO_NOT_AGE != 0
    }

    /// The header after `seconds` in a database, where LSAs with DoNotAge do not age.
    #[must_use]
    pub fn after(&self, seconds: u64) -> Self {
        if self.is_do_not_age() {
            return *self;
        }
        let age = u64::from(self.age).saturating_add(seconds).min(u64::from(MAX_AGE));
        Self { age: u16::try_from(age).expect("MaxAge fits sixteen bits"), ..*self }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        // RFC 1793 §2.2: ages up to MaxAge, and these with DoNotAge; "any LS age field not falling into these two ranges should be
        // considered to be equal to MaxAge", to which DoNotAge+MaxAge "is equivalent".
        let age = reader.u16()?;
        let age = if age & !DO_NOT_AGE < MAX_AGE { age } else { MAX_AGE };
        let options = Options(reader.u8()?);
        let kind = LsaType(reader.u8()?);
        let id = LinkStateId(reader.u32()?);
        let advertising_router = RouterId(reader.u32()?);
        let sequence = SequenceNumber(i32::from_be_bytes(reader.array()?));
        let checksum = reader.u16()?;
        let length_at = reader.clone();
        let length = reader.u16()?;
        if usize::from(length) < LSA_HEADER_LEN {
            return Err(length_at.error(Malformation::Length));
        }
        let key = LsaKey { kind, id, advertising_router };
        Ok(Self { age, options, key, sequence, checksum, length })
    }

    pub(super) fn write(&self, out: &mut BytesMut) {
        debug_assert!(self.seconds() <= MAX_AGE);
        debug_assert!(usize::from(self.length) >= LSA_HEADER_LEN);
        out.put_u16(self.age);
        out.put_u8(self.options.0);
        out.put_u8(self.key.kind.0);
        out.put_u32(self.key.id.0);
        out.put_u32(self.key.advertising_router.0);
        out.put_i32(self.sequence.0);
        out.put_u16(self.checksum);
        out.put_u16(self.length);
    }

    /// Computes the checksum of this header, without its checksum field, and `body` (§12.1.7).
    pub(super) fn computed_checksum(&self, body: &[u8]) -> u16 {
        let sums = Self { checksum: 0, ..*self }.sums(body);
        u16::from_be_bytes(sums.check_octets(CHECKSUM_POSITION))
    }

    /// Whether the checksum of this header and `body` is correct.
    pub(super) fn checksum_verifies(&self, body: &[u8]) -> bool {
        // RFC 2328 §12.1.7: "the LS checksum cannot have a value of zero".
        self.checksum != 0 && self.sums(body).is_zero()
    }

    fn sums(&self, body: &[u8]) -> Fletcher {
        let mut header = BytesMut::with_capacity(LSA_HEADER_LEN);
        self.write(&mut header);
        Fletcher::default().add(&header[AGE_LEN..]).add(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(sequence: u32, checksum: u16, age: u16) -> LsaHeader {
        let key = LsaKey { kind: LsaType::ROUTER, id: LinkStateId(1), advertising_router: RouterId(1) };
        let sequence = SequenceNumber(sequence as i32);
        LsaHeader { age, options: Options::E, key, sequence, checksum, length: 24 }
    }

    #[test]
    fn corner_case_33_instances_compare_by_sequence_then_checksum_then_max_age_then_ages_900_seconds_apart() {
        use Ordering::{Equal, Greater};
        let cases = [
            // Signed: 0x80000008 is older than 0x00000001, and 0x80000001 is the oldest number in use.
            (header(0x0000_0001, 1, 9), header(0x8000_0008, 2, 0), Greater),
            (header(0x8000_0002, 1, 9), header(0x8000_0001, 2, 0), Greater),
            (header(0x7fff_ffff, 0, 0), header(0x8000_0001, 9, 0), Greater),
            // Checksums are unsigned.
            (header(5, 0x8000, 9), header(5, 0x7fff, 0), Greater),
            // MaxAge is newer than any other age, even if the difference is small.
            (header(5, 7, 3600), header(5, 7, 3599), Greater),
            (header(5, 7, 3600), header(5, 7, 0), Greater),
            (header(5, 7, 3600), header(5, 7, 3600), Equal),
            // Otherwise the younger one is newer if the ages differ by more than MaxAgeDiff.
            (header(5, 7, 0), header(5, 7, 901), Greater),
            (header(5, 7, 0), header(5, 7, 900), Equal),
            (header(5, 7, 900), header(5, 7, 0), Equal),
        ];
        for (a, b, expected) in cases {
            assert_eq!(a.compare(&b), expected, "{a:?} against {b:?}");
            assert_eq!(b.compare(&a), expected.reverse(), "{b:?} against {a:?}");
            assert_eq!(a.newer_than(&b), expected == Greater);
        }
    }

    #[test]
    fn an_age_beyond_max_age_is_read_as_max_age_and_do_not_age_as_what_it_is() {
        let mut bytes = BytesMut::new();
        header(1, 1, 0).write(&mut bytes);
        for (age, expected) in [
            (3599, 3599),
            (3600, MAX_AGE),
            (3601, MAX_AGE),
            (0x8000, 0x8000),
            (0x8001, 0x8001),
            (DO_NOT_AGE + 3599, DO_NOT_AGE + 3599),
            (DO_NOT_AGE + 3600, MAX_AGE),
            (0xffff, MAX_AGE),
        ] {
            bytes[..2].copy_from_slice(&u16::to_be_bytes(age));
            let read = LsaHeader::read(&mut Reader::new(&bytes, 0)).unwrap();
            assert_eq!((read.age, read.is_max_age()), (expected, expected == MAX_AGE), "{age:#x}");
        }
    }

    #[test]
    fn do_not_age_stops_ageing_in_databases_and_does_not_count_in_comparisons() {
        let (one, other) = (header(5, 7, DO_NOT_AGE | 1), header(5, 7, 1));
        assert_eq!(one.compare(&other), Ordering::Equal, "RFC 1793 §2.2");
        assert_eq!(one.compare(&header(5, 7, 902)), Ordering::Greater);
        assert_eq!((one.after(100_000).age, other.after(100).age), (DO_NOT_AGE | 1, 101));
        let lsa = |age| super::super::Lsa { header: header(5, 7, age), body: bytes::Bytes::new() };
        assert_eq!(lsa(DO_NOT_AGE | 1).delayed(2).header.age, DO_NOT_AGE | 3);
        assert_eq!(lsa(DO_NOT_AGE | 3599).delayed(1).header.age, MAX_AGE);
        assert_eq!(lsa(3599).delayed(5).header.age, MAX_AGE);
    }

    #[test]
    fn a_length_below_the_headers_own_is_refused_at_its_octet() {
        let mut bytes = BytesMut::new();
        header(1, 1, 0).write(&mut bytes);
        bytes[18..20].copy_from_slice(&19_u16.to_be_bytes());
        let error = LsaHeader::read(&mut Reader::new(&bytes, 100)).unwrap_err();
        assert_eq!(error, WireError { what: Malformation::Length, offset: 118 });
    }
}
