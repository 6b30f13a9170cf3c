//! Checks of the names of the lab's namespaces, which are derived from sites, segments and hosts: `MESH-net`, `MESH-SITE`,
//! `MESH-SITE-lan`, `MESH-SITE-nat`, `MESH-HOST` for a host of a segment, and `MESH-SITE-SEGMENT` for the switch in front of its ports at
//! a site.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Span};
use super::link::LinkDraft;
use super::reader::{Report, Setting};
use super::segment::SegmentDraft;
use super::segment_host::HostDraft;
use super::site::SiteDraft;

/// The owner of a namespace name.
#[derive(Debug)]
struct Owner {
    what: String,
    /// The position in the file of the name it is derived from, and the label there.
    named: Option<(Span, &'static str)>,
}

/// The owners of the names so far, by the part of the name after `MESH-`.
type Owners = BTreeMap<String, Owner>;

/// Reports names that the lab uses for another namespace.
pub(super) fn check(
    sites: &[SiteDraft<'_>],
    links: &[LinkDraft<'_>],
    segments: &[SegmentDraft<'_>],
    report: &mut Report,
) {
    let mut owners = Owners::new();
    owners.insert("net".to_owned(), Owner { what: "the network between the sites".to_owned(), named: None });
    for site in sites {
        claim_beside(site, "lan", "the host behind", &mut owners);
    }
    check_sites(sites, &mut owners, report);
    let has_link = |site: &SiteDraft<'_>| {
        links.iter().any(|link| !matches!(link.ends.endpoint(site.written_name), Setting::Absent))
    };
    for site in sites.iter().filter(|site| matches!(site.endpoint, Setting::Absent) && !has_link(site)) {
        claim_beside(site, "nat", "the router in front of", &mut owners);
    }
    // Segments or hosts with the same name, and hosts of a segment with the same MAC address, have been reported.
    let (mut names, mut macs) = (BTreeSet::new(), BTreeSet::new());
    for (index, segment) in segments.iter().enumerate() {
        for host in &segment.hosts {
            let first = match (host.name.given(), host.mac.given()) {
                (Some(name), _) => names.insert(name.value),
                (None, Some(mac)) => macs.insert((index, mac.value)),
                (None, None) => false,
            };
            if first {
                check_host(host, &mut owners, report);
            }
        }
    }
    let mut names = BTreeSet::new();
    for segment in segments.iter().filter(|segment| segment.name.given().is_some_and(|name| names.insert(name.value))) {
        check_switches(segment, &mut owners, report);
    }
}

/// Claims the name of a namespace beside a site. If a site has that name, `check_sites` or the lab itself reports it.
fn claim_beside(site: &SiteDraft<'_>, suffix: &str, what: &str, owners: &mut Owners) {
    let Some(name) = site.name.given() else { return };
    let owner = Owner { what: format!("{what} `{}`", name.value), named: Some((name.span, "this site's")) };
    owners.entry(format!("{}-{suffix}", name.value)).or_insert(owner);
}

fn check_sites(sites: &[SiteDraft<'_>], owners: &mut Owners, report: &mut Report) {
    let mut own = Owners::new();
    for name in sites.iter().filter_map(|site| site.name.given()) {
        match owners.get(name.value) {
            Some(before) => report.push(taken(name.value, name.span, before)),
            None => {
                let owner = Owner { what: format!("site `{}`", name.value), named: Some((name.span, "the site")) };
                own.insert(name.value.to_owned(), owner);
            }
        }
    }
    owners.append(&mut own);
}

/// Checks the lab name of a host. Hosts without a name use their MAC address, which two hosts on different segments may share.
fn check_host(host: &HostDraft<'_>, owners: &mut Owners, report: &mut Report) {
    let Some(called) = host.lab_name() else { return };
    let named = host.name.given().is_some();
    match owners.get(&called.value) {
        Some(before) if named => report.push(taken(&called.value, called.span, before)),
        Some(before) => {
            let label = format!("without a `name` it is called `{}` in the lab, as {} is", called.value, before.what);
            let fault = Diagnostic::error(called.span, "a host without a name of its own in the lab", label);
            report.push(with_owner(fault, before).help("give it a `name`"));
        }
        None => {
            let owner = Owner { what: format!("host `{}`", called.value), named: Some((called.span, "the host")) };
            owners.insert(called.value, owner);
        }
    }
}

/// Reports at most one error for a segment, about the first of its sites where the name of the switch is taken.
fn check_switches(segment: &SegmentDraft<'_>, owners: &mut Owners, report: &mut Report) {
    let Some(name) = segment.name.given() else { return };
    let mut own = Owners::new();
    for site in segment.sites.iter().filter_map(|member| member.name.given()) {
        let switch = format!("{}-{}", site.value, name.value);
        if let Some(before) = owners.get(&switch) {
            let title = format!("the name `{}` is taken in the lab", name.value);
            let label = format!("with it, the switch at `{}` is called `{switch}`, as {} is", site.value, before.what);
            report.push(with_owner(Diagnostic::error(name.span, title, label), before).help("choose another name"));
            break;
        }
        let what = format!("the switch of segment `{}` at `{}`", name.value, site.value);
        own.insert(switch, Owner { what, named: Some((name.span, "this segment's")) });
    }
    owners.append(&mut own);
}

fn taken(name: &str, span: Span, before: &Owner) -> Diagnostic {
    let label = format!("the namespace of {} is called so", before.what);
    let fault = Diagnostic::error(span, format!("the name `{name}` is taken in the lab"), label);
    with_owner(fault, before).help("choose another name")
}

fn with_owner(fault: Diagnostic, owner: &Owner) -> Diagnostic {
    match owner.named {
        Some((span, what)) => fault.note(span, what),
        None => fault,
    }
}
