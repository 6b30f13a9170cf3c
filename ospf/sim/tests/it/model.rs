//! All states of a few routers on a hostile wire, up to bounds.

use std::time::Duration;

use ospf_sim::model::{Beginning, Bounds, Disturbances, FlawKind, Medium, search};

/// So many of each kind of packet's misfortune, and so many disturbances in all.
fn on_the_wire(each: u8, total: u8) -> Disturbances {
    Disturbances { losses: each, duplications: each, reorderings: each, total, ..Disturbances::default() }
}

/// Packets that were held back come late, but not so late that a retransmission overtakes them.
fn bounds(disturbances: Disturbances) -> Bounds {
    Bounds { disturbances, lifetime: Duration::from_millis(150), ..Bounds::default() }
}

/// Every state recovers; as many as `least` are reached at the least, or the search is not what it was meant to be.
fn every_state_recovers(bounds: &Bounds, least: usize) {
    let outcome = search(bounds, |_, _| {});
    for flaw in &outcome.flaws {
        println!("{flaw}");
    }
    assert!(outcome.flaws.is_empty(), "{} flaws", outcome.flaws.len());
    assert!(outcome.is_complete);
    assert!(outcome.states >= least, "{} states", outcome.states);
}

#[test]
fn two_routers_that_start_recover_from_any_two_disturbances() {
    let disturbances = Disturbances { restarts: 2, ..on_the_wire(2, 2) };
    every_state_recovers(&bounds(disturbances), 150_000);
}

#[test]
fn exchanges_of_many_packets_recover_from_any_one_disturbance_however_late() {
    let disturbances = Disturbances { restarts: 1, changes: 1, ..on_the_wire(1, 1) };
    let long = Bounds { mtu: 80, externals: 2, ..Bounds::default() };
    every_state_recovers(&Bounds { disturbances, ..long }, 10_000);
}

#[test]
fn routers_on_a_broadcast_network_recover_from_any_one_disturbance() {
    let disturbances = Disturbances { restarts: 1, ..on_the_wire(1, 1) };
    every_state_recovers(&Bounds { medium: Medium::Broadcast, ..bounds(disturbances) }, 5_000);
}

#[test]
fn what_changes_after_convergence_reaches_both_ends_whatever_two_things_go_wrong() {
    let disturbances = Disturbances { restarts: 1, changes: 2, ..on_the_wire(1, 2) };
    let converged =
        Bounds { beginning: Beginning::Converged, start_offset: Duration::from_millis(300), ..bounds(disturbances) };
    every_state_recovers(&converged, 10_000);
}

#[test]
fn a_network_that_does_not_recover_in_time_is_a_flaw_with_the_way_there() {
    let disturbances = Disturbances { losses: 1, total: 1, ..Disturbances::default() };
    // A lost packet is sent again after RxmtInterval.
    let hasty = Bounds { recovery: Duration::from_secs(3), ..bounds(disturbances) };
    let outcome = search(&hasty, |_, _| {});
    let flaw = outcome.flaws.first().expect("a loss takes longer than that to recover from");
    assert_eq!(flaw.kind, FlawKind::Apart);
    assert_eq!(flaw.trace.matches("LOST").count(), 1, "{flaw}");
    assert!(!outcome.is_complete);
}
