//! Signatures against digests of Python's hashlib and hmac, and packets that somebody has touched.
//!
//! Each vector is the digest of [`hello`] with the header that its key gives it, computed by
//!
//! ```python
//! import hashlib, hmac
//! def plain(packet, key, name):                          # AuType 2
//!     if name == "md5": return hashlib.md5(packet + key[:16].ljust(16, b"\0")).hexdigest()
//!     apad = bytes.fromhex("878fe1f3") * (hashlib.new(name).digest_size // 4)
//!     return hmac.new(key, packet + apad, name).hexdigest()
//! def extended(packet, key, name, source, sequence):     # AuType 3
//!     apad = source + bytes.fromhex("878fe1f3") * (hashlib.new(name).digest_size // 4 - 1)
//!     return hmac.new(key + b"\0\1", packet + sequence.to_bytes(8, "big") + apad, name).hexdigest()
//! ```

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;

use super::{Sequence, Sequences, sign, verify};
use crate::config::{Authentication, Key, KeyAlgorithm, KeyChain, KeyId, Lifetime, Secret, SequenceCheck};
use crate::ids::{AreaId, RouterId};
use crate::refusal::Refusal;
use crate::time::Instant;
use crate::wire::{Authentication as Unsigned, Envelope, Hello, Options, Packet, PacketBody};

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

/// Digests of AuType 2 with a short key, one with zero octets, one longer than most digests, and one longer than any block.
const PLAIN: [(KeyAlgorithm, [&str; 4]); 5] = [
    (
        KeyAlgorithm::Md5,
        [
            "bbf20642791cfde549238b8041c2d3cb",
            "5b59a207a1f6289102b4419c52290beb",
            "78ea2e4c685036b1bd321f2f4e79d283",
            "78ea2e4c685036b1bd321f2f4e79d283",
        ],
    ),
    (
        KeyAlgorithm::HmacSha1,
        [
            "82b0de2b28d10a4dd086a62e95a72aecf82163c4",
            "edbfc3bf2f0b81ac44c0576b7fd1872a7ced0255",
            "d43ae45513411ae3b4afb4de256e85a57eec03b8",
            "1efb9e493b8717a94383e25ae361e7dbafc4b0cc",
        ],
    ),
    (
        KeyAlgorithm::HmacSha256,
        [
            "59b8371313a6054cd0c44633527fc3cf98b690d3892e90c2f5be3d2d7339f3d1",
            "b410e611032228b76be93012ccc38297c20c22eeecdb8d8a4b901496efd1ed4e",
            "af93b3106a42b5e55dd4843837e61d51503e70c9c35a39a8f150d9a7e9995511",
            "90afdecb187f104ae8e8a4bc093bfff05d4c58761538eef37a9245ac8cfe8a2b",
        ],
    ),
    (
        KeyAlgorithm::HmacSha384,
        [
            "d7ba42d47bbd6375bea6cc1783dc7427c9a2633a73b763982b2d77e818b31e0d2f4316c44f8c512d6466f180cbceec16",
            "1eec20a9548ee831a2ed2dec7a34a021e7044df04cba3200a5540aa65af9f291d5036777529d261702ee73503a83afbd",
            "f700e5cd515857615d3a2ec04d6250b4540566d99be6da8db58b6d4cab3c79828fa5c930cf9fb65711e03d6432f882e6",
            "16601bb660838c463c413387de7e78bef00f9ffac6bf2d12deaa53a3e84451bb17d8de2f5b1a72bb740655aa73a75fb3",
        ],
    ),
    (
        KeyAlgorithm::HmacSha512,
        [
            "6c51dd6025875c289c5298cd082eccf427af8db8ed94f60608eef57f1e68b247de87ba592c612ec3482f762f0c1f2d491a532c4c55ca964fb8e074306593ea4f",
            "36d81f9a78e7d0a0a523e74b4ed2bcd3b0c6126fd1ad0569a806ce74dee0d842ecc0f906dbeebfcd7a741da7aab7b79dedd57039110f317ff886c0eea95467f7",
            "e8db70ff01446763c0905953eac5688a7c5f41f6fb2729b0f7530ec8830fd3d53e7f46a4f3d330b06e6792f45c7288df3527770359d6b1382610f86263ad2174",
            "464c129d6d6c40b9a8c1b44be2b7461043ea652d4c1d63f56296e9e05cb0a267d46699ad651f21ef9860e0fdf4fce7e4d3b5861535358cf08251000f0a85dbde",
        ],
    ),
];

