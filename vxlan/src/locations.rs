//! Locations of the hosts of a segment (MAC mobility, RFC 7432 §7.7 and §15): the table, and the claims made since.
//!
//! Every site comes to the same result from the same claims, whatever the order of their arrival: of two claims about a host, the one
//! with the greater epoch wins, then the one with the greater sequence, and if both are equal, the one with the lower VTEP (RFC 7432
//! §7.7). A claim is kept after the site that made it is gone; otherwise the host would return to its site in the table. Which site
//! announces a claim is derived, not stored: the site where the host is, and until that site announces it, the site that made it.
//!
//! A claim that no number of moves can have produced is refused and not stored: see [`MAX_SEQUENCE`] and [`MAX_EPOCH_JUMP`]. A forged
//! claim below these limits is accepted, but has no more effect than a move: every site accepts the next move, or the next epoch.
//!
//! Time is an input. It is wall-clock time, which survives restarts; it is used only for damping and for display.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use crate::claim::{Claim, MAX_EPOCH_JUMP, MAX_SEQUENCE};
use crate::segment::{Host, Learning, Mobility, Segment, Vtep};
use crate::{MAX_CLAIMS, Mac};

/// A host that moves this many times within [`DAMPING_WINDOW`] is treated as being at two sites at once (RFC 7432 §15.1: N).
pub const MAX_MOVES: usize = 5;

/// The time within which moves are counted, and for which a damped host must not move before it is learned again (RFC 7432 §15.1: M).
pub const DAMPING_WINDOW: Duration = Duration::from_secs(180);

/// The locations of the hosts of one segment, as one site knows them.
#[derive(Debug, Clone)]
pub struct HostLocations {
    here: Vtep,
    /// The hosts with a claim in effect: for each, the accepted claim that wins.
    known: BTreeMap<Mac, Record>,
    /// The claims that each other site announces at present.
    announced: BTreeMap<Vtep, BTreeSet<Claim>>,
    /// The times of each host's last moves, oldest first, at most [`MAX_MOVES`].
    moves: BTreeMap<Mac, VecDeque<SystemTime>>,
}

/// A claim in effect: accepted, and not superseded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The claim.
    pub claim: Claim,
    /// The site that announced it when it took effect.
    pub author: Vtep,
    /// The time when it took effect at this site.
    pub since: SystemTime,
}

/// An event that an operator may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// A host has moved to another site.
    Moved {
        /// MAC address of the host.
        mac: Mac,
        /// The site where it was.
        from: Vtep,
        /// The site where it is now.
        to: Vtep,
    },
    /// Two sites claim a host with the same epoch and sequence.
    Contested {
        /// MAC address of the host.
        mac: Mac,
        /// The location in the claim that is in effect.
        winner: Vtep,
        /// The location in the other claim.
        loser: Vtep,
    },
    /// The host has moved [`MAX_MOVES`] times within [`DAMPING_WINDOW`]: this site does not claim it for now.
    Damped {
        /// MAC address of the host.
        mac: Mac,
    },
    /// A claim is refused.
    Refused {
        /// MAC address of the host.
        mac: Mac,
        /// The site that announced it.
        author: Vtep,
        /// The reason of the refusal.
        reason: Refusal,
    },
}

/// Why a claim is refused, or a host not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// The host is not in the table.
    #[error("no host of the segment has this MAC address")]
    UnknownHost,
    /// The host is pinned to its site (`pin = true`).
    #[error("the host is pinned to its site")]
    Pinned,
    /// The claimed location is not a site of the segment.
    #[error("the segment does not span that site")]
    NotAMember,
    /// The claim was made when the table gave the host another site.
    #[error("the claim was made when the mesh file had the host at another site")]
    OtherTable,
    /// The site that announces it is not a site of the segment.
    #[error("whoever claims it is no site of the segment")]
    ForeignAuthor,
    /// The sequence is greater than [`MAX_SEQUENCE`].
    #[error("its sequence is greater than {MAX_SEQUENCE}: no host has moved so often")]
    Sequence,
    /// The epoch is more than [`MAX_EPOCH_JUMP`] ahead.
    #[error("its epoch is more than {MAX_EPOCH_JUMP} ahead of what is known of the host")]
    Epoch,
    /// The host has used the last epoch, and epochs do not start over.
    #[error("the host's epochs are used up: give it another site in the mesh file")]
    Exhausted,
    /// Another site announces a claim with a greater epoch, which was refused before and came within bounds by this move.
    #[error(
        "another site claims the host with a greater epoch: repeat the command once all sites have taken this one in"
    )]
    Outbid,
    /// The body that would announce it is full.
    #[error("this site announces {MAX_CLAIMS} hosts already: write the moves into the mesh file")]
    TooMany,
}

