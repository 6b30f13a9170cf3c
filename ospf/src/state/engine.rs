//! The engine: all that a router knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::authentication::Sequences;
use crate::config::{Config, External};
use crate::ids::{AreaId, InterfaceId, LsaPlace, NeighborKey, Prefix};
use crate::io::{LinkState, Output};
use crate::machine::interface::InterfaceEvent;
use crate::random::Random;
use crate::state::calculation::CalculationState;
use crate::state::databases::Databases;
use crate::state::debris::Debris;
use crate::state::departed::Departed;
use crate::state::early::EarlyArrivals;
use crate::state::former_ids::FormerIds;
use crate::state::in_flight::InFlight;
use crate::state::interface::Interface;
use crate::state::kept_own::KeptOwn;
use crate::state::limits::LimitStates;
use crate::state::opaques::Opaques;
use crate::state::originations::Originations;
use crate::state::reachability::Reachability;
use crate::state::removals::Removals;
use crate::state::restart::{Restart, Withdrawal};
use crate::state::site_lsas::SiteLsas;
use crate::state::stub_router::StubRouterTimes;
use crate::state::timers::Timers;
use crate::state::translator::Translator;
use crate::state::wishes::Wishes;
use crate::state::work::Work;
use crate::time::Instant;

/// An OSPF router.
///
/// Call [`Engine::handle`] with whatever happens, then drain [`Engine::poll_output`], then sleep until [`Engine::next_deadline`] or the
/// next thing that happens. All time is what the caller says.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    pub(crate) lifecycle: Lifecycle,
    /// What the driver said of each link, configured or not.
    pub(crate) links: BTreeMap<InterfaceId, LinkState>,
    pub(crate) interfaces: BTreeMap<InterfaceId, Interface>,
    pub(crate) databases: Databases,
    pub(crate) originations: Originations,
    /// Of networks.
    pub(crate) wishes: Wishes,
    pub(crate) opaques: Opaques,
    pub(crate) reachability: Reachability,
    pub(crate) stub_router: StubRouterTimes,
    pub(crate) calculation: CalculationState,
    /// Destinations outside that this router originates for what lies within them.
    pub(crate) aggregates: BTreeMap<Prefix, External>,
    /// NSSAs whose Type-7 LSAs this router translates.
    pub(crate) translators: BTreeMap<AreaId, Translator>,
    pub(crate) limit_states: LimitStates,
    pub(crate) timers: Timers,
    pub(crate) random: Random,
    pub(crate) sequences: Sequences,
    pub(crate) restart: Restart,
    /// Links on which our Grace-LSA stays for a while after a restart, and until when.
    pub(crate) grace_kept: BTreeMap<InterfaceId, Instant>,
    pub(crate) withdrawal: Withdrawal,
    /// Events of interfaces that are executed when the present input has been dealt with (§10.5).
    pub(crate) interface_events: BTreeSet<(InterfaceId, InterfaceEvent)>,
    /// Neighbours to whom something on their retransmission list may be sent.
    pub(crate) unsent_floods: BTreeSet<NeighborKey>,
    /// Neighbours that wait for their turn to exchange databases.
    pub(crate) deferred: BTreeSet<NeighborKey>,
    pub(crate) in_flight: InFlight,
    /// LSAs whose instance in the database came in answer to a request, not by flooding (§13 (5)(a)).
    pub(crate) exchanged: BTreeSet<LsaPlace>,
    pub(crate) early: EarlyArrivals,
    pub(crate) departed: Departed,
    pub(crate) site_lsas: SiteLsas,
    pub(crate) kept_own: KeptOwn,
    pub(crate) former_ids: FormerIds,
    /// LSAs at MaxAge that may perhaps be removed (§14).
    pub(crate) removals: Removals,
    pub(crate) work: Work,
    pub(crate) debris: Debris,
    pub(crate) outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    Running,
    /// [`Input::Shutdown`] was given: nothing is done any more.
    Stopped,
}
