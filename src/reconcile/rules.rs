//! The policy rules (`ip rule`) that send packets to weft's table of routes that could capture the tunnels' own packets.
//!
//! | priority | packets | go |
//! |---|---|---|
//! | 5199 | UDP from an own address and a tunnel's port | to `main`: only where a strict reverse path filter asks |
//! | 5200 | without the tunnels' mark | to `main`, but for its default route |
//! | 5202 | without the tunnels' mark | to [`CAPTURE_TABLE`], but for its default route |
//! | 5203 | with the tunnels' mark | on behind 5206 |
//! | 5204 | from an address of an uplink | on behind 5206, or to the table of their uplink |
//! | 5205 | without the tunnels' mark | to [`CAPTURE_TABLE`] |
//! | 5206 | all | on |
//!
//! Answers to connections that arrived through an uplink have the uplink's address as their source. Another site's default route does not
//! apply to them: foreign rules and routes decide, and finally `main`. Only where these would send them to another uplink, there is a table
//! of their own ([`super::uplinks`]).
//!
//! The tunnels' own packets bypass all these rules: kernel WireGuard remembers the local address at which it last received a packet, and
//! would stay with an uplink for ever if that address selected the uplink.
//!
//! In earlier versions 5201 was the priority of the last rule. It is not used again: the kernel identifies a rule to be deleted by the
//! attributes in the request, and could delete a rule of the same priority that has more attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use super::state::{CAPTURE_TABLE, FWMARK, MAIN_TABLE, Route, RouteKey, Rule, RuleAction, Selector};
use super::uplinks::Way;
use crate::net::Prefix;

/// Priorities of weft's rules: before `main` (32766), and after most foreign rules.
const TUNNEL_PORTS: u32 = 5199;
const MAIN: u32 = 5200;
const CAPTURE_SPECIFIC: u32 = 5202;
const TUNNELS: u32 = 5203;
const UPLINKS: u32 = 5204;
const CAPTURE: u32 = 5205;
const BEHIND_CAPTURE: u32 = 5206;

/// What the rules depend on besides the routes.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The ranges of UDP ports that tunnels listen on, first to last.
    pub listen_ports: &'a [RangeInclusive<u16>],
    /// Own addresses to which a strict reverse path filter may apply ([`super::sysctls::strictly_filtered`]).
    pub filtered: &'a BTreeSet<Ipv4Addr>,
    /// Own addresses whose answers leave through their uplink.
    pub uplinks: &'a BTreeMap<Ipv4Addr, Way>,
}

