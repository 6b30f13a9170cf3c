//! LSAs of the mesh's sites that came from links on which everybody may speak.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{InterfaceId, LsaPlace, RouterId};
use crate::state::findings::Findings;
use crate::time::Instant;
use crate::wire::{Lsa, LsaHeader};

/// LSAs that go to their originators in [`RETURN_INTERVAL`].
pub(crate) const MAX_RETURNED: usize = 16;

/// Octets of them, all together.
pub(crate) const MAX_RETURNED_OCTETS: usize = 16 * 1024;

/// Refused LSAs that are remembered to be shown; more are only counted.
pub(crate) const MAX_SHOWN: usize = 64;

/// They are shown for so long.
pub(crate) const SHOWN_FOR: Duration = Duration::from_secs(300);

/// And not before they have been refused for so long: on a link between two guards the flood may be faster than by tunnel.
pub(crate) const SHOWN_AFTER: Duration = Duration::from_secs(5);

/// Whether everybody on a link could have sent an LSA of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bringer {
    /// Not everybody; or the LSA is none of a guard's.
    Trusted,
    Open,
}

/// What was refused, and what of it is on its way to its originator.
#[derive(Debug, Clone, Default)]
pub(crate) struct SiteLsas {
    pub(crate) shown: BTreeMap<(InterfaceId, LsaPlace), Shown>,
    pub(crate) returned: BTreeMap<LsaPlace, Lsa>,
    pub(crate) octets: usize,
}

/// A refused LSA.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) header: LsaHeader,
    pub(crate) at: Instant,
    pub(crate) from: RouterId,
}

impl SiteLsas {
    pub(crate) fn note(&mut self, interface: InterfaceId, place: LsaPlace, shown: Shown) {
        let now = shown.at;
        self.shown.retain(|_, shown| now.saturating_since(shown.at) < SHOWN_FOR);
        let before = self.shown.get(&(interface, place));
        let same = before.is_some_and(|before| before.header.compare(&shown.header).is_eq());
        if !same && (before.is_some() || self.shown.len() < MAX_SHOWN) {
            self.shown.insert((interface, place), shown);
        }
    }

    /// An instance was installed: if it is one that was refused, it was a good one that came over the open link first.
    pub(crate) fn installed(&mut self, place: LsaPlace, header: &LsaHeader) {
        if !self.shown.is_empty() {
            let same =
                |shown: &Shown| (shown.header.sequence, shown.header.checksum) == (header.sequence, header.checksum);
            self.shown.retain(|&(_, of), shown| of != place || !same(shown));
        }
    }

    /// Keeps an instance for its originator, in place of an older one; whether there was room.
    pub(crate) fn keep(&mut self, place: LsaPlace, lsa: &Lsa) -> bool {
        let before = self.returned.get(&place);
        if before.is_some_and(|kept| !lsa.header.newer_than(&kept.header)) {
            return true;
        }
        let octets = self.octets - before.map_or(0, Lsa::encoded_len) + lsa.encoded_len();
        let room = octets <= MAX_RETURNED_OCTETS && (before.is_some() || self.returned.len() < MAX_RETURNED);
        if room {
            self.octets = octets;
            self.returned.insert(place, lsa.detached());
        }
        room
    }

    /// Whether something waits to go to its originator.
    pub(crate) fn is_returning(&self) -> bool {
        !self.returned.is_empty()
    }

    /// The sums are right, and within their bounds.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.returned.values().map(Lsa::encoded_len).sum();
        let bounded =
            self.returned.len() <= MAX_RETURNED && octets <= MAX_RETURNED_OCTETS && self.shown.len() <= MAX_SHOWN;
        findings.demand(octets == self.octets && bounded, "what is remembered of refused LSAs is bounded", || {
            format!("{octets} octets, noted {}; {} shown", self.octets, self.shown.len())
        });
    }
}
