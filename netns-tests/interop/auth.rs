//! Authentication.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::harness::net::auth::{Algorithm, Auth, Key, Moment};
use crate::harness::net::live::{Network, SETTLED};
use crate::harness::net::plan::{Medium, Plan, Segment, Speaker};
use crate::harness::wait::eventually;

use Algorithm::{HmacSha256, Md5};
use Speaker::{Bird, Frr, Weft};

/// From the changed configurations to the change of keys: all have taken theirs by then.
const LEAD: Duration = Duration::from_secs(3);

/// How long an old key is still accepted: clocks and timers have seconds.
const OVERLAP: Duration = Duration::from_secs(3);

/// Refusals that are no accident.
const REPEATED: u64 = 5;

#[test]
fn md5_simple_passwords_and_hmac_sha_256_are_understood_both_ways() -> Result<()> {
    let wire = |name, number, far| Segment::new(name, number, Medium::PointToPoint, &["weft", far]).cost("weft", 5);
    let plan = Plan::new("t-auth")
        .speakers([Weft, Frr, Bird])
        .segment(Segment::new("md5", 1, Medium::Broadcast, &["weft", "frr", "bird"]).auth(Auth::md5()))
        .segment(wire("simple", 2, "frr").auth(Auth::simple()))
        .segment(wire("hmac", 3, "bird").auth(Auth::hmac_sha_256()))
        .stub("weft", 0, 10)
        .stub("frr", 0, 10)
        .stub("bird", 0, 10);
    let network = Network::start(plan)?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    network.finish()
}

/// Each at a neighbour of its own: what weft has wrong, and the name of the refusal.
#[test]
fn whoever_authenticates_otherwise_is_refused_by_name_until_it_is_mended() -> Result<()> {
    let wrong = |key| Auth::Keys(vec![key]);
    let cases = [
        ("digest", "frr", Auth::md5(), wrong(Key::new(1, Md5, "another")), "authentication-digest"),
        ("hmac", "bird", Auth::hmac_sha_256(), wrong(Key::new(1, HmacSha256, "another")), "authentication-digest"),
        ("id", "frr2", Auth::md5(), wrong(Key::new(2, Md5, "another")), "authentication-key-id"),
        ("kind", "bird2", Auth::None, Auth::md5(), "authentication-type"),
        ("password", "bird3", Auth::simple(), Auth::Simple("another"), "authentication-password"),
    ];
    let mut plan = Plan::new("t-refuse").speakers([Weft, Frr, Bird]);
    plan = plan.router("frr2", Frr).router("bird2", Bird).router("bird3", Bird);
    for ((name, far, right, wrong, _), number) in cases.iter().zip(1..) {
        let wire = Segment::new(name, number, Medium::PointToPoint, &["weft", far]);
        plan = plan.segment(wire.auth(right.clone()).auth_of("weft", wrong.clone())).stub(far, 0, 10);
    }
    let mut network = Network::start(plan)?;
    for (interface, _, _, _, reason) in &cases {
        eventually(&format!("{reason} on {interface}"), SETTLED, || {
            let refused = &network.interface("weft", interface)?["refused"];
            ensure!(refused[reason].as_u64() > Some(REPEATED), "{refused}");
            ensure!(refused.as_object().is_some_and(|reasons| reasons.len() == 1), "{refused}");
            Ok(Some(()))
        })?;
    }
    for router in &network.plan().routers {
        let seen = network.daemon(router.name).neighbors()?;
        ensure!(seen.is_empty(), "{} has neighbours: {seen:?}", router.name);
    }
    let detail = network.daemon("weft").ask("show interfaces --detail")?;
    let log = network.daemon("weft").log()?;
    for (interface, _, _, _, reason) in &cases {
        ensure!(detail.contains(&format!("packets: {reason}")), "no {reason} in {detail}");
        let is_logged = |line: &str| {
            line.contains("WARN") && line.contains(&format!("{interface:?}")) && line.contains(&format!("{reason:?}"))
        };
        ensure!(log.lines().any(is_logged), "no {reason} on {interface} in {log}");
    }
    network.reload("weft", |plan| {
        cases.iter().fold(plan, |plan, (name, _, right, _, _)| plan.with_auth(name, "weft", right.clone()))
    })?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    network.finish()
}

/// BIRD and weft go by the clock, accept the old key for a while longer, and change the algorithm, too. FRR 8.4 has no lifetimes
/// and takes no key but the latest that it was told of: it is told when weft changes, and weft bears with what it sent before.
#[test]
fn keys_are_rolled_over_without_a_lost_adjacency() -> Result<()> {
    let old = Key::new(1, Md5, "old");
    let wire = |name, number, far| Segment::new(name, number, Medium::PointToPoint, &["weft", far]);
    let plan = Plan::new("t-roll")
        .speakers([Weft, Frr, Bird])
        .segment(wire("wf", 1, "frr").auth(Auth::Keys(vec![old.clone()])))
        .segment(wire("wb", 2, "bird").auth(Auth::Keys(vec![old.clone()])))
        .stub("frr", 0, 10)
        .stub("bird", 0, 10);
    let mut network = Network::start(plan)?;
    network.await_full()?;
    network.await_routes(SETTLED)?;
    let full = Instant::now();

    let change = Moment::after(LEAD)?;
    let end = change.plus(OVERLAP);
    let chain = |algorithm| {
        let old = Key { sent_until: Some(change), accepted_until: Some(end), ..old.clone() };
        Auth::Keys(vec![old, Key { sent_from: Some(change), ..Key::new(2, algorithm, "new") }])
    };
    network
        .reload("weft", |plan| plan.with_auth("wf", "weft", chain(Md5)).with_auth("wb", "weft", chain(HmacSha256)))?;
    network.reload("bird", |plan| plan.with_auth("wb", "bird", chain(HmacSha256)))?;
    let key = |interface| -> Result<_> { Ok(network.interface("weft", interface)?["auth_key_id"].as_u64()) };
    eventually("weft to sign with the new key", SETTLED, || Ok((key("wf")? == Some(2)).then_some(())))?;
    network.daemon("frr").ask(
        "configure terminal\ninterface wf\nip ospf message-digest-key 2 md5 new\nno ip ospf message-digest-key 1",
    )?;
    eventually("the end of the old key", SETTLED, || Ok(end.is_past()?.then_some(())))?;
    network.await_hellos("weft", &["wf", "wb"])?;
    network.ensure_unbroken_since(full)?;
    network.await_routes(SETTLED)?;

    let ids = ["weft", "frr", "bird"].map(|router| (router, network.plan().router_id(router)));
    let packets = network.finish_with_packets()?;
    for (segment, far) in [("wf", "frr"), ("wb", "bird")] {
        for (router, id) in ids.iter().filter(|(router, _)| [far, "weft"].contains(router)) {
            let mut keys: Vec<_> =
                packets[segment].iter().filter(|packet| packet.router_id == *id).map(|packet| packet.key_id).collect();
            keys.dedup();
            ensure!(keys == [Some(1), Some(2)], "{router} on {segment} signed with {keys:?}, one after the other");
        }
    }
    Ok(())
}
