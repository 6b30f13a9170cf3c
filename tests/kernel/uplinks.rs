//! Answers to connections that came in by an uplink leave by it while another site's default route is in force.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use weft::mesh::{self, Mesh};
use weft::reconcile::rules::{Sources, desired_rules};
use weft::reconcile::state::{CAPTURE_TABLE, Nexthop, Route, RouteKey, State};
use weft::reconcile::uplinks::{Uplinks, Way};

use crate::world::{Namespace, OWN, Router, everything, ip, prefix, tunnel, tunnels_to};

/// Hosts of the Internet, each behind the gateway of one uplink.
const NEAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 81);
/// This machine's addresses on its uplinks.
const FIRST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

const DEADLINE: Duration = Duration::from_secs(5);
/// For a connection that is not to come about: one that does takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// The router with two uplinks, of which `up0` is preferred.
struct Site {
    router: Namespace,
    near: Namespace,
    far: Namespace,
}

impl Site {
    fn new() -> Self {
        let site = Self { router: Namespace::new(), near: Namespace::new(), far: Namespace::new() };
        for (uplink, internet, address, gateway, host) in
            [("up0", &site.near, FIRST, "203.0.113.254", NEAR), ("up1", &site.far, SECOND, "198.51.100.254", FAR)]
        {
            site.router.ip(&format!("link add {uplink} type veth peer name far0 netns {}", internet.path()));
            site.router.ip(&format!("address add {address}/24 dev {uplink}"));
            site.router.ip(&format!("link set {uplink} up"));
            internet.ip(&format!("address add {gateway}/24 dev far0"));
            internet.ip(&format!("address add {host}/32 dev lo"));
            internet.ip("link set far0 up");
        }
        site.router.ip("route add default via 203.0.113.254 metric 50");
        site.router.ip("route add default via 198.51.100.254 metric 100");
        site
    }
}

fn mesh() -> Mesh {
    let site = |name: &str, id: u8, prefix: &str| {
        let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
        format!(
            "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"192.0.2.{id}\"\n\
             prefixes = [\"{prefix}\"]\n"
        )
    };
    let sites = format!("{}{}", site("a", 1, "10.1.0.0/16"), site("b", 2, "0.0.0.0/0"));
    mesh::parse("mesh", &format!("[mesh]\nname = \"test\"\nloopbacks = \"10.255.0.0/16\"\n{sites}")).unwrap().mesh
}

/// What is to be done about uplinks, as they are now, beside site 2's default route; and that is done.
async fn settle(router: &mut Router) -> Uplinks {
    let observed = router.observe().await;
    let nexthop = Nexthop { interface: tunnel(2), via: Some(Ipv4Addr::new(10, 255, 0, 2).into()), onlink: true };
    let default = Route::unicast([nexthop], Some(OWN.into()));
    let mut routes = BTreeMap::from([(RouteKey { table: CAPTURE_TABLE, prefix: prefix("0.0.0.0/0") }, default)]);
    let uplinks = Uplinks::of(&routes, &observed.foreign, &mesh());
    let sources = Sources { listen_ports: &[], filtered: &[].into(), uplinks: &uplinks.ways };
    let rules = desired_rules(&routes, &sources);
    routes.extend(uplinks.routes.clone());
    router.settle(&State { routes, rules, ..tunnels_to(&[2]) }).await;
    uplinks
}

/// Accepts connections to all addresses of the router, and says a word to each.
fn serve() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever has gone meanwhile hears nothing.
            let _ = stream.and_then(|mut stream| stream.write_all(b"here"));
        }
    });
    port
}

/// Whether a connection from a host in the namespace to the router comes about, with a word that is heard.
fn is_answered(internet: &Namespace, from: Ipv4Addr, to: (Ipv4Addr, u16), within: Duration) -> bool {
    let connect = || -> std::io::Result<String> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect_timeout(&SocketAddr::from(to).into(), within)?;
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(within))?;
        let mut word = [0; 4];
        stream.read_exact(&mut word)?;
        Ok(String::from_utf8_lossy(&word).into_owned())
    };
    internet.run(|| connect().is_ok_and(|word| word == "here"))
}

