//! The packet header (RFC 2328 §A.3.1), which is decoded before authentication and before the body.

use super::checksum;
use super::constants::PACKET_HEADER_LEN;
use super::error::{Malformation, PacketError, WireError};
use super::packet::{Authentication, Packet, PacketBody};
use super::reader::Reader;
use crate::ids::{AreaId, RouterId};

/// The version of the protocol, OSPFv2.
pub(super) const VERSION: u8 = 2;

/// The position of AuType in the packet header.
const AU_TYPE: std::ops::Range<usize> = 14..16;

/// AuType of simple password authentication: the checksum is used, as with Null authentication (§D.4.2).
const SIMPLE_PASSWORD: u16 = 1;

/// A packet with a decoded header.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The payload of the IP datagram: the packet and the octets after it, such as a trailer (§D.4.3) or an LLS block (RFC 5613).
    pub bytes: &'a [u8],
    /// Length of the packet in octets, including its header; at most that of `bytes`.
    pub length: usize,
    /// The packet type, 1 to 5.
    pub kind: u8,
    /// Router ID of the sender; not verified.
    pub router_id: RouterId,
    /// Area ID.
    pub area_id: AreaId,
    /// AuType.
    pub au_type: u16,
    /// The authentication field.
    pub authentication: [u8; 8],
}

impl<'a> Envelope<'a> {
    /// Decodes the packet header at the beginning of an IP payload.
    ///
    /// # Errors
    /// If the version is not 2, the length is impossible, or the type is unknown.
    pub fn open(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let mut header = Reader::new(bytes, 0);
        let version = header.u8()?;
        if version != VERSION {
            return Err(PacketError::Version(version));
        }
        let kind_at = header.clone();
        let kind = header.u8()?;
        let length_at = header.clone();
        let length = usize::from(header.u16()?);
        if length < PACKET_HEADER_LEN {
            return Err(length_at.error(Malformation::Length).into());
        }
        if length > bytes.len() {
            return Err(length_at.error(Malformation::Truncated).into());
        }
        let router_id = RouterId(header.u32()?);
        let area_id = AreaId(header.u32()?);
        let _checksum = header.u16()?;
        let au_type = header.u16()?;
        let authentication = header.array()?;
        debug_assert_eq!(header.offset(), PACKET_HEADER_LEN);
        if !(1..=5).contains(&kind) {
            return Err(kind_at.error(Malformation::PacketType).into());
        }
        Ok(Self { bytes, length, kind, router_id, area_id, au_type, authentication })
    }

    /// The packet without the octets after it.
    pub fn packet(&self) -> &'a [u8] {
        &self.bytes[..self.length]
    }

    /// Verifies the checksum (§D.4). Packets with cryptographic authentication have none.
    ///
    /// # Errors
    /// [`PacketError::Checksum`].
    pub fn verify_checksum(&self) -> Result<(), PacketError> {
        if checksum::verifies(self.packet()) { Ok(()) } else { Err(PacketError::Checksum) }
    }

    /// Decodes the body.
    ///
    /// # Errors
    /// If the body is malformed.
    pub fn body(&self) -> Result<PacketBody, WireError> {
        PacketBody::read(self.kind, self.packet())
    }
}

impl Packet {
    /// Decodes a packet from an IP payload. The sender is not authenticated.
    ///
    /// The checksum is verified if the authentication type uses one. The LSAs of a Link State Update share one copy of the packet's octets;
    /// each has to be checked with [`super::Lsa::check`] before it is used.
    ///
    /// # Errors
    /// If the version is not 2, the checksum is wrong, or the packet is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, PacketError> {
        let envelope = Envelope::open(bytes)?;
        // RFC 2328 §D.4: Null and simple password authentication use the checksum; other types are authenticated elsewhere.
        let authentication = match envelope.au_type {
            0 => Authentication::Null,
            kind => Authentication::Other { kind, data: envelope.authentication },
        };
        if matches!(envelope.au_type, 0 | SIMPLE_PASSWORD) {
            envelope.verify_checksum()?;
        }
        let body = envelope.body()?;
        Ok(Self { router_id: envelope.router_id, area_id: envelope.area_id, authentication, body })
    }
}

/// Writes AuType and the authentication field into a packet's header, and the checksum, or zero if the type uses none (§D.4.3).
///
/// # Panics
/// If the packet is shorter than its header.
pub(crate) fn seal(packet: &mut [u8], au_type: u16, authentication: [u8; 8]) {
    assert!(packet.len() >= PACKET_HEADER_LEN, "a packet has its header");
    packet[AU_TYPE].copy_from_slice(&au_type.to_be_bytes());
    packet[checksum::AUTHENTICATION].copy_from_slice(&authentication);
    packet[checksum::CHECKSUM].fill(0);
    if matches!(au_type, 0 | SIMPLE_PASSWORD) {
        let checksum = checksum::compute(packet);
        packet[checksum::CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
    }
}
