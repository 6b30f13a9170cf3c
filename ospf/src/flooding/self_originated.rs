//! LSAs of this router that others send it (RFC 2328 §13.4): of a previous incarnation, or forged.
//!
//! Deviates: the RFC installs and floods such an instance, and then originates one that is newer. As MinLSInterval may lie between the two,
//! the network would believe the received one for up to five seconds. Here it is neither installed nor flooded as it came: the next instance
//! of ours is newer than it, and one that is not wanted goes through the network at MaxAge only.
//!
//! On an open link ([`crate::flooding::site_lsas`]), where everybody may have made it, it does not reach the network at all: what cannot be outbid
//! without using up sequence numbers, and what is not wanted, is taken back from the neighbour alone that sent it.

use crate::config::Deviation;
use crate::event::Event;
use crate::flooding::flood::Acknowledgment;
use crate::ids::{LsaPlace, NeighborKey, SequenceNumber};
use crate::refusal::LsaRefusal;
use crate::state::engine::Engine;
use crate::state::site_lsas::Bringer;
use crate::wire::{Lsa, LsaBody, LsaHeader, MAX_AGE, Options};

/// Instances from open links are outbid up to this sequence number. From the first one it is reached after 170 years of one origination
/// every five seconds, so what is beyond was forged, and outbidding it would bring the wrap of §12.1.6 near, in which the LSA is flushed
/// from the network for a moment.
pub(crate) const HIGHEST_OUTBID: SequenceNumber = SequenceNumber(-0x4000_0000);

impl Engine {
    /// An instance of an LSA of ours came that is newer than what we have, or of one that we do not have.
    pub(crate) fn received_own(
        &mut self,
        from: NeighborKey,
        place: LsaPlace,
        lsa: Lsa,
        body: LsaBody,
    ) -> Acknowledgment {
        let bringer = self.bringer(from, place.key);
        // The answer to a request has come.
        self.give_up_request(from, place);
        if self.is_restarting() {
            debug_assert_eq!(bringer, Bringer::Open, "what comes otherwise within a restart is installed");
            self.outbid(bringer, place, lsa.header.sequence);
            self.kept_own.keep(place, &lsa, body, from);
            self.restart_may_end();
            return Acknowledgment::Direct;
        }
        self.note_return(place, lsa.header.sequence);
        self.report_own(from, place);
        if self.outbid(bringer, place, lsa.header.sequence) {
            // The neighbour has a newer instance than the one that it was to acknowledge.
            self.no_longer_awaited(from, place);
            return Acknowledgment::Direct;
        }
        match bringer {
            Bringer::Open => self.take_back_from(from, place, &lsa),
            Bringer::Trusted if lsa.header.is_max_age() && self.databases.lookup(place).is_none() => {
                Acknowledgment::Direct
            }
            // §14.1, and §12.1.6 where it is wanted: when it is gone, another instance follows.
            Bringer::Trusted => {
                let has_left = self.departed_later(place, &lsa.header).is_some();
                self.install(place, lsa.with_age(MAX_AGE), body);
                self.flood(place, None);
                if has_left {
                    self.contradict(from, place.key);
                }
                self.originations.touch(place);
                Acknowledgment::Direct
            }
        }
    }

    /// A neighbour describes an instance of ours that is newer than what we have, or of one that we do not have (§10.6). Whether it has to
    /// be requested.
    pub(crate) fn described_own(&mut self, from: NeighborKey, place: LsaPlace, header: &LsaHeader) -> bool {
        let bringer = self.bringer(from, place.key);
        if self.is_restarting() {
            let kept = self.kept_own.header(place);
            return bringer == Bringer::Trusted || kept.is_none_or(|kept| header.newer_than(kept));
        }
        if self.outbid(bringer, place, header.sequence) {
            self.report_own(from, place);
            return false;
        }
        true
    }