/// The claims about a host before and after it was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgotten {
    /// The claim that was in effect at this site.
    pub before: Option<Record>,
    /// The claim that is in effect now, because another site announces it; without one, the table applies.
    pub after: Option<Record>,
}

impl HostLocations {
    /// Starts without claims: every host is at its site in the table.
    pub fn new(here: Vtep) -> Self {
        Self { here, known: BTreeMap::new(), announced: BTreeMap::new(), moves: BTreeMap::new() }
    }

    /// Restores the claims that were in effect before a restart, as far as the table still allows them. Older versions had no limit for the
    /// sequence and may have stored a claim that is refused now: it is reported and forgotten.
    pub fn restore(&mut self, segment: &Segment, records: impl IntoIterator<Item = Record>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for record in records {
            let Record { claim, author, .. } = record;
            match check_plausible(segment, &claim) {
                Ok(()) => {
                    let known = self.known.get(&claim.mac);
                    if known.is_none_or(|known| supersedes(&claim, &known.claim)) {
                        self.known.insert(claim.mac, record);
                    }
                }
                Err(reason @ Refusal::Sequence) => {
                    findings.push(Finding::Refused { mac: claim.mac, author, reason });
                }
                // The mesh file has changed in the meantime.
                Err(_) => {}
            }
        }
        findings
    }

