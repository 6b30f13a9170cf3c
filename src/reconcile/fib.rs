//! Compares what the kernel does with packets to a destination with the routes that weft has installed.
//!
//! A route of weft may be in the kernel without effect: another route to the same destination is preferred, or a policy rule sends packets
//! to another table. Only a look-up in the kernel shows this. This module decides which addresses are looked up, and what an answer means;
//! it does no I/O.

use std::cmp::Reverse;
use std::fmt;
use std::net::Ipv4Addr;

use super::state::{CAPTURE_TABLE, MAIN_TABLE, PROTOCOL, Route};
use crate::net::Prefix;

/// Table `local`: the machine's own addresses.
const LOCAL_TABLE: u32 = 255;
/// Table `default`, which is looked up last.
const DEFAULT_TABLE: u32 = 253;
/// RTPROT_KERNEL: routes that the kernel creates for the addresses of interfaces.
const OF_AN_ADDRESS: u8 = 2;

/// The route that the kernel uses for an address, as `ip route get fibmatch ADDRESS` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRoute {
    /// Routing table (RTA_TABLE).
    pub table: u32,
    /// Destination (RTA_DST).
    pub prefix: Prefix,
    /// What it does with packets.
    pub action: Action,
    /// Origin of the route (RTA_PROTOCOL).
    pub protocol: u8,
    /// Metric (RTA_PRIORITY).
    pub metric: u32,
    /// The outgoing interface of its only next hop.
    pub device: Option<String>,
    /// The gateway of its only next hop.
    pub gateway: Option<Ipv4Addr>,
}

/// What a route or a rule does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Forwards them.
    Forward,
    /// Delivers them to this machine.
    Deliver,
    /// Drops them.
    Blackhole,
    /// Drops them with ICMP "host unreachable".
    Unreachable,
    /// Drops them with ICMP "administratively prohibited".
    Prohibit,
}

/// A policy rule that applies to packets whatever their source, mark and interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundRule {
    /// FRA_PRIORITY.
    pub priority: u32,
    /// The destinations that the rule applies to; 0.0.0.0/0 for all.
    pub destination: Prefix,
    /// What the rule does with packets.
    pub verdict: RuleVerdict,
}

/// What a policy rule does with packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleVerdict {
    /// Looks up the destination in this table.
    Table(u32),
    /// Drops the packets.
    Drop(Action),
}

/// The route or rule that the kernel uses instead of a route of weft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// Another route to the same destination.
    Route(FoundRoute),
    /// A route in another table, to which a rule sends the packets.
    Table {
        /// The rule, if it is known.
        rule: Option<FoundRule>,
        /// The route.
        route: FoundRoute,
    },
    /// A rule that drops the packets.
    Rule(FoundRule),
}

/// What the look-up of one address shows about the route of weft that covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The route is used.
    Used,
    /// Nothing: a more specific route covers the address, and may be intended.
    Unclear,
    /// The route is not used.
    Overridden(Override),
}

impl FoundRoute {
    /// Evaluates this answer to a look-up of an address within `wanted`.
    pub fn judge(self, wanted: Prefix) -> Verdict {
        let is_ours = self.protocol == PROTOCOL && self.metric == Route::METRIC;
        match self.table {
            MAIN_TABLE | CAPTURE_TABLE | LOCAL_TABLE | DEFAULT_TABLE => match (self.prefix == wanted, is_ours) {
                (true, true) => Verdict::Used,
                (true, false) => Verdict::Overridden(Override::Route(self)),
                (false, _) => Verdict::Unclear,
            },
            _ => Verdict::Overridden(Override::Table { rule: None, route: self }),
        }
    }
}

