//! The nftables ruleset of the overlay: a pure function from what the segments need to a script for `nft -f`.
//!
//! Two tables called after the mesh. The one of family `bridge` bounds what is flooded to other sites and lowers the MSS of TCP
//! connections whose packets would not cross in one piece; the one of family `inet` keeps VXLAN packets of the segments in the
//! tunnels. In, because VXLAN knows no other proof of where a frame is from (RFC 7348 §7); out, because a route to a site that is
//! gone, or leads over a LAN, would have frames leave unencrypted. VXLAN of others, which has other VNIs, is none of our business.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use vxlan::{Filter, FrameRate, Mss, PORT, Vni};

use crate::mesh::IfName;

/// A script for `nft -f` that puts everything in place of what was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruleset(String);

/// The families that there is a table of.
pub const FAMILIES: [&str; 2] = ["bridge", "inet"];

impl Ruleset {
    /// Whatever is in the kernel that was not put there by this process, or not left as it was.
    pub fn unknown() -> Self {
        Self(String::new())
    }

    /// As `nft` takes it.
    pub fn script(&self) -> &str {
        &self.0
    }

    /// The tables' name.
    pub fn table(mesh: &str) -> String {
        // An identifier of nft begins with a letter, and may go on with all that a mesh's name has.
        format!("weft-{mesh}")
    }

    /// A script that deletes the tables, whether they are there or not.
    pub fn removal(mesh: &str) -> String {
        let table = Self::table(mesh);
        FAMILIES.iter().fold(String::new(), |script, family| {
            // Deleting what is not there is an error; adding what is there is none.
            script + &format!("add table {family} {table}\ndelete table {family} {table}\n")
        })
    }

    /// The ruleset for VXLAN devices with these needs, at least one, whose packets pass through `tunnels` only.
    pub(super) fn of(mesh: &str, devices: &BTreeMap<IfName, (Vni, Filter)>, tunnels: &BTreeSet<IfName>) -> Self {
        let table = Self::table(mesh);
        let mut script = Self::removal(mesh);
        // In family `bridge` that is -200, before br_netfilter's hooks, which go on with none of a priority up to 0.
        let _ = write!(
            script,
            "table bridge {table} {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter\n"
        );
        for (device, (_, filter)) in devices {
            bound(&mut script, device, "broadcast", filter.broadcast);
            bound(&mut script, device, "multicast", filter.multicast);
            if let Some(Mss { ipv4, ipv6 }) = filter.mss {
                for (protocol, mss) in [("ip", ipv4), ("ip6", ipv6)] {
                    let _ = writeln!(
                        script,
                        "\t\toifname \"{device}\" ether type {protocol} tcp flags & (syn | rst) == syn \
                         tcp option maxseg size > {mss} tcp option maxseg size set {mss}"
                    );
                }
            }
        }
        let tunnels = set(tunnels.iter().map(|tunnel| format!("\"{tunnel}\"")));
        // The VNI is 12 octets into the datagram. These hooks see whole datagrams: fragments are made and joined elsewhere.
        let ours = set(devices.values().map(|(vni, _)| vni.value().to_string())).unwrap_or_default();
        script.push_str(&format!("\t}}\n}}\ntable inet {table} {{\n"));
        for (hook, interface) in [("input", "iifname"), ("output", "oifname")] {
            let outside = tunnels.as_ref().map_or_else(String::new, |tunnels| format!("{interface} != {tunnels} "));
            let _ = write!(
                script,
                "\tchain {hook} {{\n\t\ttype filter hook {hook} priority 0\n\
                 \t\t{outside}udp dport {PORT} @th,96,24 {ours} counter drop\n\t}}\n"
            );
        }
        script.push_str("}\n");
        Self(script)
    }
}

/// A set, as `nft` takes it; `None` if it would be empty, which it does not take.
fn set(elements: impl Iterator<Item = String>) -> Option<String> {
    let elements: Vec<String> = elements.collect();
    (!elements.is_empty()).then(|| format!("{{ {} }}", elements.join(", ")))
}

/// Lets through so many frames in a second, and as many at once.
fn bound(script: &mut String, device: &IfName, kind: &str, rate: Option<FrameRate>) {
    let Some(rate) = rate else { return };
    let _ = writeln!(
        script,
        "\t\toifname \"{device}\" meta pkttype {kind} limit rate over {rate}/second burst {rate} packets counter drop"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ruleset_takes_the_place_of_the_one_before_in_one_go() {
        let name = |text| IfName::new(text).unwrap();
        let rate = FrameRate::new(1000);
        let filter = Filter { broadcast: rate, multicast: None, mss: Some(Mss { ipv4: 1330, ipv6: 1310 }) };
        let vni = |number| Vni::try_from(number).unwrap();
        let devices =
            BTreeMap::from([(name("vx-vms"), (vni(100), filter)), (name("vx-lab"), (vni(101), Filter::default()))]);
        let tunnels = BTreeSet::from([name("wg-osaka"), name("wg-seoul")]);
        assert_eq!(
            Ruleset::of("acme", &devices, &tunnels).script(),
            "\
add table bridge weft-acme
delete table bridge weft-acme
add table inet weft-acme
delete table inet weft-acme
table bridge weft-acme {
\tchain forward {
\t\ttype filter hook forward priority filter
\t\toifname \"vx-vms\" meta pkttype broadcast limit rate over 1000/second burst 1000 packets counter drop
\t\toifname \"vx-vms\" ether type ip tcp flags & (syn | rst) == syn tcp option maxseg size > 1330 tcp option maxseg size set 1330
\t\toifname \"vx-vms\" ether type ip6 tcp flags & (syn | rst) == syn tcp option maxseg size > 1310 tcp option maxseg size set 1310
\t}
}
table inet weft-acme {
\tchain input {
\t\ttype filter hook input priority 0
\t\tiifname != { \"wg-osaka\", \"wg-seoul\" } udp dport 4789 @th,96,24 { 101, 100 } counter drop
\t}
\tchain output {
\t\ttype filter hook output priority 0
\t\toifname != { \"wg-osaka\", \"wg-seoul\" } udp dport 4789 @th,96,24 { 101, 100 } counter drop
\t}
}
"
        );
    }

    #[test]
    fn a_router_without_tunnels_takes_and_sends_no_vxlan_packet_of_a_segment_at_all() {
        let device = (IfName::new("vx-vms").unwrap(), (Vni::try_from(100).unwrap(), Filter::default()));
        let ruleset = Ruleset::of("acme", &BTreeMap::from([device]), &BTreeSet::new());
        let rules = ruleset.script().matches("\t\tudp dport 4789 @th,96,24 { 100 } counter drop").count();
        assert_eq!(rules, 2, "{}", ruleset.script());
    }
}
