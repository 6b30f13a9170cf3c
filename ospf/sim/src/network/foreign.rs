//! Packets between two routers that behave as other implementations do. What RFC 2328 cannot recover from does not happen to them, because
//! weft cannot correct what goes wrong between other implementations.

use bytes::Bytes;
use ospf::wire::{Envelope, LsaHeader, PacketBody};
use ospf::{Domain, Instant, InterfaceId, LsaView};

use super::Network;
use super::wire::Packet;
use crate::topology::RouterIndex;

/// The type of Link State Acknowledgment packets (RFC 2328 §A.3.6).
const LS_ACK: u8 = 5;

impl Network {
    /// Returns when a packet arrives that could arrive at `at`. Packets between two foreign routers do not overtake each other: if an LSA
    /// at MaxAge and a retransmission of its previous instance changed places, the two routers would differ for good (RFC 2328 §13 step 4
    /// has no memory).
    pub(super) fn in_order(&mut self, at: Instant, packet: &Packet) -> Instant {
        if !self.are_foreign(packet.from, packet.to) {
            return at;
        }
        let last = self.last_arrivals.entry((packet.from, packet.to, packet.interface)).or_insert(at);
        *last = at.max(*last);
        *last
    }

    /// Whether both routers are foreign.
    pub(super) fn are_foreign(&self, one: RouterIndex, other: RouterIndex) -> bool {
        let (foreign, _) = &self.foreign;
        foreign.contains(&one) && foreign.contains(&other)
    }

    /// Whether a packet acknowledges an instance that its sender has replaced or flushed meanwhile. Such a packet is lost on the way to
    /// another foreign router, which retransmits what it awaits an acknowledgement for.
    ///
    /// An acknowledgement may be delayed for nearly RxmtInterval (§13.5). Assume that the receiver has acknowledged the LSA at MaxAge,
    /// removed it (§14), and received the previous instance once more, from a router that the flush has not reached. It then takes the late
    /// acknowledgement for one of the instance it has just flooded (§13.7), and does not retransmit that. The originator, which has sent
    /// the LSA at MaxAge within MinLSArrival, need not send it back (§13 step 8). So the instance would stay everywhere but at its
    /// originator.
    pub(super) fn acknowledges_late(&self, router: RouterIndex, interface: InterfaceId, packet: &Bytes) -> bool {
        let (foreign, _) = &self.foreign;
        if !foreign.contains(&router) || packet.get(1) != Some(&LS_ACK) {
            return false;
        }
        let Ok(envelope) = Envelope::open(packet) else { return false };
        let Ok(PacketBody::LinkStateAck(headers)) = envelope.body() else { return false };
        let Some(engine) = self.engine(router) else { return false };
        let in_domain = |view: &LsaView| match view.domain {
            Domain::Area(area) => area == envelope.area_id,
            Domain::As => true,
            Domain::Link(link) => link == interface,
        };
        headers.iter().any(|header| {
            let mut stored = engine.lsdb().filter(|view| view.lsa.header.key == header.key);
            is_late(header, stored.find(in_domain).map(|view| view.lsa.header).as_ref())
        })
    }
}

/// Whether a router with the database copy `stored` would not acknowledge `header` if it arrived now. It would acknowledge an LSA at MaxAge
/// that it does not have (§13 step 4).
fn is_late(header: &LsaHeader, stored: Option<&LsaHeader>) -> bool {
    stored.map_or(!header.is_max_age(), |stored| stored.newer_than(header))
}

#[cfg(test)]
mod tests {
    use ospf::wire::{Lsa, LsaBody, MAX_AGE, Options};
    use ospf::{LinkStateId, LsaKey, LsaType, RouterId, SequenceNumber};

    use super::*;

    #[test]
    fn an_acknowledgement_is_late_when_the_instance_is_replaced_or_gone() {
        let key = LsaKey { kind: LsaType::OPAQUE_AREA, id: LinkStateId(1), advertising_router: RouterId(9) };
        let body = LsaBody::Opaque(Bytes::from_static(&[0; 4]));
        let instance = |sequence| Lsa::new(key, Options::E, SequenceNumber(sequence), &body).unwrap();
        let [first, second] = [1, 2].map(instance);
        let flushed = first.with_age(MAX_AGE);
        assert!(!is_late(&first.header, Some(&first.header)) && !is_late(&second.header, Some(&first.header)));
        assert!(is_late(&first.header, Some(&second.header)) && is_late(&first.header, Some(&flushed.header)));
        assert!(is_late(&first.header, None) && !is_late(&flushed.header, None));
    }
}
