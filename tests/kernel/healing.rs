//! One loop serves first start, meddling, reload and `weft down`.

use std::time::Duration;

use tokio::time::timeout;
use weft::reconcile::Failure;
use weft::reconcile::state::{Admin, Backend, Freshness, MAIN_TABLE, Observed, Route, RouteKey, State};

use crate::world::{Namespace, Router, add_route, everything, ip, name, prefix, tunnel, tunnels_to};

const DEADLINE: Duration = Duration::from_secs(10);

fn three_sites() -> State {
    let mut desired = tunnels_to(&[2, 3]);
    add_route(&mut desired, "10.255.0.2/32", &[2]);
    add_route(&mut desired, "10.2.0.0/16", &[2]);
    add_route(&mut desired, "10.3.0.0/16", &[2, 3]);
    desired
}

#[test]
fn first_start_leaves_nothing_to_do_and_down_leaves_nothing_behind() {
    Namespace::new().block_on(|| async {
        ip("link add up0 type veth peer name far0");
        ip("address add 192.0.2.1/24 dev up0");
        ip("link set up0 up");
        ip("link set far0 up");
        ip("route add 10.2.0.0/16 via 192.0.2.9");
        ip("route add 198.51.100.0/24 via 192.0.2.9 proto bird metric 110");
        ip("rule add pref 100 to 10.9.0.0/16 lookup 201");
        std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "2").unwrap();
        std::fs::write("/proc/sys/net/ipv4/conf/up0/rp_filter", "1").unwrap();
        let before = everything();

        let mut router = Router::open();
        router.settle(&three_sites()).await;
        assert!(ip("-d link show wg-b").contains("alias weft:test"));
        assert!(ip("-d link show wg-b").contains("addrgenmode none"));
        assert!(ip("link show wg-b").contains("MULTICAST,NOARP,UP"));
        assert!(!ip("-6 address show dev wg-b").contains("fe80"));
        assert!(ip("route show 10.3.0.0/16 proto 201").contains("nexthop via 10.255.0.3 dev wg-c weight 1 onlink"));
        assert!(ip("route get 10.3.1.1").contains("src 10.255.0.1"));
        assert!(ip("route get 10.2.1.1").contains("via 192.0.2.9 dev up0"), "a static route wins against OSPF's");
        let setting = |path: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{path}")).unwrap();
        assert_eq!(setting("all/forwarding"), "1\n");
        assert_eq!(setting("all/rp_filter"), "0\n");
        assert_eq!(setting("up0/rp_filter"), "2\n");
        assert_eq!(setting("default/rp_filter"), "2\n");
        assert_eq!(setting("wg-b/rp_filter"), "0\n");

        router.down().await;
        assert_eq!(everything(), before);
    });
}

#[test]
fn a_device_that_was_made_and_not_configured_is_marked_and_configured() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let desired = tunnels_to(&[2]);
        router.settle(&desired).await;
        router.engine.forget_keys();
        assert_ne!(router.left_to_do(&desired).await, Vec::<String>::new());
        router.settle(&desired).await;
        // Nor had the daemon that made it lived to mark it.
        router.engine.forget_keys();
        ip("link set wg-b alias unmarked");
        router.settle(&desired).await;
        assert!(ip("-d link show wg-b").contains("alias weft:test"));
    });
}

#[test]
fn whatever_somebody_breaks_is_healed() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let desired = three_sites();
        router.settle(&desired).await;
        let blows = [
            "link del wg-b",
            "link set wg-c down",
            "link set wg-c mtu 1300",
            "link set wg-c multicast off",
            "route del 10.2.0.0/16",
            "route replace 10.3.0.0/16 metric 110 proto 201 via 10.255.0.2 dev wg-b onlink",
            "route flush proto 201",
            "address del 10.255.0.1/32 dev lo",
            "address del 10.255.0.1/32 dev wg-b",
            "address flush dev wg-c",
        ];
        for blow in blows {
            ip(blow);
            assert_ne!(router.left_to_do(&desired).await, Vec::<String>::new(), "{blow}");
            router.settle(&desired).await;
        }
    });
}

#[test]
fn reload_adds_and_removes_a_tunnel_without_touching_the_rest() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let before = three_sites();
        router.settle(&before).await;
        let index = router.observe().await.indexes[&tunnel(2)];
        let mut after = before.clone();
        let added = tunnels_to(&[4]);
        after.links.extend(added.links);
        after.devices.extend(added.devices);
        after.addresses.extend(added.addresses);
        add_route(&mut after, "10.4.0.0/16", &[4]);
        router.settle(&after).await;
        router.settle(&before).await;
        let observed = router.observe().await;
        assert_eq!(observed.indexes[&tunnel(2)], index);
        assert!(!observed.indexes.contains_key(&tunnel(4)));
    });
}

