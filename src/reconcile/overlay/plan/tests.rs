//! Plans as text, each also carried out on a model of the kernel; after every plan there must be nothing left to do.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::SystemTime;

use vxlan::segment::{Flooding, Host, Learning, Mobility, Resolution, UnknownUnicast, Unreachable};
use vxlan::{Entries, FrameRate, HostLocations, Mac, Segment, Situation, Vni, Vtep};

use super::*;
use crate::mesh::{BridgeOwner, L2, L2Site, VlanId};
use crate::reconcile::overlay::{ForeignBridge, LocalSegment, Unusable, VlanRange, desired_overlay, usable};
use crate::reconcile::state::ForeignInterface;

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn vtep(site: u8) -> Vtep {
    Vtep(Ipv4Addr::new(10, 255, 0, site))
}

fn mac(last: u8) -> Mac {
    Mac::try_from([2, 0, 0, 0, 0, last]).unwrap()
}

/// A segment across sites 1 to 3, each with a host; the third's has no address.
fn segment() -> Segment {
    let host = |site: u8| {
        let addresses = (site < 3).then(|| format!("10.9.0.{site}0").parse().unwrap());
        (mac(site), Host { home: vtep(site), addresses: addresses.into_iter().collect(), mobility: Mobility::Movable })
    };
    Segment {
        vni: Vni::try_from(100).unwrap(),
        resolution: Resolution::Proxy,
        unknown_unicast: UnknownUnicast::Drop,
        broadcast: Flooding::Flood(FrameRate::new(1000).unwrap()),
        multicast: Flooding::Drop,
        learning: Learning::On,
        unreachable: Unreachable::Remove,
        mtu: 1500,
        gateway: Some("10.9.0.1/24".parse().unwrap()),
        members: [1, 2, 3].map(vtep).into(),
        hosts: [host(1), host(2), host(3)].into(),
    }
}

/// What site 1 wants while it reaches `reachable`.
fn wanted(segment: &Segment, reachable: &[u8], observed: &Observed) -> Overlay {
    let ports = ["tap0", "tap1"].map(name).into();
    wanted_at(&L2Site { bridge: name("br-vms"), owner: BridgeOwner::Weft, ports }, segment, reachable, observed)
}

fn wanted_at(site: &L2Site, segment: &Segment, reachable: &[u8], observed: &Observed) -> Overlay {
    let reachable = reachable.iter().copied().map(vtep).collect();
    let (locations, now) = (&HostLocations::new(vtep(1)), SystemTime::UNIX_EPOCH);
    let situation = Situation { locations, reachable: &reachable, underlay_mtu: 1420, now };
    let entries = Entries::of(segment, &situation);
    let l2 =
        L2 { name: "vms".to_owned(), segment: segment.clone(), sites: BTreeMap::new(), host_names: BTreeMap::new() };
    let local = [LocalSegment { l2: &l2, site, entries }];
    desired_overlay(&local, observed)
}

/// A machine on which only `tap0` exists.
fn bare() -> Observed {
    let mut observed = Observed::default();
    add_interface(&mut observed, "tap0");
    observed
}

fn add_interface(observed: &mut Observed, interface: &str) {
    let found = ForeignInterface { index: 1, mtu: 1500, running: true, addresses: Vec::new() };
    observed.foreign.interfaces.insert(name(interface), found);
}

/// The plan as text; carried out it leaves nothing to do.
fn planned(desired: &Overlay, observed: &mut Observed) -> Vec<String> {
    let plan = |observed: &Observed| {
        [plan_making(desired, observed), plan_withdrawal(desired, observed, &BTreeMap::new())].concat()
    };
    let steps = plan(observed);
    steps.iter().for_each(|step| carry_out(step, observed));
    let again: Vec<String> = plan(observed).iter().map(OverlayStep::to_string).collect();
    assert_eq!(again, [""; 0], "a plan carried out leaves nothing to do");
    steps.iter().map(OverlayStep::to_string).collect()
}

fn settled(segment: &Segment) -> Observed {
    let mut observed = bare();
    planned(&wanted(segment, &[2, 3], &observed), &mut observed);
    observed
}

