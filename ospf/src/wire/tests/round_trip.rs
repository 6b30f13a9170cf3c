//! What is written reads as what it was.

use proptest::prelude::*;

use super::super::*;
use super::strategies::{lsa, lsa_parts, packet};

proptest! {
    #[test]
    fn a_packet_survives_its_bytes(packet in packet()) {
        let bytes = packet.encode().unwrap();
        prop_assert_eq!(bytes.len(), packet.encoded_len());
        prop_assert_eq!(Packet::decode(&bytes), Ok(packet));
    }

    #[test]
    fn what_follows_a_packet_is_left_alone(packet in packet(), trailer in proptest::collection::vec(any::<u8>(), 0..40)) {
        let bytes = [&packet.encode().unwrap()[..], &trailer].concat();
        prop_assert_eq!(Packet::decode(&bytes), Ok(packet));
    }

    #[test]
    fn a_new_lsa_is_good_and_says_what_it_was_made_from((key, options, sequence, body) in lsa_parts()) {
        let lsa = Lsa::new(key, options, sequence, &body).unwrap();
        prop_assert_eq!(lsa.check(), Ok(()));
        prop_assert_eq!(lsa.parse(), Ok(body));
        prop_assert_eq!((lsa.header.key, lsa.header.options, lsa.header.sequence, lsa.header.age), (key, options, sequence, 0));
        prop_assert_eq!(usize::from(lsa.header.length), lsa.encoded_len());
    }

    #[test]
    fn an_lsa_stays_good_as_it_ages(lsa in lsa(), age in any::<u16>()) {
        let aged = lsa.with_age(age);
        prop_assert_eq!(aged.check(), Ok(()));
        prop_assert_eq!(aged.header.age, age.min(MAX_AGE));
        prop_assert_eq!(aged.detached(), aged);
    }

    #[test]
    fn comparing_is_the_same_from_both_sides(lsa in lsa(), sequences in any::<[bool; 2]>(), ages in [0..=MAX_AGE, 0..=MAX_AGE]) {
        // Two instances that may differ in sequence number (and so checksum) and in age.
        let instance = |step: bool, age| {
            let sequence = crate::ids::SequenceNumber(lsa.header.sequence.0.saturating_sub(i32::from(step)));
            Lsa::new(lsa.header.key, lsa.header.options, sequence, &lsa.parse().unwrap()).unwrap().with_age(age).header
        };
        let [a, b] = [instance(sequences[0], ages[0]), instance(sequences[1], ages[1])];
        prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
        prop_assert!(a.compare(&a).is_eq());
    }
}