    /// A neighbour acknowledges an instance of ours that is newer than what we have, or of an LSA that we do not have. The neighbour holds
    /// an instance from a late packet of ours, sent before a restart or before the LSA was withdrawn. It will not send it back, because it
    /// came from us, nor describe it if it came after its description.
    pub(crate) fn acknowledged_stray(&mut self, from: NeighborKey, place: LsaPlace, header: &LsaHeader) {
        if !self.config.conduct.has(Deviation::StrayAcknowledgments) {
            return;
        }
        let bringer = self.bringer(from, place.key);
        // One packet may have told of several.
        let stored = self.databases.lookup(place).map(|entry| entry.header(self.now));
        if self.is_restarting() || stored.is_some_and(|stored| !header.newer_than(&stored)) {
            return;
        }
        if self.outbid(bringer, place, header.sequence) {
            self.report_own(from, place);
            return;
        }
        if bringer == Bringer::Trusted && !header.is_max_age() && self.flush_unknown(place, header.sequence) {
            self.report_own(from, place);
        }
    }

    /// Flushes an instance of ours with this sequence number that others have and we have not; false if nothing can be newer than it, or
    /// nothing has room for it.
    pub(crate) fn flush_unknown(&mut self, place: LsaPlace, sequence: SequenceNumber) -> bool {
        // What it says is not known here, and does not matter at MaxAge.
        let body = LsaBody::least(place.key.kind, self.config.router_id);
        let lsa = sequence.next().zip(body).and_then(|(next, body)| {
            let lsa = Lsa::new(place.key, Options::default(), next, &body).ok()?;
            Some((lsa, body))
        });
        let Some((lsa, body)) = lsa else { return false };
        if let Some(limit) = self.limit_for(place, lsa.encoded_len()) {
            self.limit_reached(limit);
            return false;
        }
        self.install(place, lsa.with_age(MAX_AGE), body);
        self.flood(place, None);
        self.originations.touch(place);
        true
    }

    /// Has the next instance of a wanted LSA be newer than one with this sequence number; false if it is not wanted, or cannot be.
    fn outbid(&mut self, bringer: Bringer, place: LsaPlace, sequence: SequenceNumber) -> bool {
        let highest = match bringer {
            Bringer::Trusted => SequenceNumber(SequenceNumber::MAX.0 - 1),
            Bringer::Open => HIGHEST_OUTBID,
        };
        let may = self.originations.is_wanted(place) && sequence <= highest;
        if may {
            self.originations.outbid(place, sequence);
        }
        may
    }

    /// Has the neighbour that sent an instance flush it, and no other router; if the LSA is wanted, it gets ours when that is done.
    fn take_back_from(&mut self, from: NeighborKey, place: LsaPlace, lsa: &Lsa) -> Acknowledgment {
        let now = self.now;
        let octets = self.databases.lookup(place).map(|entry| usize::from(entry.header(now).length));
        if let Some(octets) = octets
            && let Some(neighbor) = self.neighbor_mut(from)
            && neighbor.takes(place.key.kind)
            && !neighbor.retransmission.contains(place.key)
        {
            neighbor.retransmission.add(place.key, octets);
            self.unsent_floods.insert(from);
        }
        if lsa.header.is_max_age() {
            return Acknowledgment::Direct;
        }
        // Not acknowledged: the neighbour sends it again until it has taken ours at MaxAge, which is newer. It does not before MinLSArrival.
        let may = self.neighbor_mut(from).is_some_and(|neighbor| neighbor.may_take_back(place.key, now));
        if may {
            self.send_instances(from, &[lsa.with_age(MAX_AGE)]);
        }
        Acknowledgment::None
    }

    /// The restart is over: what came over open links in the meantime comes now.
    pub(crate) fn take_kept_own(&mut self) {
        for (place, (lsa, body, from)) in std::mem::take(&mut self.kept_own).by_place {
            let is_newer = |header: LsaHeader| lsa.header.newer_than(&header);
            let stored = self.databases.lookup(place).map(|entry| entry.header(self.now));
            if stored.is_none_or(is_newer) {
                self.received_own(from, place, lsa, body);
            }
        }
    }

    fn report_own(&mut self, from: NeighborKey, place: LsaPlace) {
        let bringer = self.bringer(from, place.key);
        if let Some(interface) = self.interfaces.get_mut(&from.interface) {
            let area = interface.config.area;
            if bringer == Bringer::Open {
                interface.counters.refuse_lsa(LsaRefusal::SiteOnOpenLink);
            }
            self.event(Event::SelfOriginatedReceived { key: place.key, area });
        }
    }
}
