//! Reads `[[link]]`, and determines which pairs of sites have a tunnel.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::time::Duration;

use ::ospf::TtlSecurity;

use super::bfd::{Bfd, bfd};
use super::diagnostic::{Diagnostic, Span, quoted};
use super::general::{Topology, keepalive, mtu};
use super::link_ends::LinkEnds;
use super::ospf::OspfKeys;
use super::reader::{At, Entry, Report, Setting, Table};
use super::site::{BY_NAME, SiteDraft, position};

/// The most tunnels of a mesh. A full mesh of 2048 sites is below it; the limit bounds memory.
const MAX_PAIRS: usize = 1 << 21;

const EXAMPLE: &str = "between = [\"taipei\", \"osaka\"]";

/// A `[[link]]` as read from the file.
#[derive(Debug)]
pub(super) struct LinkDraft<'a> {
    between: Option<[At<&'a str>; 2]>,
    /// The position of the value of `between`, or of the header if there is none.
    span: Span,
    pub ospf: OspfKeys,
    pub ttl_security: Setting<TtlSecurity>,
    /// The inner `None` means off.
    pub bfd: Setting<Option<Bfd>>,
    pub ends: LinkEnds<'a>,
    pub mtu: Setting<u16>,
    /// The inner `None` means off.
    pub keepalive: Setting<Option<Duration>>,
    pub preshared_key_file: Setting<&'a str>,
}

/// Two sites with a tunnel, by their indexes in the file, and the index of the `[[link]]` between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub ends: (usize, usize),
    pub link: Option<usize>,
}

impl<'a> LinkDraft<'a> {
    pub fn read(mut table: Table<'a>, report: &mut Report) -> Self {
        let entry = table.require("between", EXAMPLE, report);
        let between = entry.and_then(|entry| between(&entry, report));
        let link = Self {
            between,
            span: entry.map_or(table.span, |entry| entry.span),
            ospf: OspfKeys::read(&mut table, report),
            ttl_security: Setting::read(table.take("ttl_security"), |entry| {
                entry.boolean(TtlSecurity::Required, TtlSecurity::Off, report)
            }),
            bfd: bfd(&mut table, report),
            ends: LinkEnds::read(table.take("endpoint"), table.take("port"), between, report),
            mtu: mtu(&mut table, report),
            keepalive: keepalive(&mut table, report),
            preshared_key_file: Setting::read(table.take("preshared_key_file"), |entry| {
                entry.file("preshared_key_file = \"taipei-osaka.psk\"", report)
            }),
        };
        table.finish(report);
        link
    }

    /// The link in the words of messages: its two sites.
    pub fn called(&self) -> String {
        self.between.map_or_else(
            || "between unknown sites".to_owned(),
            |[one, other]| format!("between {} and {}", quoted(one.value), quoted(other.value)),
        )
    }
}

fn between<'a>(entry: &Entry<'a>, report: &mut Report) -> Option<[At<&'a str>; 2]> {
    let elements = entry.elements(EXAMPLE, report)?;
    let [one, other] = elements.as_slice() else {
        let title = "`between` does not name two sites";
        report.push(Diagnostic::error(entry.span, title, "a link has two ends").help(format!("write `{EXAMPLE}`")));
        return None;
    };
    let (one, other) = (one.string(EXAMPLE, report), other.string(EXAMPLE, report));
    Some([one?, other?])
}

