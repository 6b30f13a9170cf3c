use std::net::Ipv4Addr;

use super::*;
use crate::kernel::LinkFlags;
use crate::mesh::VlanId;
use crate::reconcile::Outcome;
use crate::reconcile::state::{Backend, ForeignInterface, Link, MAIN_TABLE, Nexthop};

const PATIENCE: Duration = Duration::from_secs(6);
const MOMENT: Duration = Duration::from_millis(1);

const UP: LinkFlags = LinkFlags { up: true, multicast: true, carrier: true };

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn changes(kinds: &[Change], links: &[(u32, LinkEvent)]) -> Changes {
    Changes { kinds: kinds.iter().copied().collect(), links: links.iter().copied().collect() }
}

fn key() -> RouteKey {
    RouteKey { table: MAIN_TABLE, prefix: "10.2.0.0/16".parse().unwrap() }
}

/// A route over wg-b.
fn route() -> Route {
    let via = Some(Ipv4Addr::new(10, 255, 0, 2).into());
    Route::unicast([Nexthop { interface: name("wg-b"), via, onlink: true }], None)
}

/// A tunnel wg-b with index 7 and a route over it, and eth1 of somebody else with index 8.
fn observed() -> Observed {
    let mut observed = Observed::default();
    observed.state.links.insert(name("wg-b"), Link { backend: Backend::Kernel, mtu: 1420, admin: Admin::Up });
    observed.state.routes.insert(key(), route());
    let addresses = vec!["10.1.0.1/24".parse().unwrap()];
    let eth1 = ForeignInterface { index: 8, mtu: 1500, running: true, addresses };
    observed.foreign.interfaces.insert(name("eth1"), eth1);
    observed.indexes = BTreeMap::from([(name("wg-b"), 7), (name("eth1"), 8)]);
    observed
}

/// A host that has just read that, a while after its start.
fn host() -> (Host, Instant) {
    let start = Instant::now();
    let mut host = Host::new(start, PATIENCE);
    let now = start + PATIENCE;
    assert_eq!(host.begin(Look::Afresh, now), Some(Look::Afresh));
    host.looked(observed(), now, now);
    (host, now + Duration::from_secs(1))
}

/// Carries out a plan with these outcomes.
fn carry_out(host: &mut Host, plan: Plan, outcomes: Vec<Outcome>, desired: Option<&State>, now: Instant) {
    let executed = Executed { outcomes, indexes: host.observed().indexes.clone() };
    host.carried_out(plan, executed, desired, now);
}

#[test]
fn a_link_that_goes_down_is_known_before_anything_is_read() {
    let down = LinkFlags { up: false, ..UP };
    let no_carrier = LinkFlags { carrier: false, ..UP };
    for (index, event, tunnel, foreign) in [
        (7, LinkEvent::Flags(down), Some(Admin::Down), Some(true)),
        (7, LinkEvent::Flags(LinkFlags { multicast: false, ..UP }), Some(Admin::Down), Some(true)),
        (7, LinkEvent::Gone, None, Some(true)),
        (8, LinkEvent::Flags(no_carrier), Some(Admin::Up), Some(false)),
        (8, LinkEvent::Flags(down), Some(Admin::Up), Some(false)),
        (8, LinkEvent::Gone, Some(Admin::Up), None),
    ] {
        let (mut host, now) = host();
        let reaction = host.noticed(&changes(&[Change::Links], &[(index, event)]), now);
        assert_eq!(reaction, Reaction { links: true, look: Some(Look::Afresh), ..Reaction::default() }, "{event:?}");
        let observed = host.observed();
        assert_eq!(observed.state.links.get(&name("wg-b")).map(|link| link.admin), tunnel, "{event:?}");
        assert_eq!(observed.foreign.interfaces.get(&name("eth1")).map(|found| found.running), foreign, "{event:?}");
        assert_eq!(observed.freshness, Freshness::Stale, "what the kernel has removed with it is not known");
        // A tunnel of weft needs no carrier; and up again, all is as before.
        let again = host.noticed(&changes(&[Change::Links], &[(index, LinkEvent::Flags(UP))]), now);
        assert_eq!(again.links, event != LinkEvent::Gone, "{event:?}");
    }
}

#[test]
fn a_link_event_that_changes_nothing_or_is_of_an_unknown_interface_only_calls_for_a_look() {
    let (mut host, now) = host();
    for event in [(7, LinkEvent::Flags(UP)), (8, LinkEvent::Flags(UP)), (9, LinkEvent::Flags(UP)), (9, LinkEvent::Gone)]
    {
        let reaction = host.noticed(&changes(&[Change::Links], &[event]), now);
        assert_eq!((reaction.links, reaction.look), (false, Some(Look::Afresh)), "{event:?}");
        assert_eq!(host.observed().freshness, Freshness::Fresh);
    }
}