#[test]
fn routes_are_changed_time_and_again_from_one_look() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let mut desired = three_sites();
        router.settle(&desired).await;
        let mut observed = router.observe().await;
        for via in [3, 2, 3] {
            add_route(&mut desired, "10.2.0.0/16", &[via]);
            add_route(&mut desired, &format!("10.{via}.7.0/24"), &[via]);
            let failures = router.reconcile_from(&desired, &mut observed).await;
            assert!(failures.is_empty(), "{failures:#?}");
            assert_eq!(observed.freshness, Freshness::Fresh);
            assert_eq!(router.left_to_do(&desired).await, Vec::<String>::new());
        }
        add_route(&mut desired, "10.8.0.0/16", &[2]);
        ip("link del wg-b");
        let failures = router.reconcile_from(&desired, &mut observed).await;
        assert_eq!(failures.len(), 1);
        assert_eq!(observed.freshness, Freshness::Stale);
    });
}

#[test]
fn another_run_finds_what_the_first_one_made_and_gives_back_what_was_before_it() {
    Namespace::new().block_on(|| async {
        std::fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1").unwrap();
        let before = everything();
        let mut router = Router::open();
        let desired = three_sites();
        router.settle(&desired).await;
        let mut router = router.restart();
        assert_eq!(router.left_to_do(&desired).await, Vec::<String>::new());
        let observed = router.observe().await;
        assert_eq!(observed.state.links.keys().collect::<Vec<_>>(), [&tunnel(2), &tunnel(3)]);
        assert!(observed.state.links.values().all(|link| link.admin == Admin::Up));
        router.settle(&desired).await;
        router.down().await;
        assert_eq!(everything(), before);
    });
}

#[test]
fn foreign_route_in_the_way_stays_and_is_reported_while_the_rest_goes_on() {
    Namespace::new().block_on(|| async {
        ip("link add up0 type veth peer name far0");
        ip("address add 192.0.2.1/24 dev up0");
        ip("link set up0 up");
        ip("route add 10.2.0.0/16 via 192.0.2.9 metric 110 proto bird");
        let mut router = Router::open();
        let failures = router.reconcile(&three_sites()).await;
        let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
        assert_eq!(failures, ["add route 10.2.0.0/16 via 10.255.0.2 dev wg-b: File exists (os error 17)"]);
        assert!(ip("route show 10.2.0.0/16").contains("via 192.0.2.9 dev up0 proto bird"));
        assert!(ip("route show 10.3.0.0/16").contains("wg-b"));
        router.down().await;
        assert!(ip("route show 10.2.0.0/16").contains("via 192.0.2.9 dev up0 proto bird"));
    });
}

#[test]
fn loopback_address_that_somebody_else_set_is_used_and_left() {
    Namespace::new().block_on(|| async {
        ip("address add 10.255.0.1/32 dev lo");
        let mut router = Router::open();
        router.settle(&three_sites()).await;
        router.down().await;
        assert!(ip("address show dev lo").contains("10.255.0.1/32"));
    });
}

#[test]
fn foreign_interface_of_a_tunnels_name_is_left_alone_and_fails_alone() {
    const REFUSED: &str = "an interface of this name exists that is not the mesh's";
    Namespace::new().block_on(|| async {
        ip("link add wg-b type veth peer name other");
        ip("tuntap add wg-c mode tun");
        let before = [ip("-d link show wg-b"), ip("-d link show wg-c")];
        let mut router = Router::open();
        let mut desired = three_sites();
        add_route(&mut desired, "10.4.0.0/16", &[4]);
        let more = tunnels_to(&[4]);
        desired.links.extend(more.links);
        desired.devices.extend(more.devices);
        desired.links.get_mut(&tunnel(2)).unwrap().backend = Backend::Kernel;
        let failures: Vec<String> = router.reconcile(&desired).await.iter().map(Failure::to_string).collect();
        assert_eq!(
            failures,
            [format!("create kernel tunnel wg-b: {REFUSED}"), format!("create userspace tunnel wg-c: {REFUSED}"),]
        );
        assert_eq!([ip("-d link show wg-b"), ip("-d link show wg-c")], before);
        assert!(ip("route show 10.4.0.0/16").contains("wg-d"));
    });
}

#[test]
fn asking_for_wireguard_leaves_no_link_behind() {
    Namespace::new().block_on(|| async {
        let router = Router::open();
        let before = ip("link show");
        let has_it = router.kernel.has_wireguard().await.unwrap();
        assert_eq!(ip("link show"), before);
        let made =
            std::process::Command::new("ip").args(["link", "add", "probe", "type", "wireguard"]).output().unwrap();
        assert_eq!(has_it, made.status.success());
    });
}

