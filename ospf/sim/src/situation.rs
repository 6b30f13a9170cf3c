//! A topology as it stands at the moment: what runs, what carries packets. Faults change it; the oracle reads it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ospf::InterfaceId;

use crate::fault::Fault;
use crate::topology::{LanEnd, LanIndex, Link, LinkIndex, RouterIndex, Side, Topology};

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Packets vanish in both directions and nobody is told, as behind a WireGuard tunnel.
    Cut,
    /// Packets that leave this side vanish, the others arrive.
    CutFrom(Side),
    /// Both routers see their interface down.
    Down,
}

/// A topology, and what of it is in trouble.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The topology with its present costs and destinations, as all routers have it that are not late.
    pub topology: Topology,
    stopped: BTreeSet<RouterIndex>,
    /// Routers that never run.
    absent: BTreeSet<RouterIndex>,
    troubles: BTreeMap<LinkIndex, Trouble>,
    unplugged: BTreeSet<(LanIndex, RouterIndex)>,
    /// What routers have as their configuration that have not followed the last changes.
    late: BTreeMap<RouterIndex, Arc<Topology>>,
}

impl Situation {
    /// All well.
    pub fn new(topology: Topology) -> Self {
        Self {
            topology,
            stopped: BTreeSet::new(),
            absent: BTreeSet::new(),
            troubles: BTreeMap::new(),
            unplugged: BTreeSet::new(),
            late: BTreeMap::new(),
        }
    }

    /// Whether a router runs.
    pub fn runs(&self, router: RouterIndex) -> bool {
        !self.stopped.contains(&router) && !self.is_absent(router)
    }

    /// Whether a router never runs.
    pub fn is_absent(&self, router: RouterIndex) -> bool {
        self.absent.contains(&router)
    }

    /// Routers that were stopped and can be started.
    pub fn stopped(&self) -> impl Iterator<Item = RouterIndex> {
        self.stopped.iter().copied()
    }

    /// Routers that run.
    pub fn running(&self) -> impl Iterator<Item = RouterIndex> {
        (0..self.topology.routers.len()).map(RouterIndex).filter(|&router| self.runs(router))
    }

    /// The configuration that a router has: that of before some changes, if it has not followed them yet.
    pub(crate) fn configured_at(&self, router: RouterIndex) -> &Topology {
        self.late.get(&router).map_or(&self.topology, Arc::as_ref)
    }

    /// The same with nothing that changes any more: routers that are stopped never run.
    pub(crate) fn afresh(&self) -> Self {
        let mut afresh = self.clone();
        afresh.absent.append(&mut afresh.stopped);
        afresh
    }

    /// Routers that have not followed some changes of configuration yet.
    pub fn late(&self) -> impl Iterator<Item = RouterIndex> {
        self.late.keys().copied()
    }

    /// What is wrong with a link; `None` if nothing is.
    pub fn trouble(&self, link: LinkIndex) -> Option<Trouble> {
        self.troubles.get(&link).copied()
    }

    /// Links with which something is wrong.
    pub fn troubled(&self) -> impl Iterator<Item = LinkIndex> {
        self.troubles.keys().copied()
    }

    /// Whether a packet that leaves `link` at `side` comes through.
    pub fn carries_from(&self, link: LinkIndex, side: Side) -> bool {
        match self.trouble(link) {
            None => true,
            Some(Trouble::CutFrom(from)) => from != side,
            Some(Trouble::Cut | Trouble::Down) => false,
        }
    }

    /// Whether the routers see their interfaces to `link` up.
    pub fn has_carrier(&self, link: LinkIndex) -> bool {
        self.trouble(link) != Some(Trouble::Down)
    }

    /// Links over which two running routers hear each other.
    pub fn joined(&self) -> impl Iterator<Item = (LinkIndex, &Link)> {
        self.topology.links().filter(|&(index, _)| self.is_joined(index))
    }

    /// Whether the routers of a link are neighbours on it.
    pub fn is_joined(&self, index: LinkIndex) -> bool {
        let link = &self.topology.links[index.0];
        link.is_configured && self.trouble(index).is_none() && self.runs(link.a.router) && self.runs(link.b.router)
    }

    /// Whether what a router sends on a LAN reaches the LAN, and the other way round.
    pub fn is_plugged(&self, lan: LanIndex, router: RouterIndex) -> bool {
        !self.unplugged.contains(&(lan, router))
    }

    /// Ends of LANs that are cut off without their routers being told.
    pub fn unplugged(&self) -> impl Iterator<Item = (LanIndex, RouterIndex)> {
        self.unplugged.iter().copied()
    }

