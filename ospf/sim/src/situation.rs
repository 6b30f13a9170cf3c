//! The present state of a topology: which routers run, and which links carry packets. Faults change it, and the oracle reads it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ospf::InterfaceId;

use crate::fault::Fault;
use crate::topology::{LanEnd, LanIndex, Link, LinkIndex, RouterIndex, Side, Topology};

/// The ways in which a link is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Packets are lost in both directions without notice, as in a WireGuard tunnel.
    Cut,
    /// Packets that are sent from this side are lost, the others arrive.
    CutFrom(Side),
    /// Both routers see their interface down.
    Down,
}

/// A topology, with its present troubles.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The topology with its present costs and destinations, which is the configuration of all routers that are not late.
    pub topology: Topology,
    stopped: BTreeSet<RouterIndex>,
    /// Routers that never run.
    absent: BTreeSet<RouterIndex>,
    troubles: BTreeMap<LinkIndex, Trouble>,
    unplugged: BTreeSet<(LanIndex, RouterIndex)>,
    /// The previous configuration of routers that have not followed the last changes.
    late: BTreeMap<RouterIndex, Arc<Topology>>,
}

impl Situation {
    /// Begins without any troubles.
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

    /// Returns the routers that were stopped and can be started.
    pub fn stopped(&self) -> impl Iterator<Item = RouterIndex> {
        self.stopped.iter().copied()
    }

    /// Returns the running routers.
    pub fn running(&self) -> impl Iterator<Item = RouterIndex> {
        (0..self.topology.routers.len()).map(RouterIndex).filter(|&router| self.runs(router))
    }

    /// Returns the configuration that a router has: the previous one, if it has not followed some changes yet.
    pub(crate) fn configured_at(&self, router: RouterIndex) -> &Topology {
        self.late.get(&router).map_or(&self.topology, Arc::as_ref)
    }

    /// Returns a copy in which nothing changes any more: stopped routers never run.
    pub(crate) fn afresh(&self) -> Self {
        let mut afresh = self.clone();
        afresh.absent.append(&mut afresh.stopped);
        afresh
    }

    /// Returns the routers that have not followed some changes of the configuration yet.
    pub fn late(&self) -> impl Iterator<Item = RouterIndex> {
        self.late.keys().copied()
    }

    /// Returns the trouble of a link, if it has one.
    pub fn trouble(&self, link: LinkIndex) -> Option<Trouble> {
        self.troubles.get(&link).copied()
    }

    /// Returns the links with a trouble.
    pub fn troubled(&self) -> impl Iterator<Item = LinkIndex> {
        self.troubles.keys().copied()
    }

    /// Whether a packet that is sent on `link` from `side` arrives.
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

    /// Returns the links on which two running routers receive each other's packets.
    pub fn joined(&self) -> impl Iterator<Item = (LinkIndex, &Link)> {
        self.topology.links().filter(|&(index, _)| self.is_joined(index))
    }

    /// Whether the routers of a link are neighbours on it.
    pub fn is_joined(&self, index: LinkIndex) -> bool {
        let link = &self.topology.links[index.0];
        link.is_configured && self.trouble(index).is_none() && self.runs(link.a.router) && self.runs(link.b.router)
    }

    /// Whether a router is connected to a LAN, so that packets pass in both directions.
    pub fn is_plugged(&self, lan: LanIndex, router: RouterIndex) -> bool {
        !self.unplugged.contains(&(lan, router))
    }

    /// Returns the ends of LANs that are disconnected without their routers noticing.
    pub fn unplugged(&self) -> impl Iterator<Item = (LanIndex, RouterIndex)> {
        self.unplugged.iter().copied()
    }

    /// Whether packets of a virtual link may be lost although there is a path through its transit area: a router that is disconnected from
    /// a LAN there without noticing still sends to that LAN what is for an address on it, which may be that of the far end.
    pub(crate) fn may_miss_far_end(&self, virtual_link: InterfaceId) -> bool {
        let Some(link) = self.topology.virtual_link(virtual_link) else { return false };
        self.unplugged().any(|(lan, router)| self.topology.lans[lan.0].area == link.transit && self.runs(router))
    }

    /// Returns the ends of a LAN whose routers receive each other's packets.
    pub fn heard_on(&self, lan: LanIndex) -> impl Iterator<Item = &LanEnd> {
        let ends = self.topology.lans[lan.0].ends.iter();
        ends.filter(move |end| end.is_configured && self.runs(end.router) && self.is_plugged(lan, end.router))
    }

    /// Returns the pairs of ends of a LAN that exchange packets directly, each in both orders.
    pub fn pairs_on(&self, index: LanIndex) -> Vec<(LanEnd, LanEnd)> {
        let lan = &self.topology.lans[index.0];
        let ends = if lan.elects() { self.joined_by(index) } else { self.heard_on(index).copied().collect() };
        let pairs = ends.iter().flat_map(|&near| ends.iter().map(move |&far| (near, far)));
        pairs.filter(|(near, far)| lan.joins(near.router, far.router)).collect()
    }

    /// Returns the ends of a LAN that a designated router connects; none if no router is eligible, or there is only one.
    pub fn joined_by(&self, lan: LanIndex) -> Vec<LanEnd> {
        let ends: Vec<_> = self.heard_on(lan).copied().collect();
        let joined = ends.len() > 1 && ends.iter().any(|end| end.priority > 0);
        if joined { ends } else { Vec::new() }
    }

    /// Returns the links between two halves of the routers. The first half are the routers that are nearest to the first one, by links.
    pub fn between_halves(&self) -> Vec<LinkIndex> {
        let count = self.topology.routers.len();
        let mut links: Vec<Vec<RouterIndex>> = vec![Vec::new(); count];
        for link in &self.topology.links {
            for side in Side::BOTH {
                links[link.end(side).router.0].push(link.end(side.other()).router);
            }
        }
        // Any order will do, as long as it has routers without links, too.
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

    /// Removes routers from the network for good.
    pub(crate) fn set_absent(&mut self, routers: &BTreeSet<RouterIndex>) {
        self.absent.extend(routers);
    }

    /// Applies a fault.
    pub(crate) fn apply(&mut self, fault: &Fault) {
        match fault {
            Fault::Trouble(link, trouble) => self.set_trouble(*link, *trouble),
            Fault::Plug(lan, router, plugged) => self.set_plugged(*lan, *router, *plugged),
            Fault::Stop(router) | Fault::Shutdown(router) => self.set_running(*router, false),
            Fault::Start(router) => self.set_running(*router, true),
            // It starts again by itself.
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

    /// Disconnects a router from a LAN, or connects it again.
    pub(crate) fn set_plugged(&mut self, lan: LanIndex, router: RouterIndex, plugged: bool) {
        if plugged {
            self.unplugged.remove(&(lan, router));
        } else {
            self.unplugged.insert((lan, router));
        }
    }

    /// Begins or ends the trouble of a link.
    pub(crate) fn set_trouble(&mut self, link: LinkIndex, trouble: Option<Trouble>) {
        match trouble {
            Some(trouble) => self.troubles.insert(link, trouble),
            None => self.troubles.remove(&link),
        };
    }
}