    /// The claims in effect.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.known.values()
    }

    /// Applies a changed table: forgets the claims that it no longer allows, and accepts the announced claims that it allows now.
    pub fn table_changed(&mut self, segment: &Segment, now: SystemTime) -> Vec<Finding> {
        self.known.retain(|_, record| check_plausible(segment, &record.claim).is_ok());
        self.moves.retain(|mac, _| segment.hosts.contains_key(mac));
        let hosts: BTreeSet<Mac> = self.announced.values().flatten().map(|claim| claim.mac).collect();
        hosts.into_iter().flat_map(|mac| self.weigh_all(segment, mac, now, |_, _| true)).collect()
    }

    /// This site.
    pub fn here(&self) -> Vtep {
        self.here
    }

    /// The location of the host; `None` if it is not in the table.
    pub fn location(&self, segment: &Segment, mac: Mac) -> Option<Vtep> {
        Some(self.location_of(mac, segment.hosts.get(&mac)?))
    }

    /// The location of `host`, which has the MAC address `mac` in the table.
    pub fn location_of(&self, mac: Mac, host: &Host) -> Vtep {
        self.known.get(&mac).map_or(host.home, |record| record.claim.location)
    }

    /// The claim in effect that gives the host's location; `None` if the table gives it.
    pub fn record(&self, mac: Mac) -> Option<&Record> {
        self.known.get(&mac)
    }

    /// Whether a site, which may be this one, announces the claim of `record` at present.
    pub fn is_announced(&self, record: &Record) -> bool {
        let by_others = || self.announced.values().any(|claims| claims.contains(&record.claim));
        record.claim.location == self.here || record.author == self.here || by_others()
    }

    /// The claims that this site has to announce, at most [`MAX_CLAIMS`].
    pub fn to_announce(&self) -> Vec<Claim> {
        let claims = self.known.values().filter(|record| {
            let location = record.claim.location;
            let taken_over = || self.announced.get(&location).is_some_and(|claims| claims.contains(&record.claim));
            location == self.here || (record.author == self.here && !taken_over())
        });
        claims.map(|record| record.claim).take(MAX_CLAIMS).collect()
    }

    /// Processes a new announcement of `author`, which announces these claims now, and no others.
    pub fn receive(&mut self, segment: &Segment, author: Vtep, claims: &[Claim], now: SystemTime) -> Vec<Finding> {
        let before = self.announced.insert(author, claims.iter().copied().collect()).unwrap_or_default();
        let new: BTreeSet<Claim> = claims.iter().copied().filter(|claim| !before.contains(claim)).collect();
        let hosts: BTreeSet<Mac> = new.iter().map(|claim| claim.mac).collect();
        let is_new = |announcer, claim: &Claim| announcer == author && new.contains(claim);
        hosts.into_iter().flat_map(|mac| self.weigh_all(segment, mac, now, is_new)).collect()
    }

    /// Removes the announcement of `author`, which has withdrawn it or is unreachable. Claims accepted from it stay in effect.
    pub fn withdraw(&mut self, author: Vtep) {
        self.announced.remove(&author);
    }

    /// Moves the host to `to` by command of the operator. Returns `None` if it is there already.
    ///
    /// # Errors
    /// If the host must not be at `to`.
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

    /// Moves the host to `to` in a new epoch, by command of the operator. The new epoch supersedes all claims of earlier epochs, whoever
    /// made them, including those that other sites made while they were unreachable. It also begins if the host is at `to` already, as far
    /// as this site knows.
    ///
    /// # Errors
    /// If the host must not be at `to`.
    pub fn place_by_force(
        &mut self,
        segment: &Segment,
        mac: Mac,
        to: Vtep,
        now: SystemTime,
    ) -> Result<Option<Finding>, Refusal> {
        let from = self.location(segment, mac).ok_or(Refusal::UnknownHost)?;
        self.claim(segment, mac, to, Epoch::Next, now)?;
        // The other sites do the same when they receive the claim.
        self.weigh_all(segment, mac, now, |_, _| false);
        match self.location(segment, mac) {
            Some(at) if at == to => Ok(Some(Finding::Moved { mac, from, to }).filter(|_| from != to)),
            _ => Err(Refusal::Outbid),
        }
    }

    /// Forgets this site's own claim about the host and the claim in effect, by command of the operator. The claims that other sites
    /// announce are processed as if they had just arrived; if there are none, the table applies.
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

    /// The claims that other sites announce at present and this site does not accept: the site, the claim, and the reason.
    pub fn refused(&self, segment: &Segment) -> impl Iterator<Item = (Vtep, Claim, Refusal)> {
        let announced = self.announced.iter().flat_map(|(author, claims)| claims.iter().map(|claim| (*author, *claim)));
        announced.filter_map(|(author, claim)| {
            let refusal = self.acceptable(segment, author, &claim).err()?;
            Some((author, claim, refusal))
        })
    }

    /// Processes a frame from the host on a port of this site: if the segment learns hosts, the host has moved here.
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

    /// The damped hosts, which are treated as being at two sites at once.
    pub fn damped(&self, now: SystemTime) -> impl Iterator<Item = Mac> {
        self.moves.keys().copied().filter(move |mac| self.is_damped(*mac, now))
    }

    fn is_damped(&self, mac: Mac, now: SystemTime) -> bool {
        let Some(moves) = self.moves.get(&mac).filter(|moves| moves.len() == MAX_MOVES) else { return false };
        let age = |moment: Option<&SystemTime>| moment.and_then(|moment| now.duration_since(*moment).ok());
        let span = moves.front().zip(moves.back()).and_then(|(first, last)| last.duration_since(*first).ok());
        span.is_some_and(|span| span <= DAMPING_WINDOW) && age(moves.back()).is_none_or(|age| age <= DAMPING_WINDOW)
    }

    /// Makes this site claim that the host is at `location`.
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
        // A new epoch continues the sequence below its limit, so that versions that do not read the epoch accept the claim as well.
        let (sequence, epoch) = match last < MAX_SEQUENCE {
            true => (last + 1, epoch),
            false => (1, Epoch::Next),
        };
        let epoch = match epoch {
            Epoch::Present => last_epoch,
            Epoch::Next => last_epoch.checked_add(1).ok_or(Refusal::Exhausted)?,
        };
        let claim = Claim { mac, epoch, sequence, home, location };
        check_plausible(segment, &claim)?;
        if self.to_announce().len() >= MAX_CLAIMS {
            return Err(Refusal::TooMany);
        }
        self.take(Record { claim, author: self.here, since: now });
        Ok(())
    }

    /// Evaluates all announced claims about a host in the order of their ranks, lowest first, so that the result does not depend on the
    /// order of their arrival. A claim that was refused may come within [`MAX_EPOCH_JUMP`] by another claim. For claims that are not `new`,
    /// only a move is a finding.
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

    /// Evaluates one claim, and puts it into effect if it is acceptable and wins against the one in effect.
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

    /// Checks a claim of another site before its rank is compared.
    fn acceptable(&self, segment: &Segment, author: Vtep, claim: &Claim) -> Result<(), Refusal> {
        if !segment.members.contains(&author) {
            return Err(Refusal::ForeignAuthor);
        }
        check_plausible(segment, claim)?;
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
        debug_assert!(moves.len() <= MAX_MOVES, "only the last moves are kept");
        let former = self.known.insert(record.claim.mac, record);
        debug_assert!(former.is_none_or(|former| supersedes(&record.claim, &former.claim)), "{former:?} wins");
    }
}

/// The epoch of a new claim of this site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Epoch {
    /// The epoch of the claim in effect.
    Present,
    /// The epoch after it.
    Next,
}

/// Whether `new` wins against `old`.
fn supersedes(new: &Claim, old: &Claim) -> bool {
    new.rank() > old.rank()
}

/// Checks whether the claim is possible and the table allows it. All sites with the same table come to the same result.
fn check_plausible(segment: &Segment, claim: &Claim) -> Result<(), Refusal> {
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