/// Evaluates a look-up of an address within `wanted` which the kernel answers by dropping packets. `routes` are the routes that drop
/// packets, and `rules` the policy rules, both in any order.
pub fn judge_dropped(wanted: Prefix, address: Ipv4Addr, routes: &[FoundRoute], rules: &[FoundRule]) -> Verdict {
    let longest = |table| {
        let covering = routes.iter().filter(|route| route.table == table && route.prefix.contains(address));
        covering.max_by_key(|route| (route.prefix.len(), Reverse(route.metric))).cloned()
    };
    let mut applying: Vec<&FoundRule> = rules.iter().filter(|rule| rule.destination.contains(address)).collect();
    applying.sort_by_key(|rule| rule.priority);
    for rule in applying {
        match rule.verdict {
            RuleVerdict::Drop(_) => return Verdict::Overridden(Override::Rule(*rule)),
            RuleVerdict::Table(LOCAL_TABLE | CAPTURE_TABLE) => {}
            RuleVerdict::Table(MAIN_TABLE | DEFAULT_TABLE) => break,
            RuleVerdict::Table(table) => {
                if let Some(route) = longest(table) {
                    return Verdict::Overridden(Override::Table { rule: Some(*rule), route });
                }
            }
        }
    }
    match longest(MAIN_TABLE) {
        Some(route) if route.prefix == wanted => route.judge(wanted),
        _ => Verdict::Unclear,
    }
}

/// Returns addresses of an IPv4 destination to look up in this order, until one shows that its route is used.
pub fn probes(prefix: Prefix) -> Vec<Ipv4Addr> {
    let Some((network, length)) = prefix.v4() else { return Vec::new() };
    let network = u32::from(network);
    let size = (u64::from(u32::MAX) + 1) >> length;
    match (length, u32::try_from(size)) {
        // Addresses of the Internet, which are in no network of a site or an uplink.
        (0, _) | (_, Err(_)) => [[1, 1, 1, 1], [100, 128, 0, 1], [203, 0, 112, 1]].map(Ipv4Addr::from).to_vec(),
        (30.., Ok(size)) => vec![Ipv4Addr::from(network + (size - 1).min(1))],
        (_, Ok(size)) => [1, size - 2, size / 2].map(|host| Ipv4Addr::from(network + host)).to_vec(),
    }
}

impl Override {
    /// Describes what the kernel uses instead, and what the operator can do about it.
    pub fn sentence(&self, prefix: Prefix) -> String {
        const MEANT: &str = "; if it is meant, refuse the prefix in a `[[site.import]]`";
        match self {
            Self::Route(route) if route.action == Action::Deliver => format!(
                "{prefix}: not used as OSPF computed it, for this machine has that address itself ({route}): remove the \
                 address (`ip address del`), or correct the mesh file"
            ),
            Self::Route(route) if route.protocol == OF_AN_ADDRESS => format!(
                "{prefix}: not used as OSPF computed it, for this machine is connected to the same network ({route}): give one \
                 of the two networks another prefix, or list it in `prefixes` of this site, too"
            ),
            Self::Route(route) => {
                let effect = effect(route.action);
                format!(
                    "{prefix}: {effect} another route, preferred to weft's (metric {}): `{route}`. Remove it \
                     (`{}`{}){MEANT}",
                    Route::METRIC,
                    route.removal(),
                    wg_quick(route)
                )
            }
            Self::Table { rule: Some(rule), route } => format!(
                "{prefix}: {} table {} by rule {} (`{rule}`), before weft's routes are looked at: `{route}`. Remove the \
                 rule (`ip rule del pref {}`), or put the mesh's routes before it{MEANT}",
                effect(route.action),
                route.table,
                rule.priority,
                rule.priority
            ),
            Self::Table { rule: None, route } => format!(
                "{prefix}: {} table {}, which a rule looks up before weft's routes: `{route}`. `ip rule` shows that \
                 rule: remove it, or put the mesh's routes before it{MEANT}",
                effect(route.action),
                route.table
            ),
            Self::Rule(rule) => format!(
                "{prefix}: packets are dropped by rule {} (`{rule}`), before weft's routes are looked at: remove it \
                 (`ip rule del pref {}`){MEANT}",
                rule.priority, rule.priority
            ),
        }
    }
}

fn effect(action: Action) -> &'static str {
    match action {
        Action::Forward => "packets go by",
        Action::Deliver => "packets are delivered to this machine by",
        Action::Blackhole | Action::Unreachable | Action::Prohibit => "packets are dropped by",
    }
}

/// The hint to use wg-quick if it may have created the route.
fn wg_quick(route: &FoundRoute) -> String {
    match &route.device {
        Some(device) if device.starts_with("wg") => {
            format!(", or `wg-quick down {device}` where wg-quick has made it")
        }
        _ => String::new(),
    }
}

impl Action {
    /// The route type as `ip route` writes it before the destination.
    fn word(self) -> &'static str {
        match self {
            Self::Forward => "",
            Self::Deliver => "local ",
            Self::Blackhole => "blackhole ",
            Self::Unreachable => "unreachable ",
            Self::Prohibit => "prohibit ",
        }
    }
}

