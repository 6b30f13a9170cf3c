//! Fuzzes LSAs: bodies of every type, and Fletcher's checksum.

use bytes::Bytes;
use ospf::wire::{LSA_HEADER_LEN, Lsa, LsaError, LsaHeader, Options};
use ospf::{LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

use super::input::Choices;

/// LS types; those that exist are the most frequent.
const TYPES: [u8; 12] = [1, 2, 3, 4, 5, 7, 9, 10, 11, 6, 8, 200];

/// The most octets of a body.
const MAX_BODY: usize = 60_000;

/// Takes the header from the first octets, and the body from the others.
pub fn lsa(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let kind = LsaType(TYPES[choices.below(TYPES.len())]);
    let key = LsaKey { kind, id: LinkStateId(choices.long()), advertising_router: RouterId(choices.long()) };
    let (options, sequence) = (Options(choices.octet()), SequenceNumber(choices.long().cast_signed()));
    let (age, bit) = (choices.word(), choices.word());
    let body = choices.rest();
    if body.len() > MAX_BODY {
        return;
    }
    // The body is used unchanged with any type, and with a correct checksum.
    let lsa = forge(key, options, sequence, body).with_age(age);
    if kind.is_known() {
        assert_ne!(lsa.check(), Err(LsaError::Checksum), "a checksum by the book is taken");
    }
    hold_lsa(&lsa);

    // One changed bit in the body must always be detected (RFC 2328 §12.1.7).
    let mut changed = lsa.body.to_vec();
    if changed.is_empty() {
        return;
    }
    let place = usize::from(bit) % (8 * changed.len());
    changed[place / 8] ^= 1 << (place % 8);
    let changed = Lsa { header: lsa.header, body: Bytes::from(changed) };
    assert!(changed.check().is_err(), "a changed bit is noticed");
}

/// Checks that what can be parsed is encoded to an LSA that parses to the same, with a correct checksum.
pub(super) fn hold_lsa(lsa: &Lsa) {
    let _ = lsa.check();
    let Ok(body) = lsa.parse() else { return };
    let again =
        Lsa::new(lsa.header.key, lsa.header.options, lsa.header.sequence, &body).expect("what was read can be written");
    assert_eq!(again.check(), Ok(()), "what parses is an LSA that is taken");
    assert_eq!(again.parse().as_ref(), Ok(&body), "a body survives encoding");
    assert_eq!(again.encoded_len(), usize::from(again.header.length));
    assert!(!again.header.newer_than(&again.header), "nothing is newer than itself");
}

/// Makes an LSA that no router would originate, with a checksum by RFC 905 annex B, which does not use the engine's own arithmetic.
pub(super) fn forge(key: LsaKey, options: Options, sequence: SequenceNumber, body: &[u8]) -> Lsa {
    let length = u16::try_from(LSA_HEADER_LEN + body.len()).expect("shorter than 64 KiB");
    // The checksum covers the LSA from Options on; its own octets count as zero.
    let mut octets = vec![options.0, key.kind.0];
    octets.extend(key.id.0.to_be_bytes());
    octets.extend(key.advertising_router.0.to_be_bytes());
    octets.extend(sequence.0.to_be_bytes());
    let place = octets.len() as i64;
    octets.extend([0, 0]);
    octets.extend(length.to_be_bytes());
    octets.extend(body);
    let (mut c0, mut c1) = (0_i64, 0_i64);
    for &octet in &octets {
        c0 = (c0 + i64::from(octet)) % 255;
        c1 = (c1 + c0) % 255;
    }
    let octet = |value: i64| match value.rem_euclid(255) {
        0 => 255,
        other => other as u16,
    };
    let first = octet((octets.len() as i64 - place - 1) * c0 - c1);
    let checksum = first << 8 | octet(-c0 - i64::from(first));
    let header = LsaHeader { age: 0, options, key, sequence, checksum, length };
    Lsa { header, body: Bytes::copy_from_slice(body) }
}
