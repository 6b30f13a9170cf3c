//! Limits how often a step is tried. This is a pure state machine: `now` is an argument.
//!
//! A step that failed waits before it is tried again. The time doubles with each failure, whatever happens meanwhile. Every other step is
//! carried out at once. If a step succeeds, and is needed again soon because another program has undone it, and this repeats, the step is
//! slowed down in the same way: a conflict with another program is not won by speed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use super::overlay::OverlayStep;
use super::step::Step;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait, after failures and for steps that are undone.
const LONGEST: Duration = Duration::from_secs(10);

/// A step that is needed again within this time after it was carried out has been undone by another program.
const UNDONE_WITHIN: Duration = Duration::from_secs(30);
/// How many times in a row a step that is undone is carried out without a wait.
const BORNE: u32 = 8;
/// The first wait after that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The largest number of recent steps that are remembered. When there are more, it is unlikely that another program undoes each of them.
const MAX_DONE: usize = 4096;

/// The steps that were tried recently, and their results.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Failed steps, by the text of the step, which says what it does to which object.
    failed: BTreeMap<String, Failed>,
    /// Successful steps, by the object that they change.
    done: BTreeMap<Object, Done>,
    /// How many entries of `done` are undone repeatedly by another program.
    fights: usize,
}

#[derive(Debug)]
struct Failed {
    cause: String,
    times: u32,
    due: Instant,
}

#[derive(Debug)]
struct Done {
    /// The last step about this object.
    step: Fingerprint,
    at: Instant,
    /// How many times in a row the same step was carried out, without a different step of weft about the same object in between.
    again: u32,
    due: Instant,
    /// The text of the step, once it was repeated too often.
    text: Option<String>,
}

/// The object that a step changes. The last step about an object determines its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Object(u64);

/// A hash of what a step does, for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint(u64);

impl Attempts {
    /// Returns whether the step may be carried out now.
    pub fn permits(&self, step: &Step, now: Instant) -> bool {
        let failed = || self.failed.get(&step.to_string()).is_some_and(|failed| failed.due > now);
        let undone = || {
            let done = object(step).and_then(|object| self.done.get(&object));
            done.is_some_and(|done| done.due > now && done.step == fingerprint(step))
        };
        // Most of the time there are no failures and no conflicts: then this avoids formatting the step.
        !((!self.failed.is_empty() && failed()) || (self.fights > 0 && undone()))
    }

    /// Records that the step was carried out.
    pub fn succeeded(&mut self, step: &Step, now: Instant) {
        if !self.failed.is_empty() {
            self.failed.remove(&step.to_string());
        }
        let Some(object) = object(step) else { return };
        let full = self.done.len() >= MAX_DONE;
        match self.done.get_mut(&object) {
            Some(done) => {
                let fingerprint = fingerprint(step);
                self.fights -= usize::from(done.text.is_some());
                match done.step == fingerprint {
                    true => done.repeated(step, now),
                    false => *done = Done::once(fingerprint, now),
                }
                self.fights += usize::from(done.text.is_some());
            }
            None if full => {}
            None => drop(self.done.insert(object, Done::once(fingerprint(step), now))),
        }
        debug_assert_eq!(self.fights, self.count_fights());
        debug_assert!(self.done.len() <= MAX_DONE);
    }

    /// Records that the step failed.
    pub fn failed(&mut self, step: &Step, cause: String, now: Instant) {
        let failed = self.failed.entry(step.to_string()).or_insert(Failed { cause: String::new(), times: 0, due: now });
        failed.due = now + doubled(FIRST, failed.times);
        failed.times = failed.times.saturating_add(1);
        failed.cause = cause;
    }

    /// Forgets the failure of a step that is not possible at present, because a step that it depends on has failed. The operator needs to
    /// see only the failure of that step.
    pub fn hidden(&mut self, step: &Step) {
        if !self.failed.is_empty() {
            self.failed.remove(&step.to_string());
        }
    }

    /// Forgets failed steps that are not in `planned`, which is the whole plan: they are not needed any more.
    pub fn keep_planned(&mut self, planned: &[Step], now: Instant) {
        if !self.failed.is_empty() {
            let planned: std::collections::BTreeSet<String> = planned.iter().map(ToString::to_string).collect();
            self.failed.retain(|step, _| planned.contains(step));
        }
        self.done.retain(|_, done| now.saturating_duration_since(done.at.max(done.due)) < UNDONE_WITHIN);
        self.fights = self.count_fights();
    }

    fn count_fights(&self) -> usize {
        self.done.values().filter(|done| done.text.is_some()).count()
    }