#[test]
fn interfaces_of_others_are_described() {
    Namespace::new().block_on(|| async {
        ip("link add up0 type veth peer name far0");
        ip("address add 192.0.2.1/24 dev up0");
        ip("link set up0 up mtu 1400");
        let mut router = Router::open();
        let up0 = |observed: Observed| observed.foreign.interfaces[&name("up0")].clone();
        let found = up0(router.observe().await);
        assert!(!found.running, "no carrier while the other end is down");
        assert_eq!((found.mtu, found.addresses), (1400, vec!["192.0.2.1/24".parse().unwrap()]));
        ip("link set far0 up");
        while !up0(router.observe().await).running {
            timeout(DEADLINE, router.watch.changed()).await.expect("carrier is announced").unwrap();
        }
    });
}

#[test]
#[ignore = "needs a kernel with WireGuard: run it in the virtual machine"]
fn kernel_tunnels_are_made_marked_and_taken_away() {
    Namespace::new().block_on(|| async {
        let before = everything();
        let mut router = Router::open();
        assert!(router.kernel.has_wireguard().await.unwrap(), "this kernel has no WireGuard");
        let mut desired = three_sites();
        desired.links.values_mut().for_each(|link| link.backend = Backend::Kernel);
        router.settle(&desired).await;
        let link = ip("-d link show wg-b");
        for part in ["wireguard", "mtu 1420", "MULTICAST", "UP", "alias weft:test", "addrgenmode none"] {
            assert!(link.contains(part), "{part}: {link}");
        }
        ip("link del wg-b");
        router.settle(&desired).await;
        router.down().await;
        assert_eq!(everything(), before);
    });
}

#[test]
fn a_route_that_drops_packets_is_installed_replaced_and_taken_away() {
    Namespace::new().block_on(|| async {
        let mut router = Router::open();
        let mut desired = tunnels_to(&[2]);
        let key = RouteKey { table: MAIN_TABLE, prefix: prefix("10.2.0.0/16") };
        desired.routes.insert(key, Route::blackhole());
        router.settle(&desired).await;
        let shown = || ip("-4 route show proto 201");
        assert_eq!(shown().trim(), "blackhole 10.2.0.0/16 metric 110");
        assert_eq!(router.observe().await.state.routes[&key], Route::blackhole());

        add_route(&mut desired, "10.2.0.0/16", &[2]);
        router.settle(&desired).await;
        assert!(shown().starts_with("10.2.0.0/16 via 10.255.0.2 dev wg-b"), "{}", shown());

        desired.routes.insert(key, Route::blackhole());
        router.settle(&desired).await;
        desired.routes.clear();
        router.settle(&desired).await;
        assert_eq!(shown(), "");
    });
}

#[test]
fn what_fails_is_tried_again_later_whatever_happens_and_what_somebody_undoes_is_named() {
    Namespace::new().block_on(|| async {
        ip("link add up0 type veth peer name far0");
        ip("address add 192.0.2.1/24 dev up0");
        ip("link set up0 up");
        ip("route add 10.2.0.0/16 via 192.0.2.9 metric 110 proto bird");
        let mut router = Router::open();
        let desired = three_sites();
        // Somebody else's route is in the way. That is found out again when its time has come, however often something happens.
        let (begin, mut failed, mut rounds) = (std::time::Instant::now(), 0, 0);
        while begin.elapsed() < Duration::from_secs(1) {
            failed += router.reconcile(&desired).await.len();
            rounds += 1;
        }
        assert!((1..=4).contains(&failed) && (rounds > failed || rounds < 4), "{failed} failures in {rounds} rounds");
        assert!(router.planner.attempts().has_failures());
        ip("route del 10.2.0.0/16");
        router.settle(&desired).await;
        assert!(!router.planner.attempts().has_failures());
        let now = std::time::Instant::now();
        assert_eq!(router.planner.attempts().problems(now), Vec::<String>::new());

        // Somebody deletes a route of ours whenever it is there.
        let mut put_back = 0;
        while router.planner.attempts().problems(now).is_empty() {
            assert!(put_back < 100, "a fight is noticed");
            ip("route del 10.3.0.0/16");
            router.reconcile(&desired).await;
            put_back += 1;
        }
        let problems = router.planner.attempts().problems(now);
        assert!(problems[0].contains("`add route 10.3.0.0/16 via 10.255.0.2 dev wg-b, "), "{problems:?}");
        // It is paced: sooner or later it stays away for a while.
        for _ in 0..5 {
            if ip("route show 10.3.0.0/16").is_empty() {
                break;
            }
            ip("route del 10.3.0.0/16");
            router.reconcile(&desired).await;
        }
        assert_eq!(ip("route show 10.3.0.0/16"), "", "it is paced");
        ip("route del 10.255.0.2/32");
        router.reconcile(&desired).await;
        assert_ne!(ip("route show 10.255.0.2/32"), "", "everything else is healed at once");
    });
}
