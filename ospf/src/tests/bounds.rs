//! What a neighbour, or who pretends to be one, can make a router remember has a bound, and who keeps within it does not notice.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::site_lsas::{mesh, on_lan, refused};
use super::world::*;
use crate::exchange::pacing::{AT_ONCE, AT_ONCE_ON_OPEN_LINK};
use crate::ids::LsaPlace;
use crate::state::databases::Databases;
use crate::wire::{
    Authentication as Unsigned, DatabaseDescription, DdFlags, Hello, Lsa, LsaBody, Options, Packet, PacketBody,
};
use crate::{
    Announcement, AreaId, Event, Input, Instant, LinkStateId, LsaKey, LsaType, NeighborId, NeighborKey,
    NeighborState as S, Output, Restarting, RouterId, SequenceNumber,
};

/// LSAs that wait to be sent in answer to one neighbour's requests.
const MOST_REPLIES: usize = 8192;

/// LSAs that go to their originators in a second, and their octets.
const MOST_RETURNED: usize = 16;
const MOST_RETURNED_OCTETS: usize = 16 * 1024;

/// LSAs of sites that were refused lately and are remembered.
const MOST_SHOWN: usize = 64;

/// Octets of LSAs of a router's own that are kept within its restart.
const MOST_KEPT_OCTETS: usize = 256 * 1024;

/// An LSA of a router, with a body of so many octets, that its originator may still outbid.
fn forged(originator: usize, number: u32, age: i32, octets: usize) -> Lsa {
    let id = LinkStateId(77 << 24 | number);
    let key = LsaKey { kind: LsaType::OPAQUE_AREA, id, advertising_router: router_id(originator) };
    let sequence = SequenceNumber(SequenceNumber::INITIAL.0 + age);
    Lsa::new(key, Options::E, sequence, &LsaBody::Opaque(vec![0; octets].into())).unwrap()
}

/// The LSAs in updates that an engine sent on an interface since.
fn updates(world: &World, from: Port, since: Instant) -> Vec<LsaKey> {
    let sent = world.sent_by(from.0, since).filter(|sent| sent.from == from);
    let lsas = sent.filter_map(|sent| match sent.body() {
        PacketBody::LinkStateUpdate(lsas) => Some(lsas),
        _ => None,
    });
    lsas.flatten().map(|lsa| lsa.header.key).collect()
}

#[test]
fn what_a_neighbor_requests_at_once_is_bounded_and_the_rest_comes_when_it_is_requested_again() {
    let mut world = World::with(2, &[(0, 1)], |engine, config| {
        if engine == 0 {
            config.externals = externals(10_000);
        }
    });
    world.run_to(Duration::from_secs(60), World::all_full);
    world.run_for(Duration::from_secs(10));
    let keys: BTreeSet<LsaKey> = world.engines[0].lsdb().map(|view| view.lsa.header.key).collect();
    // The answers are looked at and go nowhere.
    world.cut.insert(port(0, 1));
    let since = world.now;
    let request = |world: &mut World, keys: &BTreeSet<LsaKey>| {
        for part in keys.iter().copied().collect::<Vec<_>>().chunks(4000) {
            world.inject(port(0, 1), 1, PacketBody::LinkStateRequest(part.to_vec()));
        }
    };
    let waiting = |world: &World| {
        let key = NeighborKey { interface: port(0, 1).1, id: NeighborId::Router(router_id(1)) };
        world.engines[0].neighbor(key).unwrap().replies.len()
    };
    for _ in 0..3 {
        request(&mut world, &keys);
        assert_eq!(waiting(&world), MOST_REPLIES);
    }
    let at_once = updates(&world, port(0, 1), since).len();
    assert!((1..1000).contains(&at_once), "one burst: {at_once}");
    world.run_for(Duration::from_secs(1));
    assert_eq!((waiting(&world), world.state(0, 1)), (0, S::Full));
    let sent = updates(&world, port(0, 1), since);
    assert_eq!(sent.len(), at_once + MOST_REPLIES);
    let missing: BTreeSet<LsaKey> = keys.difference(&sent.into_iter().collect()).copied().collect();
    assert!(!missing.is_empty());
    let since = world.now;
    request(&mut world, &missing);
    world.run_for(Duration::from_secs(1));
    assert_eq!(updates(&world, port(0, 1), since).into_iter().collect::<BTreeSet<_>>(), missing);
}

