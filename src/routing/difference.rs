//! What differs between two configurations of the OSPF engine, as steps in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use ospf::{AreaKind, Config, External, ExternalMetric, InterfaceConfig, RouterId};

/// Returns the steps from one configuration to another, in words; none if nothing differs. The number of the start, former router ids and
/// a restart are no part of a configuration in this sense.
pub fn differences(before: &Config, after: &Config) -> Vec<String> {
    let mut steps = Vec::new();
    if before.router_id != after.router_id {
        steps.push(format!("start over as router {} instead of {}", after.router_id, before.router_id));
    }
    areas(before, after, &mut steps);
    interfaces(before, after, &mut steps);
    if before.loopbacks != after.loopbacks {
        let shown = after.loopbacks.iter().map(|(area, addresses)| format!("{} in area {area}", listed(addresses)));
        steps.push(format!("advertise the loopback {}", shown.collect::<Vec<_>>().join(", ")));
    }
    externals(before, after, &mut steps);
    policy(before, after, &mut steps);
    for (differs, setting) in [
        (before.aggregates != after.aggregates, "which destinations are aggregates"),
        (before.rfc1583 != after.rfc1583, "rfc1583_compatibility"),
        (before.spf_delay != after.spf_delay, "spf_delay"),
        (before.hello_jitter != after.hello_jitter, "hello_jitter"),
        (before.helper != after.helper, "graceful_restart.helper"),
        (before.stub_router != after.stub_router, "stub_router"),
        (before.limits != after.limits, "limits"),
        (before.stall_bound != after.stall_bound, "stall_bound"),
        (before.watched_opaque != after.watched_opaque, "watched opaque LSAs"),
    ] {
        if differs {
            steps.push(format!("change {setting}"));
        }
    }
    steps
}

fn areas(before: &Config, after: &Config, steps: &mut Vec<String>) {
    let kind = |kind: &AreaKind| match kind {
        AreaKind::Normal => "normal",
        AreaKind::Stub { .. } => "stub",
        AreaKind::Nssa(_) => "nssa",
    };
    for (area, config) in &after.areas {
        match before.areas.get(area) {
            None => steps.push(format!("add area {area}, {}", kind(&config.kind))),
            Some(known) if known != config => steps.push(format!("change area {area}, {}", kind(&config.kind))),
            Some(_) => {}
        }
    }
    steps.extend(
        before.areas.keys().filter(|area| !after.areas.contains_key(area)).map(|area| format!("remove area {area}")),
    );
}

fn interfaces(before: &Config, after: &Config, steps: &mut Vec<String>) {
    for (id, config) in &before.interfaces {
        if !after.interfaces.contains_key(id) {
            steps.push(format!("stop on {}", config.name));
        }
    }
    for (id, config) in &after.interfaces {
        let InterfaceConfig { name, area, cost, .. } = config;
        match before.interfaces.get(id) {
            None => steps.push(format!("start on {name}, area {area}, cost {cost}")),
            Some(known) => {
                steps.extend(settings(known, config).into_iter().map(|change| format!("on {name}: {change}")))
            }
        }
    }
}

/// The settings of an interface that differ.
fn settings(before: &InterfaceConfig, after: &InterfaceConfig) -> Vec<String> {
    let becomes = |setting: &str, old: &dyn Display, new: &dyn Display| format!("{setting} {new} instead of {old}");
    let seconds = |duration: std::time::Duration| format!("{} s", duration.as_secs_f64());
    let mut changes = Vec::new();
    let mut note = |differs: bool, change: String| {
        if differs {
            changes.push(change);
        }
    };
    note(before.name != after.name, becomes("interface", &before.name, &after.name));
    note(before.area != after.area, becomes("area", &before.area, &after.area));
    note(before.network != after.network, "another kind of network".to_owned());
    note(before.passive != after.passive, if after.passive { "passive" } else { "active" }.to_owned());
    note(before.cost != after.cost, becomes("cost", &before.cost, &after.cost));
    note(before.priority != after.priority, becomes("priority", &before.priority, &after.priority));
    for (setting, old, new) in [
        ("hello_interval", before.hello_interval, after.hello_interval),
        ("dead_interval", before.dead_interval, after.dead_interval),
        ("retransmit_interval", before.retransmit_interval, after.retransmit_interval),
        ("transmit_delay", before.transmit_delay, after.transmit_delay),
        ("poll_interval", before.poll_interval, after.poll_interval),
    ] {
        note(old != new, becomes(setting, &seconds(old), &seconds(new)));
    }
    note(before.mtu_ignore != after.mtu_ignore, "another `mtu_check`".to_owned());
    note(before.prefix_suppression != after.prefix_suppression, "another `prefix_suppression`".to_owned());
    note(before.neighbors != after.neighbors, "other neighbours".to_owned());
    note(before.further_addresses != after.further_addresses, "other further addresses".to_owned());
    note(before.authentication != after.authentication, "another `auth`".to_owned());
    note(before.speaker != after.speaker, "packets of other senders".to_owned());
    changes
}

