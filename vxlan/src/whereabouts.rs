//! Where the hosts of a segment are: the table, and what has been claimed since.
//!
//! Every site comes to the same answer from the same claims, in whatever order they arrive: of two claims about a host the one with
//! the greater epoch counts, then the one with the greater sequence, and of two that have both in common the one of the lower VTEP
//! (RFC 7432 §7.7). Claims are remembered when whoever made them is gone, or a host would jump home with it. Who announces a claim is
//! derived, not remembered: the site where the host is, and until that site does, the one that made it.
//!
//! A claim that no number of moves can have led to is refused and not remembered: see [`MAX_SEQUENCE`] and [`MAX_EPOCH_JUMP`]. A forged one
//! below these bounds is accepted, but costs no more than a move does: the next move, or the next epoch, is accepted by all in turn.
//!
//! Time is handed in, by the wall clock, because it outlives restarts; it decides only about damping and about what is shown.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use crate::claim::{Claim, MAX_EPOCH_JUMP, MAX_SEQUENCE};
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
    /// Two sites claim a host with the same epoch and sequence.
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
    /// More than [`MAX_SEQUENCE`].
    #[error("its sequence is greater than {MAX_SEQUENCE}: no host has moved so often")]
    Sequence,
    /// More than [`MAX_EPOCH_JUMP`] ahead.
    #[error("its epoch is more than {MAX_EPOCH_JUMP} ahead of what is known of the host")]
    Epoch,
    /// Epochs do not start over.
    #[error("the host's epochs are used up: give it another site in the mesh file")]
    Exhausted,
    /// A claim that was refused until now came within bounds by this move.
    #[error(
        "another site claims the host with a greater epoch: repeat the command once all sites have taken this one in"
    )]
    Outbid,
    /// There is no room in the LSA that would announce it.
    #[error("this site announces {MAX_CLAIMS} hosts already: write the moves into the mesh file")]
    TooMany,
}

/// What is left of a host when what was known of it is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// The claim that was in force here.
    pub before: Option<Record>,
    /// The claim that is in force now, because another site announces it; if there is none, the table counts.
    pub after: Option<Record>,
}

impl Whereabouts {
    /// The table is all that is known.
    pub fn new(here: Vtep) -> Self {
        Self { here, known: BTreeMap::new(), announced: BTreeMap::new(), moves: BTreeMap::new() }
    }

    /// Takes up what was known before a restart, as far as the table still bears it out. Versions that refused no sequence may have
    /// remembered one that is refused now: such a claim is reported and forgotten.
    pub fn restore(&mut self, segment: &Segment, records: impl IntoIterator<Item = Record>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for record in records {
            let Record { claim, author, .. } = record;
            match believable(segment, &claim) {
                Ok(()) => {
                    let known = self.known.get(&claim.mac);
                    if known.is_none_or(|known| supersedes(&claim, &known.claim)) {
                        self.known.insert(claim.mac, record);
                    }
                }
                Err(reason @ Refusal::Sequence) => {
                    findings.push(Finding::Refused { mac: claim.mac, author, reason });
                }
                // The mesh file has changed meanwhile.
                Err(_) => {}
            }
        }
        findings
    }