#[test]
fn forgeries_from_a_lan_go_to_their_originator_a_few_at_a_time() {
    let mut world = mesh(|_, _| {});
    let mut returned = |lsas: Vec<Lsa>| {
        let (since, count) = (world.now, refused(&world));
        let sent = lsas.len() as u64;
        on_lan(&mut world, lsas);
        assert_eq!(refused(&world), count + sent);
        world.run_for(Duration::from_millis(900));
        assert_eq!(updates(&world, port(0, 1), since), [], "not at once");
        world.run_for(Duration::from_secs(5));
        updates(&world, port(0, 1), since)
    };
    let small = |range: std::ops::Range<u32>| range.map(|number| forged(1, number, 50, 8)).collect::<Vec<_>>();
    assert_eq!(returned(small(0..40)).len(), MOST_RETURNED);
    assert_eq!(returned(small(40..80)).len(), MOST_RETURNED, "there is room again");
    // Further instances of one LSA take no more room than the newest.
    let again = (50..90).map(|age| forged(1, 80, age, 8));
    assert_eq!(returned(again.chain(small(81..95)).collect()).len(), 15);

    let large: Vec<Lsa> = (100..110).map(|number| forged(1, number, 50, 5000)).collect();
    let most = MOST_RETURNED_OCTETS / large[0].encoded_len();
    assert_eq!(returned(large).len(), most);
    // A newer instance that is longer has to fit, too; where it does not, the older one goes.
    let grown = [forged(1, 110, 50, 8), forged(1, 111, 50, 12_000), forged(1, 110, 51, 8000)];
    let keys = [110, 111].map(|number| forged(1, number, 50, 8).header.key);
    assert_eq!(returned(grown.to_vec()), keys);
}

#[test]
fn of_many_refused_lsas_a_few_are_remembered_and_all_are_counted() {
    let mut world = mesh(|_, _| {});
    // Out of all proportion, so that none goes to its originator.
    let lsas = (0..200).map(|number| forged(1, number, i32::MAX, 8)).collect();
    on_lan(&mut world, lsas);
    world.run_for(Duration::from_secs(10));
    assert_eq!(refused(&world), 200);
    let view = world.engines[0].interfaces().find(|view| view.interface == LAN).unwrap();
    assert_eq!(view.site_lsas.unwrap().count, MOST_SHOWN);
}