fn externals(before: &Config, after: &Config, steps: &mut Vec<String>) {
    for (prefix, external) in &after.externals {
        if before.externals.get(prefix) != Some(external) {
            steps.push(format!("advertise {prefix}, {}", metric(external)));
        }
    }
    let gone = before.externals.keys().filter(|prefix| !after.externals.contains_key(prefix));
    steps.extend(gone.map(|prefix| format!("withdraw {prefix}")));
}

fn metric(external: &External) -> String {
    match external.metric {
        ExternalMetric::Type1(metric) => format!("metric {metric} of type 1"),
        ExternalMetric::Type2(metric) => format!("metric {metric} of type 2"),
    }
}

fn policy(before: &Config, after: &Config, steps: &mut Vec<String>) {
    let (old, new) = (&before.policy, &after.policy);
    steps.extend(new.guards.difference(&old.guards).map(|router| format!("know router {router} as a site")));
    steps.extend(old.guards.difference(&new.guards).map(|router| format!("know router {router} as a site no more")));
    let nobody = BTreeSet::new();
    let prefixes: BTreeMap<_, (&BTreeSet<RouterId>, &BTreeSet<RouterId>)> = old
        .listed
        .keys()
        .chain(new.listed.keys())
        .map(|prefix| (prefix, (old.listed.get(prefix).unwrap_or(&nobody), new.listed.get(prefix).unwrap_or(&nobody))))
        .collect();
    for (prefix, (_, sites)) in prefixes.into_iter().filter(|(_, (old, new))| old != new) {
        steps.push(match sites.is_empty() {
            true => format!("accept {prefix} as one that no site lists"),
            false => format!("accept {prefix} from {} alone", listed(sites)),
        });
    }
    if old.unlisted != new.unlisted {
        steps.push("change `unlisted`".to_owned());
    }
}

