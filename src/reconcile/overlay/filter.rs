//! The nftables ruleset of the overlay: a pure function from what the segments need to a script for `nft -f`.
//!
//! Two tables called after the mesh. The one of family `bridge` bounds what is flooded to other sites and lowers the MSS of TCP
//! connections whose packets would not cross in one piece; the one of family `inet` keeps out VXLAN packets that did not come through
//! a tunnel, for VXLAN knows no other proof of where a frame is from (RFC 7348 §7).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use vxlan::{Filter, FrameRate, Mss, PORT};

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

    /// The ruleset for VXLAN devices with these needs, whose packets come through `tunnels` only.
    pub(super) fn of(mesh: &str, devices: &BTreeMap<IfName, Filter>, tunnels: &BTreeSet<IfName>) -> Self {
        let table = Self::table(mesh);
        let mut script = Self::removal(mesh);
        // In family `bridge` that is -200, before br_netfilter's hooks, which go on with none of a priority up to 0.
        let _ = write!(
            script,
            "table bridge {table} {{\n\tchain forward {{\n\t\ttype filter hook forward priority filter\n"
        );
        for (device, filter) in devices {
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
        let names: Vec<String> = tunnels.iter().map(|tunnel| format!("\"{tunnel}\"")).collect();
        let outside = if names.is_empty() { String::new() } else { format!("iifname != {{ {} }} ", names.join(", ")) };
        let _ = write!(
            script,
            "\t}}\n}}\ntable inet {table} {{\n\tchain input {{\n\t\ttype filter hook input priority 0\n\
             \t\t{outside}udp dport {PORT} counter drop\n\t}}\n}}\n"
        );
        Self(script)
    }
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
        let devices = BTreeMap::from([(name("vx-vms"), filter), (name("vx-lab"), Filter::default())]);
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
\t\tiifname != { \"wg-osaka\", \"wg-seoul\" } udp dport 4789 counter drop
\t}
}
"
        );
    }

    #[test]
    fn a_router_without_tunnels_takes_no_vxlan_packet_at_all() {
        let ruleset = Ruleset::of("acme", &BTreeMap::new(), &BTreeSet::new());
        assert!(ruleset.script().contains("\t\tudp dport 4789 counter drop"), "{}", ruleset.script());
    }
}