/// The model kernel.
fn carry_out(step: &OverlayStep, observed: &mut Observed) {
    let overlay = &mut observed.state.overlay;
    for needed in step.needs().into_iter().filter(|needed| step.makes() != Some(needed)) {
        let there = overlay.bridges.contains_key(needed)
            || overlay.devices.contains_key(needed)
            || observed.foreign.interfaces.contains_key(needed);
        assert!(there, "{step}: there is no {needed}");
    }
    match step.clone() {
        OverlayStep::CreateBridge(name, bridge) => {
            assert!(overlay.bridges.insert(name, bridge).is_none(), "{step}: there already");
        }
        OverlayStep::SetBridge(name, bridge) => {
            let before = overlay.bridges[&name].mac;
            if bridge.mac.is_some() {
                overlay.neighbors.retain(|(bridge, _), _| *bridge != name);
            }
            overlay.bridges.insert(name, Bridge { mac: bridge.mac.or(before), ..bridge });
        }
        OverlayStep::CreateDevice(name, made) => {
            let vlans = Vec::new();
            let device = Device { made: Some(made), mtu: 1450, bridge: None, port: None, vlans, admin: Admin::Down };
            assert!(overlay.devices.insert(name, device).is_none(), "{step}: there already");
        }
        OverlayStep::SetMtu(name, mtu) => overlay.devices.get_mut(&name).unwrap().mtu = mtu,
        OverlayStep::Attach(name, bridge, port, vlan) => {
            let device = overlay.devices.get_mut(&name).unwrap();
            if device.bridge.as_ref() != Some(&bridge) {
                overlay.fdb_entries.retain(|(device, ..), _| *device != name);
            }
            (device.bridge, device.port) = (Some(bridge), Some(port));
            device.vlans = vlan.map(VlanRange::access).into_iter().collect();
        }
        OverlayStep::SetUp(name) => overlay.devices.get_mut(&name).unwrap().admin = Admin::Up,
        OverlayStep::Delete(name) => {
            overlay.bridges.remove(&name);
            overlay.devices.remove(&name);
            overlay.ports.retain(|_, bridge| *bridge != name);
            overlay.remotes.retain(|(device, _), _| *device != name);
            overlay.flood_lists.retain(|(device, _)| *device != name);
            overlay.fdb_entries.retain(|(device, ..), _| *device != name);
            overlay.neighbors.retain(|(bridge, _), _| *bridge != name);
            overlay.gateways.retain(|(bridge, _)| *bridge != name);
        }
        OverlayStep::Join(port, bridge) => {
            assert!(!overlay.ports.contains_key(&port), "{step}: it is a port already");
            overlay.ports.insert(port, bridge);
        }
        OverlayStep::Leave(port) => assert!(overlay.ports.remove(&port).is_some(), "{step}: it is no port"),
        OverlayStep::AddRemote(device, mac, vtep) => {
            overlay.remotes.insert((device, mac), vtep);
        }
        OverlayStep::RemoveRemote(device, mac) => {
            overlay.remotes.remove(&(device, mac)).unwrap();
        }
        OverlayStep::AddFlood(device, vtep) => {
            overlay.flood_lists.insert((device, vtep));
        }
        OverlayStep::RemoveFlood(device, vtep) => assert!(overlay.flood_lists.remove(&(device, vtep))),
        OverlayStep::AddFdbEntry(device, mac, vlan, roaming) => {
            let joined = overlay.devices[&device].bridge.is_some();
            assert!(joined, "{step}: it is no port of a bridge");
            assert!(overlay.fdb_entries.insert((device, mac, vlan), roaming).is_none(), "{step}: there already");
        }
        OverlayStep::RemoveFdbEntry(device, mac, vlan) => {
            overlay.fdb_entries.remove(&(device, mac, vlan)).unwrap();
        }
        OverlayStep::AddNeighbor(bridge, address, mac) => {
            overlay.neighbors.insert((bridge, address), mac);
        }
        OverlayStep::RemoveNeighbor(bridge, address) => {
            overlay.neighbors.remove(&(bridge, address)).unwrap();
        }
        OverlayStep::AddGateway(bridge, address) => assert!(overlay.gateways.insert((bridge, address))),
        OverlayStep::RemoveGateway(bridge, address) => assert!(overlay.gateways.remove(&(bridge, address))),
    }
}

