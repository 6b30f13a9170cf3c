//! Encoding and decoding of packets (RFC 2328 §A.3). [`super::Envelope`] decodes the packet header.

use bytes::{BufMut, Bytes, BytesMut};

use super::constants::{
    DATABASE_DESCRIPTION_FIXED_LEN, HELLO_FIXED_LEN, LINK_STATE_UPDATE_FIXED_LEN, LSA_HEADER_LEN, PACKET_HEADER_LEN,
    REQUEST_LEN,
};
use super::envelope::{VERSION, seal};
use super::error::{EncodeError, Malformation, WireError};
use super::lsa::{Lsa, LsaHeader};
use super::packet::{Authentication, DatabaseDescription, DdFlags, Hello, Options, Packet, PacketBody};
use super::reader::Reader;
use crate::ids::{LinkStateId, LsaKey, LsaType, RouterId};

impl Packet {
    /// Encodes the packet, with its checksum. With cryptographic authentication the checksum is zero, and the trailer has to be added
    /// (§D.4.3).
    ///
    /// # Errors
    /// If the packet is longer than 65535 octets. A sender keeps within an MTU by means of [`Packet::encoded_len`].
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let length = self.encoded_len();
        let length_field = u16::try_from(length).map_err(|_| EncodeError::TooLong { octets: length })?;
        let mut out = BytesMut::with_capacity(length);
        let (au_type, data) = match self.authentication {
            Authentication::Null => (0, [0; 8]),
            Authentication::Other { kind, data } => (kind, data),
        };
        out.put_u8(VERSION);
        out.put_u8(self.body.kind());
        out.put_u16(length_field);
        out.put_u32(self.router_id.0);
        out.put_u32(self.area_id.0);
        // Checksum, AuType, authentication.
        out.put_bytes(0, 2 + 2 + 8);
        debug_assert_eq!(out.len(), PACKET_HEADER_LEN);
        self.body.write(&mut out);
        debug_assert_eq!(out.len(), length, "encoded_len agrees with encode");
        seal(&mut out, au_type, data);
        Ok(out.freeze())
    }

    /// The length of the encoded packet, in octets.
    pub fn encoded_len(&self) -> usize {
        PACKET_HEADER_LEN
            + match &self.body {
                PacketBody::Hello(hello) => HELLO_FIXED_LEN + 4 * hello.neighbors.len(),
                PacketBody::DatabaseDescription(dd) => {
                    DATABASE_DESCRIPTION_FIXED_LEN + LSA_HEADER_LEN * dd.headers.len()
                }
                PacketBody::LinkStateRequest(keys) => REQUEST_LEN * keys.len(),
                PacketBody::LinkStateUpdate(lsas) => {
                    LINK_STATE_UPDATE_FIXED_LEN + lsas.iter().map(Lsa::encoded_len).sum::<usize>()
                }
                PacketBody::LinkStateAck(headers) => LSA_HEADER_LEN * headers.len(),
            }
    }
}

impl PacketBody {
    /// The packet type (§A.3.1).
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::DatabaseDescription(_) => 2,
            Self::LinkStateRequest(_) => 3,
            Self::LinkStateUpdate(_) => 4,
            Self::LinkStateAck(_) => 5,
        }
    }

    /// Decodes the body of a packet of type `kind`.
    pub(super) fn read(kind: u8, packet: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(&packet[PACKET_HEADER_LEN..], PACKET_HEADER_LEN);
        match kind {
            1 => Hello::read(&mut reader).map(Self::Hello),
            2 => DatabaseDescription::read(&mut reader).map(Self::DatabaseDescription),
            3 => reader.until_end(REQUEST_LEN, read_request).map(Self::LinkStateRequest),
            4 => read_update(reader, packet).map(Self::LinkStateUpdate),
            5 => reader.until_end(LSA_HEADER_LEN, LsaHeader::read).map(Self::LinkStateAck),
            _ => Err(Reader::new(&packet[1..], 1).error(Malformation::PacketType)),
        }
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Hello(hello) => hello.write(out),
            Self::DatabaseDescription(dd) => dd.write(out),
            Self::LinkStateRequest(keys) => {
                for key in keys {
                    out.put_u32(key.kind.0.into());
                    out.put_u32(key.id.0);
                    out.put_u32(key.advertising_router.0);
                }
            }
            Self::LinkStateUpdate(lsas) => {
                // There are fewer LSAs than octets in the packet, whose number fits in 16 bits.
                out.put_u32(u32::try_from(lsas.len()).unwrap_or(u32::MAX));
                for lsa in lsas {
                    debug_assert_eq!(usize::from(lsa.header.length), lsa.encoded_len());
                    lsa.header.write(out);
                    out.put_slice(&lsa.body);
                }
            }
            Self::LinkStateAck(headers) => headers.iter().for_each(|header| header.write(out)),
        }
    }
}

