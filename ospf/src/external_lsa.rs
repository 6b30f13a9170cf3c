//! What our AS-external- and Type-7 LSAs say (RFC 2328 §12.4.4, RFC 3101 §2.4).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::area::ExternalRouting;
use crate::config::{AreaKind, External, NssaConfig, Summaries};
use crate::databases::Domain;
use crate::engine::Engine;
use crate::event::Event;
use crate::ids::{AreaId, LsaType, Prefix};
use crate::io::Addressing;
use crate::route::Border;
use crate::wire::{ExternalLsa, LsaBody, Options};

impl Engine {
    /// Has one AS-external-LSA originated for each configured destination and each that this router translates, a Type-7 LSA for each
    /// configured one in each NSSA, and the rest withdrawn.
    pub(crate) fn want_externals(&mut self) {
        let mut without = BTreeSet::new();
        let mut externals = BTreeMap::new();
        // They are of no use if all of this router's areas are stubs (§3.6).
        if self.takes_as_scope() {
            externals.extend(self.translations());
            // What this router brings in itself is here, whoever else has it.
            externals.extend(self.config.externals.clone());
        }
        let options = ExternalRouting::AsExternal.options();
        let lsas =
            externals.into_iter().map(|(prefix, external)| (prefix, (options, body(prefix, &external)))).collect();
        without.extend(self.want_networks_of(Domain::As, LsaType::AS_EXTERNAL, lsas));
        for area in self.areas() {
            let lsas = self.nssa_lsas(area);
            without.extend(self.want_networks_of(Domain::Area(area), LsaType::NSSA, lsas));
        }
        for prefix in self.originations.note_unplaced(without) {
            self.event(Event::ExternalNotOriginated { prefix });
        }
    }

    /// Our Type-7 LSAs of an area; none if it is no NSSA.
    fn nssa_lsas(&self, area: AreaId) -> BTreeMap<Prefix, (Options, LsaBody)> {
        let AreaKind::Nssa(nssa) = self.config.area_kind(area) else { return BTreeMap::new() };
        let options = self.config.area_options(area);
        let mut lsas = BTreeMap::new();
        // RFC 3101 §2.7: the default route of a border router, which is not for others to translate.
        if let NssaConfig { summaries: Summaries::Imported, default_metric, .. } = nssa
            && self.border() != Border::Inside
        {
            let default = External { metric: *default_metric, forwarding: None, tag: 0 };
            lsas.insert(Prefix::DEFAULT, (options, body(Prefix::DEFAULT, &default)));
        }
        // RFC 3101 §2.4: "the P-bit must be clear" if the destination leaves as an AS-external-LSA of ours, too.
        let propagates = !self.takes_as_scope();
        let inside = self.forwarding_address(area);
        for (&prefix, external) in &self.config.externals {
            let forwarding = external.forwarding.or(inside.filter(|_| propagates));
            let external = External { forwarding, ..*external };
            // "If the P-bit is set the forwarding address must be non-zero".
            let propagated = propagates && forwarding.is_some();
            let options = if propagated { options.with(Options::NP) } else { options };
            lsas.insert(prefix, (options, body(prefix, &external)));
        }
        lsas
    }

    /// An address of this router in an NSSA: "one of the router's active OSPF interface addresses", one of the router's own by preference,
    /// which is there whatever interfaces do (RFC 3101 §2.3).
    fn forwarding_address(&self, area: AreaId) -> Option<Ipv4Addr> {
        let loopback = self.config.loopbacks.get(&area).and_then(|addresses| addresses.first().copied());
        let links = self.interfaces.values().filter(|interface| interface.config.area == area);
        let mut numbered = links.filter_map(|interface| match interface.link()?.addressing {
            Addressing::Numbered { address, .. } => Some(address),
            Addressing::Unnumbered(_) => None,
        });
        loopback.or_else(|| numbered.next())
    }
}

fn body(prefix: Prefix, external: &External) -> LsaBody {
    LsaBody::External(ExternalLsa {
        network_mask: prefix.netmask(),
        metric: external.metric,
        forwarding_address: external.forwarding.unwrap_or(Ipv4Addr::UNSPECIFIED),
        route_tag: external.tag,
    })
}
