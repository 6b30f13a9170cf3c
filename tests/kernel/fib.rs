//! Which route the kernel uses in place of weft's, and that it is none while nobody meddles.

use weft::reconcile::fib::Override;
use weft::reconcile::state::State;

use crate::world::{Namespace, Router, add_route, ip, prefix, tunnels_to};

const DESTINATION: &str = "10.2.0.0/16";

fn desired() -> State {
    let mut desired = tunnels_to(&[2, 3]);
    for (to, via) in [("10.255.0.2/32", &[2][..]), (DESTINATION, &[2]), ("10.3.0.0/16", &[2, 3])] {
        add_route(&mut desired, to, via);
    }
    desired
}

/// A router with weft's routes, and an interface that is not weft's.
async fn router_with_uplink() -> Router {
    for arguments in [
        "link add up0 type veth peer name far0",
        "address add 192.0.2.1/24 dev up0",
        "link set up0 up",
        "link set far0 up",
    ] {
        ip(arguments);
    }
    let mut router = Router::open();
    router.settle(&desired()).await;
    router
}

/// What `meddling` with `ip` makes the kernel use; `undoing` takes it back.
async fn overridden(router: &Router, meddling: &[&str], undoing: &[&str]) -> Option<String> {
    for arguments in meddling {
        ip(arguments);
    }
    let found = router.kernel.fib().overridden(prefix(DESTINATION)).await.unwrap();
    for arguments in undoing {
        ip(arguments);
    }
    let left = router.kernel.fib().overridden(prefix(DESTINATION)).await.unwrap();
    assert_eq!(left, None, "after {undoing:?}");
    found.map(|found| {
        let kind = match &found {
            Override::Route(_) => "route",
            Override::Table { .. } => "table",
            Override::Rule(_) => "rule",
        };
        format!("{kind}: {}", found.sentence(prefix(DESTINATION)))
    })
}

#[test]
fn a_look_up_finds_what_the_kernel_uses_in_place_of_a_route_of_weft() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_uplink().await;
        for to in ["10.255.0.2/32", DESTINATION, "10.3.0.0/16"] {
            assert_eq!(router.kernel.fib().overridden(prefix(to)).await.unwrap(), None, "{to}");
        }
        for (meddling, undoing, expected) in [
            (
                "route add blackhole 10.2.0.0/16",
                "route del blackhole 10.2.0.0/16",
                "route: 10.2.0.0/16: packets are dropped by another route, preferred to weft's (metric 110): `blackhole 10.2.0.0/16 proto \
                 boot metric 0`. Remove it (`ip route del blackhole 10.2.0.0/16`)",
            ),
            ("route add unreachable 10.2.0.0/16 proto static metric 7", "route del unreachable 10.2.0.0/16 metric 7", "`unreachable 10.2.0.0/16 proto static metric 7`"),
            ("route add prohibit 10.2.0.0/16", "route del prohibit 10.2.0.0/16", "`prohibit 10.2.0.0/16"),
            (
                "route add 10.2.0.0/16 via 192.0.2.9 proto static metric 5",
                "route del 10.2.0.0/16 via 192.0.2.9 metric 5",
                "packets go by another route, preferred to weft's (metric 110): `10.2.0.0/16 via 192.0.2.9 dev up0 proto static metric 5`",
            ),
            ("rule add pref 40 to 10.0.0.0/8 prohibit", "rule del pref 40", "rule: 10.2.0.0/16: packets are dropped by rule 40 (`from all to 10.0.0.0/8 prohibit`)"),
            ("rule add pref 41 to 10.2.0.0/16 unreachable", "rule del pref 41", "rule: 10.2.0.0/16: packets are dropped by rule 41"),
        ] {
            let found = overridden(&router, &[meddling], &[undoing]).await;
            assert!(found.as_ref().is_some_and(|found| found.contains(expected)), "{meddling}: {found:?}");
        }
        let found = overridden(
            &router,
            &["route add default via 192.0.2.9 table 200", "rule add pref 50 lookup 200"],
            &["rule del pref 50", "route flush table 200"],
        );
        let expected = "table: 10.2.0.0/16: packets go by table 200 by rule 50 (`from all lookup 200`)";
        let found = found.await;
        assert!(found.as_ref().is_some_and(|found| found.starts_with(expected)), "{found:?}");
        let found = overridden(
            &router,
            &["address add 10.2.0.1/16 dev up0"],
            &["address del 10.2.0.1/16 dev up0"],
        );
        let found = found.await;
        assert!(found.as_ref().is_some_and(|found| found.contains("connected to the same network")), "{found:?}");
        router.down().await;
    });
}

#[test]
fn what_people_mean_is_no_override() {
    Namespace::new().block_on(|| async {
        let mut router = router_with_uplink().await;
        for (meddling, undoing) in [
            // More specific: connected, static and dropped.
            ("address add 10.2.0.1/24 dev up0", "address del 10.2.0.1/24 dev up0"),
            ("route add 10.2.0.0/17 via 192.0.2.9", "route del 10.2.0.0/17"),
            ("route add blackhole 10.2.0.0/24", "route del blackhole 10.2.0.0/24"),
            // Less preferred: for when weft does not run.
            ("route add blackhole 10.2.0.0/16 metric 200", "route del blackhole 10.2.0.0/16 metric 200"),
            ("route add unreachable default metric 4278198272", "route del unreachable default metric 4278198272"),
            ("route add default via 192.0.2.9", "route del default"),
            // Of some sources, marks or destinations, and behind the main table.
            ("rule add pref 50 from 192.0.2.77 prohibit", "rule del pref 50"),
            ("rule add pref 51 fwmark 7 prohibit", "rule del pref 51"),
            ("rule add pref 52 to 10.2.0.0/24 prohibit", "rule del pref 52"),
            ("rule add pref 40000 blackhole", "rule del pref 40000"),
        ] {
            assert_eq!(overridden(&router, &[meddling], &[undoing]).await, None, "{meddling}");
        }
        router.down().await;
    });
}