#[test]
fn notifications_call_for_a_look_at_once_later_or_not_at_all() {
    let heard = Change::Learned { port: 8, mac: "02:00:00:00:00:02".parse().unwrap(), vlan: None };
    for (kinds, look) in [
        (&[Change::Addresses][..], Some(Look::Afresh)),
        (&[Change::Resync], Some(Look::Afresh)),
        (&[Change::Unmanaged, Change::Rules], Some(Look::Afresh)),
        (&[Change::Unmanaged], None),
        (&[Change::OthersRoutes], None),
        (&[Change::Filter], None),
        (&[heard], None),
    ] {
        let (mut host, now) = host();
        assert_eq!(host.noticed(&changes(kinds, &[]), now).look, look, "{kinds:?}");
    }
    // What does not concern weft is collected for a moment, and a reading that takes long is not begun again at once.
    let (mut host, now) = host();
    let quiet = host.deadline(now);
    host.noticed(&changes(&[Change::Unmanaged], &[]), now);
    assert!(host.deadline(now) < quiet && host.due(host.deadline(now)) == Look::Afresh);
    host.looked(observed(), now, now + 100 * MOMENT);
    assert_eq!(host.noticed(&changes(&[Change::Links], &[]), now + 150 * MOMENT).look, None);
    assert_eq!(host.deadline(now + 150 * MOMENT), now + 500 * MOMENT);
}

#[test]
fn a_host_is_learned_with_its_port_and_bridge() {
    let (mut host, now) = host();
    let mac = "02:00:00:00:00:02".parse().unwrap();
    let heard = |port, vlan| changes(&[Change::Learned { port, mac, vlan }], &[]);
    assert_eq!(host.noticed(&heard(8, None), now).learned, [], "eth1 is no port");
    host.observed_mut().state.overlay.ports.insert(name("eth1"), name("br0"));
    let vlan = VlanId::new(5);
    let found = LearnedHost { port: name("eth1"), mac, vlan };
    assert!(vlan.is_some());
    assert_eq!(host.noticed(&heard(8, vlan), now).learned, [(found, name("br0"))]);
    assert_eq!(host.noticed(&heard(9, None), now).learned, [], "no such interface");
}

#[test]
fn a_failed_step_is_tried_again_after_a_while_and_a_failed_look_before_anything_else() {
    let (mut host, now) = host();
    host.begin(Look::Known, now);
    let desired = State { links: observed().state.links, ..State::default() };
    let plan = host.plan(&desired, now);
    assert_eq!(
        plan.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["create kernel tunnel wg-b", "delete route 10.2.0.0/16"]
    );
    let failed = || Outcome::Failed(anyhow::anyhow!("no"));
    carry_out(&mut host, plan, vec![failed(), Outcome::Done], Some(&desired), now);
    assert_eq!(host.problems(now), ["create kernel tunnel wg-b: no"]);
    let due = host.deadline(now);
    assert!(due > now && due < now + Duration::from_secs(1));
    // It is not known any more what the kernel holds.
    assert_eq!((host.due(due), host.begin(Look::Known, due)), (Look::Afresh, Some(Look::Afresh)));

    host.failed(&anyhow::anyhow!("dumping links"), due);
    assert_eq!(host.problems(due).first().unwrap(), "dumping links");
    assert_eq!(host.begin(Look::Afresh, due + MOMENT), None, "not for every notification");
    assert!(host.deadline(due) > due + MOMENT, "the step waits for the look");
    let later = host.deadline(due);
    assert_eq!(host.begin(Look::Known, later), Some(Look::Afresh));
    host.looked(observed(), later, later);
    host.plan(&desired, later);
    assert_eq!(host.problems(later), ["create kernel tunnel wg-b: no"], "the step is planned, and not done yet");
}

#[test]
fn routes_alone_are_installed_only_while_everything_else_is_as_it_should_be() {
    let local = Local::example("taipei");
    let mut observed = observed();
    observed.state.links =
        local.tunnels.keys().map(|name| (name.clone(), observed.state.links[&self::name("wg-b")].clone())).collect();
    let start = Instant::now();
    let mut host = Host::new(start, PATIENCE);
    host.looked(observed.clone(), start, start);
    assert!(!host.only_routes_differ(&local), "routes of an earlier run may be there");
    let now = start + PATIENCE;
    host.begin(Look::Known, now);
    assert!(host.only_routes_differ(&local));
    host.observed_mut().freshness = Freshness::Stale;
    assert!(!host.only_routes_differ(&local));
    host.looked(Observed { state: State::default(), ..observed.clone() }, now, now);
    assert!(!host.only_routes_differ(&local), "tunnels are missing");
    host.looked(observed, now, now);
    host.failed(&anyhow::anyhow!("no"), now);
    assert!(!host.only_routes_differ(&local));
}

#[test]
fn routes_of_an_earlier_run_are_kept_until_ospf_has_converged_or_patience_ends() {
    let local = Local::example("taipei");
    let kept = |host: &Host| {
        let mut desired = State::default();
        host.keep(&mut desired, host.observed(), &local);
        desired.routes.len()
    };
    let start = Instant::now();
    let mut host = Host::new(start, PATIENCE);
    host.looked(observed(), start, start);
    assert_eq!((kept(&host), host.retains_routes()), (1, true));
    host.converged(start + Duration::from_secs(1));
    let soon = start + Duration::from_secs(2);
    assert!(host.deadline(start) < soon);
    host.begin(Look::Known, soon);
    assert_eq!((kept(&host), host.retains_routes()), (0, false));
    host.retain_routes(soon, PATIENCE);
    assert_eq!(kept(&host), 1);
    host.begin(Look::Known, soon + PATIENCE);
    assert_eq!(kept(&host), 0);
}
