//! Fuzzes packets: what decodes must encode to octets that decode to the same, and nothing may panic.

use ospf::wire::{Envelope, Packet, PacketBody};

use super::lsa::hold_lsa;

/// The length of the OSPF header (RFC 2328 §A.3.1).
const HEADER_LEN: usize = 24;

/// Decodes the octets as a packet. The first octet decides whether length and checksum are corrected, so that the code after these checks
/// is reached.
pub fn packet(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if choice & 1 == 1 && bytes.len() >= HEADER_LEN {
        seal(&mut bytes);
    }
    // Authentication reads envelopes before anything is verified.
    if let Ok(envelope) = Envelope::open(&bytes) {
        assert!(envelope.packet().len() <= bytes.len());
        let _ = (envelope.verify_checksum(), envelope.body());
    }
    let Ok(decoded) = Packet::decode(&bytes) else { return };
    let encoded = decoded.encode().expect("what was read can be written");
    assert_eq!(encoded.len(), decoded.encoded_len());
    let again = Packet::decode(&encoded).expect("what was encoded decodes");
    assert_eq!(again, decoded, "a packet survives encoding");
    assert_eq!(again.encode().as_ref(), Ok(&encoded), "there is one encoding");
    if let PacketBody::LinkStateUpdate(lsas) = decoded.body {
        lsas.iter().for_each(hold_lsa);
    }
}

/// Writes version, length and checksum (RFC 2328 §A.3.1, §D.4); an unknown AuType counts as null authentication.
pub(super) fn seal(packet: &mut [u8]) {
    debug_assert!(packet.len() >= HEADER_LEN);
    packet[0] = 2;
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet[12..14].fill(0);
    let mut sum: u32 = 0;
    for (index, pair) in packet.chunks(2).enumerate() {
        // The checksum does not cover the authentication field, octets 16 to 23.
        if !(8..12).contains(&index) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).expect("folded to 16 bits");
    packet[12..14].copy_from_slice(&checksum.to_be_bytes());
}
