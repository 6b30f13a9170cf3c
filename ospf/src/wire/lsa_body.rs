//! Encoding and decoding of LSA bodies (RFC 2328 §A.4.2 to §A.4.5).
//!
//! Metrics for other types of service than 0 are skipped when read, and not written (they exist only for routers of RFC 1583).

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes, BytesMut};

use super::constants::{LS_INFINITY, LSA_HEADER_LEN};
use super::error::{Malformation, WireError};
use super::lsa::{ExternalLsa, LsaBody, NetworkLsa, RouterFlags, RouterLink, RouterLinkKind, RouterLsa, SummaryLsa};
use super::reader::Reader;
use crate::config::ExternalMetric;
use crate::ids::{LsaKey, LsaType, Prefix, RouterId};

/// Length of a router link without metrics for further types of service (§A.4.2).
const ROUTER_LINK_LEN: usize = 12;

/// Length of one further metric of a router link or of a Summary-LSA.
const TOS_METRIC_LEN: usize = 4;

/// Length of one further metric of an AS-external-LSA, including forwarding address and tag (§A.4.5).
const EXTERNAL_TOS_METRIC_LEN: usize = 12;

/// The E-bit in the metric of an AS-external-LSA (§A.4.5).
const EXTERNAL_TYPE_2: u32 = 0x8000_0000;

impl LsaBody {
    /// Decodes the body of an LSA of type `kind`.
    ///
    /// # Errors
    /// If the body is malformed, or the type is unknown.
    pub(super) fn read(kind: LsaType, body: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(body, LSA_HEADER_LEN);
        match kind {
            LsaType::ROUTER => RouterLsa::read(&mut reader).map(Self::Router),
            LsaType::NETWORK => NetworkLsa::read(&mut reader).map(Self::Network),
            LsaType::SUMMARY_NETWORK | LsaType::SUMMARY_ASBR => SummaryLsa::read(&mut reader).map(Self::Summary),
            LsaType::AS_EXTERNAL | LsaType::NSSA => ExternalLsa::read(&mut reader).map(Self::External),
            // RFC 5250 §A.2: the information is padded to 32 bits.
            kind if kind.is_opaque() && !body.len().is_multiple_of(4) => Err(reader.error(Malformation::Alignment)),
            kind if kind.is_opaque() => Ok(Self::Opaque(body.clone())),
            _ => Err(Reader::new(body, LSA_TYPE_OFFSET).error(Malformation::LsaType)),
        }
    }

    /// The network that a Summary-LSA, AS-external-LSA or Type-7 LSA with this key describes; `None` if the mask is not contiguous.
    pub(crate) fn network(&self, key: LsaKey) -> Option<Prefix> {
        let mask = match (key.kind, self) {
            (LsaType::SUMMARY_NETWORK, Self::Summary(lsa)) => lsa.network_mask,
            (LsaType::AS_EXTERNAL | LsaType::NSSA, Self::External(lsa)) => lsa.network_mask,
            _ => return None,
        };
        // RFC 2328 appendix E: the Link State ID may have host bits set.
        Prefix::from_mask(Ipv4Addr::from(key.id), mask)
    }

    /// Encodes the octets after the header.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Router(lsa) => lsa.write(&mut out),
            Self::Network(lsa) => lsa.write(&mut out),
            Self::Summary(lsa) => lsa.write(&mut out),
            Self::External(lsa) => lsa.write(&mut out),
            Self::Opaque(bytes) => return bytes.clone(),
        }
        out.freeze()
    }

    /// The shortest valid body of an LSA of type `kind` that `router` originates; `None` for an unknown type.
    pub(crate) fn least(kind: LsaType, router: RouterId) -> Option<Self> {
        let network_mask = Ipv4Addr::BROADCAST;
        match kind {
            LsaType::ROUTER => Some(Self::Router(RouterLsa { flags: RouterFlags::default(), links: Vec::new() })),
            LsaType::NETWORK => Some(Self::Network(NetworkLsa { network_mask, attached_routers: vec![router] })),
            LsaType::SUMMARY_NETWORK | LsaType::SUMMARY_ASBR => {
                Some(Self::Summary(SummaryLsa { network_mask, metric: LS_INFINITY }))
            }
            LsaType::AS_EXTERNAL | LsaType::NSSA => Some(Self::External(ExternalLsa {
                network_mask,
                metric: ExternalMetric::Type2(LS_INFINITY),
                forwarding_address: Ipv4Addr::UNSPECIFIED,
                route_tag: 0,
            })),
            kind if kind.is_opaque() => Some(Self::Opaque(Bytes::new())),
            _ => None,
        }
    }

    /// Whether this body belongs to an LSA of type `kind`.
    pub(crate) fn suits(&self, kind: LsaType) -> bool {
        match self {
            Self::Router(_) => kind == LsaType::ROUTER,
            Self::Network(_) => kind == LsaType::NETWORK,
            Self::Summary(_) => matches!(kind, LsaType::SUMMARY_NETWORK | LsaType::SUMMARY_ASBR),
            Self::External(_) => matches!(kind, LsaType::AS_EXTERNAL | LsaType::NSSA),
            Self::Opaque(bytes) => kind.is_opaque() && bytes.len().is_multiple_of(4),
        }
    }
}

