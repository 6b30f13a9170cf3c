use super::*;
use crate::mesh;
use crate::reconcile::state::{ForeignRoute, RouteOrigin};

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// The one site of a mesh file, with this in its `[[site]]`.
fn site(settings: &str) -> Site {
    let text = format!(
        "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\n[[site]]\nname = \"b\"\nid = 1\n\
         public_key = \"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=\"\n{settings}\n"
    );
    mesh::parse("mesh", &text).unwrap_or_else(|errors| panic!("{errors}")).mesh.sites.remove(0)
}

/// A router whose kernel and OSPF change, and what it makes of them.
struct Router {
    followed: Followed,
    carriers: Carriers,
    foreign: Foreign,
    learned: BTreeMap<Prefix, ospf::Route>,
}

impl Router {
    fn of(settings: &str) -> Self {
        let (carriers, foreign, learned) = (Carriers::default(), Foreign::default(), BTreeMap::new());
        let mut router = Self { followed: Followed::of(&site(settings)), carriers, foreign, learned };
        router.interface("eth1", &[], true);
        router
    }

    fn listing(prefixes: &[&str]) -> Self {
        Self::of(&format!("prefixes = {prefixes:?}"))
    }

    fn interface(&mut self, interface: &str, addresses: &[&str], running: bool) -> &mut Self {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let found = ForeignInterface { index: 7, mtu: 1500, running, addresses };
        self.foreign.interfaces.insert(name(interface), found);
        self
    }

    fn route(&mut self, destination: &str, interface: Option<u32>, has_carrier: bool) -> &mut Self {
        let (origin, leads) = (RouteOrigin::Static, interface.is_some());
        let route = ForeignRoute { origin, gateway: None, metric: 0, leads, interface, has_carrier };
        self.foreign.routes.insert(prefix(destination), route);
        self
    }

    /// A route of OSPF with this metric: those with 7 lead to the LAN.
    fn learned(&mut self, destination: &str, metric: u32) -> &mut Self {
        let route = ospf::Route {
            kind: ospf::RouteKind::External2,
            area: ospf::AreaId::BACKBONE,
            metric,
            originators: BTreeSet::new(),
            nexthops: BTreeSet::new(),
            tag: 0,
        };
        self.learned.insert(prefix(destination), route);
        self
    }

    /// What is advertised or withdrawn from now on.
    fn update(&mut self) -> Vec<String> {
        let is_of_lan = |_: Prefix, route: &ospf::Route| route.metric == 7;
        let Self { followed, carriers, foreign, learned } = self;
        let present = Present { foreign, learned, is_of_lan };
        carriers.update(followed, &present).iter().map(ToString::to_string).collect()
    }

    /// What carries this prefix; `-` if nothing does, `gone: …` if something did.
    fn carriers(&mut self, listed: &str) -> String {
        self.update();
        let join =
            |carriers: &BTreeSet<Carrier>| carriers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self.carriers.standing(prefix(listed)) {
            Some(Standing::Carried(carriers)) => join(carriers),
            Some(Standing::NeverCarried) => "-".to_owned(),
            Some(Standing::Withdrawn(carriers)) => format!("gone: {}", join(carriers)),
            None => "not followed".to_owned(),
        }
    }
}

#[test]
fn a_prefix_is_withdrawn_when_its_last_carrier_goes_and_comes_back_with_the_first() {
    let mut router = Router::listing(&["10.1.0.0/16", "10.2.0.0/16"]);
    router.interface("eth1", &["10.1.0.1/24"], true).interface("eth2", &["10.1.7.1/24"], true);
    assert_eq!(router.update(), [""; 0]);
    router.interface("eth1", &["10.1.0.1/24"], false);
    assert_eq!(router.update(), [""; 0], "eth2 is there");
    router.interface("eth2", &[], true);
    assert_eq!(router.update(), ["10.1.0.0/16"]);
    assert_eq!(router.carriers.withdrawn(), [prefix("10.1.0.0/16")].into());
    assert_eq!(router.carriers("10.1.0.0/16"), "gone: eth2 (10.1.7.1/24)");
    assert_eq!(router.update(), [""; 0]);
    router.interface("eth1", &["10.1.0.1/24"], true);
    assert_eq!(router.update(), ["10.1.0.0/16"]);
    assert_eq!(router.carriers.withdrawn(), [].into());
}