    /// The claims in force.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.known.values()
    }

    /// The table has changed: claims that it does not bear out any more are forgotten, those it does now are believed.
    pub fn table_changed(&mut self, segment: &Segment, now: SystemTime) -> Vec<Finding> {
        self.known.retain(|_, record| believable(segment, &record.claim).is_ok());
        self.moves.retain(|mac, _| segment.hosts.contains_key(mac));
        let hosts: BTreeSet<Mac> = self.announced.values().flatten().map(|claim| claim.mac).collect();
        hosts.into_iter().flat_map(|mac| self.weigh_all(segment, mac, now, |_, _| true)).collect()
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

    /// Whether some site announces at present what a record says, this one among them.
    pub fn is_announced(&self, record: &Record) -> bool {
        let by_others = || self.announced.values().any(|claims| claims.contains(&record.claim));
        record.claim.location == self.here || record.author == self.here || by_others()
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
        let new: BTreeSet<Claim> = claims.iter().copied().filter(|claim| !before.contains(claim)).collect();
        let hosts: BTreeSet<Mac> = new.iter().map(|claim| claim.mac).collect();
        let is_new = |announcer, claim: &Claim| announcer == author && new.contains(claim);
        hosts.into_iter().flat_map(|mac| self.weigh_all(segment, mac, now, is_new)).collect()
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
        self.claim(segment, mac, to, Epoch::Present, now)?;
        Ok(Some(Finding::Moved { mac, from, to }))
    }

    /// The operator says that the host is at `to`, whatever has been claimed of it so far and by whomever: a new epoch begins, which
    /// outbids every claim of those before, those that other sites made while they could not be reached among them. Also where the host
    /// is there already for all that is known here.
    ///
    /// # Errors
    /// If the host may not be there.
    pub fn place_by_force(
        &mut self,
        segment: &Segment,
        mac: Mac,
        to: Vtep,
        now: SystemTime,
    ) -> Result<Option<Finding>, Refusal> {
        let from = self.location(segment, mac).ok_or(Refusal::UnknownHost)?;
        self.claim(segment, mac, to, Epoch::Next, now)?;
        // As the other sites will, when they hear of it.
        self.weigh_all(segment, mac, now, |_, _| false);
        match self.location(segment, mac) {
            Some(at) if at == to => Ok(Some(Finding::Moved { mac, from, to }).filter(|_| from != to)),
            _ => Err(Refusal::Outbid),
        }
    }

    /// The operator has this site forget the host: what it claims of it and what it remembers. What other sites announce counts as if it
    /// came now; if that is nothing, the table does.
    ///
    /// # Errors
    /// If the table does not have the host.
    pub fn forget(&mut self, segment: &Segment, mac: Mac, now: SystemTime) -> Result<Forgotten, Refusal> {
        if !segment.hosts.contains_key(&mac) {
            return Err(Refusal::UnknownHost);
        }
        let before = self.known.remove(&mac);
        self.moves.remove(&mac);
        self.weigh_all(segment, mac, now, |_, _| false);
        Ok(Forgotten { before, after: self.known.get(&mac).copied() })
    }

    /// What other sites announce at present and is not accepted: who, what, and why.
    pub fn refused(&self, segment: &Segment) -> impl Iterator<Item = (Vtep, Claim, Refusal)> {
        let announced = self.announced.iter().flat_map(|(author, claims)| claims.iter().map(|claim| (*author, *claim)));
        announced.filter_map(|(author, claim)| {
            let refusal = self.acceptable(segment, author, &claim).err()?;
            Some((author, claim, refusal))
        })
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
        match self.claim(segment, mac, self.here, Epoch::Present, now) {
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
    fn claim(
        &mut self,
        segment: &Segment,
        mac: Mac,
        location: Vtep,
        epoch: Epoch,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let home = segment.hosts.get(&mac).ok_or(Refusal::UnknownHost)?.home;
        let known = self.known.get(&mac).map(|record| record.claim);
        let (last_epoch, last) = known.map_or((0, 0), |known| (known.epoch, known.sequence));
        // In a new epoch the sequence goes on as long as there is room: versions that read no epoch follow it all the same.
        let (sequence, epoch) = match last < MAX_SEQUENCE {
            true => (last + 1, epoch),
            false => (1, Epoch::Next),
        };
        let epoch = match epoch {
            Epoch::Present => last_epoch,
            Epoch::Next => last_epoch.checked_add(1).ok_or(Refusal::Exhausted)?,
        };
        let claim = Claim { mac, epoch, sequence, home, location };
        believable(segment, &claim)?;
        if self.to_announce().len() >= MAX_CLAIMS {
            return Err(Refusal::TooMany);
        }
        self.take(Record { claim, author: self.here, since: now });
        Ok(())
    }

    /// Weighs all that is announced of a host, the least claim first, so that the outcome does not depend on the order in which claims
    /// arrived. What was refused before may come within [`MAX_EPOCH_JUMP`] by another claim. Of claims that are not `new` only a move is a
    /// finding.
    fn weigh_all(
        &mut self,
        segment: &Segment,
        mac: Mac,
        now: SystemTime,
        new: impl Fn(Vtep, &Claim) -> bool,
    ) -> Vec<Finding> {
        let mut announced: Vec<(Vtep, Claim)> = Vec::new();
        for (author, claims) in &self.announced {
            announced.extend(claims.range(Claim::all_about(mac)).map(|claim| (*author, *claim)));
        }
        announced.sort_by_key(|(_, claim)| claim.rank());
        let weighed = announced.into_iter().filter_map(|(author, claim)| {
            let finding = self.weigh(segment, author, claim, now)?;
            let is_news = matches!(finding, Finding::Moved { .. }) || new(author, &claim);
            is_news.then_some(finding)
        });
        weighed.collect()
    }

    /// Accepts a claim if it is better than what is known.
    fn weigh(&mut self, segment: &Segment, author: Vtep, claim: Claim, now: SystemTime) -> Option<Finding> {
        let mac = claim.mac;
        if let Err(reason) = self.acceptable(segment, author, &claim) {
            return Some(Finding::Refused { mac, author, reason });
        }
        let known = self.known.get(&mac).map(|record| record.claim);
        let from = self.location(segment, mac)?;
        let equals = |known: &Claim| (known.epoch, known.sequence) == (claim.epoch, claim.sequence);
        let contested = known.filter(|known| equals(known) && known.location != claim.location);
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

    /// Whether a claim of another site is one to be weighed.
    fn acceptable(&self, segment: &Segment, author: Vtep, claim: &Claim) -> Result<(), Refusal> {
        if !segment.members.contains(&author) {
            return Err(Refusal::Stranger);
        }
        believable(segment, claim)?;
        let known = self.known.get(&claim.mac).map_or(0, |record| record.claim.epoch);
        if claim.epoch.saturating_sub(known) > MAX_EPOCH_JUMP {
            return Err(Refusal::Epoch);
        }
        Ok(())
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

/// Which epoch a claim of this site is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Epoch {
    /// That of the claim in force.
    Present,
    /// The one after it.
    Next,
}

/// Whether `new` counts and `old` does not.
fn supersedes(new: &Claim, old: &Claim) -> bool {
    new.rank() > old.rank()
}

/// Whether the claim can be one at all, and the table allows it: every site with this table comes to the same answer.
fn believable(segment: &Segment, claim: &Claim) -> Result<(), Refusal> {
    let host = segment.hosts.get(&claim.mac).ok_or(Refusal::UnknownHost)?;
    if host.mobility == Mobility::Pinned {
        Err(Refusal::Pinned)
    } else if host.home != claim.home {
        Err(Refusal::OtherTable)
    } else if !segment.members.contains(&claim.location) {
        Err(Refusal::NotAMember)
    } else if claim.sequence > MAX_SEQUENCE {
        Err(Refusal::Sequence)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
