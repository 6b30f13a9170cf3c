//! Describes steps and states for humans, on one line each.

use std::fmt::Write as _;

use ospf::wire::{DatabaseDescription, Lsa, LsaHeader, Packet as Ospf, PacketBody};

use super::bounds::Bounds;
use super::step::{Channel, Step};
use super::world::{Packet, World};

/// The names of routers.
const NAMES: [&str; 3] = ["A", "B", "C"];

/// Describes steps from the start of a network, each with the state that follows.
pub(super) fn describe(steps: &[Step], bounds: &Bounds) -> String {
    let mut world = World::new(bounds);
    let mut text = String::new();
    for &step in steps {
        let what = describe_step(&world, step, bounds.routers);
        world.apply(step, bounds);
        let at = world.now().since_origin();
        let line = format!("{:>9.3}s  {what}", at.as_secs_f64());
        _ = writeln!(text, "{line:<110}  {}", describe_states(&world));
    }
    text
}

/// Describes what follows after these steps without further disturbances, with at most `most` steps.
pub(super) fn describe_recovery(steps: &[Step], bounds: &Bounds, most: usize) -> String {
    let mut world = World::new(bounds);
    steps.iter().for_each(|&step| world.apply(step, bounds));
    let mut text = String::new();
    let start = world.now();
    let mut shown = 0;
    while let Some(step) = world.undisturbed_step() {
        if world.now().saturating_since(start) > bounds.recovery + bounds.quiet {
            break;
        }
        let what = describe_step(&world, step, bounds.routers);
        world.apply(step, bounds);
        shown += 1;
        if shown <= most {
            let line = format!("{:>9.3}s  {what}", world.now().since_origin().as_secs_f64());
            _ = writeln!(text, "{line:<110}  {}", describe_states(&world));
        }
    }
    _ = writeln!(text, "{:>9.3}s  at the end: {}", world.now().since_origin().as_secs_f64(), describe_lists(&world));
    text
}

fn describe_step(world: &World, step: Step, routers: usize) -> String {
    let way = |channel: Channel| {
        let (from, to) = channel.ends(routers);
        format!("{}->{}", NAMES[from], NAMES[to])
    };
    let next = |channel| world.next_packet(channel).map(describe_packet).unwrap_or_default();
    match step {
        Step::Deliver(channel) => format!("{} {}", way(channel), next(channel)),
        Step::Duplicate(channel) => format!("{} DUPLICATED {}", way(channel), next(channel)),
        Step::Lose(channel) => format!("{} LOST {}", way(channel), next(channel)),
        Step::Hold(channel) => format!("{} HELD BACK {}", way(channel), next(channel)),
        Step::DeliverHeld(channel, place) => {
            let packet = world.held_packet(channel, place).map(describe_packet).unwrap_or_default();
            format!("{} LATE {packet}", way(channel))
        }
        Step::Timer(router) => {
            let engine = world.engines().nth(router.into());
            let timer = engine.and_then(|engine| engine.next_deadline()).map(|(_, timer)| format!("{timer:?}"));
            let timer = timer.unwrap_or_default();
            format!("{} timer {}", NAMES[usize::from(router)], timer.split('(').next().unwrap_or_default())
        }
        Step::Restart(router) => format!("{} RESTARTS", NAMES[usize::from(router)]),
        Step::Change(router) => format!("{} CHANGES its external destination", NAMES[usize::from(router)]),
    }
}

fn describe_packet(packet: &Packet) -> String {
    let Ok(packet) = Ospf::decode(&packet.payload) else { return "no OSPF packet".to_owned() };
    match packet.body {
        PacketBody::Hello(hello) => {
            let listed: Vec<_> = hello.neighbors.iter().map(ToString::to_string).collect();
            format!("Hello [{}]", listed.join(" "))
        }
        PacketBody::DatabaseDescription(DatabaseDescription { flags, sequence, headers, .. }) => {
            let flags: String = [('I', flags.init), ('M', flags.more), ('S', flags.master)]
                .into_iter()
                .map(|(letter, is_set)| if is_set { letter } else { '-' })
                .collect();
            format!("DD {flags} {sequence:#x} [{}]", list(headers.iter()))
        }
        PacketBody::LinkStateRequest(keys) => {
            let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
            format!("Request [{}]", keys.join(", "))
        }
        PacketBody::LinkStateUpdate(lsas) => format!("Update [{}]", list(lsas.iter().map(|lsa: &Lsa| &lsa.header))),
        PacketBody::LinkStateAck(headers) => format!("Ack [{}]", list(headers.iter())),
    }
}

fn list<'a>(headers: impl Iterator<Item = &'a LsaHeader>) -> String {
    let one = |header: &LsaHeader| {
        let number = header.sequence.0.wrapping_sub(i32::MIN);
        format!("{} {} #{number} age {}", header.key.kind, header.key.id, header.age)
    };
    headers.map(one).collect::<Vec<_>>().join(", ")
}

/// Describes the states of each router's neighbours.
fn describe_states(world: &World) -> String {
    let of_engine = |engine: &ospf::Engine| {
        let states: Vec<_> = engine.neighbors().map(|neighbor| neighbor.state.to_string()).collect();
        states.join("/")
    };
    let states: Vec<_> = world.engines().map(of_engine).collect();
    let (queued, held) = world.counts_under_way();
    format!("{}  {queued}+{held}", states.join(" | "))
}

/// Describes the states of each router's neighbours, and the lengths of their lists.
pub(super) fn describe_lists(world: &World) -> String {
    let mut text = String::new();
    for (number, engine) in world.engines().enumerate() {
        _ = write!(text, "{}:", NAMES[number]);
        for neighbor in engine.neighbors() {
            _ = write!(
                text,
                " {} ({} requests, {} retransmissions, {} summaries)",
                neighbor.state, neighbor.requests, neighbor.retransmissions, neighbor.summaries
            );
        }
        _ = write!(text, " {} LSAs, {} routes; ", engine.lsdb().count(), engine.routes().len());
    }
    text
}
