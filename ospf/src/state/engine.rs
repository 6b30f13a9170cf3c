//! The engine: the whole state of a router.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::authentication::Sequences;
use crate::config::{Config, External};
use crate::ids::{AreaId, InterfaceId, LsaPlace, NeighborKey, Prefix};
use crate::io::{LinkState, Output};
use crate::machine::interface::InterfaceEvent;
use crate::random::Random;
use crate::state::alternates::AlternatesState;
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
/// Call [`Engine::handle`] for each input, then drain [`Engine::poll_output`], then sleep until [`Engine::next_deadline`] or the next
/// input. The caller provides all time.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    pub(crate) lifecycle: Lifecycle,
    /// The last state that the driver reported for each link, configured or not.
    pub(crate) links: BTreeMap<InterfaceId, LinkState>,
    pub(crate) interfaces: BTreeMap<InterfaceId, Interface>,
    pub(crate) databases: Databases,
    pub(crate) originations: Originations,
    /// LSAs for networks that should be originated.
    pub(crate) wishes: Wishes,
    pub(crate) opaques: Opaques,
    pub(crate) reachability: Reachability,
    pub(crate) stub_router: StubRouterTimes,
    pub(crate) calculation: CalculationState,
    pub(crate) alternates: AlternatesState,
    /// Aggregates: destinations outside the AS that this router originates in place of those within them.
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
    /// Interface events that are executed at the end of the present input (§10.5).
    pub(crate) interface_events: BTreeSet<(InterfaceId, InterfaceEvent)>,
    /// Neighbours to which an entry of their retransmission list may be sent.
    pub(crate) unsent_floods: BTreeSet<NeighborKey>,
    /// Neighbours that wait for their turn to exchange databases.
    pub(crate) deferred: BTreeSet<NeighborKey>,
    pub(crate) in_flight: InFlight,
    /// LSAs whose instance in the database arrived in answer to a request, not by flooding (§13 (5)(a)).
    pub(crate) exchanged: BTreeSet<LsaPlace>,
    pub(crate) early: EarlyArrivals,
    pub(crate) departed: Departed,
    pub(crate) site_lsas: SiteLsas,
    pub(crate) kept_own: KeptOwn,
    pub(crate) former_ids: FormerIds,
    /// LSAs at MaxAge that are candidates for removal (§14).
    pub(crate) removals: Removals,
    pub(crate) work: Work,
    pub(crate) debris: Debris,
    pub(crate) outputs: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    Running,
    /// [`crate::Input::Shutdown`] was received: the engine does nothing any more.
    Stopped,
}