#[test]
fn devices_stand_before_their_entries() {
    let mut observed = bare();
    let desired = wanted(&segment(), &[2, 3], &observed);
    assert_eq!(
        planned(&desired, &mut observed),
        [
            "create bridge br-vms address 02:77:65:00:00:64 mtu 1500 mcast_snooping 0",
            "create VXLAN device vx-vms id 100 local 10.255.0.1 dstport 4789 proxy",
            "set MTU of vx-vms to 1500",
            "attach vx-vms to br-vms with neigh_suppress on flood off mcast_flood off bcast_flood on",
            "set vx-vms up",
            "join port tap0 to br-vms",
            "add 02:00:00:00:00:02 at 10.255.0.2 to vx-vms",
            "add 02:00:00:00:00:03 at 10.255.0.3 to vx-vms",
            "add 10.255.0.2 to the flood list of vx-vms",
            "add 10.255.0.3 to the flood list of vx-vms",
            "send 02:00:00:00:00:02 to vx-vms until it is learned elsewhere",
            "send 02:00:00:00:00:03 to vx-vms until it is learned elsewhere",
            "add neighbor 10.9.0.10 02:00:00:00:00:01 to br-vms",
            "add neighbor 10.9.0.20 02:00:00:00:00:02 to br-vms",
            "add gateway 10.9.0.1/24 to br-vms",
        ]
    );
    assert_eq!(observed.state.overlay, desired);
}

#[test]
fn a_port_that_appears_is_joined_and_one_of_somebody_elses_bridge_is_asked_for_every_time() {
    let mut observed = settled(&segment());
    add_interface(&mut observed, "tap1");
    let desired = wanted(&segment(), &[2, 3], &observed);
    observed.state.overlay.ports.insert(name("tap1"), name("virbr0"));
    let steps = plan_making(&desired, &observed);
    assert_eq!(steps, [OverlayStep::Join(name("tap1"), name("br-vms"))]);
    observed.state.overlay.ports.remove(&name("tap1"));
    assert_eq!(planned(&desired, &mut observed), ["join port tap1 to br-vms"]);
}

#[test]
fn ports_that_somebody_else_has_joined_stay() {
    let mut observed = settled(&segment());
    add_interface(&mut observed, "vnet7");
    observed.state.overlay.ports.insert(name("vnet7"), name("br-vms"));
    let desired = wanted(&segment(), &[2, 3], &observed);
    assert_eq!(planned(&desired, &mut observed), [""; 0]);
}

#[test]
fn nothing_is_sent_any_more_to_a_site_that_is_gone() {
    let mut observed = settled(&segment());
    let desired = wanted(&segment(), &[3], &observed);
    assert_eq!(
        planned(&desired, &mut observed),
        [
            "send 02:00:00:00:00:02 to vx-vms no more",
            "remove 02:00:00:00:00:02 from vx-vms",
            "remove 10.255.0.2 from the flood list of vx-vms",
            "remove neighbor 10.9.0.20 from br-vms",
        ]
    );
}

#[test]
fn what_somebody_deleted_is_there_again() {
    let mut observed = settled(&segment());
    let desired = wanted(&segment(), &[2, 3], &observed);
    let overlay = &mut observed.state.overlay;
    overlay.remotes.remove(&(name("vx-vms"), mac(2)));
    overlay.flood_lists.remove(&(name("vx-vms"), vtep(3)));
    overlay.fdb_entries.remove(&(name("vx-vms"), mac(3), None));
    overlay.neighbors.clear();
    overlay.gateways.clear();
    overlay.bridges.get_mut(&name("br-vms")).unwrap().snooping = true;
    overlay.devices.get_mut(&name("vx-vms")).unwrap().port = None;
    assert_eq!(
        planned(&desired, &mut observed),
        [
            "set bridge br-vms mtu 1500 mcast_snooping 0",
            "attach vx-vms to br-vms with neigh_suppress on flood off mcast_flood off bcast_flood on",
            "add 02:00:00:00:00:02 at 10.255.0.2 to vx-vms",
            "add 10.255.0.3 to the flood list of vx-vms",
            "send 02:00:00:00:00:03 to vx-vms until it is learned elsewhere",
            "add neighbor 10.9.0.10 02:00:00:00:00:01 to br-vms",
            "add neighbor 10.9.0.20 02:00:00:00:00:02 to br-vms",
            "add gateway 10.9.0.1/24 to br-vms",
        ]
    );
}

