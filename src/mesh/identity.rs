//! What has to be different from site to site: ids, names, keys, and the names of interfaces that follow from them.

use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, Span, quoted};
use super::model::IfName;
use super::names::tunnel_interface;
use super::reader::{At, Report};
use super::site::SiteDraft;

/// Reports ids, names, keys and interface names that two sites share.
pub(super) fn check(sites: &[SiteDraft<'_>], report: &mut Report) {
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
    check_tunnel_names(sites, report);
    check_lab_names(sites, report);
    for site in sites {
        check_interfaces(site, sites, report);
    }
}

/// Reports every value that has been there before, with both places.
fn unique<T: Ord + Copy>(
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

/// Two long names that are cut to the same interface name cannot be told apart by a site that has a tunnel to both.
fn check_tunnel_names(sites: &[SiteDraft<'_>], report: &mut Report) {
    let mut first: BTreeMap<IfName, At<&str>> = BTreeMap::new();
    for name in sites.iter().filter_map(|site| site.name.given()) {
        let interface = tunnel_interface(name.value);
        match first.get(&interface) {
            Some(before) if before.value != name.value => report.push(
                Diagnostic::error(
                    name.span,
                    format!("the tunnels to `{}` and `{}` would have the same name", before.value, name.value),
                    format!("its interface is `{interface}` after cutting to {} bytes", IfName::MAX_LEN),
                )
                .note(before.span, "as is this one's")
                .help("choose another or a shorter name: up to 12 bytes nothing is cut"),
            ),
            Some(_) => {}
            None => {
                first.insert(interface, *name);
            }
        }
    }
}

/// The lab's namespaces are `MESH-SITE`, `MESH-net` and `MESH-SITE-lan`.
fn check_lab_names(sites: &[SiteDraft<'_>], report: &mut Report) {
    let names: BTreeMap<&str, Span> =
        sites.iter().filter_map(|site| site.name.given()).map(|name| (name.value, name.span)).collect();
    for (name, span) in &names {
        let error = |of: String| {
            Diagnostic::error(*span, format!("the name `{name}` is taken in the lab"), of).help("choose another name")
        };
        if *name == "net" {
            report.push(error("the namespace of the network between the sites ends so".to_owned()));
        }
        if let Some((owner, before)) = name.strip_suffix("-lan").and_then(|owner| names.get_key_value(owner)) {
            let label = format!("the namespace of the host behind `{owner}` is called so");
            report.push(error(label).note(*before, "this site's"));
        }
    }
}

/// A site's own interfaces against each other and against its tunnels.
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