/// The pairs of sites that have a tunnel, in the order of the file.
pub(super) fn pairs(
    topology: Topology,
    sites: &[SiteDraft<'_>],
    links: &[LinkDraft<'_>],
    report: &mut Report,
) -> Vec<Pair> {
    let listed = listed(sites, links, report);
    let listed_pairs = || listed.iter().map(|(ends, link)| Pair { ends: *ends, link: Some(*link) }).collect();
    let pairs: Vec<Pair> = match topology {
        Topology::Explicit => listed_pairs(),
        Topology::FullMesh if sites.len() * sites.len().saturating_sub(1) / 2 > MAX_PAIRS => {
            report_crowd(sites, report);
            return listed_pairs();
        }
        Topology::FullMesh => {
            warn_of_hidden(sites, links, &listed, report);
            (0..sites.len())
                .flat_map(|low| (low + 1..sites.len()).map(move |high| (low, high)))
                .map(|ends| Pair { ends, link: listed.get(&ends).copied() })
                .filter(|pair| can_start(pair, sites, links))
                .collect()
        }
    };
    warn_of_islands(sites, &pairs, report);
    pairs
}

/// The index of each `[[link]]` whose ends are two known sites, by the indexes of the sites.
fn listed(sites: &[SiteDraft<'_>], links: &[LinkDraft<'_>], report: &mut Report) -> BTreeMap<(usize, usize), usize> {
    let mut by_ends = BTreeMap::new();
    for (index, link) in links.iter().enumerate() {
        let Some([one, other]) = link.between else { continue };
        let (first, second) = (position(one, sites, BY_NAME, report), position(other, sites, BY_NAME, report));
        let (Some(first), Some(second)) = (first, second) else { continue };
        if first == second {
            report.push(
                Diagnostic::error(
                    other.span,
                    format!("a link from {} to itself", quoted(other.value)),
                    "the same site again",
                )
                .note(one.span, "the one end")
                .help("name two sites"),
            );
            continue;
        }
        match by_ends.entry((first.min(second), first.max(second))) {
            Slot::Vacant(slot) => {
                slot.insert(index);
                let pair = Pair { ends: (first, second), link: Some(index) };
                if !can_start(&pair, sites, links) {
                    report.push(nobody_can_start(link.span, &sites[first], &sites[second]));
                }
            }
            Slot::Occupied(slot) => {
                let title = format!("a second link between {} and {}", quoted(one.value), quoted(other.value));
                let before = links[*slot.get()].span;
                report.push(
                    Diagnostic::error(link.span, title, "the same two sites")
                        .note(before, "the first link between them")
                        .help("put the settings of the pair into one `[[link]]`"),
                );
            }
        }
    }
    by_ends
}

/// Whether one of the two sites can send to the other first. An endpoint that is wrong counts: it has been reported.
fn can_start(pair: &Pair, sites: &[SiteDraft<'_>], links: &[LinkDraft<'_>]) -> bool {
    let is_called = |site: usize| {
        let of_link = pair.link.map(|link| links[link].ends.endpoint(sites[site].written_name));
        !is_hidden(&sites[site]) || of_link.is_some_and(|endpoint| !matches!(endpoint, Setting::Absent))
    };
    is_called(pair.ends.0) || is_called(pair.ends.1)
}

/// Whether the site has no endpoint, so that no other site can send to it first unless a `[[link]]` gives one.
fn is_hidden(site: &SiteDraft<'_>) -> bool {
    matches!(site.endpoint, Setting::Absent)
}

fn nobody_can_start(link: Span, one: &SiteDraft<'_>, other: &SiteDraft<'_>) -> Diagnostic {
    let title = format!("nobody can start the tunnel between {} and {}", one.called(), other.called());
    Diagnostic::error(link, title, "neither site has an `endpoint`")
        .note(one.span, "no `endpoint` here")
        .note(other.span, "nor here")
        .help("give one of them an `endpoint`, or remove the link: OSPF finds a way through other sites")
        .of_absence()
}

fn report_crowd(sites: &[SiteDraft<'_>], report: &mut Report) {
    let Some(last) = sites.last() else { return };
    let title = format!("{} sites are too many for a full mesh", sites.len());
    report.push(
        Diagnostic::error(last.span, title, format!("a mesh has at most {MAX_PAIRS} tunnels"))
            .help("write `topology = \"explicit\"` in `[mesh]`, and a `[[link]]` for each tunnel that is wanted"),
    );
}

/// Warns once for all the pairs of a full mesh that cannot have a tunnel.
fn warn_of_hidden(
    sites: &[SiteDraft<'_>],
    links: &[LinkDraft<'_>],
    listed: &BTreeMap<(usize, usize), usize>,
    report: &mut Report,
) {
    let hidden: Vec<usize> = (0..sites.len()).filter(|site| is_hidden(&sites[*site])).collect();
    let lacks_a_tunnel = |site: usize| {
        let others = hidden.iter().filter(|other| **other != site);
        others.map(|other| (site.min(*other), site.max(*other))).any(|ends| {
            let pair = Pair { ends, link: listed.get(&ends).copied() };
            !can_start(&pair, sites, links)
        })
    };
    let apart: Vec<&SiteDraft<'_>> =
        hidden.iter().filter(|site| lacks_a_tunnel(**site)).map(|site| &sites[*site]).collect();
    let [first, second, rest @ ..] = apart.as_slice() else { return };
    let names: Vec<String> = apart.iter().map(|site| site.called()).collect();
    let pairs = listed.keys().filter(|(one, other)| hidden.contains(one) && hidden.contains(other)).count();
    let which = if pairs == 0 { "the" } else { "some of the" };
    let title = format!("no tunnel between {which} sites without `endpoint`: {}", names.join(", "));
    let mut warning = Diagnostic::warning(first.span, title, "no `endpoint`").note(second.span, "no `endpoint`");
    for site in rest {
        warning = warning.note(site.span, "no `endpoint`");
    }
    report.push(warning.help("what they send each other goes through a site that has one").of_absence());
}

/// Warns of sites that no chain of tunnels connects to the others.
fn warn_of_islands(sites: &[SiteDraft<'_>], pairs: &[Pair], report: &mut Report) {
    let mut islands = islands(sites.len(), pairs);
    // The largest group is the mesh; the others are disconnected from it.
    let largest = (0..islands.len()).rev().max_by_key(|index| islands[*index].len());
    let Some(main) = largest.map(|index| islands.remove(index)) else { return };
    for island in &islands {
        let names: Vec<String> = island.iter().map(|index| sites[*index].called()).collect();
        let (title, label) = match names.as_slice() {
            [name] => (format!("site {name} has no tunnel"), "not joined to any other site".to_owned()),
            names => {
                let title = format!("no tunnel joins the sites {} to the others", names.join(", "));
                (title, format!("no way from here to site {}", sites[main[0]].called()))
            }
        };
        report.push(
            Diagnostic::warning(sites[island[0]].span, title, label)
                .help("add a `[[link]]` to one of the other sites, or an `endpoint` where none is")
                .of_absence(),
        );
    }
}

/// Groups of sites that tunnels connect; the groups, and the sites in each, are in the order of the file.
fn islands(sites: usize, pairs: &[Pair]) -> Vec<Vec<usize>> {
    // Union-find: each site points towards the first site of its group.
    let mut towards: Vec<usize> = (0..sites).collect();
    fn first(towards: &mut [usize], mut site: usize) -> usize {
        while towards[site] != site {
            towards[site] = towards[towards[site]];
            site = towards[site];
        }
        site
    }
    for Pair { ends: (one, other), .. } in pairs {
        let (one, other) = (first(&mut towards, *one), first(&mut towards, *other));
        towards[one.max(other)] = one.min(other);
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for site in 0..sites {
        groups.entry(first(&mut towards, site)).or_default().push(site);
    }
    groups.into_values().collect()
}