#[test]
fn a_prefix_that_never_had_a_carrier_stays_advertised() {
    let mut router = Router::listing(&["10.1.0.0/16"]);
    router.interface("eth1", &["10.1.0.1/24"], false).interface("eth2", &["192.0.2.1/24"], true);
    assert_eq!((router.update(), router.carriers("10.1.0.0/16")), (vec![], "-".to_owned()));
    router.foreign.interfaces.clear();
    assert_eq!((router.update(), router.carriers("10.1.0.0/16")), (vec![], "-".to_owned()));
}

#[test]
fn interfaces_carry_what_their_networks_overlap() {
    let carriers = |addresses: &[&str], running| {
        Router::listing(&["10.1.0.0/16"]).interface("eth1", addresses, running).carriers("10.1.0.0/16")
    };
    assert_eq!(carriers(&["10.1.200.1/24"], true), "eth1 (10.1.200.1/24)");
    assert_eq!(carriers(&["10.1.0.1/16"], true), "eth1 (10.1.0.1/16)");
    assert_eq!(carriers(&["10.3.0.1/8"], true), "eth1 (10.3.0.1/8)", "a larger network has the prefix in it");
    assert_eq!(carriers(&["10.1.0.9/32"], true), "eth1 (10.1.0.9/32)");
    assert_eq!(carriers(&["192.0.2.1/24", "10.1.1.1/24"], true), "eth1 (10.1.1.1/24)");
    assert_eq!(carriers(&["10.2.0.1/16"], true), "-");
    assert_eq!(carriers(&["10.1.0.1/16"], false), "-");
}

#[test]
fn the_router_s_own_address_and_those_that_never_leave_a_link_carry_nothing() {
    let mut router = Router::listing(&["10.1.0.0/16", "96.0.0.0/3", "160.0.0.0/4"]);
    // Somebody else may have put the loopback there with another length.
    router.interface("lo", &["127.0.0.1/8", "10.255.0.1/8"], true).interface("eth1", &["169.254.3.4/16"], true);
    for prefix in ["10.1.0.0/16", "96.0.0.0/3", "160.0.0.0/4"] {
        assert_eq!(router.carriers(prefix), "-", "{prefix}");
    }
    router.interface("lo", &["127.0.0.1/8", "10.1.9.9/32"], true);
    assert_eq!(router.carriers("10.1.0.0/16"), "lo (10.1.9.9/32)");
}

#[test]
fn routes_of_others_carry_what_they_lie_within_unless_their_interface_has_no_carrier() {
    let carriers = |destination: &str, interface, has_carrier| {
        Router::listing(&["10.1.0.0/16"]).route(destination, interface, has_carrier).carriers("10.1.0.0/16")
    };
    assert_eq!(carriers("10.1.5.0/24", Some(7), true), "the route to 10.1.5.0/24");
    assert_eq!(carriers("10.1.0.0/16", Some(7), true), "the route to 10.1.0.0/16");
    assert_eq!(carriers("10.1.0.0/16", None, true), "the route to 10.1.0.0/16", "one that drops packets");
    assert_eq!(carriers("10.1.5.0/24", Some(7), false), "-");
    assert_eq!(carriers("10.1.5.0/24", Some(8), true), "-", "a tunnel");
    assert_eq!(carriers("10.0.0.0/8", Some(7), true), "-", "it leads everywhere, and to no host of the prefix");
    assert_eq!(carriers("10.2.0.0/16", Some(7), true), "-");
    assert_eq!(carriers("0.0.0.0/0", Some(7), true), "-");
    let mut router = Router::listing(&["10.1.0.0/16"]);
    router.route("10.1.4.0/24", Some(7), false).route("10.1.5.0/24", Some(7), true).update();
    assert_eq!(router.carriers.interfaces(), [name("eth1")].into());
}

#[test]
fn ospf_s_routes_carry_where_a_router_on_the_lan_announces_them() {
    let mut router = Router::listing(&["10.1.0.0/16"]);
    assert_eq!(router.learned("10.1.4.0/24", 8).carriers("10.1.0.0/16"), "-");
    assert_eq!(router.learned("10.1.5.0/24", 7).carriers("10.1.0.0/16"), "the OSPF route to 10.1.5.0/24");
    router.learned.remove(&prefix("10.1.5.0/24"));
    assert_eq!(router.update(), ["10.1.0.0/16"]);
    assert_eq!(router.learned("10.0.0.0/8", 7).update(), [""; 0]);
}

