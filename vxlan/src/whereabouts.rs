//! Where the hosts of a segment are: the table, and what has been claimed since.
//!
//! Every site comes to the same answer from the same claims, in whatever order they arrive: of two claims about a host the one with
//! the greater sequence counts, and of two with the same sequence the one of the lower VTEP (RFC 7432 §7.7). Claims are remembered
//! when whoever made them is gone, or a host would jump home with it. Who announces a claim is derived, not remembered: the site
//! where the host is, and until that site does, the one that made it.
//!
//! Time is handed in, by the wall clock, because it outlives restarts; it decides only about damping and about what is shown.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use crate::claim::Claim;
use crate::segment::{Host, Learning, Mobility, Segment, Vtep};
use crate::{MAX_CLAIMS, Mac};

/// A host that moves more often than this within [`DAMPING_WINDOW`] is at two sites at once (RFC 7432 §15.1: N).
pub const MAX_MOVES: usize = 5;

/// RFC 7432 §15.1: M. So long a damped host has to stay where it is until it is believed again.
pub const DAMPING_WINDOW: Duration = Duration::from_secs(180);

/// What is known of one segment at one site.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    here: Vtep,
    /// Hosts about which there is a claim in force.
    known: BTreeMap<Mac, Record>,
    /// What each other site announces at present.
    announced: BTreeMap<Vtep, BTreeSet<Claim>>,
    /// When a host last moved, oldest first, at most [`MAX_MOVES`] times.
    moves: BTreeMap<Mac, VecDeque<SystemTime>>,
}

/// A claim in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What is claimed.
    pub claim: Claim,
    /// Whose word it was when it came into force.
    pub author: Vtep,
    /// Since when it has been in force here.
    pub since: SystemTime,
}

/// Something that an operator may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// A host is at another site now.
    Moved {
        /// Which.
        mac: Mac,
        /// Where it was.
        from: Vtep,
        /// Where it is.
        to: Vtep,
    },
    /// Two sites claim a host with the same sequence.
    Contested {
        /// Which.
        mac: Mac,
        /// Whose claim counts.
        winner: Vtep,
        /// Whose does not.
        loser: Vtep,
    },
    /// The host has moved [`MAX_MOVES`] times within [`DAMPING_WINDOW`]; it is not claimed for this site for now.
    Damped {
        /// Which.
        mac: Mac,
    },
    /// A claim is not believed.
    Refused {
        /// About which host.
        mac: Mac,
        /// Who made it.
        author: Vtep,
        /// Why.
        reason: Refusal,
    },
}

/// Why a claim is not believed, or a host not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// Not in the table.
    #[error("no host of the segment has this MAC address")]
    UnknownHost,
    /// `pin = true`.
    #[error("the host is pinned to its site")]
    Pinned,
    /// The site is not one of the segment's.
    #[error("the segment does not span that site")]
    NotAMember,
    /// The claim was made under another table.
    #[error("the claim was made when the mesh file had the host at another site")]
    OtherTable,
    /// Who announces it is not one of the segment's sites.
    #[error("whoever claims it is no site of the segment")]
    Stranger,
    /// Sequences do not start over.
    #[error("the host has moved 2³² times: give it another site in the mesh file")]
    Exhausted,
    /// There is no room in the LSA that would announce it.
    #[error("this site announces {MAX_CLAIMS} hosts already: write the moves into the mesh file")]
    TooMany,
}

impl Whereabouts {
    /// The table is all that is known.
    pub fn new(here: Vtep) -> Self {
        Self { here, known: BTreeMap::new(), announced: BTreeMap::new(), moves: BTreeMap::new() }
    }

    /// Takes up what was known before a restart, as far as the table still bears it out.
    pub fn restore(&mut self, segment: &Segment, records: impl IntoIterator<Item = Record>) {
        for record in records {
            let newer = self.known.get(&record.claim.mac).is_none_or(|known| supersedes(&record.claim, &known.claim));
            if newer && believable(segment, &record.claim).is_ok() {
                self.known.insert(record.claim.mac, record);
            }
        }
    }