#[test]
fn own_lsas_that_a_lan_sends_within_a_restart_are_kept_up_to_a_bound_and_the_restart_ends() {
    let mut world = World::build(2, &[], &[vec![0, 1]], |engine, config| {
        if engine == 0 {
            config.policy.guards = [router_id(0)].into();
        }
    });
    world.settle();
    let grace_period = Duration::from_secs(120);
    let reason = crate::wire::RestartReason::SoftwareRestart;
    world.input(0, Input::PrepareRestart { grace_period, reason });
    let ready = |event: &Event| matches!(event, Event::RestartReady { .. });
    world.run_to(Duration::from_secs(4), |world| world.events[0].iter().any(ready));
    world.engines[0].config.restarting = Some(Restarting { grace_period, announcement: Announcement::Made });
    // Its neighbour answers none of its requests for a while, so that the restart lasts.
    world.deliver = Box::new(|sent| sent.from.0 == 0 || !matches!(sent.body(), PacketBody::LinkStateUpdate(_)));
    world.restart(0, 99);
    world.run_to(2 * DEAD, |world| world.lan_state(0, LAN, 1) == S::Loading);
    let forgeries: Vec<Lsa> = (0..40).map(|number| forged(0, number, 50, 10_000)).collect();
    for lsa in &forgeries {
        let body = PacketBody::LinkStateUpdate(vec![lsa.clone()]);
        let packet =
            Packet { router_id: router_id(1), area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
        world.inject_packet((0, LAN), lan_address(0, 1), 1, &packet);
    }
    let place = |lsa: &Lsa| Databases::place(lsa.header.key, LAN, AreaId::BACKBONE).unwrap();
    let is_kept = |world: &World, place: LsaPlace| world.engines[0].kept_own.header(place).is_some();
    let kept = forgeries.iter().filter(|lsa| is_kept(&world, place(lsa))).count();
    assert!(world.engines[0].is_restarting());
    assert_eq!(kept, MOST_KEPT_OCTETS / forgeries[0].encoded_len());
    // Less room is enough for what is short.
    let short = forged(0, 99, 50, 8);
    let body = PacketBody::LinkStateUpdate(vec![short.clone()]);
    let packet = Packet { router_id: router_id(1), area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
    world.inject_packet((0, LAN), lan_address(0, 1), 1, &packet);
    assert!(is_kept(&world, place(&short)));
    world.deliver = Box::new(|_| true);
    world.run_to(grace_period, |world| !world.engines[0].is_restarting());
    world.run_for(Duration::from_secs(30));
    assert!(world.settled(LAN) && world.agree());
    assert!(world.engines[0].kept_own.is_empty());
    assert!(
        forgeries.iter().all(|lsa| world.lsa(0, lsa.header.key).is_none() && world.lsa(1, lsa.header.key).is_none())
    );
}

/// Router 0 on a LAN where anybody may speak, and strangers there. Driven without the checks that [`World`] makes after every input: they demand
/// a timer for whoever waits for an exchange, and where a link has no room it is an input that gives it.
struct Open {
    world: World,
    /// How many have begun an exchange so far.
    begun: usize,
}

impl Open {
    fn input(&mut self, input: Input<'_>) {
        self.world.engines[0].handle(self.world.now, input);
        while let Some(output) = self.world.engines[0].poll_output() {
            let begun = matches!(output, Output::Event(Event::Neighbor { to: S::Exchange, .. }));
            self.begun += usize::from(begun);
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.world.now + time;
        while let Some((due, _)) = self.world.engines[0].next_deadline().filter(|(due, _)| *due <= end) {
            self.world.now = self.world.now.max(due);
            self.input(Input::Tick);
        }
        self.world.now = end;
    }

    fn receive(&mut self, stranger: u8, body: PacketBody) {
        let router_id = RouterId(0x6400_0000 + u32::from(stranger));
        let packet = Packet { router_id, area_id: AreaId::BACKBONE, authentication: Unsigned::Null, body };
        let (source, payload) = (lan_address(0, usize::from(stranger)), packet.encode().unwrap());
        let destination = crate::interface::send::ALL_SPF_ROUTERS;
        self.input(Input::Packet { interface: LAN, source, destination, ttl: 1, payload: (&payload[..]).into() });
    }

    /// The stranger says that it sees router 0.
    fn greet(&mut self, stranger: u8) {
        self.receive(
            stranger,
            PacketBody::Hello(Hello {
                network_mask: Ipv4Addr::new(255, 255, 255, 0),
                hello_interval: 10,
                options: Options::E,
                priority: 0,
                dead_interval: 40,
                designated_router: Ipv4Addr::UNSPECIFIED,
                backup_designated_router: Ipv4Addr::UNSPECIFIED,
                neighbors: vec![router_id(0)],
            }),
        );
    }

    /// The stranger begins an exchange, of which it is master.
    fn begin(&mut self, stranger: u8) {
        let flags = DdFlags { init: true, more: true, master: true };
        let body =
            DatabaseDescription { interface_mtu: 1420, options: Options::E, flags, sequence: 7, headers: vec![] };
        self.receive(stranger, PacketBody::DatabaseDescription(body));
    }

    fn under_way(&self) -> usize {
        let neighbors = self.world.engines[0].neighbors();
        neighbors.filter(|view| matches!(view.state, S::Exchange | S::Loading)).count()
    }
}

#[test]
fn exchanges_on_an_open_link_are_bounded_and_whoever_waits_has_its_turn_when_others_are_given_up() {
    let strangers = 100..200;
    let mut world = World::lan(2, |_, _| {});
    world.settle();
    let mut open = Open { world, begun: 0 };
    strangers.clone().for_each(|stranger| open.greet(stranger));
    strangers.clone().for_each(|stranger| open.begin(stranger));
    assert_eq!(open.under_way(), AT_ONCE);
    // They say nothing more of their databases. Room is given in the first seconds, and then none.
    for _ in 0..20 {
        open.run_for(Duration::from_secs(1));
        assert!(open.under_way() <= AT_ONCE_ON_OPEN_LINK);
    }
    assert_eq!((open.under_way(), open.begun), (AT_ONCE_ON_OPEN_LINK, AT_ONCE_ON_OPEN_LINK));
    assert_eq!(open.world.lan_state(0, LAN, 1), S::Full, "an adjacency that is complete takes no room");
    // A master that says nothing is given up after RouterDeadInterval.
    for _ in 0..20 {
        strangers.clone().for_each(|stranger| open.greet(stranger));
        open.run_for(HELLO);
        assert!(open.under_way() <= AT_ONCE_ON_OPEN_LINK);
    }
    assert_eq!(open.begun, strangers.len());
}
