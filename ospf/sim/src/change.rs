//! Changes of the configuration of running routers. If several routers must have the same configuration, some may follow later than others.

use std::collections::BTreeSet;

use ospf::{AreaId, AreaKind, NssaConfig, Summaries};

use crate::prng::Prng;
use crate::situation::Situation;
use crate::topology::{LanEnd, LanIndex, LanNetwork, LinkIndex, MAX_IDS, Pace, RouterIndex, Side, Topology};

/// A change of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The interfaces to a link are removed, or added again.
    Link(LinkIndex, bool),
    /// The interface of a router to a LAN is removed, or added again.
    LanEnd(LanIndex, RouterIndex, bool),
    /// The cost of a router's interface to a LAN.
    LanCost(LanIndex, RouterIndex, u16),
    /// A router's priority on a LAN.
    Priority(LanIndex, RouterIndex, u8),
    /// HelloInterval and RouterDeadInterval of a link.
    LinkPace(LinkIndex, Pace),
    /// HelloInterval and RouterDeadInterval of a LAN.
    LanPace(LanIndex, Pace),
    /// The area of a link.
    LinkArea(LinkIndex, AreaId),
    /// The area of a LAN.
    LanArea(LanIndex, AreaId),
    /// The kind of an area.
    AreaKind(AreaId, AreaKind),
    /// A router's id, by its number ([`RouterIndex::ids`]).
    RouterId(RouterIndex, u8),
}

/// StubDefaultCost of areas that become stub areas.
const DEFAULT_COST: u32 = 3;

impl Change {
    /// Draws a possible change of the present topology, and the routers that follow later.
    pub(crate) fn draw(situation: &Situation, prng: &mut Prng) -> Option<(Self, BTreeSet<RouterIndex>)> {
        let topology = &situation.topology;
        let change = Self::draw_any(topology, prng)?;
        let concerned = change.concerned(topology);
        let late = concerned.into_iter().filter(|_| prng.below(2) == 0).collect();
        Some((change, late))
    }

    fn draw_any(topology: &Topology, prng: &mut Prng) -> Option<Self> {
        let pace = |prng: &mut Prng| prng.choose(&[Pace::Normal, Pace::Patient, Pace::Slow]).copied();
        let on_lan = !topology.lans.is_empty() && (topology.links.is_empty() || prng.below(2) == 0);
        let kind = prng.below(12);
        match kind {
            0 => return Self::draw_kind(topology, prng),
            1 => {
                let router = RouterIndex(prng.below(topology.routers.len()));
                let number = prng.between(0, u16::from(MAX_IDS) - 1) as u8;
                return (number != topology.routers[router.0].id).then_some(Self::RouterId(router, number));
            }
            _ => {}
        }
        if on_lan {
            let index = LanIndex(prng.below(topology.lans.len()));
            let lan = &topology.lans[index.0];
            let &LanEnd { router, is_configured, .. } = prng.choose(&lan.ends)?;
            return Some(match kind {
                2..=4 => Self::LanEnd(index, router, !is_configured),
                5 | 6 => Self::LanCost(index, router, prng.between(1, 4)),
                7 | 8 => Self::Priority(index, router, prng.below(3) as u8),
                9 | 10 => Self::LanPace(index, pace(prng)?),
                _ => Self::LanArea(index, draw_area(topology, prng)?),
            });
        }
        if topology.links.is_empty() {
            return None;
        }
        let index = LinkIndex(prng.below(topology.links.len()));
        Some(match kind {
            2..=6 => Self::Link(index, !topology.links[index.0].is_configured),
            7..=9 => Self::LinkPace(index, pace(prng)?),
            _ => Self::LinkArea(index, draw_area(topology, prng)?),
        })
    }

    /// Draws a new kind for an area other than the backbone.
    fn draw_kind(topology: &Topology, prng: &mut Prng) -> Option<Self> {
        let areas: Vec<_> = topology.area_ids().into_iter().filter(|&area| area != AreaId::BACKBONE).collect();
        let area = *prng.choose(&areas)?;
        let summaries = *prng.choose(&[Summaries::Imported, Summaries::DefaultOnly])?;
        let kind = match prng.below(3) {
            0 => AreaKind::Normal,
            1 => AreaKind::Stub { summaries, default_cost: DEFAULT_COST },
            _ => AreaKind::Nssa(NssaConfig { summaries, ..NssaConfig::default() }),
        };
        (kind != *topology.kind(area)).then_some(Self::AreaKind(area, kind))
    }

    /// Returns the routers whose configuration changes.
    pub(crate) fn concerned(&self, topology: &Topology) -> BTreeSet<RouterIndex> {
        let of_link = |link: LinkIndex| BTreeSet::from(Side::BOTH.map(|side| topology.links[link.0].end(side).router));
        let of_lan = |lan: LanIndex| topology.lans[lan.0].ends.iter().map(|end| end.router).collect();
        match *self {
            Self::Link(link, _) | Self::LinkPace(link, _) | Self::LinkArea(link, _) => of_link(link),
            // The other routers have it in their lists of neighbours.
            Self::Priority(lan, _, _) if topology.lans[lan.0].network == LanNetwork::NonBroadcast => of_lan(lan),
            Self::LanPace(lan, _) | Self::LanArea(lan, _) => of_lan(lan),
            Self::LanEnd(_, router, _) | Self::LanCost(_, router, _) | Self::Priority(_, router, _) => {
                BTreeSet::from([router])
            }
            // The other ends of its virtual links are configured with its Router ID.
            Self::RouterId(router, _) => {
                let others = topology.virtual_links_of(router).map(|(_, _, other)| other);
                others.chain([router]).collect()
            }
            Self::AreaKind(..) => topology.routers().map(|(router, _)| router).collect(),
        }
    }

    /// Changes the topology.
    pub(crate) fn apply(&self, topology: &mut Topology) {
        match *self {
            Self::Link(link, is_configured) => topology.links[link.0].is_configured = is_configured,
            Self::LinkPace(link, pace) => topology.links[link.0].pace = pace,
            Self::LinkArea(link, area) => topology.links[link.0].area = area,
            Self::LanPace(lan, pace) => topology.lans[lan.0].pace = pace,
            Self::LanArea(lan, area) => topology.lans[lan.0].area = area,
            Self::LanEnd(lan, router, is_configured) => {
                change_end(topology, lan, router, |end| end.is_configured = is_configured);
            }
            Self::LanCost(lan, router, cost) => change_end(topology, lan, router, |end| end.cost = cost),
            Self::Priority(lan, router, priority) => change_end(topology, lan, router, |end| end.priority = priority),
            Self::AreaKind(area, ref kind) => drop(topology.kinds.insert(area, kind.clone())),
            Self::RouterId(router, number) => topology.routers[router.0].id = number,
        }
    }
}

fn change_end(topology: &mut Topology, lan: LanIndex, router: RouterIndex, change: impl FnOnce(&mut LanEnd)) {
    let end = topology.lans[lan.0].ends.iter_mut().find(|end| end.router == router);
    change(end.expect("the router was found there"));
}

/// Returns one of the existing areas, or area 1.
fn draw_area(topology: &Topology, prng: &mut Prng) -> Option<AreaId> {
    let mut areas = topology.area_ids();
    areas.insert(AreaId(1));
    let areas: Vec<_> = areas.into_iter().collect();
    prng.choose(&areas).copied()
}