    /// Whether packets of a virtual link may be lost though there is a way through its transit area: a router that is cut off a LAN
    /// there without being told still sends to that LAN what is for an address on it, which may be that of the far end.
    pub(crate) fn may_miss_far_end(&self, virtual_link: InterfaceId) -> bool {
        let Some(link) = self.topology.virtual_link(virtual_link) else { return false };
        self.unplugged().any(|(lan, router)| self.topology.lans[lan.0].area == link.transit && self.runs(router))
    }

    /// The ends of a LAN whose routers hear each other.
    pub fn heard_on(&self, lan: LanIndex) -> impl Iterator<Item = &LanEnd> {
        let ends = self.topology.lans[lan.0].ends.iter();
        ends.filter(move |end| end.is_configured && self.runs(end.router) && self.is_plugged(lan, end.router))
    }

    /// The pairs of ends of a LAN between which packets go directly, both ways round.
    pub fn pairs_on(&self, index: LanIndex) -> Vec<(LanEnd, LanEnd)> {
        let lan = &self.topology.lans[index.0];
        let ends = if lan.elects() { self.joined_by(index) } else { self.heard_on(index).copied().collect() };
        let pairs = ends.iter().flat_map(|&near| ends.iter().map(move |&far| (near, far)));
        pairs.filter(|(near, far)| lan.joins(near.router, far.router)).collect()
    }

    /// The ends of a LAN that a designated router joins; none if nobody may be one, or nobody else is there.
    pub fn joined_by(&self, lan: LanIndex) -> Vec<LanEnd> {
        let ends: Vec<_> = self.heard_on(lan).copied().collect();
        let joined = ends.len() > 1 && ends.iter().any(|end| end.priority > 0);
        if joined { ends } else { Vec::new() }
    }

    /// The links between the half of the routers that is next to the first one, by links, and the other half.
    pub fn between_halves(&self) -> Vec<LinkIndex> {
        let count = self.topology.routers.len();
        let mut links: Vec<Vec<RouterIndex>> = vec![Vec::new(); count];
        for link in &self.topology.links {
            for side in Side::BOTH {
                links[link.end(side).router.0].push(link.end(side.other()).router);
            }
        }
        // Any order will do, as long as routers without links are in it, too.
        let mut half = BTreeSet::new();
        let mut next: VecDeque<_> = (0..count).map(RouterIndex).collect();
        while half.len() < count / 2 {
            let Some(router) = next.pop_front() else { break };
            if half.insert(router) {
                links[router.0].iter().rev().for_each(|&neighbor| next.push_front(neighbor));
            }
        }
        let between = |link: &Link| half.contains(&link.a.router) != half.contains(&link.b.router);
        self.topology.links().filter(|(_, link)| between(link)).map(|(index, _)| index).collect()
    }

    /// Takes routers out of the network for good.
    pub(crate) fn set_absent(&mut self, routers: &BTreeSet<RouterIndex>) {
        self.absent.extend(routers);
    }

    /// Makes the change of `fault`.
    pub(crate) fn apply(&mut self, fault: &Fault) {
        match fault {
            Fault::Trouble(link, trouble) => self.set_trouble(*link, *trouble),
            Fault::Plug(lan, router, plugged) => self.set_plugged(*lan, *router, *plugged),
            Fault::Stop(router) | Fault::Shutdown(router) => self.set_running(*router, false),
            Fault::Start(router) => self.set_running(*router, true),
            // It comes back by itself.
            Fault::Restart(..) => {}
            Fault::Cost(link, side, cost) => self.topology.links[link.0].end_mut(*side).cost = *cost,
            Fault::Externals(router, externals) => {
                self.topology.routers[router.0].externals.clone_from(externals);
            }
            Fault::Change(change, late) => {
                if !late.is_empty() {
                    let before = Arc::new(self.topology.clone());
                    for &router in late {
                        self.late.entry(router).or_insert_with(|| before.clone());
                    }
                }
                change.apply(&mut self.topology);
            }
            Fault::Follow(router) => drop(self.late.remove(router)),
        }
    }

    /// Starts or stops a router.
    pub(crate) fn set_running(&mut self, router: RouterIndex, runs: bool) {
        if runs {
            self.stopped.remove(&router);
        } else if !self.is_absent(router) {
            self.stopped.insert(router);
        }
    }

    /// Takes a router off a LAN, or puts it there again.
    pub(crate) fn set_plugged(&mut self, lan: LanIndex, router: RouterIndex, plugged: bool) {
        if plugged {
            self.unplugged.remove(&(lan, router));
        } else {
            self.unplugged.insert((lan, router));
        }
    }

    /// Makes or ends trouble with a link.
    pub(crate) fn set_trouble(&mut self, link: LinkIndex, trouble: Option<Trouble>) {
        match trouble {
            Some(trouble) => self.troubles.insert(link, trouble),
            None => self.troubles.remove(&link),
        };
    }
}
