//! Meddling is heard of, our own routes are not, and what does not fit the queue is a resync.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::task::unconstrained;
use tokio::time::timeout;
use weft::kernel::{Change, OthersRoutes};
use weft::mesh;
use weft::reconcile::carriers::Followed;
use weft::reconcile::state::{ForeignRoute, RouteOrigin};

use crate::world::{Namespace, Router, add_route, ip, name, prefix, tunnels_to};

const DEADLINE: Duration = Duration::from_secs(10);

async fn heard(router: &mut Router) -> BTreeSet<Change> {
    timeout(DEADLINE, router.watch.changed()).await.expect("a change is announced").unwrap().kinds
}

/// What is announced next, beside links: the kernel announces that one is operational up to a second after it was set up.
async fn heard_beside_links(router: &mut Router) -> BTreeSet<Change> {
    loop {
        let mut kinds = heard(router).await;
        kinds.remove(&Change::Links);
        if !kinds.is_empty() {
            return kinds;
        }
    }
}

/// What has been announced so far.
async fn drain(router: &mut Router) -> BTreeSet<Change> {
    let mut all = BTreeSet::new();
    // Without the runtime's turn-taking a future is pending only when there is nothing to read.
    while let Ok(changes) = unconstrained(timeout(Duration::ZERO, router.watch.changed())).await {
        all.extend(changes.unwrap().kinds);
    }
    all
}

#[test]
fn each_kind_of_meddling_is_announced() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let mut desired = tunnels_to(&[2]);
        add_route(&mut desired, "10.2.0.0/16", &[2]);
        router.settle(&desired).await;
        drain(&mut router).await;
        let blows = [
            ("link set wg-b mtu 1300", Change::Links),
            ("address add 192.0.2.1/24 dev wg-b", Change::Addresses),
            ("route del 10.2.0.0/16", Change::Routes),
            ("rule add pref 100 lookup 100", Change::Rules),
        ];
        for (blow, change) in blows {
            ip(blow);
            assert!(heard(&mut router).await.contains(&change), "{blow}");
            drain(&mut router).await;
        }
        std::fs::write("/proc/sys/net/ipv4/conf/all/forwarding", "0").unwrap();
        assert!(heard(&mut router).await.contains(&Change::Settings), "forwarding is switched off");
    });
}

#[test]
fn own_routes_and_those_of_others_are_not_announced() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let mut desired = tunnels_to(&[2, 3]);
        add_route(&mut desired, "10.2.0.0/16", &[2]);
        router.settle(&desired).await;
        drain(&mut router).await;
        add_route(&mut desired, "10.2.0.0/16", &[3]);
        add_route(&mut desired, "10.3.0.0/16", &[3]);
        router.settle(&desired).await;
        desired.routes.clear();
        router.settle(&desired).await;
        ip("route add 10.7.0.0/16 dev wg-b proto bgp");
        ip("route del 10.7.0.0/16 dev wg-b proto bgp");
        assert_eq!(drain(&mut router).await, BTreeSet::new());
    });
}

#[test]
fn what_does_not_fit_the_queue_is_a_resync() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        router.settle(&tunnels_to(&[2])).await;
        drain(&mut router).await;
        let batch = tempfile::NamedTempFile::new().unwrap();
        let routes =
            (0..40_000).map(|i| format!("route add 10.{}.{}.{}/32 dev wg-b\n", i >> 16, i >> 8 & 255, i & 255));
        std::fs::write(batch.path(), routes.collect::<String>()).unwrap();
        ip(&format!("-batch {}", batch.path().display()));
        assert!(heard(&mut router).await.contains(&Change::Resync));
        ip("link set wg-b mtu 1300");
        assert_eq!(heard(&mut router).await, BTreeSet::from([Change::Links]), "and then it goes on");
    });
}

