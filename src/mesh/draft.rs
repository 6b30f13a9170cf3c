//! Reads all sections of the file, and assembles the [`Mesh`] from them once all checks have passed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ::ospf::{AreaConfig, AreaId, RouterId, TtlSecurity};
use vxlan::Vtep;
use vxlan::segment::{Host, Segment};

use super::address::WrittenEndpoint;
use super::addressing::loopback;
use super::area::AreaDraft;
use super::auth::Auth;
use super::bfd::{Bfd, bfd};
use super::diagnostic::Diagnostic;
use super::general::General;
use super::link::{LinkDraft, Pair};
use super::listed_prefix::Carriage;
use super::model::{
    Endpoint, L2, L2Site, Link, LinkEnd, Mesh, OspfProcess, OspfSettings, PairUnderlay, Site, SiteId, SiteInterface,
    Timers, VirtualLink,
};
use super::ospf::{OspfKeys, Resolved};
use super::process::ProcessKeys;
use super::reader::{At, Report, Setting, Table};
use super::schema::{self, AREA, LINK, MESH, OSPF, SITE};
use super::segment::SegmentDraft;
use super::site::SiteDraft;
use super::virtual_link::{FarEnd, VirtualLinkDraft};

/// The sections of the file as read.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub general: General<'a>,
    pub ospf: OspfKeys,
    pub process: ProcessKeys,
    /// Of tunnels whose `[[link]]` has no other; the inner `None` means off.
    pub bfd: Setting<Option<Bfd>>,
    pub areas: Vec<AreaDraft>,
    pub sites: Vec<SiteDraft<'a>>,
    pub links: Vec<LinkDraft<'a>>,
    pub segments: Vec<SegmentDraft<'a>>,
}