/// The interface by which a packet leaves, by the kernel's rules.
fn leaves_by(packet: &str) -> String {
    let shown = ip(&format!("route get {packet}"));
    let mut words = shown.split_whitespace().skip_while(|word| *word != "dev");
    words.nth(1).unwrap().to_owned()
}

#[test]
fn connections_to_each_uplink_are_answered_by_it_whatever_default_route_another_site_has() {
    let site = Site::new();
    site.router.block_on(|| async {
        let before = everything();
        let mut router = Router::open();
        let uplinks = settle(&mut router).await;
        let index = router.observe().await.indexes[&crate::world::name("up1")];
        let of_second = Way::Table(201_000 + index);
        assert_eq!(uplinks.ways, BTreeMap::from([(FIRST, Way::AsOthersSay), (SECOND, of_second)]));
        assert_eq!(leaves_by(&NEAR.to_string()), "wg-b", "what the router itself begins goes by the other site");

        let port = serve();
        assert!(is_answered(&site.near, NEAR, (FIRST, port), DEADLINE));
        assert!(is_answered(&site.far, FAR, (SECOND, port), DEADLINE));

        // Kernel WireGuard answers from the address that it was reached at: by that alone it would stay there.
        for from in [FIRST, SECOND] {
            assert_eq!(leaves_by(&format!("{NEAR} from {from} mark 201")), "up0", "a tunnel's packet");
        }
        router.down().await;
        assert_eq!(everything(), before);
    });
}

#[test]
fn addresses_gateways_and_rules_of_others_are_followed() {
    let site = Site::new();
    site.router.block_on(|| async {
        let mut router = Router::open();
        settle(&mut router).await;
        let port = serve();

        // Another address, as by DHCP.
        let changed = Ipv4Addr::new(203, 0, 113, 9);
        ip(&format!("address del {FIRST}/24 dev up0"));
        ip(&format!("address add {changed}/24 dev up0"));
        let default = "default via 203.0.113.254 metric 50";
        ip(&format!("route add {default}"));
        settle(&mut router).await;
        assert!(is_answered(&site.near, NEAR, (changed, port), DEADLINE));

        // Rules of somebody else, behind weft's: the table is not needed any more.
        ip("route add default via 198.51.100.254 table 77");
        ip(&format!("rule add from {SECOND} lookup 77 priority 20000"));
        let uplinks = settle(&mut router).await;
        assert_eq!(uplinks.ways[&SECOND], Way::AsOthersSay);
        assert!(is_answered(&site.far, FAR, (SECOND, port), DEADLINE));
        ip("rule del priority 20000");

        // The only uplink that is left.
        ip(&format!("route del {default}"));
        let uplinks = settle(&mut router).await;
        assert_eq!(uplinks.ways, BTreeMap::from([(SECOND, Way::AsOthersSay)]));
        assert!(is_answered(&site.far, FAR, (SECOND, port), DEADLINE));
        assert!(!is_answered(&site.near, NEAR, (changed, port), PATIENCE), "up0 leads nowhere");
    });
}

#[test]
fn a_default_route_that_comes_or_goes_is_heard_of() {
    let site = Site::new();
    site.router.block_on(|| async {
        let mut router = Router::open();
        settle(&mut router).await;
        for change in
            ["route del default via 198.51.100.254 metric 100", "route add default via 198.51.100.254 table 77"]
        {
            let begin = Instant::now();
            ip(change);
            loop {
                let changes = tokio::time::timeout(DEADLINE, router.watch.changed()).await;
                let changes = changes.unwrap_or_else(|_| panic!("{change} was not heard of")).unwrap();
                if changes.kinds.contains(&weft::kernel::Change::OthersRoutes) {
                    break;
                }
                assert!(begin.elapsed() < DEADLINE, "{change} was not heard of");
            }
        }
    });
}