#[test]
fn routes_of_others_are_seen_and_heard_of_where_they_are_of_interest() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let mut desired = tunnels_to(&[2]);
        add_route(&mut desired, "10.2.0.0/16", &[2]);
        router.settle(&desired).await;
        ip("link add lan type veth peer name host");
        ip("link set host up");
        ip("link set lan up");
        ip("address add 192.0.2.1/24 dev lan");
        for route in ["172.16.1.0/24", "172.16.2.0/24 proto 99", "172.16.3.0/24 table 100"] {
            ip(&format!("route add blackhole {route}"));
        }
        ip("route add 172.16.5.0/24 via 192.0.2.9");
        ip("route add blackhole 172.16.6.0/24 metric 5");
        ip("route add 172.16.6.0/24 via 192.0.2.9 metric 10");
        ip("route add 172.16.7.0/24 via 192.0.2.9 metric 10");
        ip("route add unreachable 172.16.7.0/24 metric 20");
        assert_eq!(router.observe().await.foreign.routes, BTreeMap::new(), "nobody asked");
        drain(&mut router).await;

        router.kernel.learn(OthersRoutes::Observed);
        router.watch.learn(OthersRoutes::Observed);
        let expected = [
            ("172.16.1.0/24", RouteOrigin::Static, None, (0, false)),
            ("172.16.2.0/24", RouteOrigin::Program, None, (0, false)),
            ("172.16.5.0/24", RouteOrigin::Static, Some("192.0.2.9".parse().unwrap()), (0, true)),
            ("172.16.6.0/24", RouteOrigin::Static, None, (5, false)),
            ("172.16.7.0/24", RouteOrigin::Static, None, (10, true)),
        ];
        let lan = router.observe().await.indexes[&name("lan")];
        let route = |origin, gateway: Option<_>, (metric, leads)| {
            let interface = gateway.map(|_| lan);
            ForeignRoute { origin, gateway, metric, leads, interface, has_carrier: true }
        };
        let expected = expected.map(|(text, origin, gateway, metric)| (prefix(text), route(origin, gateway, metric)));
        assert_eq!(router.observe().await.foreign.routes, BTreeMap::from(expected));
        for blow in ["route add blackhole 172.16.4.0/24", "route del blackhole 172.16.4.0/24"] {
            ip(blow);
            assert_eq!(heard_beside_links(&mut router).await, BTreeSet::from([Change::OthersRoutes]), "{blow}");
        }
    });
}

#[test]
fn what_happens_to_other_interfaces_is_told_apart() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        router.watch.manage([name("lo"), name("wg-b"), name("lan")].into());
        router.settle(&tunnels_to(&[2])).await;
        let observed = router.observe().await;
        router.watch.attend(&observed).unwrap();
        drain(&mut router).await;
        ip("link add other type veth peer name far");
        ip("link set other up");
        ip("address add 192.0.2.1/24 dev other");
        ip("link del other");
        assert_eq!(drain(&mut router).await, BTreeSet::from([Change::Unmanaged]));
        for (blow, change) in [
            ("link add lan type veth peer name host", Change::Links),
            ("link set wg-b mtu 1300", Change::Links),
            ("address add 192.0.2.1/24 dev wg-b", Change::Addresses),
            ("link set wg-b name other", Change::Links),
        ] {
            ip(blow);
            assert!(heard(&mut router).await.contains(&change), "{blow}");
            drain(&mut router).await;
        }
    });
}

/// What a site that lists 10.1.0.0/16 follows.
fn followed() -> Followed {
    let text = "[mesh]\nname = \"t\"\nloopbacks = \"10.255.0.0/16\"\n[[site]]\nname = \"a\"\nid = 1\nprefixes = [\"10.1.0.0/16\"]\n\
                public_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\n";
    Followed::of(&mesh::parse("mesh", text).unwrap().mesh.sites[0])
}

#[test]
fn routes_that_may_carry_a_prefix_are_seen_as_long_as_no_interface_does() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        router.kernel.follow(followed());
        router.watch.follow(followed());
        ip("link add lan type veth peer name host");
        ip("link set host up");
        ip("link set lan up");
        ip("address add 192.0.2.1/24 dev lan");
        ip("route add 10.1.5.0/24 via 192.0.2.9");
        let observed = router.observe().await;
        router.watch.attend(&observed).unwrap();
        let route = observed.foreign.routes[&prefix("10.1.5.0/24")];
        assert_eq!((route.interface, route.has_carrier), (Some(observed.indexes[&name("lan")]), true));
        drain(&mut router).await;
        ip("route add blackhole 172.16.4.0/24");
        ip("route add blackhole 10.1.6.0/24");
        assert_eq!(heard_beside_links(&mut router).await, BTreeSet::from([Change::Carriers]));

        // The kernel keeps what leads out by an interface without carrier.
        ip("link set host down");
        while router.observe().await.foreign.routes[&prefix("10.1.5.0/24")].has_carrier {
            heard(&mut router).await;
        }
        assert!(router.observe().await.foreign.routes[&prefix("10.1.6.0/24")].has_carrier);
        ip("route add 10.1.7.0/24 nexthop via 192.0.2.9 dev lan onlink nexthop via 192.0.2.8 dev lan onlink");
        let several = router.observe().await.foreign.routes[&prefix("10.1.7.0/24")];
        assert_eq!((several.interface, several.has_carrier), (None, false));

        ip("link set host up");
        ip("address add 10.1.0.1/24 dev lan");
        while !router.observe().await.foreign.routes.is_empty() {
            heard(&mut router).await;
        }
    });
}