    /// Forgets everything, so that all steps may be tried at once.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Returns whether a step has failed and has not succeeded since.
    pub fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Returns when the next waiting step may be tried; `None` if none waits.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let paused = self.done.values().filter(|done| done.text.is_some() && done.due > now).map(|done| done.due);
        self.failed.values().map(|failed| failed.due).chain(paused).min()
    }

    /// Returns the problems that the operator has to know about.
    pub fn problems(&self, now: Instant) -> Vec<String> {
        let failed = self.failed.iter().map(|(step, Failed { cause, times, due })| {
            let wait = due.saturating_duration_since(now).as_secs_f64().ceil();
            match *times {
                0..=3 => format!("{step}: {cause}"),
                times => format!("{step}: {cause} (failed {times} times, next try in {wait} s)"),
            }
        });
        let fights = self.done.values().filter_map(|Done { text, again, .. }| {
            let text = text.as_ref()?;
            Some(format!(
                "somebody undoes what weft does: `{text}` was done {again} times in a row; it is done less often now. Find the \
                 program that does so (`ip monitor`), and have it leave weft's own alone"
            ))
        });
        failed.chain(fights).collect()
    }
}

impl Done {
    fn once(step: Fingerprint, now: Instant) -> Self {
        Self { step, at: now, again: 1, due: now, text: None }
    }

    fn repeated(&mut self, step: &Step, now: Instant) {
        if now.saturating_duration_since(self.at.max(self.due)) >= UNDONE_WITHIN {
            *self = Self::once(self.step, now);
            return;
        }
        self.at = now;
        self.again = self.again.saturating_add(1);
        if let Some(beyond) = self.again.checked_sub(BORNE) {
            self.due = now + doubled(FIRST_PAUSE, beyond);
            self.text = Some(step.to_string());
        }
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(10)).min(LONGEST)
}

