//! Excuses: what explains that a valid packet is refused, besides loss, reordering, duplication and restarts. An excuse covers only what
//! the run has caused, and no longer.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use ospf::{Engine, Event, Instant, LsaRefusal, Refusal};

use crate::topology::{RouterIndex, Topology, is_virtual};

/// The excuses that apply, and until when changes of the configuration explain refusals.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Excuses {
    /// Whether links change bits.
    pub(crate) corrupted: bool,
    /// Until then, the configuration of a router may differ from its neighbours', or a packet from that time may arrive.
    pub(crate) mismatch_until: Option<Instant>,
    /// Until then, a neighbour may be known by its former Router ID.
    pub(crate) renamed_until: Option<Instant>,
}

/// The addresses from which packets of a router's virtual links may come.
#[derive(Debug, Clone, Default)]
pub(crate) struct FarEnds(BTreeSet<Ipv4Addr>);

impl Excuses {
    /// Records a change of the configuration. `all_follow` says whether all routers have the same configuration from now on; a packet may
    /// be under way for `longest`.
    pub(crate) fn change(&mut self, now: Instant, all_follow: bool, longest: Duration) {
        let end = if all_follow { now + longest } else { now + Duration::MAX };
        self.mismatch_until = Some(end);
    }

    /// Records that a router has a new Router ID, which its neighbours accept when they have not received the former one for `dead`.
    pub(crate) fn rename(&mut self, now: Instant, dead: Duration) {
        self.renamed_until = self.renamed_until.max(Some(now + dead));
    }

    /// Whether an excuse explains an event, which is a refusal, at this time.
    pub(crate) fn explain(&self, at: Instant, event: &Event, far_ends: &FarEnds) -> bool {
        let is_before = |end: Option<Instant>| end.is_some_and(|end| at <= end);
        match event {
            Event::PacketRefused { .. } if self.corrupted => true,
            Event::PacketRefused { reason, source, .. } => match reason {
                Refusal::InterfaceNotActive
                | Refusal::UnknownNeighbor
                | Refusal::NeighborState
                | Refusal::AuthenticationSequence => true,
                // One end of a virtual link has found the path, and the other not yet, or not any more. Its packets still arrive when the
                // network through which they arrive is now in the backbone itself. They then count as the network's own, except for hellos
                // on a point-to-point link, which must be sent to all routers (§9.5). Their source address need not be of that network, and
                // a virtual link has no network mask (§9.5), and its own HelloInterval and RouterDeadInterval.
                Refusal::AreaMismatch
                | Refusal::VirtualLinkSource
                | Refusal::Source
                | Refusal::Destination
                | Refusal::NetworkMaskMismatch
                | Refusal::HelloIntervalMismatch
                | Refusal::DeadIntervalMismatch
                    if far_ends.0.contains(source) =>
                {
                    true
                }
                Refusal::AreaMismatch
                | Refusal::HelloIntervalMismatch
                | Refusal::DeadIntervalMismatch
                | Refusal::ExternalCapabilityMismatch
                | Refusal::NssaCapabilityMismatch => is_before(self.mismatch_until),
                Refusal::SecondSpeaker => is_before(self.renamed_until),
                _ => false,
            },
            Event::LsaRefused { reason: LsaRefusal::TooSoon, .. } => true,
            // A packet of a virtual link crosses several links. Two changed bits, on two of them, can leave the packet's checksum as it is.
            Event::LsaRefused { reason: LsaRefusal::Checksum, interface, .. } => {
                self.corrupted && is_virtual(*interface)
            }
            // An update from before the area changed its kind was overtaken by all packets that made the routers adjacent again.
            Event::LsaRefused { reason: LsaRefusal::NssaOnly | LsaRefusal::ScopeInStubArea, .. } => {
                is_before(self.mismatch_until)
            }
            _ => false,
        }
    }

    /// Whether the router's help in a neighbour's graceful restart explains a refusal. A neighbour that gets a new Router ID during the
    /// restart is refused until the end of the grace period of its former ID, which stays the neighbour although it is silent (RFC 3623
    /// §3).
    pub(crate) fn explain_by_help(&self, event: &Event, router: &Engine) -> bool {
        let &Event::PacketRefused { interface, reason: Refusal::SecondSpeaker, .. } = event else { return false };
        self.renamed_until.is_some()
            && router.neighbors().any(|neighbor| neighbor.interface == interface && neighbor.helped_for.is_some())
    }
}

