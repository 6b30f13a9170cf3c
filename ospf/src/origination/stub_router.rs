//! Stub router advertisement (RFC 6987): a router that is reachable for its own networks, but carries transit traffic only if there is no
//! other path.
//!
//! [`crate::origination::router_lsa`] creates the links; this file decides when they cost MaxLinkMetric.

use std::time::Duration;

use crate::config::MAX_LINK_METRIC;
use crate::config::StubRouter;
use crate::event::{Event, StubRouterState};
use crate::state::engine::Engine;
use crate::state::timers::TimerKey;
use crate::wire::{RouterLink, RouterLinkKind};

impl Engine {
    /// Whether this router is a stub router at present.
    pub fn stub_router(&self) -> StubRouterState {
        self.stub_router.state
    }

    /// How long it remains a stub router, if it is one for a limited time.
    pub fn stub_router_left(&self) -> Option<Duration> {
        self.timers.deadline(TimerKey::StubRouter).map(|end| end.saturating_since(self.now))
    }

    /// Updates the stub router state, after a configuration change or at the end of the period after the start.
    pub(crate) fn review_stub_router(&mut self) {
        let end = match self.config.stub_router {
            StubRouter::AtStart(limit) => {
                self.stub_router.started.map(|start| start + limit).filter(|&end| end > self.now)
            }
            StubRouter::Never | StubRouter::Always => None,
        };
        match end {
            Some(end) => self.timers.set(TimerKey::StubRouter, end),
            None => self.timers.cancel(TimerKey::StubRouter),
        }
        let state = match (self.config.stub_router, end) {
            (StubRouter::Always, _) | (StubRouter::AtStart(_), Some(_)) => StubRouterState::Stub,
            (StubRouter::Never, _) | (StubRouter::AtStart(_), None) => StubRouterState::Transit,
        };
        if std::mem::replace(&mut self.stub_router.state, state) != state {
            self.event(Event::StubRouter { state });
            for area in self.areas() {
                self.router_lsa_changed(area);
            }
        }
    }

    /// RFC 6987 §2: "set the cost of all non-stub links ... to MaxLinkMetric".
    pub(crate) fn discourage_transit(&self, links: &mut [RouterLink]) {
        if self.stub_router.state == StubRouterState::Transit {
            return;
        }
        for link in links {
            match link.kind {
                RouterLinkKind::PointToPoint | RouterLinkKind::Transit | RouterLinkKind::Virtual => {
                    link.metric = MAX_LINK_METRIC;
                }
                RouterLinkKind::Stub | RouterLinkKind::Unknown(_) => {}
            }
        }
    }
}
