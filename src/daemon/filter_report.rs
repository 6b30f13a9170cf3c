//! Reports on the nftables ruleset: whether it is in place, and what it drops.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::report::Report;
use crate::control::view::{self, FilterState};
use crate::kernel::{Dropped, Refused, unchecked_sources};
use crate::mesh::{Mesh, SourceCheck, Unlisted};
use crate::net::Prefix;
use crate::reconcile::filter::Reason;

impl Report<'_> {
    /// Summary of the ruleset.
    pub(super) fn filter(&self) -> view::Filter {
        let wanted = &self.local.filter;
        let state = match (wanted, self.observed.state.filter == *wanted) {
            (None, _) => FilterState::Unused,
            (Some(_), true) => FilterState::On,
            (Some(_), false) => FilterState::Off,
        };
        view::Filter {
            source_check: self.local.mesh.source_check.into(),
            state,
            reason: self.filters.obstacle().filter(|_| state != FilterState::Unused).map(str::to_owned),
        }
    }

    /// All dropped packets, by reason and interface.
    pub(super) fn filters(&self, dropped: &[Dropped], refused: &[Refused]) -> Vec<view::Dropped> {
        let sources = |drop: &Dropped| -> Vec<view::RefusedSource> {
            let here =
                refused.iter().filter(|refused| drop.reason == Reason::Source && refused.interface == drop.interface);
            here.map(|refused| view::RefusedSource {
                source: refused.source,
                packets: refused.packets,
                listed_by: listed_by(&self.local.mesh, refused.source).into_iter().map(str::to_owned).collect(),
            })
            .collect()
        };
        dropped
            .iter()
            .map(|drop| view::Dropped {
                reason: drop.reason.into(),
                interface: drop.interface.clone(),
                packets: drop.packets,
                bytes: drop.bytes,
                sources: sources(drop),
            })
            .collect()
    }

    /// Problems that an operator should look at: a ruleset that is not in place, and dropped packets that perhaps should not be dropped.
    /// Control packets from LANs and impossible sources are not reported, since dropping them is the ruleset's purpose: `weft show filters`
    /// counts them. Sources that the mesh file refuses are no problem either.
    pub(super) fn filter_problems(&self) -> Vec<String> {
        let unfiltered =
            self.filters.obstacle().filter(|_| self.local.filter.is_some()).map(|obstacle| self.unfiltered(obstacle));
        let refusals = self.refusals(Weight::Problem);
        let is_strict = self.local.filter.is_some() && self.local.mesh.source_check == SourceCheck::Strict;
        let unchecked = is_strict.then(unchecked_sources).flatten();
        unfiltered.into_iter().chain(unchecked).chain(refusals).collect()
    }

    /// Notes on packets whose sources the mesh file refuses.
    pub(super) fn filter_notes(&self) -> Vec<String> {
        self.refusals(Weight::Note)
    }

    fn refusals(&self, weight: Weight) -> Vec<String> {
        let is_tunnel = |name: &str| self.local.tunnels.keys().any(|tunnel| tunnel.as_str() == name);
        let all = refusals(&self.local.mesh, &self.local.site.name, self.filters.refused(), is_tunnel);
        all.into_iter().filter(|(of, _)| *of == weight).map(|(_, line)| line).collect()
    }

    /// The consequences of an obstacle that prevents the ruleset from being installed.
    fn unfiltered(&self, obstacle: &str) -> String {
        if self.observed.state.filter == self.local.filter {
            return format!("{obstacle}: it is not known whether weft's nftables tables are still as they were");
        }
        let check = match self.local.mesh.source_check {
            SourceCheck::Strict => "source checks are off, control packets from LANs are let into the mesh",
            SourceCheck::Off => "control packets from LANs are let into the mesh",
        };
        let segments = if self.segments.is_empty() { "" } else { ", segments stay down" };
        format!("{obstacle}: {check}{segments}")
    }
}

/// Whether a line about refused sources is a problem or a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Problem,
    /// The mesh file refuses these sources on purpose.
    Note,
}

/// The sites that list the longest prefix covering an address. 0.0.0.0/0 is ignored.
fn listed_by(mesh: &Mesh, address: Ipv4Addr) -> Vec<&str> {
    let covers = |prefix: &&Prefix| !prefix.is_default() && prefix.contains(address);
    let longest = mesh.sites.iter().flat_map(|site| &site.prefixes).filter(covers).max_by_key(|prefix| prefix.len());
    let sites = mesh.sites.iter().filter(|site| longest.is_some_and(|longest| site.prefixes.contains(longest)));
    sites.map(|site| site.name.as_str()).collect()
}