/// Digests of AuType 3 with the first of these keys.
const EXTENDED: [(KeyAlgorithm, &str); 4] = [
    (KeyAlgorithm::HmacSha1, "76b3f205480057a7915433913f39283f28f4fbb2"),
    (KeyAlgorithm::HmacSha256, "0aae2d6234c3c9f1ca6e604ec8c8b27c4c58d1ee2844466d71246efd1c1c13f2"),
    (
        KeyAlgorithm::HmacSha384,
        "df27adf4af61f94b5dcad5cac8a21728094e0d683cf795d18b120dd8c0bfc99dd57fdd893ef1777ae35cf4490ba663a4",
    ),
    (
        KeyAlgorithm::HmacSha512,
        "99fe0b29a3e51dd94efa04c0f83b2cc7f1b564769909f98272a8ac7c7fd6781053c44b1a474b24be2051c5e196dea02ecfd2354a840f27f97c1e79200766461e",
    ),
];

fn secrets() -> [Vec<u8>; 4] {
    [b"weft".to_vec(), b"we\0ft\0".to_vec(), (1..=50).collect(), (1..=200).collect()]
}

fn hello() -> Bytes {
    let body = PacketBody::Hello(Hello {
        network_mask: Ipv4Addr::UNSPECIFIED,
        hello_interval: 10,
        options: Options::E,
        priority: 1,
        dead_interval: 40,
        designated_router: Ipv4Addr::UNSPECIFIED,
        backup_designated_router: Ipv4Addr::UNSPECIFIED,
        neighbors: vec![RouterId(0x0aff_0002)],
    });
    let (router_id, area_id) = (RouterId::from(SOURCE), AreaId::BACKBONE);
    Packet { router_id, area_id, authentication: Unsigned::Null, body }.encode().unwrap()
}

fn chain(algorithm: KeyAlgorithm, id: u8, secret: Vec<u8>, sequence: SequenceCheck) -> Authentication {
    let always = Lifetime::ALWAYS;
    let key = Key { id: KeyId(id), algorithm, secret: Secret::new(secret), send: always, accept: always };
    Authentication::Cryptographic(KeyChain::new(vec![key], sequence).unwrap())
}

/// As sent five seconds after a start with boot number 1000.
fn signed(authentication: &Authentication) -> Bytes {
    let now = Instant::new(Duration::from_secs(5));
    sign(authentication, hello(), SOURCE, &mut Sequences::default(), 1000, now).packet
}

