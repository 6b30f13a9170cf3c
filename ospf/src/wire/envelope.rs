//! The header that all packets begin with (RFC 2328 §A.3.1), before anything behind it is read: what authentication looks at.

use super::checksum;
use super::constants::PACKET_HEADER_LEN;
use super::error::{Malformation, PacketError, WireError};
use super::packet::{Authentication, Packet, PacketBody};
use super::reader::Reader;
use crate::ids::{AreaId, RouterId};

/// The version of this protocol.
pub(super) const VERSION: u8 = 2;

/// Where the header carries AuType.
const AU_TYPE: std::ops::Range<usize> = 14..16;

/// AuType of simple password authentication: as with Null, the checksum is in use (§D.4.2).
const SIMPLE_PASSWORD: u16 = 1;

/// A packet of which the header has been read.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The payload of the IP datagram: the packet, and what follows it, be it a trailer (§D.4.3) or an LLS block (RFC 5613).
    pub bytes: &'a [u8],
    /// Octets of the packet, its header included: no more than there are bytes.
    pub length: usize,
    /// The packet type, 1 to 5.
    pub kind: u8,
    /// Who claims to have sent it.
    pub router_id: RouterId,
    /// The area it belongs to.
    pub area_id: AreaId,
    /// AuType.
    pub au_type: u16,
    /// The authentication field.
    pub authentication: [u8; 8],
}

impl<'a> Envelope<'a> {
    /// Reads the header of the payload of an IP datagram.
    ///
    /// # Errors
    /// If it is not of version 2, its length is impossible, or its type unknown.
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

    /// The packet without what follows it.
    pub fn packet(&self) -> &'a [u8] {
        &self.bytes[..self.length]
    }

    /// Verifies the checksum (§D.4), which packets with cryptographic authentication do not have.
    ///
    /// # Errors
    /// [`PacketError::Checksum`].
    pub fn verify_checksum(&self) -> Result<(), PacketError> {
        if checksum::verifies(self.packet()) { Ok(()) } else { Err(PacketError::Checksum) }
    }

    /// Reads what is behind the header.
    ///
    /// # Errors
    /// If it does not hold together.
    pub fn body(&self) -> Result<PacketBody, WireError> {
        PacketBody::read(self.kind, self.packet())
    }
}

impl Packet {
    /// Reads a packet from the payload of an IP datagram, whoever sent it.
    ///
    /// The checksum is verified where the authentication type has one. Link state updates are cut into LSAs, which share one copy of
    /// the bytes; each has to be looked at with [`super::Lsa::check`] before it is used.
    ///
    /// # Errors
    /// If it is not of version 2, the checksum is wrong, or it does not hold together.
    pub fn decode(bytes: &[u8]) -> Result<Self, PacketError> {
        let envelope = Envelope::open(bytes)?;
        // RFC 2328 §D.4: Null and simple passwords come with a checksum; what other types have is for whoever knows them.
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

/// Puts AuType and the authentication field into a packet's header, and the checksum, or zero where the type has none (§D.4.3).
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