/// The resolved OSPF settings of all tunnels, interfaces and virtual links; `None` for those that are wrong.
#[derive(Debug)]
pub(super) struct AllResolved {
    pub base: Option<Resolved>,
    /// In the order of `Draft::links`.
    pub links: Vec<Option<Resolved>>,
    /// In the order of `Draft::sites` and `SiteDraft::interfaces`.
    pub interfaces: Vec<Vec<Option<Resolved>>>,
    /// In the order of `Draft::sites` and `SiteDraft::virtual_links`.
    pub virtual_links: Vec<Vec<(Option<Timers>, Option<Auth>)>>,
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
        let (ospf, process, bfd) = match file.take("ospf").and_then(|entry| entry.table(&OSPF, report)) {
            Some(mut table) => {
                let (keys, process) =
                    (OspfKeys::read_network(&mut table, report), ProcessKeys::read(&mut table, report));
                let bfd = bfd(&mut table, report);
                table.finish(report);
                (keys, process, bfd)
            }
            None => (OspfKeys::default(), ProcessKeys::absent(), Setting::Absent),
        };
        let areas = file.take("area").map_or_else(Vec::new, |entry| {
            let tables = entry.tables(&AREA, report);
            tables.into_iter().map(|table| AreaDraft::read(table, report)).collect()
        });
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
        let segments = match file.take("l2") {
            Some(entry) => {
                entry.tables(&schema::L2, report).into_iter().map(|table| SegmentDraft::read(table, report)).collect()
            }
            None => Vec::new(),
        };
        file.finish(report);
        Self { general, ospf, process, bfd, areas, sites, links, segments }
    }

    /// Resolves the OSPF settings of each section with the defaults from `[ospf]`.
    pub fn resolve(&self, report: &mut Report) -> AllResolved {
        AllResolved {
            base: self.ospf.resolve(&OspfKeys::default(), report),
            links: self.links.iter().map(|link| link.ospf.resolve(&self.ospf, report)).collect(),
            interfaces: self
                .sites
                .iter()
                .map(|site| {
                    site.interfaces.iter().map(|interface| interface.ospf.resolve(&self.ospf, report)).collect()
                })
                .collect(),
            virtual_links: self
                .sites
                .iter()
                .map(|site| {
                    let links = site.virtual_links.iter();
                    links
                        .map(|link| {
                            let timers = link.timers.resolve(&self.ospf.timers, report);
                            (timers, link.auth.resolve(&self.ospf.auth, report))
                        })
                        .collect()
                })
                .collect(),
        }
    }

    /// Assembles the mesh. `None` if something is wrong, which has then been reported.
    pub fn assemble(&self, resolved: &AllResolved, pairs: &[Pair]) -> Option<Mesh> {
        let places = 0..self.sites.len();
        let mut sites = places.map(|place| self.site(place, resolved)).collect::<Option<Vec<Site>>>()?;
        sites.sort_by_key(|site| site.id);
        let base = &resolved.base.as_ref()?.settings;
        let mut links = pairs
            .iter()
            .map(|pair| {
                let (ospf, ttl_security) = match pair.link {
                    Some(link) => {
                        let security = self.links[link].ttl_security.effective(TtlSecurity::default())?;
                        (&resolved.links[link].as_ref()?.settings, security.value)
                    }
                    None => (base, TtlSecurity::default()),
                };
                self.link(pair, ospf.clone(), ttl_security)
            })
            .collect::<Option<Vec<Link>>>()?;
        links.sort_by_key(|link| (link.low, link.high));
        let mut segments =
            self.segments.iter().map(|segment| self.segment(segment, &sites)).collect::<Option<Vec<L2>>>()?;
        segments.sort_by(|one, other| one.name.cmp(&other.name));
        Some(Mesh {
            name: self.general.name.given()?.value.to_owned(),
            loopbacks: self.general.loopbacks.given()?.value,
            unlisted: self.general.unlisted()?,
            source_check: self.general.source_check()?,
            ospf: OspfProcess {
                rfc1583: self.process.rfc1583()?,
                spf_delay: self.process.spf_delay()?,
                stub_router: self.process.stub_router()?,
                alternates: self.process.alternates()?,
                limits: self.process.limits()?,
                graceful_restart: self.process.graceful_restart()?,
            },
            areas: self.areas()?,
            sites,
            links,
            segments,
        })
    }

    /// The valid endpoints of sites and links.
    pub fn endpoints(&self) -> impl Iterator<Item = &At<WrittenEndpoint>> {
        let of_sites = self.sites.iter().filter_map(|site| site.endpoint.given());
        of_sites.chain(self.links.iter().flat_map(|link| link.ends.endpoints()))
    }

    /// The Router ID and loopback of a site, if they are known.
    pub fn loopback(&self, site: &SiteDraft<'_>) -> Option<Ipv4Addr> {
        loopback(self.general.loopbacks.given()?.value, site.id.given()?.value)
    }

    fn areas(&self) -> Option<BTreeMap<AreaId, AreaConfig>> {
        self.areas.iter().map(|area| Some((area.id.given()?.value, area.config.clone()?))).collect()
    }

    fn virtual_link(&self, link: &VirtualLinkDraft<'_>, timers: Timers, auth: Auth) -> Option<VirtualLink> {
        let far_end = match link.far_end? {
            FarEnd::Router(id) => id.value,
            FarEnd::Site(name) => {
                let site = self.sites.iter().find(|site| site.written_name == Some(name.value))?;
                RouterId::from(self.loopback(site)?)
            }
        };
        Some(VirtualLink { transit_area: link.area.given()?.value, far_end, timers, auth })
    }

    /// The site at this index in the file.
    fn site(&self, place: usize, resolved: &AllResolved) -> Option<Site> {
        let (site, base) = (&self.sites[place], &self.general.tunnels);
        let id = site.id.given()?.value;
        let port = site.tunnels.port(base)?.value;
        let all = site.interfaces.iter().zip(&resolved.interfaces[place]).map(|(interface, resolved)| {
            Some(SiteInterface {
                name: interface.name.given()?.value.clone(),
                mode: interface.mode.given()?.value,
                network: interface.network,
                neighbors: interface.neighbors(),
                ospf: resolved.as_ref()?.settings.clone(),
            })
        });
        let all = all.collect::<Option<Vec<SiteInterface>>>()?;
        let is_pattern = |interface: &SiteInterface| interface.name.as_str().ends_with('*');
        let (interface_patterns, interfaces) = all.into_iter().partition(is_pattern);
        let virtual_links = site.virtual_links.iter().zip(&resolved.virtual_links[place]);
        let virtual_links =
            virtual_links.map(|(link, (timers, auth))| self.virtual_link(link, (*timers)?, auth.clone()?));
        Some(Site {
            name: site.name.given()?.value.to_owned(),
            id: SiteId(id),
            public_key: site.public_key.given()?.value,
            endpoint: site.endpoint.given().map(|endpoint| Endpoint {
                host: endpoint.value.host.clone(),
                port: endpoint.value.port.unwrap_or(port),
            }),
            prefixes: site.prefixes.iter().map(|listed| listed.network.value).collect(),
            static_prefixes: site
                .prefixes
                .iter()
                .filter(|listed| listed.carriage == Carriage::Static)
                .map(|listed| listed.network.value)
                .collect(),
            default_originate: site.default_originate.optional()?,
            external_ranges: site.external_ranges.clone()?,
            loopback: self.loopback(site)?,
            port,
            backend: site.tunnels.backend(base)?,
            mtu: site.tunnels.mtu(base)?,
            interfaces,
            interface_patterns,
            virtual_links: virtual_links.collect::<Option<Vec<_>>>()?,
            redistributions: site.redistributions.clone()?,
            imports: site.imports.clone()?,
        })
    }

    fn link(&self, pair: &Pair, ospf: OspfSettings, ttl_security: TtlSecurity) -> Option<Link> {
        let own = pair.link.map(|link| &self.links[link]);
        let mut ends = [pair.ends.0, pair.ends.1].map(|place| &self.sites[place]);
        ends.sort_by_key(|site| site.id.given().map(|id| id.value));
        let [low, high] = ends;
        Some(Link {
            low: SiteId(low.id.given()?.value),
            high: SiteId(high.id.given()?.value),
            ospf,
            keepalive: self.general.keepalive(own.map_or(Setting::Absent, |own| own.keepalive))?,
            ttl_security,
            bfd: own.map_or(Setting::Absent, |own| own.bfd).or(self.bfd).effective(None)?.value,
            underlay: match own {
                Some(own) => underlay(own, low, high)?.map(Box::new),
                None => None,
            },
        })
    }

    fn segment(&self, draft: &SegmentDraft<'_>, sites: &[Site]) -> Option<L2> {
        let by_name: BTreeMap<&str, &Site> = sites.iter().map(|site| (site.name.as_str(), site)).collect();
        let site = |name: &str| by_name.get(name).copied();
        let members = draft.sites.iter().map(|member| {
            let ports = member.ports.iter().map(|port| port.value.clone()).collect();
            let (bridge, owner) = (member.bridge(draft)?.value, member.owner()?);
            Some((site(member.name.given()?.value)?, L2Site { bridge, owner, ports }))
        });
        let members = members.collect::<Option<Vec<(&Site, L2Site)>>>()?;
        let hosts = draft.hosts.iter().map(|host| {
            let entry = Host {
                home: Vtep(site(host.site.given()?.value)?.loopback),
                addresses: host.addresses.iter().map(|address| address.value).collect(),
                mobility: host.mobility()?,
            };
            Some((host.mac.given()?.value, entry))
        });
        let names = draft.hosts.iter();
        let names = names.filter_map(|host| Some((host.mac.given()?.value, host.name.given()?.value.to_owned())));
        Some(L2 {
            name: draft.name.given()?.value.to_owned(),
            segment: Segment {
                vni: draft.vni.given()?.value,
                resolution: draft.resolution()?,
                unknown_unicast: draft.unknown_unicast()?,
                broadcast: draft.broadcast?,
                multicast: draft.multicast?,
                learning: draft.learning()?,
                unreachable: draft.unreachable()?,
                mtu: draft.mtu()?.value,
                gateway: draft.gateway()?,
                members: members.iter().map(|(site, _)| Vtep(site.loopback)).collect(),
                hosts: hosts.collect::<Option<_>>()?,
            },
            sites: members.into_iter().map(|(site, member)| (site.id, member)).collect(),
            host_names: names.collect(),
        })
    }
}

/// The settings of a `[[link]]` for the path of its tunnel between the sites: the outer `None` means that something is wrong, the inner
/// one that there are no such settings.
fn underlay(link: &LinkDraft<'_>, low: &SiteDraft<'_>, high: &SiteDraft<'_>) -> Option<Option<PairUnderlay>> {
    let underlay = PairUnderlay {
        low: link_end(link, low)?,
        high: link_end(link, high)?,
        mtu: link.mtu.optional()?,
        preshared_key_file: link.preshared_key_file.map(str::to_owned).optional()?,
    };
    Some((underlay != PairUnderlay::default()).then_some(underlay))
}

fn link_end(link: &LinkDraft<'_>, site: &SiteDraft<'_>) -> Option<LinkEnd> {
    Some(LinkEnd {
        endpoint: link
            .ends
            .endpoint(site.written_name)
            .clone()
            .map(|endpoint| (endpoint.host, endpoint.port))
            .optional()?,
        port: link.ends.port(site.written_name).optional()?,
    })
}
