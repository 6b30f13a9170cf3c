//! Which steps of a plan cannot succeed because an earlier one has not.

use std::collections::BTreeSet;

use super::overlay::OverlayStep;
use super::step::Step;
use crate::net::IfName;

/// What is missing because steps before were not carried out.
#[derive(Debug, Default)]
pub struct Missing {
    /// Interfaces that could not be created or set up.
    interfaces: BTreeSet<IfName>,
    /// The filter that keeps the segments' packets in the tunnels could not be set: no further VXLAN device is set up.
    filter: bool,
}

impl Missing {
    /// Notes what is missing without this step.
    pub fn without(&mut self, step: &Step) {
        let interface = match step {
            Step::CreateLink(interface, _) | Step::DeleteLink(interface, _) | Step::SetUp(interface) => Some(interface),
            Step::Overlay(step) => step.makes(),
            _ => None,
        };
        self.interfaces.extend(interface.cloned());
        self.filter |= matches!(step, Step::SetFilter(_));
    }

    /// Returns whether this step needs something that is missing.
    pub fn prevents(&self, step: &Step) -> bool {
        let opens = matches!(step, Step::Overlay(OverlayStep::SetUp(_)));
        (opens && self.filter) || step.needs().into_iter().any(|interface| self.interfaces.contains(interface))
    }
}
