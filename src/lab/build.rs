//! Reconciles the kernel with a layout: creates what is missing, removes what the lab created earlier and does not need any more, and
//! leaves the rest unchanged. A second run changes nothing; a run after an interruption completes the work.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};

use super::layout::{Forwarding, Layout, Node, Route, Wire, WireEnd};
use super::netlink::{MARK, Netlink};
use super::netns::{self, Namespace};
use super::state::State;
use super::{cable, nat, segment_link};

/// Sysctl settings of the router in the middle and of NAT routers.
const FORWARDING: [&str; 2] = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

/// Reconciles the kernel with `layout`.
pub fn apply(layout: &Layout, state: &State) -> Result<()> {
    let mut rooms = rooms(layout, state)?;
    for (name, node) in &layout.nodes {
        rooms.of(name).prepare(node)?;
    }
    rooms.remove_stale_links(layout)?;
    for wire in &layout.wires {
        rooms.wire(layout, wire)?;
    }
    for (segment, host) in layout.hosts() {
        cable::connect(layout, segment, host)
            .with_context(|| format!("plugging in host {} of segment {}", host.name, segment.name))?;
    }
    for (name, node) in &layout.nodes {
        let room = rooms.of(name);
        room.addresses_and_routes(node).with_context(|| format!("setting up the namespace {name}"))?;
        if !room.is_new || !node.masquerade.is_empty() {
            nat::apply(&room.namespace, node)?;
        }
    }
    forget_rules_of_strangers(layout, &mut rooms.of(&layout.network()).netlink)
}

/// Deletes a namespace, and first the lab's links in it: the kernel would delete them only some time later.
pub fn remove_namespace(name: &str) -> Result<()> {
    // A name without a namespace, left by an interrupted creation, has no links.
    if let Ok(Some(namespace)) = Namespace::open(name)
        && let Ok(mut netlink) = Netlink::open(&namespace)
    {
        for link in netlink.links()?.iter().filter(|link| link.ours) {
            netlink.delete_link(link)?;
        }
    }
    netns::delete(name)
}

/// Opens the namespaces of the layout, and creates those that are missing.
fn rooms(layout: &Layout, state: &State) -> Result<Rooms> {
    let recorded = state.namespaces()?;
    for stale in recorded.iter().filter(|name| !layout.nodes.contains_key(*name)) {
        remove_namespace(stale)?;
    }
    for name in layout.nodes.keys().filter(|name| !recorded.contains(*name)) {
        if netns::path_of(name).exists() {
            bail!(
                "there is a network namespace {name} that this lab did not make; remove it (`ip netns delete {name}`) or rename the mesh"
            );
        }
    }
    // Recorded before the first is created: after a crash, everything that may exist is on record.
    state.record_namespaces(layout.nodes.keys())?;
    let mut rooms = BTreeMap::new();
    for name in layout.nodes.keys() {
        rooms.insert(name.clone(), Room::open_or_create(name)?);
    }
    Ok(Rooms(rooms))
}

struct Rooms(BTreeMap<String, Room>);

impl Rooms {
    fn of(&mut self, name: &str) -> &mut Room {
        self.0.get_mut(name).expect("every namespace of the layout was opened")
    }

    /// Removes links of the lab that are neither an end of a wire nor on a segment.
    fn remove_stale_links(&mut self, layout: &Layout) -> Result<()> {
        let ends: BTreeSet<&WireEnd> = layout.wires.iter().flat_map(|wire| [&wire.near, &wire.far]).collect();
        for (namespace, room) in &mut self.0 {
            for link in room.netlink.links()?.iter().filter(|link| link.ours) {
                let an_end = ends.iter().any(|end| end.namespace == *namespace && end.interface.as_str() == link.name);
                let on_a_segment =
                    layout.nodes[namespace].segment_links.keys().any(|interface| interface.as_str() == link.name);
                if !an_end && !on_a_segment {
                    room.netlink.delete_link(link)?;
                }
            }
        }
        Ok(())
    }

    /// Creates the wire if it is missing or incomplete, and brings both ends up.
    fn wire(&mut self, layout: &Layout, wire: &Wire) -> Result<()> {
        let alias = alias(wire);
        let mut found = 0;
        for end in [&wire.near, &wire.far] {
            let room = self.of(&end.namespace);
            match room.netlink.link(end.interface.as_str())? {
                Some(link) if !link.ours => {
                    bail!("{} in {} exists and was not made by the lab; remove it", end.interface, end.namespace)
                }
                Some(link) if link.alias == alias => found += 1,
                // An end of another wire, or of one whose creation was interrupted before it got its alias.
                Some(link) => room.netlink.delete_link(&link)?,
                None => {}
            }
        }
        if found < 2 {
            self.make(wire)?;
        }
        for end in [&wire.near, &wire.far] {
            let Room { namespace, netlink, .. } = self.of(&end.namespace);
            segment_link::configure(namespace, netlink, &layout.nodes[&end.namespace], &end.interface)?;
            netlink.bring_up(end.interface.as_str(), Some(&alias))?;
        }
        Ok(())
    }

