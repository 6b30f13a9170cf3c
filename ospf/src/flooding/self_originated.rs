//! Self-originated LSAs received from other routers (RFC 2328 §13.4): they are from a previous incarnation, or forged.
//!
//! Deviates: the RFC installs and floods such an instance, and then originates a newer one. Because of MinLSInterval, the network would use
//! the received instance for up to five seconds. Here it is neither installed nor flooded as received: the next instance of ours is newer,
//! and if the LSA is not wanted, it is flooded at MaxAge only.
//!
//! On an open link ([`crate::flooding::site_lsas`]), where anybody could have forged the instance, it does not reach the network at all. If
//! it is not wanted, or if a newer instance would use up the sequence numbers, it is flushed only from the neighbour that sent it.

use crate::config::Deviation;
use crate::event::Event;
use crate::flooding::flood::Acknowledgment;
use crate::ids::{LsaPlace, NeighborKey, SequenceNumber};
use crate::refusal::LsaRefusal;
use crate::state::engine::Engine;
use crate::state::site_lsas::Bringer;
use crate::wire::{Lsa, LsaBody, LsaHeader, MAX_AGE, Options};

/// The highest sequence number of an instance from an open link that we exceed with a newer one. With one origination every five seconds,
/// it would take 170 years to reach it, so higher numbers are forged. To exceed them would bring the sequence number close to the maximum,
/// at which the LSA has to be flushed from the network for a moment (§12.1.6).
pub(crate) const HIGHEST_OUTBID: SequenceNumber = SequenceNumber(-0x4000_0000);

impl Engine {
    /// Handles an instance of an LSA of ours that is newer than the database copy, or that is not in the database.
    pub(crate) fn received_own(
        &mut self,
        from: NeighborKey,
        place: LsaPlace,
        lsa: Lsa,
        body: LsaBody,
    ) -> Acknowledgment {
        let bringer = self.bringer(from, place.key);
        // If it was requested, the request is now answered.
        self.give_up_request(from, place);
        if self.is_restarting() {
            debug_assert_eq!(bringer, Bringer::Open, "during a restart, instances from other links are installed");
            self.outbid(bringer, place, lsa.header.sequence);
            self.kept_own.keep(place, &lsa, body, from);
            self.restart_may_end();
            return Acknowledgment::Direct;
        }
        self.note_return(place, lsa.header.sequence);
        self.report_own(from, place);
        if self.outbid(bringer, place, lsa.header.sequence) {
            // The neighbour has a newer instance than the one that it should acknowledge.
            self.no_longer_awaited(from, place);
            return Acknowledgment::Direct;
        }
        match bringer {
            Bringer::Open => self.take_back_from(from, place, &lsa),
            Bringer::Trusted if lsa.header.is_max_age() && self.databases.lookup(place).is_none() => {
                Acknowledgment::Direct
            }
            // §14.1, and §12.1.6 if the LSA is wanted: when it has been removed, another instance follows.
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

    /// Handles the description of an instance of ours that is newer than the database copy, or that is not in the database (§10.6). Returns
    /// whether it has to be requested.
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

    /// Handles the acknowledgement of an instance of ours that is newer than the database copy, or that is not in the database. The
    /// neighbour received it in a late packet of ours, which was sent before a restart or before the LSA was withdrawn. The neighbour does
    /// not send it back, because it came from us, and does not describe it if it received it after its description.
    pub(crate) fn acknowledged_stray(&mut self, from: NeighborKey, place: LsaPlace, header: &LsaHeader) {
        if !self.config.conduct.has(Deviation::StrayAcknowledgments) {
            return;
        }
        let bringer = self.bringer(from, place.key);
        // One packet may acknowledge several instances.
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

    /// Flushes an instance of ours with this sequence number that others have and we do not. Returns false if no sequence number is higher,
    /// or if there is no room for it.
    pub(crate) fn flush_unknown(&mut self, place: LsaPlace, sequence: SequenceNumber) -> bool {
        // The contents are not known here, and do not matter at MaxAge.
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

    /// Makes the next instance of a wanted LSA newer than one with this sequence number. Returns false if the LSA is not wanted, or if the
    /// number is too high.
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

    /// Makes only the neighbour that sent an instance flush it. If the LSA is wanted, the neighbour gets ours afterwards.
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
        // No acknowledgement is sent: the neighbour retransmits the instance until it has accepted ours at MaxAge, which is newer, and it
        // does not accept that within MinLSArrival.
        let may = self.neighbor_mut(from).is_some_and(|neighbor| neighbor.may_take_back(place.key, now));
        if may {
            self.send_instances(from, &[lsa.with_age(MAX_AGE)]);
        }
        Acknowledgment::None
    }

    /// Handles, at the end of a graceful restart, the instances that were received over open links during the restart.
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
