//! LSAs of the mesh's sites (guards) that arrived over open links, on which any router may send.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ids::{InterfaceId, LsaPlace, RouterId};
use crate::state::findings::Findings;
use crate::time::Instant;
use crate::wire::{Lsa, LsaHeader};

/// The most LSAs that wait at one time to be sent to their originators.
pub(crate) const MAX_RETURNED: usize = 16;

/// Octets of all these LSAs together.
pub(crate) const MAX_RETURNED_OCTETS: usize = 16 * 1024;

/// Refused LSAs that are remembered for display; further ones are only counted.
pub(crate) const MAX_SHOWN: usize = 64;

/// How long a refused LSA is displayed.
pub(crate) const SHOWN_FOR: Duration = Duration::from_secs(300);

/// How long an LSA has been refused before it is displayed: on a link between two guards, flooding may be faster than over the tunnel.
pub(crate) const SHOWN_AFTER: Duration = Duration::from_secs(5);

/// Whether any router on the link could have sent an LSA of a guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bringer {
    /// Only authenticated senders could have sent it, or it is not an LSA of a guard.
    Trusted,
    Open,
}

/// The refused LSAs, and those of them that are to be sent to their originators.
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

    /// Notes that an instance was installed: if the same instance was refused, it was genuine and only arrived first over the open link.
    pub(crate) fn installed(&mut self, place: LsaPlace, header: &LsaHeader) {
        if !self.shown.is_empty() {
            let same =
                |shown: &Shown| (shown.header.sequence, shown.header.checksum) == (header.sequence, header.checksum);
            self.shown.retain(|&(_, of), shown| of != place || !same(shown));
        }
    }

    /// Keeps an instance for its originator, in place of an older one; returns whether there was room.
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

    /// Whether an LSA waits to be sent to its originator.
    pub(crate) fn is_returning(&self) -> bool {
        !self.returned.is_empty()
    }

    /// Checks that the sums are right and within their bounds.
    pub(crate) fn check(&self, findings: &mut Findings) {
        let octets: usize = self.returned.values().map(Lsa::encoded_len).sum();
        let bounded =
            self.returned.len() <= MAX_RETURNED && octets <= MAX_RETURNED_OCTETS && self.shown.len() <= MAX_SHOWN;
        findings.demand(octets == self.octets && bounded, "the refused LSAs that are remembered are bounded", || {
            format!("{octets} octets, recorded {}; {} shown", self.octets, self.shown.len())
        });
    }
}
