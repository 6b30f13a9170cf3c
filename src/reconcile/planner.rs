//! The reconcile loop without its I/O: plans, and takes note of what came of them.
//!
//! Whoever carries out a [`Plan`] decides nothing: it tries the steps in their order and says what came of each ([`Outcome`]). Which steps
//! are due, which have to wait because they failed or were undone a moment ago, and what the kernel is known to hold afterwards is decided
//! here. `now` is an argument.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use super::attempts::Attempts;
use super::dependencies::Missing;
use super::plan::{Applied, plan, plan_routes};
use super::state::{Freshness, Observed, Route, RouteKey, State};
use super::step::Step;
use crate::net::Prefix;

/// What is remembered from one plan to the next.
#[derive(Debug, Default)]
pub struct Planner {
    applied: Applied,
    attempts: Attempts,
}

/// The difference between the desired and the observed state, as steps.
#[derive(Debug, Default)]
pub struct Plan {
    /// The steps to carry out now, in this order.
    pub steps: Vec<Step>,
    /// Steps that failed, or were undone by another program, so recently that they have to wait.
    waiting: Vec<Step>,
}

/// What came of a step.
#[derive(Debug)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It failed, for this reason.
    Failed(anyhow::Error),
    /// It was not tried, because a step that it depends on has failed.
    Skipped,
}

/// A step that could not be carried out.
#[derive(Debug)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// The error.
    pub cause: anyhow::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:#}", self.step, self.cause)
    }
}

impl Planner {
    /// Returns all steps from `observed` to `desired`, without regard to what has to wait. Changes nothing: this is for showing them.
    pub fn preview(&self, desired: &State, observed: &Observed) -> Vec<Step> {
        plan(desired, observed, &self.applied)
    }

    /// Plans from `observed` to `desired`; there are no steps if nothing differs.
    pub fn plan(&mut self, desired: &State, observed: &Observed, now: Instant) -> Plan {
        let steps = plan(desired, observed, &self.applied);
        self.attempts.keep_planned(&steps, now);
        self.due(steps, now)
    }

    /// Does the same as [`Planner::plan`] where only the routes to `prefixes` differ. `routes` are the desired ones.
    pub fn plan_routes(
        &mut self,
        prefixes: impl IntoIterator<Item = Prefix>,
        routes: &BTreeMap<RouteKey, Route>,
        observed: &Observed,
        now: Instant,
    ) -> Plan {
        self.due(plan_routes(prefixes, routes, observed), now)
    }

    /// Divides steps into those that are due and those that have to wait. What depends on a step that waits is left out, as if that step
    /// had failed again.
    fn due(&mut self, steps: Vec<Step>, now: Instant) -> Plan {
        let (mut plan, mut missing) = (Plan::default(), Missing::default());
        for step in steps {
            if missing.prevents(&step) {
                self.attempts.hidden(&step);
            } else if self.attempts.permits(&step, now) {
                plan.steps.push(step);
            } else {
                missing.without(&step);
                plan.waiting.push(step);
            }
        }
        plan
    }