#[test]
fn a_bridge_that_gets_its_address_back_has_lost_its_neighbors_with_it() {
    let mut observed = settled(&segment());
    let desired = wanted(&segment(), &[2, 3], &observed);
    observed.state.overlay.bridges.get_mut(&name("br-vms")).unwrap().mac = Some(mac(0xaa));
    assert_eq!(
        planned(&desired, &mut observed),
        [
            "set bridge br-vms address 02:77:65:00:00:64 mtu 1500 mcast_snooping 0",
            "add neighbor 10.9.0.10 02:00:00:00:00:01 to br-vms",
            "add neighbor 10.9.0.20 02:00:00:00:00:02 to br-vms",
        ]
    );
}

#[test]
fn a_device_that_cannot_be_changed_is_made_anew_with_all_its_entries() {
    let mut observed = settled(&segment());
    let desired = wanted(&Segment { resolution: Resolution::Suppress, ..segment() }, &[2, 3], &observed);
    assert_eq!(
        planned(&desired, &mut observed),
        [
            "delete vx-vms",
            "create VXLAN device vx-vms id 100 local 10.255.0.1 dstport 4789",
            "set MTU of vx-vms to 1500",
            "attach vx-vms to br-vms with neigh_suppress on flood off mcast_flood off bcast_flood on",
            "set vx-vms up",
            "add 02:00:00:00:00:02 at 10.255.0.2 to vx-vms",
            "add 02:00:00:00:00:03 at 10.255.0.3 to vx-vms",
            "add 10.255.0.2 to the flood list of vx-vms",
            "add 10.255.0.3 to the flood list of vx-vms",
            "send 02:00:00:00:00:02 to vx-vms until it is learned elsewhere",
            "send 02:00:00:00:00:03 to vx-vms until it is learned elsewhere",
        ]
    );
}

#[test]
fn a_host_that_is_pinned_now_has_an_entry_of_the_other_kind() {
    let mut observed = settled(&segment());
    let mut pinned = segment();
    pinned.hosts.get_mut(&mac(2)).unwrap().mobility = Mobility::Pinned;
    let desired = wanted(&pinned, &[2, 3], &observed);
    assert_eq!(
        planned(&desired, &mut observed),
        ["send 02:00:00:00:00:02 to vx-vms no more", "send 02:00:00:00:00:02 to vx-vms"]
    );
}

#[test]
fn a_segment_that_is_gone_leaves_nothing_behind() {
    let mut observed = settled(&segment());
    let steps = planned(&Overlay::default(), &mut observed);
    assert_eq!(steps, ["delete vx-vms", "delete br-vms"]);
    assert_eq!(observed.state.overlay, Overlay::default());
}

/// A machine with a bridge of somebody else's, `vmbr0`, and a port on it.
fn hypervisor(vlan_filtering: bool) -> Observed {
    let mut observed = bare();
    add_interface(&mut observed, "vmbr0");
    observed.foreign.bridges.insert(name("vmbr0"), ForeignBridge { mtu: 1500, vlan_filtering, admin: Admin::Up });
    observed.state.overlay.ports.insert(name("tap0"), name("vmbr0"));
    observed
}

fn on_vmbr0(vlan: Option<u16>) -> L2Site {
    let vlan = vlan.and_then(VlanId::new);
    L2Site { bridge: name("vmbr0"), owner: BridgeOwner::Others { vlan }, ports: BTreeSet::new() }
}

/// A segment as a bridge of somebody else's can have it.
fn without_gateway() -> Segment {
    Segment { gateway: None, ..segment() }
}

#[test]
fn an_existing_bridge_gets_a_port_and_nothing_else() {
    let mut observed = hypervisor(false);
    let desired = wanted_at(&on_vmbr0(None), &without_gateway(), &[2, 3], &observed);
    assert_eq!(
        planned(&desired, &mut observed),
        [
            "create VXLAN device vx-vms id 100 local 10.255.0.1 dstport 4789 proxy address fe:ff:ff:00:00:64",
            "set MTU of vx-vms to 1500",
            "attach vx-vms to vmbr0 with neigh_suppress on flood off mcast_flood off bcast_flood on",
            "set vx-vms up",
            "add 02:00:00:00:00:02 at 10.255.0.2 to vx-vms",
            "add 02:00:00:00:00:03 at 10.255.0.3 to vx-vms",
            "add 10.255.0.2 to the flood list of vx-vms",
            "add 10.255.0.3 to the flood list of vx-vms",
            "send 02:00:00:00:00:02 to vx-vms until it is learned elsewhere",
            "send 02:00:00:00:00:03 to vx-vms until it is learned elsewhere",
            "add neighbor 10.9.0.20 02:00:00:00:00:02 to vx-vms",
        ]
    );
    // A site that is gone is not answered for, and leaving takes the device alone.
    let desired = wanted_at(&on_vmbr0(None), &without_gateway(), &[3], &observed);
    let steps = planned(&desired, &mut observed);
    assert!(steps.contains(&"remove neighbor 10.9.0.20 from vx-vms".to_owned()), "{steps:?}");
    assert_eq!(planned(&Overlay::default(), &mut observed), ["delete vx-vms"]);
    assert_eq!(observed.state.overlay.ports, [(name("tap0"), name("vmbr0"))].into());
}