/// The offset of the LS type in the header.
const LSA_TYPE_OFFSET: usize = 3;

impl RouterLsa {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let flags = RouterFlags(reader.u8()?);
        let _zero = reader.u8()?;
        let counted = reader.clone();
        let count = usize::from(reader.u16()?);
        let links = reader.until_end(ROUTER_LINK_LEN, RouterLink::read)?;
        if links.len() != count {
            return Err(counted.error(Malformation::Length));
        }
        Ok(Self { flags, links })
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.flags.0);
        out.put_u8(0);
        out.put_u16(
            // [`Lsa::new`] refuses a body with more links because of its length.
            u16::try_from(self.links.len()).unwrap_or(u16::MAX),
        );
        for link in &self.links {
            link.write(out);
        }
    }
}

impl RouterLink {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let id = reader.address()?;
        let data = reader.address()?;
        let kind = RouterLinkKind::from(reader.u8()?);
        let tos_metrics = usize::from(reader.u8()?);
        let metric = reader.u16()?;
        reader.take(tos_metrics * TOS_METRIC_LEN)?;
        Ok(Self { kind, id, data, metric })
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.id.octets());
        out.put_slice(&self.data.octets());
        out.put_u8(self.kind.into());
        out.put_u8(0);
        out.put_u16(self.metric);
    }
}

impl From<u8> for RouterLinkKind {
    fn from(kind: u8) -> Self {
        match kind {
            1 => Self::PointToPoint,
            2 => Self::Transit,
            3 => Self::Stub,
            4 => Self::Virtual,
            other => Self::Unknown(other),
        }
    }
}

impl From<RouterLinkKind> for u8 {
    fn from(kind: RouterLinkKind) -> Self {
        match kind {
            RouterLinkKind::PointToPoint => 1,
            RouterLinkKind::Transit => 2,
            RouterLinkKind::Stub => 3,
            RouterLinkKind::Virtual => 4,
            RouterLinkKind::Unknown(other) => other,
        }
    }
}

impl NetworkLsa {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let network_mask = reader.address()?;
        let attached_routers = reader.until_end(4, |reader| reader.u32().map(RouterId))?;
        Ok(Self { network_mask, attached_routers })
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_slice(&self.network_mask.octets());
        for router in &self.attached_routers {
            out.put_u32(router.0);
        }
    }
}

impl SummaryLsa {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let network_mask = reader.address()?;
        // §A.4.4: a zero octet precedes the 24-bit metric.
        let metric = reader.u32()? & LS_INFINITY;
        step_over(reader, TOS_METRIC_LEN)?;
        Ok(Self { network_mask, metric })
    }

    fn write(&self, out: &mut BytesMut) {
        debug_assert!(self.metric <= LS_INFINITY);
        out.put_slice(&self.network_mask.octets());
        out.put_u32(self.metric & LS_INFINITY);
    }
}

impl ExternalLsa {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let network_mask = reader.address()?;
        let word = reader.u32()?;
        let metric = match word & EXTERNAL_TYPE_2 {
            0 => ExternalMetric::Type1(word & LS_INFINITY),
            _ => ExternalMetric::Type2(word & LS_INFINITY),
        };
        let forwarding_address = reader.address()?;
        let route_tag = reader.u32()?;
        step_over(reader, EXTERNAL_TOS_METRIC_LEN)?;
        Ok(Self { network_mask, metric, forwarding_address, route_tag })
    }

    fn write(&self, out: &mut BytesMut) {
        let (type_bit, metric) = match self.metric {
            ExternalMetric::Type1(metric) => (0, metric),
            ExternalMetric::Type2(metric) => (EXTERNAL_TYPE_2, metric),
        };
        debug_assert!(metric <= LS_INFINITY);
        out.put_slice(&self.network_mask.octets());
        out.put_u32(type_bit | metric & LS_INFINITY);
        out.put_slice(&self.forwarding_address.octets());
        out.put_u32(self.route_tag);
    }
}

/// Skips metrics of `len` octets each, up to the end.
fn step_over(reader: &mut Reader<'_>, len: usize) -> Result<(), WireError> {
    let rest = reader.clone();
    let whole = reader.remaining() / len * len;
    reader.take(whole)?;
    if reader.is_empty() { Ok(()) } else { Err(rest.error(Malformation::Length)) }
}
