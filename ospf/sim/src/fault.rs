//! Things that go wrong, and drawing them from a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ospf::{AreaKind, External, ExternalMetric, Instant, Prefix};

use crate::change::Change;
use crate::prng::Prng;
use crate::situation::{Situation, Trouble};
use crate::topology::{LanIndex, LinkIndex, RouterIndex, Side};

/// One change of the situation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A link is in trouble, or in other trouble, or (`None`) in none any more.
    Trouble(LinkIndex, Option<Trouble>),
    /// A router is cut off a LAN (`false`), without being told, or is there again.
    Plug(LanIndex, RouterIndex, bool),
    /// A router is gone, without a word.
    Stop(RouterIndex),
    /// A router stops as planned, and says so.
    Shutdown(RouterIndex),
    /// A router that was stopped starts, and remembers nothing.
    Start(RouterIndex),
    /// A router restarts gracefully (RFC 3623).
    Restart(RouterIndex, GracefulRestart),
    /// The cost of one end of a link changes.
    Cost(LinkIndex, Side, u16),
    /// A router brings in other destinations.
    Externals(RouterIndex, BTreeMap<Prefix, External>),
    /// The configuration changes, and these routers do not follow yet.
    Change(Change, BTreeSet<RouterIndex>),
    /// A router follows all changes.
    Follow(RouterIndex),
}

/// A restart that neighbours are asked to help with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Whether neighbours know of it before the router stops.
    pub planned: bool,
    /// The grace period, whole seconds.
    pub grace_period: Duration,
    /// How long the router does not run.
    pub absence: Duration,
}

/// Faults beyond those that every run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FurtherFaults {
    /// [`Fault::Restart`].
    pub restarts: bool,
    /// [`Fault::Change`].
    pub changes: bool,
}

/// One in so many faults is a graceful restart, where there are any.
const RESTARTS: usize = 5;

/// One in so many is a change of configuration, where there are any, and one in so many that a router follows.
const CHANGES: usize = 4;

impl Fault {
    /// Something that can happen now; also that an earlier fault ends.
    pub fn draw(situation: &Situation, further: FurtherFaults, prng: &mut Prng) -> Option<Self> {
        if further.restarts && prng.below(RESTARTS) == 0 {
            return Self::draw_restart(situation, prng);
        }
        if further.changes {
            if prng.below(CHANGES) == 0 {
                return Change::draw(situation, prng).map(|(change, late)| Self::Change(change, late));
            }
            let late: Vec<_> = situation.late().collect();
            if !late.is_empty() && prng.below(CHANGES) == 0 {
                return prng.choose(&late).copied().map(Self::Follow);
            }
        }
        let topology = &situation.topology;
        let link = |prng: &mut Prng| (!topology.links.is_empty()).then(|| LinkIndex(prng.below(topology.links.len())));
        // Without LANs nothing happens to them.
        let kinds = if topology.lans.is_empty() { 12 } else { 15 };
        match prng.below(kinds) {
            0..=2 => {
                let side = *prng.choose(&Side::BOTH)?;
                let trouble = *prng.choose(&[Trouble::Cut, Trouble::CutFrom(side), Trouble::Down])?;
                Some(Self::Trouble(link(prng)?, Some(trouble)))
            }
            3..=5 => {
                let troubled: Vec<_> = situation.troubled().collect();
                Some(Self::Trouble(*prng.choose(&troubled)?, None))
            }
            6..=7 => {
                let running: Vec<_> = situation.running().collect();
                let router = *prng.choose(&running)?;
                Some(*prng.choose(&[Self::Stop, Self::Shutdown])?).map(|stop| stop(router))
            }
            8..=9 => {
                let stopped: Vec<_> = situation.stopped().collect();
                Some(Self::Start(*prng.choose(&stopped)?))
            }
            10 => {
                let (link, side) = (link(prng)?, *prng.choose(&Side::BOTH)?);
                Some(Self::Cost(link, side, prng.between(1, 5)))
            }
            12..=13 => {
                let lan = LanIndex(prng.below(topology.lans.len()));
                let router = prng.choose(&topology.lans[lan.0].ends)?.router;
                Some(Self::Plug(lan, router, false))
            }
            14 => {
                let unplugged: Vec<_> = situation.unplugged().collect();
                let (lan, router) = *prng.choose(&unplugged)?;
                Some(Self::Plug(lan, router, true))
            }
            _ => {
                let router = RouterIndex(prng.below(topology.routers.len()));
                if matches!(topology.kind(topology.routers[router.0].area), AreaKind::Stub { .. }) {
                    return None;
                }
                let mut externals = topology.routers[router.0].externals.clone();
                let network = Prefix::new(std::net::Ipv4Addr::new(198, 51, 100, 16 * prng.below(8) as u8), 28);
                if externals.remove(&network).is_none() {
                    let metric = ExternalMetric::Type1(u32::from(prng.between(1, 5)));
                    externals.insert(network, External { metric, forwarding: None, tag: 0 });
                }
                Some(Self::Externals(router, externals))
            }
        }
    }

    fn draw_restart(situation: &Situation, prng: &mut Prng) -> Option<Self> {
        let running: Vec<_> = situation.running().collect();
        let router = *prng.choose(&running)?;
        let planned = prng.below(2) == 0;
        let grace_period = Duration::from_secs(*prng.choose(&[5, 20, 60])?);
        let longest = Duration::from_secs(*prng.choose(&[0, 3, 15])?);
        let absence = prng.duration(longest);
        Some(Self::Restart(router, GracefulRestart { planned, grace_period, absence }))
    }

    /// The faults of a run before `end`, one each `every` on average, and their times. They are drawn from what the situation would be with
    /// all of them, so that those that are left out of a run do not change the others. `starts` has the time of each router's first start.
    pub(crate) fn plan(
        mut situation: Situation,
        starts: &[Instant],
        (every, end): (Duration, Instant),
        further: FurtherFaults,
        prng: &mut Prng,
    ) -> Vec<(Instant, Self)> {
        let mut faults = Vec::new();
        let mut before = None;
        loop {
            let next = before.unwrap_or(Instant::ZERO) + prng.duration(every * 2);
            if next >= end {
                return faults;
            }
            // A router that was stopped before its first start is started nevertheless.
            let first_time = |at: Instant| before.is_none_or(|before| at > before) && at <= next;
            for (router, _) in starts.iter().enumerate().filter(|&(_, &at)| first_time(at)) {
                situation.apply(&Self::Start(RouterIndex(router)));
            }
            before = Some(next);
            if let Some(fault) = Self::draw(&situation, further, prng) {
                situation.apply(&fault);
                faults.push((next, fault));
            }
        }
    }

    /// Everybody follows the changes of configuration.
    pub fn follow(situation: &Situation) -> Vec<Self> {
        situation.late().map(Self::Follow).collect()
    }

    /// What ends all trouble: links carry, routers run. Costs, destinations and configurations stay as they are.
    pub fn heal(situation: &Situation) -> Vec<Self> {
        let links = situation.troubled().map(|link| Self::Trouble(link, None));
        let plugs = situation.unplugged().map(|(lan, router)| Self::Plug(lan, router, true));
        links.chain(plugs).chain(situation.stopped().map(Self::Start)).collect()
    }
}
