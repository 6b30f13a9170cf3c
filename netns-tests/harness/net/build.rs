//! Namespaces, bridges and legs of a plan: a namespace for each router, and one in the middle with a bridge for each
//! segment. What is a wire to the routers is a bridge there, so that it can be recorded, cut, and made to carry no
//! multicast. A segment that is to be bad has a repeater of this process instead.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::Result;

use super::super::netns::{Netns, inside};
use super::super::process::output_of;
use super::plan::{Medium, Plan, Segment};
use super::repeater::Repeater;

/// The namespaces of a plan.
pub struct Wiring {
    /// By segment. Before `hub`: their ports are there.
    pub repeaters: BTreeMap<&'static str, Repeater>,
    pub hub: Netns,
    pub routers: BTreeMap<&'static str, Netns>,
}

impl Wiring {
    /// Makes everything; the segments are off until [`Self::switch`].
    pub fn new(plan: &Plan) -> Result<Self> {
        let hub = Netns::new(&format!("{}-net", plan.name))?;
        let mut routers = BTreeMap::new();
        for router in &plan.routers {
            let netns = Netns::new(&format!("{}-{}", plan.name, router.name))?;
            output_of(&mut inside(netns.name(), "sysctl -qw net.ipv4.ip_forward=1"))?;
            routers.insert(router.name, netns);
        }
        let mut wiring = Self { repeaters: BTreeMap::new(), hub, routers };
        for segment in &plan.segments {
            wiring.segment(plan, segment)?;
        }
        for stub in &plan.stubs {
            let number = plan.router_named(stub.router).number;
            let far = format!("{}-{number}", stub.name);
            wiring.leg(stub.router, &stub.name, &far, stub.address(), 1500)?;
            wiring.hub.ip(&format!("link set {far} up"))?;
        }
        Ok(wiring)
    }

    /// Interfaces in the middle that see every packet of the segment: the bridge, or what arrives at and leaves by each of the ports
    /// of a repeater.
    pub fn vantage_points(plan: &Plan, segment: &Segment) -> Vec<String> {
        match segment.disturbance {
            None => vec![segment.name.to_owned()],
            Some(_) => segment.ports.iter().map(|port| leg_name(plan, segment, port.router)).collect(),
        }
    }

    /// Switches every segment on, or off.
    pub fn switch(&self, plan: &Plan, is_on: bool) -> Result<()> {
        for segment in &plan.segments {
            for port in &segment.ports {
                self.switch_port(plan, segment, port.router, is_on)?;
            }
        }
        Ok(())
    }

    /// Switches one router's way onto a segment on, or off: the router loses the carrier.
    pub fn switch_port(&self, plan: &Plan, segment: &Segment, router: &str, is_on: bool) -> Result<()> {
        let leg = leg_name(plan, segment, router);
        self.hub.ip(&format!("link set {leg} {}", if is_on { "up" } else { "down" })).map(drop)
    }

    /// Discard routes.
    pub fn add_discards(&self, plan: &Plan) -> Result<()> {
        for external in plan.externals.iter().filter(|external| external.via.is_none()) {
            self.routers[external.router].ip(&format!("route add blackhole {}", external.prefix))?;
        }
        Ok(())
    }

    /// Routes whose gateways are on segments, which are on by now.
    pub fn add_gateways(&self, plan: &Plan) -> Result<()> {
        for external in &plan.externals {
            if let Some(gateway) = external.via {
                self.routers[external.router].ip(&format!("route add {} via {gateway}", external.prefix))?;
            }
        }
        Ok(())
    }

    fn segment(&mut self, plan: &Plan, segment: &Segment) -> Result<()> {
        if let Some(disturbance) = segment.disturbance {
            for port in &segment.ports {
                let leg = leg_name(plan, segment, port.router);
                self.leg(port.router, segment.name, &leg, plan.address(segment, port.router), port.mtu)?;
            }
            let legs = Self::vantage_points(plan, segment);
            self.repeaters.insert(segment.name, Repeater::start(self.hub.name(), &legs, disturbance)?);
            return Ok(());
        }
        let bridge = segment.name;
        self.hub.ip(&format!("link add {bridge} type bridge mcast_snooping 0 forward_delay 0"))?;
        self.hub.ip(&format!("link set {bridge} up"))?;
        for port in &segment.ports {
            let leg = leg_name(plan, segment, port.router);
            let address = plan.address(segment, port.router);
            self.leg(port.router, segment.name, &leg, address, port.mtu)?;
            let mut options = String::new();
            if segment.medium == Medium::NonBroadcast {
                options += " mcast_flood off";
            }
            // Isolated ports reach only those that are not.
            if segment.hub.is_some_and(|hub| hub != port.router) {
                options += " isolated on";
            }
            self.hub.ip(&format!("link set {leg} master {bridge}"))?;
            if !options.is_empty() {
                self.hub.ip(&format!("link set {leg} type bridge_slave{options}"))?;
            }
        }
        Ok(())
    }

    /// A pair between `interface` of the router and `leg` in the middle, which is down.
    fn leg(&self, router: &str, interface: &str, leg: &str, address: Ipv4Addr, mtu: u16) -> Result<()> {
        let netns = &self.routers[router];
        self.hub.ip(&format!("link add {leg} type veth peer name {interface} netns {}", netns.name()))?;
        netns.ip(&format!("address add {address}/24 dev {interface}"))?;
        netns.ip(&format!("link set {interface} mtu {mtu} up"))?;
        Ok(())
    }
}

/// Name of the middle's end of a router's leg.
fn leg_name(plan: &Plan, segment: &Segment, router: &str) -> String {
    format!("{}-{}", segment.name, plan.router_named(router).number)
}