impl FoundRoute {
    /// The command that deletes this route and no other.
    fn removal(&self) -> String {
        let mut text = format!("ip route del {}{}", self.action.word(), self.prefix);
        text += &self.nexthop();
        if self.metric != 0 {
            text += &format!(" metric {}", self.metric);
        }
        text
    }

    fn nexthop(&self) -> String {
        let via = self.gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
        let device = self.device.as_ref().filter(|_| self.action == Action::Forward || self.action == Action::Deliver);
        via + &device.map_or_else(String::new, |device| format!(" dev {device}"))
    }
}

/// Formatted as by `ip route`.
impl fmt::Display for FoundRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, action, protocol, metric, .. } = self;
        write!(f, "{}{prefix}{} proto {} metric {metric}", action.word(), self.nexthop(), protocol_name(*protocol))
    }
}

/// Formatted as by `ip rule`.
impl fmt::Display for FoundRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.destination.is_default() {
            write!(f, "from all")?;
        } else {
            write!(f, "from all to {}", self.destination)?;
        }
        match self.verdict {
            RuleVerdict::Table(table) => write!(f, " lookup {table}"),
            RuleVerdict::Drop(action) => write!(f, " {}", action.word().trim_end()),
        }
    }
}

/// The name of the protocol in `ip route` (`/etc/iproute2/rt_protos`).
fn protocol_name(protocol: u8) -> String {
    let name = match protocol {
        0 => "unspec",
        1 => "redirect",
        OF_AN_ADDRESS => "kernel",
        3 => "boot",
        4 => "static",
        11 => "zebra",
        12 => "bird",
        16 => "dhcp",
        18 => "keepalived",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn route(table: u32, destination: &str, protocol: u8, metric: u32, action: Action) -> FoundRoute {
        let device = (action == Action::Forward).then(|| "wg0".to_owned());
        FoundRoute { table, prefix: prefix(destination), action, protocol, metric, device, gateway: None }
    }

    fn rule(priority: u32, destination: &str, verdict: RuleVerdict) -> FoundRule {
        FoundRule { priority, destination: prefix(destination), verdict }
    }

    #[test]
    fn only_the_same_destination_and_other_tables_override() {
        let wanted = prefix("10.2.0.0/16");
        let judge = |table, destination, protocol, metric| {
            route(table, destination, protocol, metric, Action::Forward).judge(wanted)
        };
        assert_eq!(judge(MAIN_TABLE, "10.2.0.0/16", PROTOCOL, 110), Verdict::Used);
        assert_eq!(judge(CAPTURE_TABLE, "10.2.0.0/16", PROTOCOL, 110), Verdict::Used);
        for (destination, protocol, metric) in [("10.2.0.0/16", 3, 0), ("10.2.0.0/16", PROTOCOL, 5)] {
            let verdict = judge(MAIN_TABLE, destination, protocol, metric);
            assert!(matches!(verdict, Verdict::Overridden(Override::Route(_))), "{verdict:?}");
        }
        // What is more specific may be meant, and is weft's own at times; what is less specific only shows that weft's is not there.
        for destination in ["10.2.7.0/24", "0.0.0.0/0"] {
            assert_eq!(judge(MAIN_TABLE, destination, 4, 0), Verdict::Unclear);
            assert_eq!(judge(MAIN_TABLE, destination, PROTOCOL, 110), Verdict::Unclear);
        }
        let by_rule = judge(200, "0.0.0.0/0", 4, 0);
        assert!(matches!(by_rule, Verdict::Overridden(Override::Table { .. })), "{by_rule:?}");
    }

    #[test]
    fn packets_that_are_dropped_are_put_down_to_the_route_or_the_rule_that_does_so() {
        let wanted = prefix("10.2.0.0/16");
        let address = "10.2.0.1".parse().unwrap();
        let dropping = |table, destination| route(table, destination, 3, 0, Action::Blackhole);
        let exact = dropping(MAIN_TABLE, "10.2.0.0/16");
        let judged = |routes: &[FoundRoute], rules: &[FoundRule]| judge_dropped(wanted, address, routes, rules);
        assert_eq!(judged(from_ref(&exact), &[]), Verdict::Overridden(Override::Route(exact.clone())));
        assert_eq!(judged(&[exact.clone(), dropping(MAIN_TABLE, "10.2.0.0/24")], &[]), Verdict::Unclear);
        assert_eq!(judged(&[dropping(MAIN_TABLE, "10.0.0.0/8")], &[]), Verdict::Unclear);
        assert_eq!(judged(&[dropping(MAIN_TABLE, "10.3.0.0/16")], &[]), Verdict::Unclear);
        let drop = rule(50, "10.2.0.0/16", RuleVerdict::Drop(Action::Prohibit));
        assert_eq!(judged(&[], &[drop]), Verdict::Overridden(Override::Rule(drop)));
        let elsewhere = rule(50, "10.3.0.0/16", RuleVerdict::Drop(Action::Prohibit));
        assert_eq!(judged(&[], &[elsewhere]), Verdict::Unclear);
        let (table, route) = (rule(50, "0.0.0.0/0", RuleVerdict::Table(200)), dropping(200, "0.0.0.0/0"));
        let expected = Override::Table { rule: Some(table), route: route.clone() };
        assert_eq!(judged(from_ref(&route), &[table]), Verdict::Overridden(expected));
        assert_eq!(judged(from_ref(&route), &[]), Verdict::Unclear);
        // Rules behind that of the main table do not come to weft's routes.
        let main = rule(32766, "0.0.0.0/0", RuleVerdict::Table(MAIN_TABLE));
        let late = rule(40000, "0.0.0.0/0", RuleVerdict::Drop(Action::Blackhole));
        assert_eq!(judged(&[route], &[late, main]), Verdict::Unclear);
    }

    #[test]
    fn probes_lie_within_the_destination() {
        for text in
            ["10.2.0.0/16", "10.2.0.0/29", "10.2.0.4/30", "10.2.0.4/31", "10.2.0.4/32", "128.0.0.0/1", "0.0.0.0/0"]
        {
            let found = probes(prefix(text));
            assert!(
                !found.is_empty() && found.iter().all(|address| prefix(text).contains(*address)),
                "{text}: {found:?}"
            );
        }
        assert_eq!(
            probes(prefix("10.2.0.0/16")),
            ["10.2.0.1", "10.2.255.254", "10.2.128.0"].map(|text| text.parse::<Ipv4Addr>().unwrap())
        );
        assert_eq!(probes(prefix("10.2.0.4/32")), [Ipv4Addr::new(10, 2, 0, 4)]);
    }

    #[test]
    fn the_remedy_is_a_command_that_removes_what_is_in_the_way() {
        let wanted = prefix("10.2.0.0/16");
        let says = |what: &Override, words: &[&str]| {
            let sentence = what.sentence(wanted);
            assert!(words.iter().all(|word| sentence.contains(word)), "{sentence}");
        };
        let blackhole = route(MAIN_TABLE, "10.2.0.0/16", 3, 0, Action::Blackhole);
        says(
            &Override::Route(blackhole),
            &[
                "10.2.0.0/16: packets are dropped by",
                "`blackhole 10.2.0.0/16 proto boot metric 0`",
                "`ip route del blackhole 10.2.0.0/16`",
            ],
        );
        let wg_quick = route(MAIN_TABLE, "10.2.0.0/16", 3, 5, Action::Forward);
        says(
            &Override::Route(wg_quick),
            &["`ip route del 10.2.0.0/16 dev wg0 metric 5`", "`wg-quick down wg0`", "`[[site.import]]`"],
        );
        let connected = route(MAIN_TABLE, "10.2.0.0/16", OF_AN_ADDRESS, 0, Action::Forward);
        says(&Override::Route(connected), &["connected to the same network", "dev wg0 proto kernel"]);
        let by_rule = Override::Table {
            rule: Some(rule(50, "10.2.0.0/16", RuleVerdict::Table(200))),
            route: route(200, "0.0.0.0/0", 4, 0, Action::Forward),
        };
        says(&by_rule, &["table 200 by rule 50 (`from all to 10.2.0.0/16 lookup 200`)", "`ip rule del pref 50`"]);
        says(
            &Override::Rule(rule(50, "0.0.0.0/0", RuleVerdict::Drop(Action::Prohibit))),
            &["dropped by rule 50 (`from all prohibit`)"],
        );
    }
}