/// Returns the rules that belong to `routes`: none if none of them is in [`CAPTURE_TABLE`].
pub fn desired_rules(routes: &BTreeMap<RouteKey, Route>, sources: &Sources<'_>) -> BTreeSet<Rule> {
    let capturing = |key: &&RouteKey| key.table == CAPTURE_TABLE;
    let (defaults, specific): (Vec<&RouteKey>, Vec<&RouteKey>) =
        routes.keys().filter(capturing).partition(|key| key.prefix == Prefix::DEFAULT_V4);
    let mut rules = BTreeSet::new();
    if defaults.is_empty() && specific.is_empty() {
        return rules;
    }
    let mut add = |priority, selector, action| rules.insert(Rule { priority, selector, action });
    let lookup = |table, suppress_prefixlen| RuleAction::Lookup { table, suppress_prefixlen };
    add(MAIN, Selector::NotMarked(FWMARK), lookup(MAIN_TABLE, Some(0)));
    add(CAPTURE, Selector::NotMarked(FWMARK), lookup(CAPTURE_TABLE, None));
    // A strict filter looks up the route to the source of a received tunnel packet, with the ports exchanged but without a mark: it would
    // find the tunnel, and drop the packet that arrived through the uplink. With these rules it finds the route in `main`. They name the
    // router's own addresses so that no packet of a LAN host with such a port bypasses the tunnel. (`iif lo` would have the same meaning,
    // but the kernel looks at ports only if a rule without it does: fib_rule_requires_fldissect.)
    for ports in sources.listen_ports {
        for address in sources.filtered {
            let selector = Selector::UdpFrom(*address, *ports.start(), *ports.end());
            add(TUNNEL_PORTS, selector, lookup(MAIN_TABLE, None));
        }
    }
    if !defaults.is_empty() && !sources.uplinks.is_empty() {
        if !specific.is_empty() {
            add(CAPTURE_SPECIFIC, Selector::NotMarked(FWMARK), lookup(CAPTURE_TABLE, Some(0)));
        }
        if sources.uplinks.values().any(|way| matches!(way, Way::Table(_))) {
            add(TUNNELS, Selector::Marked(FWMARK), RuleAction::Goto(BEHIND_CAPTURE));
        }
        for (address, way) in sources.uplinks {
            let action = match way {
                Way::AsOthersSay => RuleAction::Goto(BEHIND_CAPTURE),
                Way::Table(table) => lookup(*table, None),
            };
            add(UPLINKS, Selector::From(*address), action);
        }
        add(BEHIND_CAPTURE, Selector::All, RuleAction::Nop);
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules as text that go with routes to `captured` in the table and one in `main`.
    fn rules(captured: &[&str], filtered: &[&str], uplinks: &[&str]) -> Vec<String> {
        rules_with(captured, filtered, uplinks.iter().map(|text| (*text, Way::AsOthersSay)))
    }

    fn rules_with<'t>(
        captured: &[&str],
        filtered: &[&str],
        uplinks: impl IntoIterator<Item = (&'t str, Way)>,
    ) -> Vec<String> {
        let key = |table, text: &str| (RouteKey { table, prefix: text.parse().unwrap() }, Route::blackhole());
        let mut routes: BTreeMap<RouteKey, Route> = captured.iter().map(|text| key(CAPTURE_TABLE, text)).collect();
        routes.extend([key(MAIN_TABLE, "0.0.0.0/0")]);
        let sources = Sources {
            listen_ports: &[51822..=51823],
            filtered: &filtered.iter().map(|text| text.parse().unwrap()).collect(),
            uplinks: &uplinks.into_iter().map(|(text, way)| (text.parse().unwrap(), way)).collect(),
        };
        desired_rules(&routes, &sources).iter().map(Rule::to_string).collect()
    }

    const MAIN_BUT_DEFAULT: &str = "5200: not fwmark 201 lookup 254 suppress_prefixlength 0";
    const CAPTURED: &str = "5205: not fwmark 201 lookup 201";

    #[test]
    fn without_a_route_that_could_capture_there_are_no_rules() {
        assert_eq!(rules(&[], &["203.0.113.1"], &["203.0.113.1"]), [] as [&str; 0]);
    }

    #[test]
    fn strict_filter_is_told_which_packets_belong_to_main() {
        let ports = "5199: from 203.0.113.1 ipproto udp sport 51822-51823 lookup 254";
        assert_eq!(rules(&["0.0.0.0/0"], &["203.0.113.1"], &[]), [ports, MAIN_BUT_DEFAULT, CAPTURED]);
    }

    #[test]
    fn a_default_route_of_another_site_does_not_exist_for_packets_from_addresses_of_uplinks() {
        assert_eq!(
            rules(&["0.0.0.0/0"], &[], &["203.0.113.1", "198.51.100.1"]),
            [
                MAIN_BUT_DEFAULT,
                "5204: from 198.51.100.1 goto 5206",
                "5204: from 203.0.113.1 goto 5206",
                CAPTURED,
                "5206: from all nop",
            ]
        );
    }

    #[test]
    fn an_address_that_others_lead_to_another_uplink_has_a_table_which_tunnels_do_not_look_into() {
        let uplinks = [("203.0.113.1", Way::AsOthersSay), ("198.51.100.1", Way::Table(201_007))];
        assert_eq!(
            rules_with(&["0.0.0.0/0"], &[], uplinks),
            [
                MAIN_BUT_DEFAULT,
                "5203: from all fwmark 201 goto 5206",
                "5204: from 198.51.100.1 lookup 201007",
                "5204: from 203.0.113.1 goto 5206",
                CAPTURED,
                "5206: from all nop",
            ]
        );
    }

    #[test]
    fn more_specific_routes_of_other_sites_do() {
        assert_eq!(
            rules(&["0.0.0.0/0", "198.51.100.0/24"], &[], &["203.0.113.1"]),
            [
                MAIN_BUT_DEFAULT,
                "5202: not fwmark 201 lookup 201 suppress_prefixlength 0",
                "5204: from 203.0.113.1 goto 5206",
                CAPTURED,
                "5206: from all nop",
            ]
        );
        assert_eq!(rules(&["198.51.100.0/24"], &[], &["203.0.113.1"]), [MAIN_BUT_DEFAULT, CAPTURED]);
    }
}