    /// Takes note of what came of the steps of a plan, one outcome for each, and updates `observed` with it: routes and rules are up to
    /// date afterwards, and any other change makes it stale. `desired` is what the plan leads to, or `None` if it was about routes alone.
    /// Returns what has failed.
    pub fn carried_out(
        &mut self,
        plan: Plan,
        outcomes: Vec<Outcome>,
        desired: Option<&State>,
        observed: &mut Observed,
        now: Instant,
    ) -> Vec<Failure> {
        debug_assert_eq!(plan.steps.len(), outcomes.len(), "every step has an outcome");
        let mut failures = Vec::new();
        let mut skipped = Vec::new();
        for (step, outcome) in plan.steps.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done => {
                    observed.note(&step);
                    self.attempts.succeeded(&step, now);
                }
                Outcome::Failed(cause) => {
                    // If the filter is not set, nothing else differs from what was observed.
                    if !step.is_about_filter() {
                        observed.freshness = Freshness::Stale;
                    }
                    // An error in setting the ruleset is kept until the next look at the ruleset, and reported separately.
                    if !matches!(step, Step::SetFilter(_)) {
                        self.attempts.failed(&step, format!("{cause:#}"), now);
                    }
                    failures.push(Failure { step, cause });
                }
                Outcome::Skipped => {
                    self.attempts.hidden(&step);
                    skipped.push(step);
                }
            }
        }
        if let Some(desired) = desired {
            let undone = failures.iter().map(|failure| &failure.step).chain(&plan.waiting).chain(&skipped);
            self.applied.note(desired, undone);
        }
        failures
    }

    /// Returns which steps were tried and failed, and when they are tried again.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Allows all steps at once, even those that have failed.
    pub fn try_everything(&mut self) {
        self.attempts.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::net::IfName;
    use crate::reconcile::state::{Admin, Backend, Link, MAIN_TABLE, Nexthop};

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn key() -> RouteKey {
        RouteKey { table: MAIN_TABLE, prefix: "10.2.0.0/16".parse().unwrap() }
    }

    /// A tunnel with an address, and a route over it.
    fn desired() -> State {
        let tunnel = name("wg-b");
        let hop = Nexthop { interface: tunnel.clone(), via: Some(Ipv4Addr::new(10, 255, 0, 2).into()), onlink: true };
        State {
            links: BTreeMap::from([(tunnel.clone(), Link { backend: Backend::Kernel, mtu: 1420, admin: Admin::Up })]),
            addresses: BTreeSet::from([(tunnel, Ipv4Addr::new(10, 255, 0, 1))]),
            routes: BTreeMap::from([(key(), Route::unicast([hop], None))]),
            ..State::default()
        }
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    fn failed() -> Outcome {
        Outcome::Failed(anyhow::anyhow!("no"))
    }

    #[test]
    fn a_step_that_failed_waits_and_what_depends_on_it_is_not_even_planned() {
        let (mut planner, mut observed, now) = (Planner::default(), Observed::default(), Instant::now());
        let plan = planner.plan(&desired(), &observed, now);
        let all = shown(&plan.steps);
        assert_eq!(all[0], "create kernel tunnel wg-b");
        let outcomes = std::iter::once(failed()).chain((1..plan.steps.len()).map(|_| Outcome::Skipped)).collect();
        let failures = planner.carried_out(plan, outcomes, Some(&desired()), &mut observed, now);
        assert_eq!(failures.iter().map(ToString::to_string).collect::<Vec<_>>(), ["create kernel tunnel wg-b: no"]);
        assert_eq!(observed.freshness, Freshness::Stale);
        assert_eq!(
            planner.attempts().problems(now).len(),
            1,
            "the steps that were skipped are no problems of their own"
        );

        assert_eq!(shown(&planner.plan(&desired(), &observed, now).steps), Vec::<String>::new());
        let due = planner.attempts().deadline(now).unwrap();
        assert!(due > now && due < now + Duration::from_secs(1), "it is tried again soon");
        assert_eq!(shown(&planner.plan(&desired(), &observed, due).steps), all);
        planner.plan(&desired(), &observed, now);
        planner.try_everything();
        assert_eq!(shown(&planner.plan(&desired(), &observed, now).steps), all, "the operator does not have to wait");
    }

    #[test]
    fn a_failure_that_nobody_needs_any_more_is_forgotten() {
        let (mut planner, mut observed, now) = (Planner::default(), Observed::default(), Instant::now());
        let plan = planner.plan(&desired(), &observed, now);
        let outcomes = plan.steps.iter().map(|_| failed()).collect();
        planner.carried_out(plan, outcomes, Some(&desired()), &mut observed, now);
        assert!(planner.attempts().has_failures());
        planner.plan(&State::default(), &observed, now);
        assert!(!planner.attempts().has_failures());
    }

    #[test]
    fn routes_are_known_without_another_look_and_everything_else_needs_one() {
        let (mut planner, now) = (Planner::default(), Instant::now());
        let State { links, addresses, .. } = desired();
        let state = State { links, addresses, ..State::default() };
        let mut observed = Observed { state, ..Observed::default() };
        let routes = desired().routes;
        let plan = planner.plan_routes([key().prefix], &routes, &observed, now);
        assert_eq!(plan.steps.len(), 1);
        assert!(planner.carried_out(plan, vec![Outcome::Done], None, &mut observed, now).is_empty());
        assert_eq!((&observed.state.routes, observed.freshness), (&routes, Freshness::Fresh));
        assert!(planner.plan_routes([key().prefix], &routes, &observed, now).steps.is_empty());

        observed.state.links.get_mut(&name("wg-b")).unwrap().mtu = 1280;
        observed.unreadable.insert(name("wg-b"));
        let plan = planner.plan(&desired(), &observed, now);
        assert_eq!(shown(&plan.steps), ["set MTU of wg-b to 1420"]);
        planner.carried_out(plan, vec![Outcome::Done], Some(&desired()), &mut observed, now);
        assert_eq!(observed.freshness, Freshness::Stale);
    }

    #[test]
    fn a_preview_leaves_out_nothing_and_changes_nothing() {
        let (mut planner, mut observed, now) = (Planner::default(), Observed::default(), Instant::now());
        let all = shown(&planner.preview(&desired(), &observed));
        let plan = planner.plan(&desired(), &observed, now);
        assert_eq!(shown(&plan.steps), all);
        let outcomes = plan.steps.iter().map(|_| failed()).collect();
        planner.carried_out(plan, outcomes, Some(&desired()), &mut observed, now);
        assert_eq!(shown(&planner.preview(&desired(), &observed)), all);
        assert!(planner.attempts().has_failures());
    }
}
