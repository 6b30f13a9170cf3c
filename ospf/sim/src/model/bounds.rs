//! How far a search goes.

use std::collections::BTreeSet;
use std::time::Duration;

use ospf::Conduct;

use super::step::Step;
use crate::router::{MTU, Timers};

/// How routers are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Each two by a point-to-point link.
    PointToPoint,
    /// Each to the next by a point-to-point link.
    Chain,
    /// All by one broadcast network.
    Broadcast,
}

/// Where paths begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// All routers have just started.
    Started,
    /// All adjacencies are Full, and have been for a while.
    Converged,
}

/// How often something may go wrong on one path through the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Disturbances {
    /// Packets lost.
    pub losses: u8,
    /// Packets delivered at once and a second time later.
    pub duplications: u8,
    /// Packets held back and delivered at any time later.
    pub reorderings: u8,
    /// Engines replaced by new ones without a goodbye.
    pub restarts: u8,
    /// External destinations added or withdrawn.
    pub changes: u8,
    /// All of these together.
    pub total: u8,
}

/// What is searched.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Routers, 2 or 3.
    pub routers: usize,
    /// How they are joined.
    pub medium: Medium,
    /// Those that behave as other implementations do.
    pub foreign: BTreeSet<usize>,
    /// How they do.
    pub conduct: Conduct,
    /// IP MTU, bytes.
    pub mtu: u16,
    /// AS-external-LSAs that each router originates from its start.
    pub externals: u8,
    /// HelloInterval, RouterDeadInterval and RxmtInterval.
    pub timers: Timers,
    /// Each router starts so long after the one before.
    pub start_offset: Duration,
    /// Where paths begin.
    pub beginning: Beginning,
    /// What may go wrong.
    pub disturbances: Disturbances,
    /// A router takes nothing in while more packets than this are under way from it to one other.
    pub under_way: usize,
    /// A packet that nothing happens to is delivered within this time.
    pub latency: Duration,
    /// A packet that was held back, or the second copy of a duplicated one, is delivered within this time.
    pub lifetime: Duration,
    /// Once nothing is disturbed any more, all adjacencies are Full and all databases equal within this time.
    pub recovery: Duration,
    /// From then on no adjacency changes for this time.
    pub quiet: Duration,
    /// The search ends after so many states.
    pub states: usize,
    /// Steps from the start, at the most.
    pub depth: u32,
    /// The search ends after so many different flaws.
    pub flaws: usize,
    /// Threads.
    pub threads: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        let timers = Timers {
            hello: Duration::from_secs(10),
            dead: Duration::from_secs(40),
            retransmit: Duration::from_secs(5),
        };
        Self {
            routers: 2,
            medium: Medium::PointToPoint,
            foreign: BTreeSet::new(),
            conduct: Conduct::foreign(),
            mtu: MTU,
            externals: 0,
            timers,
            start_offset: Duration::ZERO,
            beginning: Beginning::Started,
            disturbances: Disturbances::default(),
            under_way: 3,
            latency: Duration::from_millis(20),
            lifetime: Duration::from_secs(7),
            recovery: timers.dead + 6 * timers.retransmit,
            quiet: timers.dead + timers.hello,
            states: usize::MAX,
            depth: u32::MAX,
            flaws: 1,
            threads: 1,
        }
    }
}

impl Disturbances {
    /// More than any path has.
    pub(super) const MANY: Self = Self {
        losses: u8::MAX,
        duplications: u8::MAX,
        reorderings: u8::MAX,
        restarts: u8::MAX,
        changes: u8::MAX,
        total: u8::MAX,
    };

    /// What is left after a step; `None` if there was nothing left for it.
    pub(super) fn after(self, step: Step) -> Option<Self> {
        let mut left = self;
        let count = match step {
            Step::Deliver(_) | Step::DeliverHeld(..) | Step::Timer(_) => return Some(self),
            Step::Lose(_) => &mut left.losses,
            Step::Duplicate(_) => &mut left.duplications,
            Step::Hold(_) => &mut left.reorderings,
            Step::Restart(_) => &mut left.restarts,
            Step::Change(_) => &mut left.changes,
        };
        *count = count.checked_sub(1)?;
        left.total = left.total.checked_sub(1)?;
        Some(left)
    }

    /// As many as there are of each kind, all of them together.
    #[must_use]
    pub fn unlimited_in_total(self) -> Self {
        let Self { losses, duplications, reorderings, restarts, changes, total: _ } = self;
        let kinds = [losses, duplications, reorderings, restarts, changes];
        Self { total: kinds.into_iter().fold(0, u8::saturating_add), ..self }
    }
}