/// One line for each interface and each group of refused sources that the same sites list.
fn refusals(mesh: &Mesh, here: &str, refused: &[Refused], is_tunnel: impl Fn(&str) -> bool) -> Vec<(Weight, String)> {
    let mut kinds: BTreeMap<(&str, Vec<&str>), Vec<&Refused>> = BTreeMap::new();
    for refused in refused {
        kinds.entry((&refused.interface, listed_by(mesh, refused.source))).or_default().push(refused);
    }
    let line = |((interface, sites), refused): (&(&str, Vec<&str>), &Vec<&Refused>)| {
        let packets: u64 = refused.iter().map(|refused| refused.packets).sum();
        let first = refused.first().map_or(Ipv4Addr::UNSPECIFIED, |refused| refused.source);
        let more = match refused.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        if mesh.unlisted == Unlisted::Refuse && sites.is_empty() && !is_tunnel(interface) {
            let line = format!(
                "{interface}: {packets} packets into the mesh were kept out, for their source {first}{more} is listed by no \
                 site, and `unlisted` is \"refuse\": if it is to reach other sites, list it in `prefixes` of {here}"
            );
            return (Weight::Note, line);
        }
        let lists = match sites[..] {
            [] => "is listed by no site".to_owned(),
            [only] if only == here => "is listed by this site alone".to_owned(),
            _ => format!("is listed by {}", sites.join(" and ")),
        };
        let (which, remedy) = match is_tunnel(interface) {
            true => ("from other sites", "list it in `prefixes` of the site where it is, too".to_owned()),
            false => ("into the mesh", format!("if it lives here, list it in `prefixes` of {here}")),
        };
        let line = format!(
            "{interface}: {packets} packets {which} were dropped, for their source {first}{more} {lists}: {remedy}; \
             `source_check = \"off\"` lets any source pass"
        );
        (Weight::Problem, line)
    };
    kinds.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_sources_are_told_by_interface_and_by_who_lists_them_with_a_remedy() {
        let site = |name: &str, id: u8, prefixes: &str| {
            let key = format!("{}A=", char::from(b'B' + id).to_string().repeat(42));
            format!(
                "[[site]]\nname = \"{name}\"\nid = {id}\npublic_key = \"{key}\"\nendpoint = \"192.0.2.{id}\"\nprefixes = {prefixes}\n"
            )
        };
        let text = |unlisted: &str| {
            format!(
                "[mesh]\nname = \"a\"\nloopbacks = \"10.255.0.0/16\"\nunlisted = \"{unlisted}\"\n{}{}",
                site("taipei", 1, "[\"10.1.0.0/16\", \"0.0.0.0/0\"]"),
                site("osaka", 2, "[\"10.2.0.0/16\", \"10.1.7.0/24\"]")
            )
        };
        let mesh = |unlisted| crate::mesh::parse("mesh", &text(unlisted)).unwrap().mesh;
        let refused = |interface: &str, source: &str| Refused {
            interface: interface.to_owned(),
            source: source.parse().unwrap(),
            packets: 5,
        };
        let all = [
            refused("eth1", "10.1.7.1"),
            refused("eth1", "198.51.100.1"),
            refused("eth1", "198.51.100.2"),
            refused("wg-osaka", "10.1.0.1"),
            refused("wg-osaka", "198.51.100.1"),
        ];
        let reported = |mesh: &Mesh, weight| {
            let lines = refusals(mesh, "taipei", &all, |name| name == "wg-osaka").into_iter();
            lines.filter(|(of, _)| *of == weight).map(|(_, line)| line).collect::<Vec<_>>()
        };
        let off = "`source_check = \"off\"` lets any source pass";
        let unlisted = format!(
            "eth1: 10 packets into the mesh were dropped, for their source 198.51.100.1 (and 1 more) is listed by no site: if it \
             lives here, list it in `prefixes` of taipei; {off}"
        );
        let others = [
            format!(
                "eth1: 5 packets into the mesh were dropped, for their source 10.1.7.1 is listed by osaka: if it lives here, list \
                 it in `prefixes` of taipei; {off}"
            ),
            format!(
                "wg-osaka: 5 packets from other sites were dropped, for their source 198.51.100.1 is listed by no site: list it \
                 in `prefixes` of the site where it is, too; {off}"
            ),
            format!(
                "wg-osaka: 5 packets from other sites were dropped, for their source 10.1.0.1 is listed by this site alone: list \
                 it in `prefixes` of the site where it is, too; {off}"
            ),
        ];
        assert_eq!(reported(&mesh("accept"), Weight::Problem), [&[unlisted][..], &others].concat());
        assert_eq!(reported(&mesh("accept"), Weight::Note), [""; 0]);
        // The file says that they are to be refused: where they would enter, not where another site has let them in.
        assert_eq!(reported(&mesh("refuse"), Weight::Problem), others);
        assert_eq!(
            reported(&mesh("refuse"), Weight::Note),
            [
                "eth1: 10 packets into the mesh were kept out, for their source 198.51.100.1 (and 1 more) is listed by no site, \
                 and `unlisted` is \"refuse\": if it is to reach other sites, list it in `prefixes` of taipei"
            ]
        );
    }
}
