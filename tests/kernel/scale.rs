//! Ten thousand routes.

use std::time::{Duration, Instant};

use crate::world::{Namespace, Router, add_route, tunnels_to};

/// Far above what it takes on an emulated machine without optimisation, far below what a dump per route would take.
const BOUND: Duration = Duration::from_secs(120);

#[test]
fn ten_thousand_routes_are_installed_replaced_and_deleted() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let mut desired = tunnels_to(&[2, 3]);
        router.settle(&desired).await;
        for (what, via) in [("install", Some(2)), ("replace", Some(3)), ("delete", None)] {
            desired.routes.clear();
            if let Some(via) = via {
                (0..10_000).for_each(|i| add_route(&mut desired, &format!("10.{}.{}.0/24", i >> 8, i & 255), &[via]));
            }
            let start = Instant::now();
            let failures = router.reconcile(&desired).await;
            let took = start.elapsed();
            eprintln!("{what} 10000 routes: {took:?}");
            assert!(failures.is_empty(), "{}", failures[0]);
            assert!(took < BOUND, "{what}: {took:?}");
            let start = Instant::now();
            assert_eq!(router.left_to_do(&desired).await, Vec::<String>::new());
            eprintln!("look at them and find nothing to do: {:?}", start.elapsed());
        }
    });
}