    fn make(&mut self, wire: &Wire) -> Result<()> {
        for end in [&wire.near, &wire.far] {
            let netlink = &mut self.of(&end.namespace).netlink;
            if let Some(half) = netlink.link(end.interface.as_str())? {
                netlink.delete_link(&half)?;
            }
        }
        let far = self.0.get(&wire.far.namespace).expect("every namespace of the layout was opened");
        let far =
            Namespace::open(far.namespace.name())?.context("a namespace vanished while the lab was being built")?;
        let near = self.of(&wire.near.namespace);
        near.netlink.add_veth(wire.near.interface.as_str(), wire.far.interface.as_str(), &far)
    }
}

/// The alias of both ends of a wire: it informs people, and identifies the wire.
fn alias(wire: &Wire) -> String {
    let WireEnd { namespace, interface } = &wire.near;
    format!("lab wire {namespace}:{interface} {}:{}", wire.far.namespace, wire.far.interface)
}

/// An open namespace, with a netlink socket in it.
struct Room {
    namespace: Namespace,
    netlink: Netlink,
    /// It was created in this run, and has no rules from an earlier one.
    is_new: bool,
}

impl Room {
    fn open_or_create(name: &str) -> Result<Self> {
        if let Some(namespace) = Namespace::open(name)?
            && let Ok(netlink) = Netlink::open(&namespace)
        {
            return Ok(Self { namespace, netlink, is_new: false });
        }
        // It does not exist, or is the remains of an interrupted creation.
        netns::delete(name)?;
        let namespace = Namespace::create(name)?;
        let netlink = Netlink::open(&namespace)?;
        Ok(Self { namespace, netlink, is_new: true })
    }

    /// Brings up loopback and bridges, and sets forwarding as the node needs it.
    fn prepare(&mut self, node: &Node) -> Result<()> {
        self.netlink.bring_up("lo", None)?;
        for (bridge, filtering) in &node.bridges {
            if self.netlink.link(bridge.as_str())?.is_none() {
                self.netlink.add_bridge(bridge.as_str(), *filtering)?;
            }
            segment_link::configure(&self.namespace, &mut self.netlink, node, bridge)?;
            self.netlink.bring_up(bridge.as_str(), None)?;
        }
        let settings = match node.forwarding {
            Forwarding::Untouched => return Ok(()),
            Forwarding::On if node.uses_v6() => &FORWARDING[..],
            Forwarding::On => &FORWARDING[..1],
        };
        let name = self.namespace.name();
        self.namespace.within(|| {
            settings.iter().try_for_each(|path| {
                fs::write(path, "1").with_context(|| format!("turning forwarding on in {name} ({path})"))
            })
        })
    }

    /// Makes the lab's addresses and routes exactly those of the node.
    fn addresses_and_routes(&mut self, node: &Node) -> Result<()> {
        let links = self.netlink.links()?;
        let index = |interface: &str| links.iter().find(|link| link.name == interface).map(|link| link.index);
        let mut wanted = Vec::new();
        for (interface, address) in &node.addresses {
            let index = index(interface.as_str()).with_context(|| format!("the interface {interface} vanished"))?;
            wanted.push((index, *address));
        }
        let present = self.netlink.addresses()?;
        for (index, address) in present.iter().filter(|address| !wanted.contains(address)) {
            self.netlink.delete_address(*index, *address)?;
        }
        for (index, address) in wanted.iter().filter(|address| !present.contains(address)) {
            self.netlink.add_address(*index, *address)?;
        }
        let mut wanted = Vec::new();
        for Route { destination, via, interface } in &node.routes {
            let index = index(interface.as_str()).with_context(|| format!("the interface {interface} vanished"))?;
            wanted.push((*destination, *via, index));
        }
        let present = self.present_routes()?;
        for (destination, via, index) in present.iter().filter(|route| !wanted.contains(route)) {
            self.netlink.delete_route(*destination, *via, *index)?;
        }
        for (destination, via, index) in wanted.iter().filter(|route| !present.contains(route)) {
            self.netlink.add_route(*destination, *via, *index)?;
        }
        Ok(())
    }

    fn present_routes(&mut self) -> Result<Vec<(ipnetwork::IpNetwork, Option<IpAddr>, u32)>> {
        let rows = self.netlink.routes(MARK)?;
        Ok(rows
            .iter()
            .flat_map(|row| row.nexthops.iter().map(|(index, via)| (row.destination, *via, *index)))
            .collect())
    }
}

/// Removes cuts of sites that are no longer in the mesh or whose address has changed.
fn forget_rules_of_strangers(layout: &Layout, netlink: &mut Netlink) -> Result<()> {
    let known: BTreeSet<IpAddr> = layout.sites.iter().flat_map(|site| site.underlay.iter().copied()).collect();
    for rule in netlink.blackholes()? {
        if !known.contains(&rule.from) || !known.contains(&rule.to) {
            netlink.delete_blackhole(rule)?;
        }
    }
    Ok(())
}