#[test]
fn of_a_bridge_that_filters_vlans_the_device_is_in_one_alone_and_is_made_anew_if_it_is_in_another() {
    let mut observed = hypervisor(true);
    let desired = wanted_at(&on_vmbr0(Some(20)), &without_gateway(), &[2], &observed);
    let made = planned(&desired, &mut observed);
    let attach = "attach vx-vms to vmbr0 with neigh_suppress on flood off mcast_flood off bcast_flood on for VLAN 20";
    let send = "send 02:00:00:00:00:02 of VLAN 20 to vx-vms until it is learned elsewhere";
    assert!(made.iter().any(|step| step == attach) && made.iter().any(|step| step == send), "{made:#?}");
    let device = observed.state.overlay.devices.get_mut(&name("vx-vms")).unwrap();
    device.vlans.push(VlanRange { first: 1, last: 1, pvid: false, untagged: true });
    assert_eq!(planned(&desired, &mut observed), [&["delete vx-vms".to_owned()], made.as_slice()].concat());
}

#[test]
fn a_segment_waits_for_its_existing_bridge_to_be_usable() {
    let reasons = |vlan, change: &dyn Fn(&mut Observed)| {
        let mut observed = hypervisor(false);
        change(&mut observed);
        let desired = wanted_at(&on_vmbr0(vlan), &without_gateway(), &[2, 3], &observed);
        assert_eq!(desired == Overlay::default(), usable(&on_vmbr0(vlan), &observed).is_err());
        usable(&on_vmbr0(vlan), &observed).err()
    };
    assert_eq!(reasons(None, &|_| {}), None);
    let gone = |observed: &mut Observed| {
        observed.foreign.bridges.clear();
        observed.indexes.remove(&name("vmbr0"));
    };
    assert_eq!(reasons(None, &gone), Some(Unusable::Missing));
    let other_kind = |observed: &mut Observed| {
        observed.foreign.bridges.clear();
        observed.indexes.insert(name("vmbr0"), 7);
    };
    assert_eq!(reasons(None, &other_kind), Some(Unusable::NoBridge));
    let ours = |observed: &mut Observed| {
        observed.foreign.bridges.clear();
        let bridge = Bridge { mac: None, mtu: 1500, snooping: false, admin: Admin::Up };
        observed.state.overlay.bridges.insert(name("vmbr0"), bridge);
    };
    assert_eq!(reasons(None, &ours), Some(Unusable::Ours));
    assert_eq!(reasons(None, &|observed| observed.state.overlay.ports.clear()), Some(Unusable::NoPort));
    let vlan = VlanId::new(20).unwrap();
    assert_eq!(reasons(Some(20), &|_| {}), Some(Unusable::FiltersNoVlans(vlan)));
    let filtering =
        |observed: &mut Observed| observed.foreign.bridges.values_mut().for_each(|bridge| bridge.vlan_filtering = true);
    assert_eq!(reasons(None, &filtering), Some(Unusable::FiltersVlans));
    assert_eq!(reasons(Some(20), &filtering), None);
}

#[test]
fn the_mtu_of_the_device_never_has_an_existing_bridge_change_its_own() {
    let mut observed = hypervisor(false);
    let mtu = |bridge: u32, observed: &mut Observed| {
        observed.foreign.bridges.get_mut(&name("vmbr0")).unwrap().mtu = bridge;
        let desired = wanted_at(&on_vmbr0(None), &without_gateway(), &[2, 3], observed);
        planned(&desired, observed);
        observed.state.overlay.devices[&name("vx-vms")].mtu
    };
    assert_eq!(mtu(1400, &mut observed), 1500, "the segment's");
    assert_eq!(mtu(9000, &mut observed), 9000, "a smaller one would be the bridge's");
    assert_eq!(mtu(1500, &mut observed), 9000, "its ports may have theirs back");
}
