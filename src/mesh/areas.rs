//! Checks of areas against each other and against the sites: kinds, ranges, members, virtual links, and sites that no router would learn.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use ::ospf::{AreaId, Prefix, RouterId};

use super::area::{AreaDraft, Kind};
use super::diagnostic::{Diagnostic, Span};
use super::draft::{AllResolved, Draft};
use super::link::Pair;
use super::reader::{At, Report, Setting};
use super::site::{SiteDraft, position};
use super::virtual_link::{FarEnd, VirtualLinkDraft};

/// The areas of a site, each with the position in the file that sets it; `None` for the default.
type SiteAreas = BTreeMap<AreaId, Option<Span>>;

/// Reports invalid areas, virtual links that cannot come up, and sites whose routes no other site would learn.
pub(super) fn check(draft: &Draft<'_>, resolved: &AllResolved, pairs: &[Pair], report: &mut Report) {
    check_ids(&draft.areas, report);
    check_ranges(&draft.areas, report);
    let members = members(draft, resolved, pairs);
    for (site, areas) in draft.sites.iter().zip(&members) {
        check_virtual_links(site, areas, draft, report);
        warn_without_backbone(site, areas, report);
        check_unlearnable(site, areas, draft, report);
    }
    warn_of_empty(&draft.areas, &members, report);
    warn_of_compatibility(draft, resolved, &members, report);
}

/// Warns if RFC1583Compatibility is not set in a network of several areas. It makes a difference only with several areas, all routers of
/// the network must agree on it, and weft's default has changed.
fn warn_of_compatibility(draft: &Draft<'_>, resolved: &AllResolved, members: &[SiteAreas], report: &mut Report) {
    if !matches!(draft.process.rfc1583, Setting::Absent) {
        return;
    }
    let mut areas: SiteAreas = SiteAreas::new();
    for (area, from) in members.iter().flatten() {
        let known = areas.entry(*area).or_insert(*from);
        *known = known.or(*from);
    }
    let base = resolved.base.as_ref().map(|base| base.settings.area);
    let other = areas.iter().find(|(area, from)| Some(**area) != base && from.is_some());
    if let (true, Some((area, Some(span)))) = (areas.len() > 1, other) {
        report.push(
            Diagnostic::warning(
                *span,
                "there are several areas, and `rfc1583_compatibility` is not set",
                format!("area {area} is one of them"),
            )
            .help(
                "it has to be the same on all routers of the network, and its default has changed from `true` to `false`, that of FRR \
                 and BIRD: set `rfc1583_compatibility` in `[ospf]`",
            )
            .of_absence(),
        );
    }
}

fn kind_of(areas: &[AreaDraft], id: AreaId) -> (Kind, Option<Span>) {
    let area = areas.iter().find(|area| area.id.given().is_some_and(|at| at.value == id));
    let given = area.and_then(|area| area.kind.given());
    (given.map_or(Kind::Normal, |kind| kind.value), given.map(|kind| kind.span))
}

fn check_ids(areas: &[AreaDraft], report: &mut Report) {
    let mut first: BTreeMap<AreaId, Span> = BTreeMap::new();
    for area in areas {
        let Some(At { value: id, span }) = area.id.given().copied() else { continue };
        match first.entry(id) {
            Slot::Vacant(slot) => {
                slot.insert(span);
            }
            Slot::Occupied(slot) => report.push(
                Diagnostic::error(span, format!("two `[[area]]` for area {id}"), "again")
                    .note(*slot.get(), "first here")
                    .help("put all settings of an area into one `[[area]]`"),
            ),
        }
        // RFC 2328 §3.6, RFC 3101 §2.1.
        if let Some(kind) = area.kind.given().filter(|kind| id == AreaId::BACKBONE && kind.value != Kind::Normal) {
            let title = format!("the backbone cannot be {}", kind.value.called());
            report.push(
                Diagnostic::error(kind.span, title, "what the other areas learn comes through it")
                    .note(span, "the backbone")
                    .help("write `kind = \"normal\"`, or the id of another area"),
            );
        }
    }
}

