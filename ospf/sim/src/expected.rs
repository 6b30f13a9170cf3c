//! The expected state of a network: that of the oracle, and that of a reference network where the oracle cannot calculate it.

use std::collections::BTreeMap;

use ospf::{Prefix, Route};

use crate::finding::Disagreement;
use crate::network::Network;
use crate::oracle::Oracle;
use crate::reference::Reference;
use crate::situation::Situation;
use crate::topology::RouterIndex;

/// The expected results for a situation.
#[derive(Debug)]
pub struct Expected<'a> {
    oracle: Oracle<'a>,
    reference: Option<Reference>,
    /// Whether the oracle's routes count, or those of the reference network.
    judge: Judge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    Oracle,
    Reference,
}

impl<'a> Expected<'a> {
    /// Expects the oracle's results.
    pub fn new(situation: &'a Situation) -> Self {
        Self { oracle: Oracle::new(situation), reference: None, judge: Judge::Oracle }
    }

    /// Expects the results of a reference network, too; its routes count if the oracle cannot calculate them.
    pub(crate) fn with_reference(situation: &'a Situation, reference: Reference) -> Self {
        let judge = if situation.topology.is_beyond_the_oracle() { Judge::Reference } else { Judge::Oracle };
        let mut left_out = reference.virtual_links_down();
        left_out.retain(|&id| situation.may_miss_far_end(id));
        Self { oracle: Oracle::without(situation, &left_out), reference: Some(reference), judge }
    }

    /// The oracle, which determines the routers that reach each other.
    pub(crate) fn oracle(&self) -> &Oracle<'a> {
        &self.oracle
    }

    /// Returns the routes that a router should have.
    pub(crate) fn routes(&self, router: RouterIndex) -> BTreeMap<Prefix, Route> {
        match (&self.reference, self.judge) {
            (Some(reference), Judge::Reference) => reference.routes(router),
            (None, _) | (_, Judge::Oracle) => self.oracle.routes(router),
        }
    }

    /// Returns the differences of a network from the reference network.
    pub(crate) fn differences(&self, network: &Network) -> Vec<Disagreement> {
        self.reference.iter().flat_map(|reference| reference.differences(network, &self.oracle)).collect()
    }
}
