//! The whole file as read, and how it becomes the [`Mesh`] once all checks have passed.

use super::addressing::loopback;
use super::diagnostic::Diagnostic;
use super::general::General;
use super::link::{LinkDraft, Pair};
use super::model::{Endpoint, Link, Mesh, OspfSettings, Site, SiteId, SiteInterface};
use super::ospf::{OspfKeys, Settled};
use super::reader::{Report, Table};
use super::schema::{LINK, MESH, OSPF, SITE};
use super::site::SiteDraft;

/// The sections of the file.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub general: General<'a>,
    pub ospf: OspfKeys,
    pub sites: Vec<SiteDraft<'a>>,
    pub links: Vec<LinkDraft<'a>>,
}

/// The OSPF settings of everything that has some; `None` for those that are wrong.
#[derive(Debug)]
pub(super) struct AllSettled {
    pub base: Option<Settled>,
    /// As `Draft::links`.
    pub links: Vec<Option<Settled>>,
    /// As `Draft::sites` and `SiteDraft::interfaces`.
    pub interfaces: Vec<Vec<Option<Settled>>>,
}

impl<'a> Draft<'a> {
    /// Reads every section.
    pub fn read(mut file: Table<'a>, report: &mut Report) -> Self {
        let general = match file.take("mesh") {
            Some(entry) => entry.table(&MESH, report).map(|table| General::read(table, report)).unwrap_or_default(),
            None => {
                let help = "add a section `[mesh]` with a `name` and `loopbacks = \"10.255.0.0/16\"`";
                report.push(
                    Diagnostic::error(file.span, "there is no `[mesh]`", "nowhere up to here").help(help).of_absence(),
                );
                General::default()
            }
        };
        let ospf = match file.take("ospf").and_then(|entry| entry.table(&OSPF, report)) {
            Some(mut table) => {
                let keys = OspfKeys::read(&mut table, report);
                table.finish(report);
                keys
            }
            None => OspfKeys::default(),
        };
        let site = file.take("site");
        let sites = site.map_or_else(Vec::new, |entry| {
            let tables = entry.tables(&SITE, report);
            tables.into_iter().map(|table| SiteDraft::read(table, report)).collect()
        });
        if site.is_none_or(|entry| entry.value.as_array().is_some_and(|array| array.is_empty())) {
            let help = "add a `[[site]]`; a mesh of one site is legal";
            report.push(
                Diagnostic::error(file.span, "there is no `[[site]]`", "nowhere up to here").help(help).of_absence(),
            );
        }
        let links = match file.take("link") {
            Some(entry) => {
                entry.tables(&LINK, report).into_iter().map(|table| LinkDraft::read(table, report)).collect()
            }
            None => Vec::new(),
        };
        if let Some(l2) = file.take("l2") {
            report.push(l2.not_available("`[[l2]]`").help("leave the section out"));
        }
        file.finish(report);
        Self { general, ospf, sites, links }
    }

    /// Inherits OSPF's settings.
    pub fn settle(&self, report: &mut Report) -> AllSettled {
        AllSettled {
            base: self.ospf.settle(&OspfKeys::default(), report),
            links: self.links.iter().map(|link| link.ospf.settle(&self.ospf, report)).collect(),
            interfaces: self
                .sites
                .iter()
                .map(|site| site.interfaces.iter().map(|interface| interface.ospf.settle(&self.ospf, report)).collect())
                .collect(),
        }
    }

    /// The mesh. `None` if something is wrong, which has then been reported.
    pub fn assemble(&self, settled: &AllSettled, pairs: &[Pair]) -> Option<Mesh> {
        let sites = self.sites.iter().zip(&settled.interfaces);
        let mut sites = sites.map(|(site, interfaces)| self.site(site, interfaces)).collect::<Option<Vec<Site>>>()?;
        sites.sort_by_key(|site| site.id);
        let base = settled.base?.settings;
        let mut links = pairs
            .iter()
            .map(|pair| {
                let ospf = match pair.link {
                    Some(link) => settled.links[link]?.settings,
                    None => base,
                };
                self.link(pair, ospf)
            })
            .collect::<Option<Vec<Link>>>()?;
        links.sort_by_key(|link| (link.low, link.high));
        Some(Mesh {
            name: self.general.name.given()?.value.to_owned(),
            loopbacks: self.general.loopbacks.given()?.value,
            unlisted: self.general.unlisted()?,
            sites,
            links,
        })
    }

    fn site(&self, site: &SiteDraft<'_>, interfaces: &[Option<Settled>]) -> Option<Site> {
        let base = &self.general.tunnels;
        let id = site.id.given()?.value;
        let port = site.tunnels.port(base)?.value;
        let interfaces = site.interfaces.iter().zip(interfaces).map(|(interface, settled)| {
            Some(SiteInterface {
                name: interface.name.given()?.value.clone(),
                mode: interface.mode.given()?.value,
                network: interface.network,
                ospf: settled.as_ref()?.settings,
            })
        });
        Some(Site {
            name: site.name.given()?.value.to_owned(),
            id: SiteId(id),
            public_key: site.public_key.given()?.value,
            endpoint: site.endpoint.given().map(|endpoint| Endpoint {
                host: endpoint.value.host.clone(),
                port: endpoint.value.port.unwrap_or(port),
            }),
            prefixes: site.prefixes.iter().map(|prefix| prefix.value).collect(),
            loopback: loopback(self.general.loopbacks.given()?.value, id)?,
            port,
            backend: site.tunnels.backend(base)?,
            mtu: site.tunnels.mtu(base)?,
            interfaces: interfaces.collect::<Option<Vec<_>>>()?,
        })
    }

    fn link(&self, pair: &Pair, ospf: OspfSettings) -> Option<Link> {
        let (one, other) = (self.sites[pair.ends.0].id.given()?.value, self.sites[pair.ends.1].id.given()?.value);
        Some(Link {
            low: SiteId(one.min(other)),
            high: SiteId(one.max(other)),
            ospf,
            keepalive: self.general.keepalive()?,
        })
    }
}
