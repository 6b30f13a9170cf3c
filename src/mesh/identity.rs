//! Checks that values which identify sites and segments are unique: ids, names, keys, and the interface names that are derived from
//! names.

use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, Span, quoted};
use super::names::{overlay_interface, tunnel_interface};
use super::reader::{At, Report};
use super::segment::SegmentDraft;
use super::site::SiteDraft;
use crate::net::IfName;

/// Reports ids, names, keys and interface names that two sites or two segments share.
pub(super) fn check(sites: &[SiteDraft<'_>], segments: &[SegmentDraft<'_>], report: &mut Report) {
    unique(sites.iter().filter_map(|site| site.id.given().copied()), report, |id| {
        (format!("two sites have the id {id}"), "give every site an id that no other site has or had".to_owned())
    });
    unique(sites.iter().filter_map(|site| site.name.given().copied()), report, |name| {
        (format!("two sites have the name `{name}`"), "give every site a name of its own".to_owned())
    });
    unique(sites.iter().filter_map(|site| site.public_key.given().copied()), report, |_| {
        let help = "every site has a key pair of its own: `weft keygen` makes one";
        ("two sites have the same `public_key`".to_owned(), help.to_owned())
    });
    check_cut(sites.iter().filter_map(|site| site.name.given().copied()), tunnel_interface, "tunnels to", report);
    for site in sites {
        check_interfaces(site, sites, report);
    }
    check_segments(segments, report);
}

/// Checks the names, VNIs and interface names of segments, and the names of their hosts.
fn check_segments(segments: &[SegmentDraft<'_>], report: &mut Report) {
    let names = || segments.iter().filter_map(|segment| segment.name.given().copied());
    unique(names(), report, |name| {
        (format!("two segments have the name `{name}`"), "give every segment a name of its own".to_owned())
    });
    unique(segments.iter().filter_map(|segment| segment.vni.given().copied()), report, |vni| {
        (format!("two segments have the VNI {vni}"), "give every segment a number of its own".to_owned())
    });
    check_cut(names(), overlay_interface, "VXLAN devices of", report);
    let hosts = segments.iter().flat_map(|segment| &segment.hosts);
    unique(hosts.filter_map(|host| host.name.given().copied()), report, |name| {
        let help = "give every host a name that no host of any segment has";
        (format!("two hosts have the name `{name}`"), help.to_owned())
    });
}

/// Reports every repeated value, with the positions of both occurrences.
pub(super) fn unique<T: Ord + Copy>(
    values: impl IntoIterator<Item = At<T>>,
    report: &mut Report,
    words: impl Fn(T) -> (String, String),
) {
    let mut first: BTreeMap<T, Span> = BTreeMap::new();
    for At { value, span } in values {
        match first.get(&value) {
            Some(before) => {
                let (title, help) = words(value);
                report.push(Diagnostic::error(span, title, "again").note(*before, "first here").help(help));
            }
            None => {
                first.insert(value, span);
            }
        }
    }
}

/// Reports long names that are cut to the same interface name: a site with both could not tell them apart.
fn check_cut<'n>(
    names: impl Iterator<Item = At<&'n str>>,
    interface: impl Fn(&str) -> IfName,
    what: &str,
    report: &mut Report,
) {
    let mut first: BTreeMap<IfName, At<&str>> = BTreeMap::new();
    for name in names {
        let interface = interface(name.value);
        match first.get(&interface) {
            Some(before) if before.value != name.value => report.push(
                Diagnostic::error(
                    name.span,
                    format!("the {what} `{}` and `{}` would have the same name", before.value, name.value),
                    format!("its interface is `{interface}` after cutting to {} bytes", IfName::MAX_LEN),
                )
                .note(before.span, "as is this one's")
                .help("choose another or a shorter name: up to 12 bytes nothing is cut"),
            ),
            Some(_) => {}
            None => {
                first.insert(interface, name);
            }
        }
    }
}

/// Checks a site's own interfaces against each other and against its tunnels.
fn check_interfaces(site: &SiteDraft<'_>, sites: &[SiteDraft<'_>], report: &mut Report) {
    let mut own: BTreeMap<&IfName, Span> = BTreeMap::new();
    for interface in &site.interfaces {
        let Some(name) = interface.name.given() else { continue };
        if let Some(before) = own.get(&name.value) {
            let title = format!("interface {} of site {} twice", quoted(name.value.as_str()), site.called());
            report.push(
                Diagnostic::error(name.span, title, "again")
                    .note(*before, "first here")
                    .help("put its settings into one `[[site.interface]]`"),
            );
            continue;
        }
        own.insert(&name.value, name.span);
        let others = sites.iter().filter(|other| other.span != site.span).filter_map(|other| other.name.given());
        for other in others.filter(|other| tunnel_interface(other.value) == name.value) {
            let title = format!("{} is the name of the tunnel to `{}`", quoted(name.value.as_str()), other.value);
            report.push(
                Diagnostic::error(name.span, title, "not an interface of the site's own")
                    .note(other.span, "this site's tunnel")
                    .help("a `[[site.interface]]` is for the LAN; settings of a tunnel stand in a `[[link]]`"),
            );
        }
    }
}