impl Hello {
    /// Decodes a Hello (§A.3.2).
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            network_mask: reader.address()?,
            hello_interval: reader.u16()?,
            options: Options(reader.u8()?),
            priority: reader.u8()?,
            dead_interval: reader.u32()?,
            designated_router: reader.address()?,
            backup_designated_router: reader.address()?,
            neighbors: reader.until_end(4, |reader| reader.u32().map(RouterId))?,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.network_mask.octets());
        out.put_u16(self.hello_interval);
        out.put_u8(self.options.0);
        out.put_u8(self.priority);
        out.put_u32(self.dead_interval);
        out.put_slice(&self.designated_router.octets());
        out.put_slice(&self.backup_designated_router.octets());
        for neighbor in &self.neighbors {
            out.put_u32(neighbor.0);
        }
    }
}

impl DatabaseDescription {
    /// Decodes a Database Description (§A.3.3).
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            interface_mtu: reader.u16()?,
            options: Options(reader.u8()?),
            flags: DdFlags::from_octet(reader.u8()?),
            sequence: reader.u32()?,
            headers: reader.until_end(LSA_HEADER_LEN, LsaHeader::read)?,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u16(self.interface_mtu);
        out.put_u8(self.options.0);
        out.put_u8(self.flags.octet());
        out.put_u32(self.sequence);
        for header in &self.headers {
            header.write(out);
        }
    }
}

impl DdFlags {
    const MASTER: u8 = 0x01;
    const MORE: u8 = 0x02;
    const INIT: u8 = 0x04;

    /// Decodes the flags. The R-bit of RFC 4811 and unknown bits are ignored.
    const fn from_octet(octet: u8) -> Self {
        Self { init: octet & Self::INIT != 0, more: octet & Self::MORE != 0, master: octet & Self::MASTER != 0 }
    }

    const fn octet(self) -> u8 {
        (self.init as u8 * Self::INIT) | (self.more as u8 * Self::MORE) | (self.master as u8 * Self::MASTER)
    }
}

/// Decodes one request of a Link State Request (§A.3.4).
fn read_request(reader: &mut Reader<'_>) -> Result<LsaKey, WireError> {
    let kind_at = reader.clone();
    let kind = u8::try_from(reader.u32()?).map_err(|_| kind_at.error(Malformation::LsaType))?;
    Ok(LsaKey { kind: LsaType(kind), id: LinkStateId(reader.u32()?), advertising_router: RouterId(reader.u32()?) })
}

/// Decodes the LSAs of a Link State Update (§A.3.5). `packet` is the whole packet; `reader` is at the end of its header.
fn read_update(mut reader: Reader<'_>, packet: &[u8]) -> Result<Vec<Lsa>, WireError> {
    let counted = reader.clone();
    let count = reader.u32()?;
    let shared = Bytes::copy_from_slice(packet);
    let lsas = reader.until_end(LSA_HEADER_LEN, |reader| {
        let header = LsaHeader::read(reader)?;
        let body_at = reader.offset();
        let body = reader.take(usize::from(header.length) - LSA_HEADER_LEN)?;
        Ok(Lsa { header, body: shared.slice(body_at..body_at + body.len()) })
    })?;
    if usize::try_from(count) != Ok(lsas.len()) {
        return Err(counted.error(Malformation::Length));
    }
    Ok(lsas)
}