/// Reports ranges of different areas that overlap: the area of a network within them would be ambiguous.
fn check_ranges(areas: &[AreaDraft], report: &mut Report) {
    let ranges: Vec<(AreaId, At<Prefix>)> = areas
        .iter()
        .filter_map(|area| Some((area.id.given()?.value, &area.ranges)))
        .flat_map(|(id, ranges)| ranges.iter().map(move |range| (id, *range)))
        .collect();
    for (index, (area, range)) in ranges.iter().enumerate() {
        let before = ranges[..index].iter().find(|(other, earlier)| {
            other != area && (earlier.value.covers(range.value) || range.value.covers(earlier.value))
        });
        if let Some((other, earlier)) = before {
            let title = format!("range {} of area {area} overlaps {} of area {other}", range.value, earlier.value);
            report.push(
                Diagnostic::error(range.span, title, "the same networks in another area")
                    .note(earlier.span, format!("a range of area {other}"))
                    .help("give each area networks of its own"),
            );
        }
    }
}

/// The areas of each site: those of its tunnels, and of its active and passive interfaces.
fn members(draft: &Draft<'_>, resolved: &AllResolved, pairs: &[Pair]) -> Vec<SiteAreas> {
    let mut members: Vec<SiteAreas> = resolved
        .interfaces
        .iter()
        .map(|interfaces| interfaces.iter().flatten().map(|s| (s.settings.area, s.area_from)).collect())
        .collect();
    for pair in pairs {
        let resolved = match pair.link {
            Some(link) => &resolved.links[link],
            None => &resolved.base,
        };
        let Some(resolved) = resolved else { continue };
        for site in [pair.ends.0, pair.ends.1] {
            members[site].entry(resolved.settings.area).or_insert(resolved.area_from);
        }
    }
    debug_assert_eq!(members.len(), draft.sites.len(), "an entry for each site");
    members
}

fn check_virtual_links(site: &SiteDraft<'_>, areas: &SiteAreas, draft: &Draft<'_>, report: &mut Report) {
    let mut first: BTreeMap<(AreaId, String), Span> = BTreeMap::new();
    for link in &site.virtual_links {
        let Some(area) = link.area.given().copied() else { continue };
        check_transit(site, link, area, areas, draft, report);
        let Some(far_end) = &link.far_end else { continue };
        check_far_end(site, area.value, far_end, draft, report);
        let name = match far_end {
            FarEnd::Router(id) => id.value.to_string(),
            FarEnd::Site(name) => name.value.to_owned(),
        };
        if let Some(before) = first.insert((area.value, name), link.span) {
            report.push(
                Diagnostic::error(link.span, "the same virtual link twice", "again")
                    .note(before, "first here")
                    .help("one virtual link between two routers is enough"),
            );
        }
    }
}

/// Checks the transit area of a virtual link (RFC 2328 §15): both ends are in it, and it is neither the backbone nor a stub area or NSSA.
fn check_transit(
    site: &SiteDraft<'_>,
    link: &VirtualLinkDraft<'_>,
    area: At<AreaId>,
    areas: &SiteAreas,
    draft: &Draft<'_>,
    report: &mut Report,
) {
    let (kind, kind_from) = kind_of(&draft.areas, area.value);
    let error = |title: String, label: &str| Diagnostic::error(area.span, title, label);
    let fault = if area.value == AreaId::BACKBONE {
        error("a virtual link through the backbone".to_owned(), "it joins routers to the backbone")
            .help("write the area that both ends have in common")
    } else if kind != Kind::Normal {
        let fault = error(
            format!("a virtual link through area {}, {}", area.value, kind.called()),
            "has no routes for what a virtual link carries",
        );
        let fault = match kind_from {
            Some(span) => fault.note(span, "what kind of area it is"),
            None => fault,
        };
        fault.help("make it a normal area, or join the backbone another way")
    } else if !areas.contains_key(&area.value) {
        error(
            format!("site {} is not in area {}", site.called(), area.value),
            "a virtual link runs through an area of both its ends",
        )
        .note(link.span, "the virtual link")
        .help("write an area that one of the site's tunnels or interfaces is in")
        .of_absence()
    } else {
        return;
    };
    report.push(fault);
}