fn listed<T: Display>(values: &BTreeSet<T>) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use ospf::{AreaConfig, AreaId, InterfaceId, Limits, NetworkType, Prefix, Unlisted};

    use super::*;

    fn config() -> Config {
        let mut config = Config::new(RouterId(1));
        let interface = InterfaceConfig::new("wg-b", AreaId::BACKBONE, NetworkType::PointToPoint);
        config.interfaces.insert(InterfaceId(1), interface);
        config.policy.guards.extend([RouterId(1), RouterId(2)]);
        config.policy.listed.insert(prefix("10.2.0.0/16"), BTreeSet::from([RouterId(2)]));
        config.externals.insert(prefix("10.1.0.0/16"), external(20));
        config
    }

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn external(metric: u32) -> External {
        External { metric: ExternalMetric::Type2(metric), forwarding: None, tag: 0 }
    }

    /// The steps that a change of the configuration results in, and those that undo it.
    fn steps(change: impl FnOnce(&mut Config)) -> (Vec<String>, Vec<String>) {
        let (before, mut after) = (config(), config());
        change(&mut after);
        (differences(&before, &after), differences(&after, &before))
    }

    #[test]
    fn each_difference_is_a_step_and_what_is_equal_is_none() {
        assert_eq!(steps(|_| {}), (vec![], vec![]));
        let interface = |config: &mut Config, change: fn(&mut InterfaceConfig)| {
            change(config.interfaces.get_mut(&InterfaceId(1)).unwrap());
        };
        type Change = fn(&mut InterfaceConfig);
        let changes: [(Change, &str); 16] = [
            (|i| i.name = "wg-c".to_owned(), "on wg-c: interface wg-c instead of wg-b"),
            (|i| i.area = AreaId(5), "on wg-b: area 0.0.0.5 instead of 0.0.0.0"),
            (|i| i.network = NetworkType::Broadcast, "on wg-b: another kind of network"),
            (|i| i.passive = true, "on wg-b: passive"),
            (|i| i.cost = 30, "on wg-b: cost 30 instead of 10"),
            (|i| i.priority = 0, "on wg-b: priority 0 instead of 1"),
            (|i| i.hello_interval = Duration::from_secs(1), "on wg-b: hello_interval 1 s instead of 10 s"),
            (|i| i.dead_interval = Duration::from_secs(4), "on wg-b: dead_interval 4 s instead of 40 s"),
            (
                |i| i.retransmit_interval = Duration::from_millis(1500),
                "on wg-b: retransmit_interval 1.5 s instead of 5 s",
            ),
            (|i| i.transmit_delay = Duration::from_secs(2), "on wg-b: transmit_delay 2 s instead of 1 s"),
            (|i| i.poll_interval = Duration::from_secs(60), "on wg-b: poll_interval 60 s instead of 120 s"),
            (|i| i.mtu_ignore = true, "on wg-b: another `mtu_check`"),
            (|i| i.prefix_suppression = true, "on wg-b: another `prefix_suppression`"),
            (
                |i| i.neighbors.extend([(Ipv4Addr::LOCALHOST, ospf::NbmaNeighbor { priority: 1 })]),
                "on wg-b: other neighbours",
            ),
            (
                |i| i.further_addresses.extend([(Ipv4Addr::LOCALHOST, Prefix::DEFAULT)]),
                "on wg-b: other further addresses",
            ),
            (
                |i| {
                    i.speaker =
                        ospf::Speaker::Peer { address: Ipv4Addr::LOCALHOST, ttl_security: ospf::TtlSecurity::Required }
                },
                "on wg-b: packets of other senders",
            ),
        ];
        for (change, expected) in changes {
            assert_eq!(steps(|config| interface(config, change)).0, [expected]);
        }
        let added = |config: &mut Config| {
            let interface =
                InterfaceConfig { cost: 7, ..InterfaceConfig::new("eth1", AreaId(1), NetworkType::Broadcast) };
            config.interfaces.insert(InterfaceId(2), interface);
        };
        assert_eq!(steps(added), (vec!["start on eth1, area 0.0.0.1, cost 7".into()], vec!["stop on eth1".into()]));
        let listed = |config: &mut Config| {
            config.policy.guards.insert(RouterId(3));
            config.policy.listed.entry(prefix("10.2.0.0/16")).or_default().insert(RouterId(3));
            config.policy.listed.insert(prefix("10.3.0.0/16"), BTreeSet::from([RouterId(3)]));
            config.policy.unlisted = Unlisted::Refuse;
        };
        let (there, back) = steps(listed);
        assert_eq!(
            there,
            [
                "know router 0.0.0.3 as a site",
                "accept 10.2.0.0/16 from 0.0.0.2 and 0.0.0.3 alone",
                "accept 10.3.0.0/16 from 0.0.0.3 alone",
                "change `unlisted`"
            ]
        );
        assert_eq!(back[2], "accept 10.3.0.0/16 as one that no site lists");
        let advertised = |config: &mut Config| {
            config.externals = BTreeMap::from([(prefix("10.9.0.0/16"), external(5))]);
        };
        assert_eq!(steps(advertised).0, ["advertise 10.9.0.0/16, metric 5 of type 2", "withdraw 10.1.0.0/16"]);
        let area = |config: &mut Config| drop(config.areas.insert(AreaId(1), AreaConfig::default()));
        assert_eq!(steps(area), (vec!["add area 0.0.0.1, normal".into()], vec!["remove area 0.0.0.1".into()]));
        assert_eq!(
            steps(|config| config.router_id = RouterId(9)).0,
            ["start over as router 0.0.0.9 instead of 0.0.0.1"]
        );
        assert_eq!(steps(|config| config.limits = Limits { lsas: 5, ..Limits::default() }).0, ["change limits"]);
    }
}