fn verified(authentication: &Authentication, bytes: &[u8]) -> Result<Sequence, Refusal> {
    verify(authentication, &Envelope::open(bytes)?, SOURCE, Instant::ZERO)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn corner_case_29_digests_are_those_of_an_independent_implementation() {
    let length = hello().len();
    for (algorithm, digests) in PLAIN {
        for (secret, digest) in secrets().into_iter().zip(digests) {
            let authentication = chain(algorithm, 7, secret, SequenceCheck::NotSmaller);
            let packet = signed(&authentication);
            assert_eq!(hex(&packet[length..]), digest, "{algorithm:?}");
            assert_eq!(verified(&authentication, &packet), Ok(Sequence::NotSmaller(1005)));
        }
    }
}

#[test]
fn extended_sequence_numbers_stand_between_packet_and_digest() {
    let length = hello().len();
    for (algorithm, digest) in EXTENDED {
        let authentication = chain(algorithm, 7, b"weft".to_vec(), SequenceCheck::Extended);
        let packet = signed(&authentication);
        assert_eq!(hex(&packet[length..length + 8]), "000003e800000001");
        assert_eq!(hex(&packet[length + 8..]), digest, "{algorithm:?}");
        assert_eq!(verified(&authentication, &packet), Ok(Sequence::LargerOfType(1000 << 32 | 1)));
    }
}

#[test]
fn the_header_s_length_leaves_the_trailer_out_and_there_is_no_checksum() {
    for sequence in [SequenceCheck::Strict, SequenceCheck::Extended] {
        let packet = signed(&chain(KeyAlgorithm::HmacSha512, 1, b"k".to_vec(), sequence));
        let envelope = Envelope::open(&packet).unwrap();
        assert_eq!(envelope.length, hello().len());
        assert_eq!(packet[12..14], [0, 0]);
        assert_eq!(Packet::decode(&packet).unwrap().body, Packet::decode(&hello()).unwrap().body);
    }
}

#[test]
fn whatever_octet_is_changed_the_packet_is_refused() {
    let kinds = [
        Authentication::Null,
        Authentication::Simple(Secret::new(b"sesame".to_vec())),
        chain(KeyAlgorithm::Md5, 9, b"weft".to_vec(), SequenceCheck::NotSmaller),
        chain(KeyAlgorithm::HmacSha256, 9, b"weft".to_vec(), SequenceCheck::Strict),
        chain(KeyAlgorithm::HmacSha1, 9, b"weft".to_vec(), SequenceCheck::Extended),
    ];
    for authentication in &kinds {
        let packet = signed(authentication);
        // Null does not look at the authentication field (§D.4.1).
        let covered = |at: &usize| *authentication != Authentication::Null || !(16..24).contains(at);
        for at in (0..packet.len()).filter(covered) {
            let mut changed = packet.to_vec();
            changed[at] ^= 0x41;
            assert!(verified(authentication, &changed).is_err(), "octet {at} of {authentication:?}");
        }
        for len in 0..packet.len() {
            assert!(verified(authentication, &packet[..len]).is_err(), "{len} octets of {authentication:?}");
        }
        for other in kinds.iter().filter(|other| *other != authentication) {
            assert!(verified(other, &packet).is_err(), "{authentication:?} taken for {other:?}");
        }
    }
}

#[test]
fn corner_case_29_each_refusal_says_what_does_not_fit() {
    let right = chain(KeyAlgorithm::HmacSha256, 9, b"weft".to_vec(), SequenceCheck::NotSmaller);
    let packet = signed(&right);
    let refused = |authentication: &Authentication| verified(authentication, &packet).unwrap_err();
    assert_eq!(refused(&Authentication::Null), Refusal::AuthenticationType);
    let extended = chain(KeyAlgorithm::HmacSha256, 9, b"weft".to_vec(), SequenceCheck::Extended);
    assert_eq!(refused(&extended), Refusal::AuthenticationType);
    let other_id = chain(KeyAlgorithm::HmacSha256, 8, b"weft".to_vec(), SequenceCheck::NotSmaller);
    assert_eq!(refused(&other_id), Refusal::AuthenticationKeyId);
    let other_key = chain(KeyAlgorithm::HmacSha256, 9, b"wef".to_vec(), SequenceCheck::NotSmaller);
    assert_eq!(refused(&other_key), Refusal::AuthenticationDigest);
    let other_digest = chain(KeyAlgorithm::HmacSha1, 9, b"weft".to_vec(), SequenceCheck::NotSmaller);
    assert_eq!(refused(&other_digest), Refusal::AuthenticationDigest);
    let password = |octets: &[u8]| Authentication::Simple(Secret::new(octets.to_vec()));
    let opened = verified(&password(b"sesam"), &signed(&password(b"sesame")));
    assert_eq!(opened, Err(Refusal::AuthenticationPassword));
    let padded = verified(&password(b"sesame\0"), &signed(&password(b"sesame")));
    assert_eq!(padded, Ok(Sequence::None), "shorter passwords are padded with zeros");
}

#[test]
fn a_digest_is_bound_to_the_address_that_the_packet_came_from() {
    let authentication = chain(KeyAlgorithm::HmacSha256, 1, b"weft".to_vec(), SequenceCheck::Extended);
    let packet = signed(&authentication);
    let envelope = Envelope::open(&packet).unwrap();
    let elsewhere = verify(&authentication, &envelope, Ipv4Addr::new(10, 255, 0, 9), Instant::ZERO);
    assert_eq!(elsewhere, Err(Refusal::AuthenticationDigest));
}

#[test]
fn corner_case_27_an_lls_block_behind_the_trailer_is_passed_over() {
    for sequence in [SequenceCheck::NotSmaller, SequenceCheck::Extended] {
        let authentication = chain(KeyAlgorithm::HmacSha256, 1, b"weft".to_vec(), sequence);
        let mut packet = signed(&authentication).to_vec();
        // RFC 5613 §2.2: checksum, length in words; Extended Options TLV with the LR-bit.
        packet.extend_from_slice(&[0xff, 0xf6, 0, 3, 0, 1, 0, 4, 0, 0, 0, 1]);
        assert!(verified(&authentication, &packet).is_ok());
        // One whose length lies is passed over as well.
        packet.extend_from_slice(&[0xff; 64]);
        assert!(verified(&authentication, &packet).is_ok());
    }
}