#[test]
fn a_default_route_that_is_not_weft_s_alone_carries_0_0_0_0() {
    let mut router = Router::listing(&["0.0.0.0/0", "10.1.0.0/16"]);
    router.interface("eth1", &["10.1.0.1/24"], true).route("192.0.2.0/24", Some(7), true);
    assert_eq!(router.carriers("0.0.0.0/0"), "-");
    router.route("0.0.0.0/0", Some(7), true);
    assert_eq!(router.carriers("0.0.0.0/0"), "the route to 0.0.0.0/0");
    router.foreign.routes.remove(&Prefix::DEFAULT_V4);
    assert_eq!(router.update(), ["0.0.0.0/0"]);
    assert_eq!(router.carriers("10.1.0.0/16"), "eth1 (10.1.0.1/24)");
}

#[test]
fn static_prefixes_and_a_default_route_that_is_originated_are_not_followed() {
    let mut router = Router::of(
        "prefixes = [{ prefix = \"10.1.0.0/16\", static = true }, \"10.2.0.0/16\", \"0.0.0.0/0\"]\n\
         default_originate = \"if-present\"",
    );
    router.interface("eth1", &["10.1.0.1/24", "10.2.0.1/24"], true).route("0.0.0.0/0", Some(7), true).update();
    router.interface("eth1", &[], true).foreign.routes.clear();
    assert_eq!(router.update(), ["10.2.0.0/16"]);
    assert_eq!(router.carriers("10.1.0.0/16"), "not followed");
    assert_eq!(router.carriers("0.0.0.0/0"), "not followed");
}

#[test]
fn what_a_new_mesh_file_follows_no_more_is_advertised_and_forgotten() {
    let mut router = Router::listing(&["10.1.0.0/16"]);
    router.interface("eth1", &["10.1.0.1/24"], true).update();
    router.interface("eth1", &["10.1.0.1/24"], false).update();
    router.followed = Followed::of(&site("prefixes = [{ prefix = \"10.1.0.0/16\", static = true }]"));
    assert_eq!((router.update(), router.carriers.withdrawn()), (vec!["10.1.0.0/16".to_owned()], [].into()));
    router.followed = Followed::of(&site("prefixes = [\"10.1.0.0/16\"]"));
    assert_eq!(router.carriers("10.1.0.0/16"), "-");
}

#[test]
fn routes_are_of_interest_only_while_no_interface_carries() {
    let mut router = Router::listing(&["10.1.0.0/16", "10.2.0.0/16", "0.0.0.0/0"]);
    router.interface("eth1", &["10.1.0.1/24"], true);
    let left = |router: &Router| router.followed.left_to_routes(&router.foreign.interfaces);
    assert_eq!(left(&router), [prefix("0.0.0.0/0"), prefix("10.2.0.0/16")].into());
    router.interface("eth1", &["10.1.0.1/24"], false);
    assert_eq!(left(&router).len(), 3);
    assert!(router.followed.concerns(prefix("10.2.3.0/24")) && router.followed.concerns(Prefix::DEFAULT_V4));
    assert!(!router.followed.concerns(prefix("10.0.0.0/8")) && !router.followed.concerns(prefix("10.3.0.0/24")));
}

#[test]
fn what_is_withdrawn_names_what_became_of_each_carrier() {
    let mut router = Router::listing(&["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "0.0.0.0/0", "10.4.0.0/16"]);
    router.interface("eth1", &["10.1.0.1/24"], true).interface("eth2", &["10.1.2.1/24", "10.2.0.1/24"], true);
    router.route("10.3.7.0/24", Some(7), true).learned("0.0.0.0/0", 7).update();
    assert_eq!(router.carriers.problems(&router.foreign.interfaces), [""; 0]);
    router.interface("eth1", &["10.1.0.1/24"], false).interface("eth2", &["192.0.2.1/24"], true);
    router.foreign.routes.clear();
    router.learned.clear();
    router.update();
    let gone = "is withdrawn, for nothing here carries it any more:";
    assert_eq!(
        router.carriers.problems(&router.foreign.interfaces),
        [
            format!("0.0.0.0/0 {gone} the OSPF route to 0.0.0.0/0 is gone"),
            format!("10.1.0.0/16 {gone} eth1 is down, or has no carrier; eth2 has lost its address 10.1.2.1/24"),
            format!("10.2.0.0/16 {gone} eth2 has lost its address 10.2.0.1/24"),
            format!("10.3.0.0/16 {gone} the route to 10.3.7.0/24 leads out by eth1, which is down, or has no carrier"),
        ]
    );
    router.foreign.interfaces.clear();
    let said = router.carriers.problems(&router.foreign.interfaces);
    assert!(said[2].ends_with("there is no interface eth2 any more"), "{said:?}");
    assert_eq!(router.carriers.notes().len(), 1);
    assert!(
        router.carriers.notes()[0].starts_with("10.4.0.0/16 is advertised, though"),
        "{:?}",
        router.carriers.notes()
    );
}
