//! Faults, and how they are drawn from a seed.

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
    /// A link has a trouble, or a different one, or (`None`) none any more.
    Trouble(LinkIndex, Option<Trouble>),
    /// A router is disconnected from a LAN (`false`) without noticing, or is connected again.
    Plug(LanIndex, RouterIndex, bool),
    /// A router stops without an announcement.
    Stop(RouterIndex),
    /// A router shuts down in an orderly way, and announces it.
    Shutdown(RouterIndex),
    /// A stopped router starts, without any state from before.
    Start(RouterIndex),
    /// A router restarts gracefully (RFC 3623).
    Restart(RouterIndex, GracefulRestart),
    /// The cost of one end of a link changes.
    Cost(LinkIndex, Side, u16),
    /// A router redistributes other external destinations.
    Externals(RouterIndex, BTreeMap<Prefix, External>),
    /// The configuration changes, except that these routers do not follow yet.
    Change(Change, BTreeSet<RouterIndex>),
    /// A router follows all changes of the configuration.
    Follow(RouterIndex),
}

/// A restart for which neighbours are asked to be helpers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Whether neighbours know of it before the router stops.
    pub planned: bool,
    /// The grace period, whole seconds.
    pub grace_period: Duration,
    /// How long the router does not run.
    pub absence: Duration,
}

/// The kinds of faults that only some runs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FurtherFaults {
    /// [`Fault::Restart`].
    pub restarts: bool,
    /// [`Fault::Change`].
    pub changes: bool,
}

/// One in this many faults is a graceful restart, if there are any.
const RESTARTS: usize = 5;

/// One in this many faults is a change of configuration, if there are any, and one in this many that a router follows.
const CHANGES: usize = 4;

impl Fault {
    /// Draws a fault that can happen now; it may also end an earlier one.
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
        // Without LANs, there are no faults of LANs.
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

    /// Draws the faults of a run before `end`, one each `every` on average, with their times. Each is drawn from the situation that all
    /// earlier faults result in, so that omitting some from a run does not change the others. `starts` has the time of each router's first
    /// start.
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

    /// Returns the faults with which all routers follow the changes of configuration.
    pub fn follow(situation: &Situation) -> Vec<Self> {
        situation.late().map(Self::Follow).collect()
    }

    /// Returns the faults that end all troubles: links carry packets, and routers run. Costs, destinations and configurations stay as they
    /// are.
    pub fn heal(situation: &Situation) -> Vec<Self> {
        let links = situation.troubled().map(|link| Self::Trouble(link, None));
        let plugs = situation.unplugged().map(|(lan, router)| Self::Plug(lan, router, true));
        links.chain(plugs).chain(situation.stopped().map(Self::Start)).collect()
    }
}
