//! Tests of the formats as a whole: bytes of another implementation, round trips, and bytes that nobody should send.

mod hostile;
mod round_trip;
mod strategies;
mod vectors;

use super::checksum;
use super::constants::PACKET_HEADER_LEN;

/// A packet of the given type around `body`, with its length and checksum right.
fn sealed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![2, kind, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(packet.len(), PACKET_HEADER_LEN);
    packet.extend_from_slice(body);
    let length = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    reseal(&mut packet);
    packet
}

/// Makes the checksum of `packet` right again.
fn reseal(packet: &mut [u8]) {
    packet[checksum::CHECKSUM].fill(0);
    let checksum = checksum::compute(packet);
    packet[checksum::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
}

/// Bytes from hexadecimal digits; white space is for the eye.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}