impl FarEnds {
    /// Returns the addresses of a router's far ends.
    pub(crate) fn of(topology: &Topology, router: RouterIndex) -> Self {
        let others = topology.virtual_links_of(router).map(|(_, _, other)| other);
        Self(others.flat_map(|other| topology.addresses(other)).collect())
    }
}

#[cfg(test)]
mod tests {
    use ospf::{InterfaceId, RouterId};

    use super::*;
    use crate::recipe::{FirstArea, Shape};
    use crate::topology::virtual_interface;

    fn refused(reason: Refusal, source: Ipv4Addr) -> Event {
        Event::PacketRefused { interface: InterfaceId(1), source, reason }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_change_of_configuration_explains_refusals_until_all_have_followed() {
        let mut excuses = Excuses::default();
        let explains = |excuses: Excuses, seconds, reason| {
            excuses.explain(at(seconds), &refused(reason, Ipv4Addr::LOCALHOST), &FarEnds::default())
        };
        assert!(!explains(excuses, 1, Refusal::AreaMismatch) && explains(excuses, 1, Refusal::UnknownNeighbor));
        excuses.change(at(1), false, Duration::from_secs(2));
        assert!(explains(excuses, 1000, Refusal::AreaMismatch) && !explains(excuses, 1, Refusal::SecondSpeaker));
        excuses.change(at(1001), true, Duration::from_secs(2));
        assert!(explains(excuses, 1003, Refusal::AreaMismatch) && !explains(excuses, 1004, Refusal::AreaMismatch));
        let explains_lsa = |seconds, reason| {
            let (interface, router_id, key) = (InterfaceId(1), RouterId(1), None);
            excuses.explain(at(seconds), &Event::LsaRefused { interface, router_id, key, reason }, &FarEnds::default())
        };
        for reason in [LsaRefusal::NssaOnly, LsaRefusal::ScopeInStubArea] {
            assert!(explains_lsa(1003, reason) && !explains_lsa(1004, reason));
        }
        assert!(explains_lsa(1004, LsaRefusal::TooSoon) && !explains_lsa(1003, LsaRefusal::UnknownType));
        excuses.rename(at(1001), Duration::from_secs(10));
        assert!(explains(excuses, 1011, Refusal::SecondSpeaker) && !explains(excuses, 1012, Refusal::SecondSpeaker));
    }

    #[test]
    fn a_changed_lsa_in_a_valid_packet_is_explained_on_virtual_links_only() {
        let reason = LsaRefusal::Checksum;
        for (corrupted, interface, expected) in
            [(true, virtual_interface(0), true), (true, InterfaceId(1), false), (false, virtual_interface(0), false)]
        {
            let excuses = Excuses { corrupted, ..Excuses::default() };
            let event = Event::LsaRefused { interface, router_id: RouterId(1), key: None, reason };
            assert_eq!(excuses.explain(at(1), &event, &FarEnds::default()), expected);
        }
    }

    #[test]
    fn only_the_far_end_of_a_virtual_link_may_send_before_the_way_is_found() {
        let first = FirstArea::Normal;
        let topology = Shape::Areas { backbone: 3, areas: 1, inside: 2, first, mixed: false, beyond: true }.topology(1);
        let [near, far] = topology.virtual_links[0].ends;
        let excuses = Excuses::default();
        let far_ends = FarEnds::of(&topology, near);
        let own = [Refusal::NetworkMaskMismatch, Refusal::HelloIntervalMismatch, Refusal::DeadIntervalMismatch];
        for reason in [Refusal::AreaMismatch, Refusal::Source, Refusal::Destination].into_iter().chain(own) {
            let explains = |from: RouterIndex| {
                let mut sources = topology.addresses(from);
                sources.all(|source| excuses.explain(at(1), &refused(reason, source), &far_ends))
            };
            assert!(explains(far) && !explains(near), "{reason:?}");
        }
    }
}
