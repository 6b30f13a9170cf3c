//! What holds of every plan, whatever is desired and observed: a debug build carries each plan out on a model of routes, rules and
//! interfaces, and panics where a step could not succeed, would interrupt traffic, or leaves something undone.

use std::collections::{BTreeMap, BTreeSet};

use super::overlay::OverlayStep;
use super::state::{Observed, Route, RouteKey, RouteKind, Rule, RuleAction, State};
use super::step::Step;
use crate::net::IfName;

/// Panics if `steps` are no way from `observed` to `desired`, of which `routes` are the routes that can be installed.
pub fn check(steps: &[Step], desired: &State, routes: &BTreeMap<RouteKey, Route>, observed: &Observed) {
    let mut model = Model::of(desired, observed);
    for step in steps {
        model.carry_out(step);
    }
    assert!(model.interfaces == managed(desired), "there are {:?}: {steps:?}", model.interfaces);
    model.routes.retain(|_, route| !is_gone(route));
    assert!(model.routes == *routes, "there are the routes {:?}: {steps:?}", model.routes);
    assert!(model.rules == desired.rules, "there are the rules {:?}: {steps:?}", model.rules);
}

/// The interfaces that weft makes, in ascending order.
fn managed<D>(state: &State<D>) -> BTreeSet<&IfName> {
    state.links.keys().chain(state.overlay.bridges.keys()).chain(state.overlay.devices.keys()).collect()
}

/// What a plan relies on.
struct Model<'a> {
    /// Present interfaces that weft makes.
    interfaces: BTreeSet<&'a IfName>,
    /// Interfaces that weft makes or has made. All others are left to somebody else.
    known: BTreeSet<&'a IfName>,
    /// Tunnels without a device: they are created again, in place.
    unserved: BTreeSet<&'a IfName>,
    routes: BTreeMap<RouteKey, Route>,
    rules: BTreeSet<Rule>,
}

impl<'a> Model<'a> {
    fn of(desired: &'a State, observed: &'a Observed) -> Self {
        let state = &observed.state;
        let interfaces = managed(state);
        let mut model = Self {
            known: interfaces.union(&managed(desired)).copied().collect(),
            unserved: state.links.keys().filter(|interface| !state.devices.contains_key(*interface)).collect(),
            interfaces,
            routes: state.routes.clone(),
            rules: state.rules.clone(),
        };
        for missing in model.known.difference(&model.interfaces).copied().collect::<Vec<_>>() {
            model.drop_nexthops(missing);
        }
        model
    }

    fn carry_out(&mut self, step: &'a Step) {
        let made = match step {
            Step::CreateLink(interface, _) => Some(interface),
            Step::Overlay(step) => step.makes(),
            _ => None,
        };
        for interface in step.needs().into_iter().filter(|interface| Some(*interface) != made) {
            let there = self.interfaces.contains(interface) || !self.known.contains(interface);
            assert!(there, "{step}: there is no {interface} at this point");
        }
        if let Some(made) = made {
            assert!(self.interfaces.insert(made) || self.unserved.contains(made), "{step}: it is there");
        }
        match step {
            Step::DeleteLink(interface, _) | Step::Overlay(OverlayStep::Delete(interface)) => {
                self.interfaces.remove(interface);
                self.drop_nexthops(interface);
            }
            Step::AddRoute(key, route) => {
                assert!(self.routes.get(key).is_none_or(is_gone), "{step}: there is one");
                self.routes.insert(*key, route.clone());
            }
            Step::ReplaceRoute(key, route) => {
                assert!(self.routes.get(key).is_some_and(|found| !is_gone(found)), "{step}: there is none");
                self.routes.insert(*key, route.clone());
            }
            Step::DeleteRoute(key) => {
                assert!(self.routes.remove(key).is_some(), "{step}: there is none");
            }
            Step::AddRule(rule) => {
                if let RuleAction::Goto(target) = rule.action {
                    assert!(self.rules.iter().any(|rule| rule.priority == target), "{step}: it leads nowhere");
                }
                assert!(self.rules.insert(rule.clone()), "{step}: it is there");
            }
            Step::DeleteRule(rule) => {
                assert!(self.rules.remove(rule), "{step}: it is not there");
                let leads_here = |other: &Rule| other.action == RuleAction::Goto(rule.priority);
                let still_there = self.rules.iter().any(|other| other.priority == rule.priority);
                assert!(still_there || !self.rules.iter().any(leads_here), "{step}: a rule leads to it");
            }
            _ => {}
        }
    }

    /// Does what the kernel does to routes when an interface goes.
    fn drop_nexthops(&mut self, interface: &IfName) {
        for route in self.routes.values_mut() {
            if route.nexthops.iter().any(|nexthop| nexthop.interface == *interface) {
                route.nexthops =
                    route.nexthops.iter().filter(|nexthop| nexthop.interface != *interface).cloned().collect();
            }
        }
    }
}

/// Whether the kernel has removed the route with its last next hop.
fn is_gone(route: &Route) -> bool {
    route.kind == RouteKind::Unicast && route.nexthops.is_empty()
}
