//! The bounds of a search.

use std::collections::BTreeSet;
use std::time::Duration;

use ospf::Conduct;

use super::step::Step;
use crate::router::{MTU, Timers};

/// How the routers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A point-to-point link between any two.
    PointToPoint,
    /// A point-to-point link from each to the next.
    Chain,
    /// One broadcast network for all.
    Broadcast,
}

/// The state in which paths begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// All routers have just started.
    Started,
    /// All adjacencies are Full, and have been for a while.
    Converged,
}

/// How many disturbances of each kind may occur on one path through the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Disturbances {
    /// Packets lost.
    pub losses: u8,
    /// Packets delivered at once and a second time later.
    pub duplications: u8,
    /// Packets held back and delivered at any time later.
    pub reorderings: u8,
    /// Engines replaced by new ones without an announcement.
    pub restarts: u8,
    /// External destinations added or withdrawn.
    pub changes: u8,
    /// Disturbances of all kinds together.
    pub total: u8,
}

/// What a search covers.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The number of routers, 2 or 3.
    pub routers: usize,
    /// How the routers are connected.
    pub medium: Medium,
    /// The routers that behave as other implementations do.
    pub foreign: BTreeSet<usize>,
    /// How these routers behave.
    pub conduct: Conduct,
    /// The IP MTU, octets.
    pub mtu: u16,
    /// The number of AS-external-LSAs that each router originates from its start.
    pub externals: u8,
    /// HelloInterval, RouterDeadInterval and RxmtInterval.
    pub timers: Timers,
    /// Each router starts this long after the one before.
    pub start_offset: Duration,
    /// The state in which paths begin.
    pub beginning: Beginning,
    /// The disturbances that may occur.
    pub disturbances: Disturbances,
    /// A router accepts no input while more packets than this are under way from it to any other router.
    pub under_way: usize,
    /// An undisturbed packet is delivered within this time.
    pub latency: Duration,
    /// A held-back packet, or the second copy of a duplicated one, is delivered within this time.
    pub lifetime: Duration,
    /// When there are no more disturbances, all adjacencies must be Full and all databases equal within this time.
    pub recovery: Duration,
    /// After that, no adjacency may change for this time.
    pub quiet: Duration,
    /// The search ends after this many states.
    pub states: usize,
    /// The most steps from the start.
    pub depth: u32,
    /// The search ends after this many different flaws.
    pub flaws: usize,
    /// The number of threads.
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
    /// More disturbances than any path has.
    pub(super) const MANY: Self = Self {
        losses: u8::MAX,
        duplications: u8::MAX,
        reorderings: u8::MAX,
        restarts: u8::MAX,
        changes: u8::MAX,
        total: u8::MAX,
    };

    /// Returns the disturbances that are left after a step; `None` if none was left for it.
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

    /// Sets the total to the sum of all kinds, so that it is no limit.
    #[must_use]
    pub fn unlimited_in_total(self) -> Self {
        let Self { losses, duplications, reorderings, restarts, changes, total: _ } = self;
        let kinds = [losses, duplications, reorderings, restarts, changes];
        Self { total: kinds.into_iter().fold(0, u8::saturating_add), ..self }
    }
}