fn check_far_end(site: &SiteDraft<'_>, area: AreaId, far_end: &FarEnd<'_>, draft: &Draft<'_>, report: &mut Report) {
    let other = match far_end {
        FarEnd::Router(id) => {
            let own = draft.loopback(site).is_some_and(|own| RouterId::from(own) == id.value);
            if own {
                report_itself(id.span, report);
                return;
            }
            draft.sites.iter().find(|site| draft.loopback(site).map(RouterId::from) == Some(id.value))
        }
        FarEnd::Site(name) if site.written_name == Some(name.value) => {
            report_itself(name.span, report);
            return;
        }
        FarEnd::Site(name) => {
            let right = "name a site by the `name` of its `[[site]]`, or a router that is none by `router_id`";
            position(*name, &draft.sites, right, report).map(|place| &draft.sites[place])
        }
    };
    // A router that is not a site is configured elsewhere.
    let Some(other) = other else { return };
    let leads_back = |link: &VirtualLinkDraft<'_>| {
        let through = link.area.given().is_none_or(|at| at.value == area);
        let to = match &link.far_end {
            Some(FarEnd::Router(id)) => draft.loopback(site).is_none_or(|own| RouterId::from(own) == id.value),
            Some(FarEnd::Site(name)) => site.written_name.is_none_or(|own| own == name.value),
            None => true,
        };
        through && to
    };
    if !other.virtual_links.iter().any(leads_back) {
        let title = format!("site {} has no virtual link back to {}", other.called(), site.called());
        let name = site.written_name.unwrap_or("…");
        report.push(
            Diagnostic::error(far_end.span(), title, "a virtual link is configured at both its ends")
                .note(other.span, "not here")
                .help(format!("add a `[[site.virtual_link]]` with `area = \"{area}\"` and `site = \"{name}\"` there"))
                .of_absence(),
        );
    }
}

fn report_itself(span: Span, report: &mut Report) {
    report.push(
        Diagnostic::error(span, "a virtual link from a router to itself", "the same router")
            .help("name the border router at the other end"),
    );
}

/// Warns of a site in several areas without the backbone: routes pass between areas through the backbone only (RFC 2328 §3.3).
fn warn_without_backbone(site: &SiteDraft<'_>, areas: &SiteAreas, report: &mut Report) {
    if areas.len() < 2 || areas.contains_key(&AreaId::BACKBONE) || !site.virtual_links.is_empty() {
        return;
    }
    let names: Vec<String> = areas.keys().map(ToString::to_string).collect();
    let title = format!("site {} joins the areas {} but not the backbone", site.called(), names.join(", "));
    let mut warning = Diagnostic::warning(site.span, title, "nothing passes from one of its areas to the other");
    for (area, from) in areas {
        if let Some(span) = from {
            warning = warning.note(*span, format!("area {area}"));
        }
    }
    let help = "put its tunnels into area 0.0.0.0, or give it a `[[site.virtual_link]]`";
    report.push(warning.help(help).of_absence());
}

/// Reports a site whose prefixes or redistributed routes no other router would learn: they are AS-external destinations, which stub areas
/// do not learn (RFC 2328 §3.6).
fn check_unlearnable(site: &SiteDraft<'_>, areas: &SiteAreas, draft: &Draft<'_>, report: &mut Report) {
    let stub = |area: &AreaId| kind_of(&draft.areas, *area).0 == Kind::Stub;
    let Some((area, from)) = areas.first_key_value().filter(|_| areas.keys().all(stub)) else { return };
    let listed = site.prefixes.first().map(|listed| (listed.network.span, "prefixes"));
    let Some((span, what)) = listed.or(site.redistributes.map(|span| (span, "redistributed routes"))) else { return };
    let title = format!("no other router would learn the {what} of site {}", site.called());
    let mut error = Diagnostic::error(span, title, "advertised as destinations outside OSPF");
    if let Some(kind) = kind_of(&draft.areas, *area).1 {
        error = error.note(kind, "stub areas learn no destinations outside OSPF");
    }
    if let Some(from) = from {
        error = error.note(*from, "the site is in no other area");
    }
    report.push(error.help("make the area `kind = \"nssa\"`, or put a tunnel of the site into another area"));
}

/// Warns of an `[[area]]` without tunnels and interfaces, which is more often a mistake than intended.
fn warn_of_empty(areas: &[AreaDraft], members: &[SiteAreas], report: &mut Report) {
    for id in areas.iter().filter_map(|area| area.id.given()) {
        if !members.iter().any(|areas| areas.contains_key(&id.value)) {
            let title = format!("nothing is in area {}", id.value);
            report.push(
                Diagnostic::warning(id.span, title, "no tunnel and no interface has this `area`")
                    .help(format!("write `area = \"{}\"` where it is meant, or leave the `[[area]]` out", id.value))
                    .of_absence(),
            );
        }
    }
}