    /// The claims in force.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.known.values()
    }

    /// The table has changed: claims that it does not bear out any more are forgotten, those it does now are believed.
    pub fn table_changed(&mut self, segment: &Segment, now: SystemTime) -> Vec<Finding> {
        self.known.retain(|_, record| believable(segment, &record.claim).is_ok());
        self.moves.retain(|mac, _| segment.hosts.contains_key(mac));
        let announced = self.announced.clone();
        let claims = announced.iter().flat_map(|(author, claims)| claims.iter().map(|claim| (*author, *claim)));
        claims.filter_map(|(author, claim)| self.weigh(segment, author, claim, now)).collect()
    }

    /// Which site this is.
    pub fn here(&self) -> Vtep {
        self.here
    }

    /// Where the host is; `None` if it is not in the table.
    pub fn location(&self, segment: &Segment, mac: Mac) -> Option<Vtep> {
        Some(self.location_of(mac, segment.hosts.get(&mac)?))
    }

    /// Where `host`, which the table has under `mac`, is.
    pub fn location_of(&self, mac: Mac, host: &Host) -> Vtep {
        self.known.get(&mac).map_or(host.home, |record| record.claim.location)
    }

    /// The claim that says where it is, if it is not the table.
    pub fn record(&self, mac: Mac) -> Option<&Record> {
        self.known.get(&mac)
    }

    /// What this site has to announce: [`MAX_CLAIMS`] at the most.
    pub fn to_announce(&self) -> Vec<Claim> {
        let claims = self.known.values().filter(|record| {
            let location = record.claim.location;
            let taken_over = || self.announced.get(&location).is_some_and(|claims| claims.contains(&record.claim));
            location == self.here || (record.author == self.here && !taken_over())
        });
        claims.map(|record| record.claim).take(MAX_CLAIMS).collect()
    }

    /// `author` announces these claims now, and no others.
    pub fn hear(&mut self, segment: &Segment, author: Vtep, claims: &[Claim], now: SystemTime) -> Vec<Finding> {
        let before = self.announced.insert(author, claims.iter().copied().collect()).unwrap_or_default();
        let new = claims.iter().filter(|claim| !before.contains(claim));
        new.filter_map(|claim| self.weigh(segment, author, *claim, now)).collect()
    }

    /// `author` announces nothing any more, or cannot be reached. What it said stays in force.
    pub fn fell_silent(&mut self, author: Vtep) {
        self.announced.remove(&author);
    }

    /// The operator says that the host is at `to`. Nothing to find if it is there already.
    ///
    /// # Errors
    /// If the host may not be there.
    pub fn place(
        &mut self,
        segment: &Segment,
        mac: Mac,
        to: Vtep,
        now: SystemTime,
    ) -> Result<Option<Finding>, Refusal> {
        let from = self.location(segment, mac).ok_or(Refusal::UnknownHost)?;
        if from == to {
            return Ok(None);
        }
        self.claim(segment, mac, to, now)?;
        Ok(Some(Finding::Moved { mac, from, to }))
    }

    /// A frame from the host came in on a port of this site. Where hosts are learned, it has moved here.
    pub fn seen_here(&mut self, segment: &Segment, mac: Mac, now: SystemTime) -> Option<Finding> {
        let from = self.location(segment, mac)?;
        if segment.learning == Learning::Off || from == self.here {
            return None;
        }
        if self.is_damped(mac, now) {
            return Some(Finding::Damped { mac });
        }
        match self.claim(segment, mac, self.here, now) {
            Ok(()) => Some(Finding::Moved { mac, from, to: self.here }),
            Err(reason) => Some(Finding::Refused { mac, author: self.here, reason }),
        }
    }

    /// Hosts that are believed to be at two sites at once.
    pub fn damped(&self, now: SystemTime) -> impl Iterator<Item = Mac> {
        self.moves.keys().copied().filter(move |mac| self.is_damped(*mac, now))
    }

    fn is_damped(&self, mac: Mac, now: SystemTime) -> bool {
        let Some(moves) = self.moves.get(&mac).filter(|moves| moves.len() == MAX_MOVES) else { return false };
        let age = |moment: Option<&SystemTime>| moment.and_then(|moment| now.duration_since(*moment).ok());
        let span = moves.front().zip(moves.back()).and_then(|(first, last)| last.duration_since(*first).ok());
        span.is_some_and(|span| span <= DAMPING_WINDOW) && age(moves.back()).is_none_or(|age| age <= DAMPING_WINDOW)
    }

    /// Has this site say that the host is at `location`.
    fn claim(&mut self, segment: &Segment, mac: Mac, location: Vtep, now: SystemTime) -> Result<(), Refusal> {
        let home = segment.hosts.get(&mac).ok_or(Refusal::UnknownHost)?.home;
        let last = self.known.get(&mac).map_or(0, |record| record.claim.sequence);
        let sequence = last.checked_add(1).ok_or(Refusal::Exhausted)?;
        let claim = Claim { mac, sequence, home, location };
        believable(segment, &claim)?;
        if self.to_announce().len() >= MAX_CLAIMS {
            return Err(Refusal::TooMany);
        }
        self.take(Record { claim, author: self.here, since: now });
        Ok(())
    }

    /// Believes a claim if it is better than what is known.
    fn weigh(&mut self, segment: &Segment, author: Vtep, claim: Claim, now: SystemTime) -> Option<Finding> {
        let mac = claim.mac;
        let refused = |reason| Some(Finding::Refused { mac, author, reason });
        if !segment.members.contains(&author) {
            return refused(Refusal::Stranger);
        }
        if let Err(reason) = believable(segment, &claim) {
            return refused(reason);
        }
        let known = self.known.get(&mac).map(|record| record.claim);
        let from = self.location(segment, mac)?;
        let contested = known.filter(|known| known.sequence == claim.sequence && known.location != claim.location);
        if known.is_none_or(|known| supersedes(&claim, &known)) {
            self.take(Record { claim, author, since: now });
        }
        let to = self.location(segment, mac)?;
        match contested {
            Some(known) => {
                let loser = if to == claim.location { known.location } else { claim.location };
                Some(Finding::Contested { mac, winner: to, loser })
            }
            None if from != to => Some(Finding::Moved { mac, from, to }),
            None => None,
        }
    }

    fn take(&mut self, record: Record) {
        let moves = self.moves.entry(record.claim.mac).or_default();
        if moves.len() == MAX_MOVES {
            moves.pop_front();
        }
        moves.push_back(record.since);
        self.known.insert(record.claim.mac, record);
    }
}

/// Whether `new` counts and `old` does not.
fn supersedes(new: &Claim, old: &Claim) -> bool {
    new.sequence > old.sequence || (new.sequence == old.sequence && new.location < old.location)
}

/// Whether the table allows the claim.
fn believable(segment: &Segment, claim: &Claim) -> Result<(), Refusal> {
    let host = segment.hosts.get(&claim.mac).ok_or(Refusal::UnknownHost)?;
    if host.mobility == Mobility::Pinned {
        Err(Refusal::Pinned)
    } else if host.home != claim.home {
        Err(Refusal::OtherTable)
    } else if !segment.members.contains(&claim.location) {
        Err(Refusal::NotAMember)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