/// The hash of the step's text, or of the ruleset, which the text does not contain.
fn fingerprint(step: &Step) -> Fingerprint {
    match step {
        Step::SetFilter(ruleset) => Fingerprint(hash(ruleset.script())),
        other => Fingerprint(hash(&other.to_string())),
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Returns the object that the step changes; `None` where weft itself does and undoes the same step within a short time.
fn object(step: &Step) -> Option<Object> {
    let name = match step {
        Step::CreateLink(interface, _) | Step::DeleteLink(interface, _) => format!("link {interface}"),
        Step::SetMtu(interface, _) => format!("mtu {interface}"),
        Step::SetUp(interface) => format!("up {interface}"),
        Step::AddAddress(interface, address) | Step::RemoveAddress(interface, address) => {
            format!("address {interface} {address}")
        }
        Step::AddRoute(key, _) | Step::ReplaceRoute(key, _) | Step::DeleteRoute(key) => format!("route {key}"),
        Step::AddRule(rule) | Step::DeleteRule(rule) => format!("rule {rule}"),
        Step::SetSysctl(sysctl, _) => format!("setting {sysctl}"),
        Step::Overlay(
            OverlayStep::CreateBridge(name, _) | OverlayStep::CreateDevice(name, _) | OverlayStep::Delete(name),
        ) => format!("link {name}"),
        Step::Overlay(OverlayStep::Join(port, _) | OverlayStep::Leave(port)) => format!("port {port}"),
        Step::SetFilter(_) | Step::DeleteFilter => "filter".to_owned(),
        // An endpoint follows DNS and the peer's roaming; the entries of a host follow its location.
        Step::Configure(..) | Step::Overlay(_) => return None,
    };
    Some(Object(hash(&name)))
}

#[cfg(test)]
mod tests {

    use crate::net::Prefix;

    use super::*;
    use crate::net::IfName;
    use crate::reconcile::filter::Ruleset;
    use crate::reconcile::state::{Backend, MAIN_TABLE, Nexthop, Route, RouteKey};

    const MOMENT: Duration = Duration::from_millis(10);

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn key() -> RouteKey {
        RouteKey { table: MAIN_TABLE, prefix: Prefix::new([10, 2, 0, 0], 16) }
    }

    fn route(over: &str) -> Step {
        let nexthop = Nexthop { interface: name(over), via: None, onlink: false };
        Step::AddRoute(key(), Route::unicast([nexthop], None))
    }

    /// Carries out `step` whenever that is permitted, every ten milliseconds; how often within `time`.
    fn tries(attempts: &mut Attempts, time: Duration, mut attempt: impl FnMut(&mut Attempts, Instant) -> bool) -> u32 {
        let begin = Instant::now();
        let moments = (time.as_millis() / MOMENT.as_millis()) as u32;
        (0..moments).map(|moment| u32::from(attempt(attempts, begin + moment * MOMENT))).sum()
    }

    #[test]
    fn a_step_that_fails_is_tried_ever_more_rarely_and_holds_up_no_other() {
        let create = Step::CreateLink(name("wg-b"), Backend::Userspace);
        let mut attempts = Attempts::default();
        let count = tries(&mut attempts, Duration::from_secs(12), |attempts, now| {
            assert!(attempts.permits(&route("wg-c"), now), "another step is not held up");
            attempts.keep_planned(std::slice::from_ref(&create), now);
            let may = attempts.permits(&create, now);
            if may {
                attempts.failed(&create, "no".to_owned(), now);
                assert!(attempts.deadline(now).unwrap() > now);
            }
            may
        });
        assert_eq!(count, 6);
        let now = Instant::now() + Duration::from_secs(60);
        assert!(
            attempts.problems(now)[0].starts_with("create userspace tunnel wg-b: no (failed 6 times, next try in ")
        );
        attempts.succeeded(&create, now);
        assert!(!attempts.has_failures() && attempts.problems(now).is_empty());
    }

    #[test]
    fn what_is_not_wanted_any_more_is_forgotten() {
        let now = Instant::now();
        let mut attempts = Attempts::default();
        attempts.failed(&route("wg-b"), "no".to_owned(), now);
        assert!(!attempts.permits(&route("wg-b"), now));
        assert!(attempts.permits(&route("wg-c"), now), "another way to the same destination is another step");
        attempts.keep_planned(&[route("wg-c")], now);
        assert_eq!((attempts.has_failures(), attempts.deadline(now)), (false, None));
    }

    #[test]
    fn what_somebody_undoes_again_and_again_is_paced_and_named() {
        let mut attempts = Attempts::default();
        let step = route("wg-b");
        let count = tries(&mut attempts, Duration::from_secs(60), |attempts, now| {
            attempts.keep_planned(std::slice::from_ref(&step), now);
            let may = attempts.permits(&step, now);
            if may {
                attempts.succeeded(&step, now);
            }
            may
        });
        assert!((BORNE..=BORNE + 10).contains(&count), "{count}");
        let now = Instant::now() + Duration::from_secs(60);
        let problems = attempts.problems(now);
        assert!(problems[0].contains("`add route 10.2.0.0/16 dev wg-b`"), "{problems:?}");
        attempts.keep_planned(&[], now + UNDONE_WITHIN + LONGEST);
        assert!(attempts.problems(now).is_empty(), "the fight is over");
    }

    #[test]
    fn a_route_that_flaps_by_our_own_doing_is_never_held_up() {
        let mut attempts = Attempts::default();
        let steps = [route("wg-b"), route("wg-c")];
        let mut turn = 0;
        let count = tries(&mut attempts, Duration::from_secs(10), |attempts, now| {
            turn += 1;
            let step = &steps[turn % 2];
            let may = attempts.permits(step, now);
            attempts.succeeded(step, now);
            may
        });
        assert_eq!(count, 1000);
    }

    #[test]
    fn a_ruleset_that_somebody_flushes_is_paced_and_another_one_is_set_at_once() {
        let mesh = "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n\
                    [[site]]\nname = \"b\"\nid = 1\npublic_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\n\
                    [[l2]]\nname = \"vms\"\nvni = 100\n[[l2.site]]\nname = \"b\"\n";
        let mesh = crate::mesh::parse("mesh", mesh).unwrap().mesh;
        let one = Step::SetFilter(Ruleset::of(&mesh, &mesh.sites[0]).unwrap());
        let other = Step::SetFilter(Ruleset::unknown());
        let mut attempts = Attempts::default();
        let now = Instant::now();
        (0..=BORNE).for_each(|_| attempts.succeeded(&one, now));
        assert!(!attempts.permits(&one, now) && attempts.permits(&other, now));
        for step in [&other, &one].into_iter().cycle().take(100) {
            attempts.succeeded(step, now);
            assert!(attempts.permits(&one, now) && attempts.permits(&other, now));
        }
    }

    #[test]
    fn now_and_then_is_no_fight() {
        let begin = Instant::now();
        let mut attempts = Attempts::default();
        for time in 0..100 {
            let now = begin + time * UNDONE_WITHIN;
            assert!(attempts.permits(&route("wg-b"), now));
            attempts.succeeded(&route("wg-b"), now);
        }
        assert!(attempts.problems(begin).is_empty());
    }
}
